// SPDX-License-Identifier: GPL-3.0-or-later
#include "io/strategy_library.hpp"

#include <dlfcn.h>
#include <elf.h>

#include <algorithm>
#include <array>
#include <cstring>
#include <filesystem>
#include <fstream>
#include <set>
#include <utility>

namespace hft {

namespace {

namespace fs = std::filesystem;
using Json = nlohmann::json;

constexpr std::size_t kMaxType = 32;

// Becomes a file name: no dot and no slash, so it cannot lead out of the directory.
bool is_type(const std::string& type) {
    return !type.empty() && type.size() <= kMaxType && std::all_of(type.begin(), type.end(), [](char c) {
        return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '_' || c == '-';
    });
}

std::string joined(const std::vector<std::string>& words, const char* separator) {
    std::string text;
    for (const std::string& word : words) text += (text.empty() ? "" : separator) + word;
    return text;
}

std::vector<std::string> types_in(const std::vector<std::string>& directories) {
    std::set<std::string> types;
    for (const std::string& directory : directories) {
        std::error_code ignored;
        for (const auto& entry : fs::directory_iterator(directory, ignored)) {
            if (entry.path().extension() == ".so") types.insert(entry.path().stem().string());
        }
    }
    return {types.begin(), types.end()};
}

// dlopen maps a file that was cut off, and the first look beyond its end kills the process: a half copied library must be
// found before. The section headers stand last in a shared object, so what has them whole is whole.
bool is_cut_off(const std::string& path) {
    std::ifstream in(path, std::ios::binary | std::ios::ate);
    const std::streamoff end = in.tellg();
    Elf64_Ehdr header{};
    in.seekg(0);
    if (!in.read(reinterpret_cast<char*>(&header), sizeof(header))) return true;
    if (std::memcmp(header.e_ident, ELFMAG, SELFMAG) != 0) return false;  // dlopen says what it is
    const auto size = static_cast<std::uint64_t>(end);
    const std::uint64_t sections = std::uint64_t{header.e_shentsize} * header.e_shnum;
    if (header.e_shoff > size || sections > size - header.e_shoff) return true;
    for (std::uint16_t i = 0; i < header.e_phnum; ++i) {
        Elf64_Phdr segment{};
        in.seekg(static_cast<std::streamoff>(header.e_phoff + std::uint64_t{i} * header.e_phentsize));
        if (!in.read(reinterpret_cast<char*>(&segment), sizeof(segment))) return true;
        if (segment.p_type == PT_LOAD && (segment.p_offset > size || segment.p_filesz > size - segment.p_offset)) return true;
    }
    return false;
}

std::string last_dl_error() {
    const char* text = ::dlerror();
    return text == nullptr ? "no reason given" : text;
}

// Names of the present problem by pointer, from the library to the list of errors.
struct Reported {
    std::string base;
    ConfigErrors* errors;
};
void report(void* context, const char* pointer, const char* text) noexcept {
    const auto& reported = *static_cast<Reported*>(context);
    reported.errors->add(reported.base + pointer, text);
}

}  // namespace

// The two directions between the C++ of the hot thread and the C of a library.
class LibraryStrategy final : public Strategy {
public:
    explicit LibraryStrategy(std::shared_ptr<StrategyLibrary> library) : library_(std::move(library)) {
        host_.size = sizeof(hft_host);
        host_.context = this;
        host_.place = [](void* context, std::uint8_t leg, std::uint8_t side, std::int64_t price, std::int64_t quantity) noexcept {
            OrderActions* actions = self(context).actions_;
            if (actions == nullptr || side > HFT_SELL) return 0;
            return actions->place(leg, static_cast<Side>(side), price, quantity) ? 1 : 0;
        };
        host_.cancel_all = [](void* context) noexcept {
            if (OrderActions* actions = self(context).actions_; actions != nullptr) actions->cancel_all();
        };
        host_.position = [](void* context) noexcept {
            const OrderActions* actions = self(context).actions_;
            return actions == nullptr ? std::int64_t{0} : actions->position();
        };
        host_.max_position = [](void* context) noexcept {
            const OrderActions* actions = self(context).actions_;
            return actions == nullptr ? std::int64_t{0} : actions->max_position();
        };
        host_.open_orders = [](void* context) noexcept {
            const OrderActions* actions = self(context).actions_;
            return actions == nullptr ? std::uint32_t{0} : actions->open_orders();
        };
    }
    ~LibraryStrategy() override {
        if (self_ != nullptr) library_->destroy_(self_);
    }
    LibraryStrategy(const LibraryStrategy&) = delete;
    LibraryStrategy& operator=(const LibraryStrategy&) = delete;

    [[nodiscard]] std::string create(const std::string& parameters) {
        std::array<char, 512> error{};
        self_ = library_->create_(parameters.c_str(), &host_, error.data(), error.size());
        if (self_ != nullptr) return {};
        error.back() = '\0';
        return library_->path() + ": the strategy could not be made: " + error.data();
    }
    HFT_HOT void on_tick(const Tick& tick, OrderActions& actions) noexcept override {
        actions_ = &actions;
        const hft_tick message{tick.number, tick.bid, tick.ask, tick.bid_quantity, tick.ask_quantity, tick.venue_ns};
        library_->on_tick_(self_, &message);
    }
    HFT_HOT void on_fill(const Fill& fill, Quantity position) noexcept override {
        if (library_->on_fill_ == nullptr) return;
        const hft_fill message{fill.fill_id, fill.intent.tick, fill.intent.leg, static_cast<std::uint8_t>(fill.side),
                               fill.price,   fill.quantity,    position};
        library_->on_fill_(self_, &message);
    }

private:
    static LibraryStrategy& self(void* context) noexcept { return *static_cast<LibraryStrategy*>(context); }

    std::shared_ptr<StrategyLibrary> library_;
    hft_host host_{};
    OrderActions* actions_ = nullptr;
    hft_strategy* self_ = nullptr;
};

StrategyLibrary::~StrategyLibrary() { ::dlclose(handle_); }

std::shared_ptr<StrategyLibrary> StrategyLibrary::open(const std::vector<std::string>& directories, const std::string& type,
                                                       std::string& error) {
    if (!is_type(type)) {
        error = "expected 1 to " + std::to_string(kMaxType) + " letters, digits, '_' or '-', found " + excerpt(Json(type));
        return nullptr;
    }
    std::string path;
    for (const std::string& directory : directories) {
        std::error_code ignored;
        path = directory + "/" + type + ".so";
        if (fs::exists(path, ignored)) break;
        path.clear();
    }
    if (path.empty()) {
        const std::vector<std::string> known = types_in(directories);
        const std::string near = nearest(type, known);
        error = "no " + type + ".so in " + joined(directories, " or ") + "; " +
                (near.empty() ? (known.empty() ? "there is no strategy library at all" : "found there: " + joined(known, ", "))
                              : "nearest is \"" + near + "\"");
        return nullptr;
    }
    if (is_cut_off(path)) {
        error = path + ": cannot be loaded: the file ends too early; copy it anew under another name and rename it into place";
        return nullptr;
    }
    // Local: two libraries may use the same names. Now: a symbol it lacks is an error here, not a crash while trading.
    void* handle = ::dlopen(path.c_str(), RTLD_NOW | RTLD_LOCAL);
    if (handle == nullptr) {
        error = path + ": cannot be loaded: " + last_dl_error() + "; build it anew for this machine";
        return nullptr;
    }
    std::shared_ptr<StrategyLibrary> library(new StrategyLibrary(path, handle));
    error = library->resolve();
    return error.empty() ? library : nullptr;
}

std::string StrategyLibrary::resolve() {
    std::vector<std::string> missing;
    const auto find = [&](auto& function, const char* name, bool required = true) {
        function = reinterpret_cast<std::remove_reference_t<decltype(function)>>(::dlsym(handle_, name));
        if (function == nullptr && required) missing.emplace_back(name);
    };
    decltype(&hft_strategy_abi) abi = nullptr;
    find(abi, "hft_strategy_abi");
    // First: a library of another ABI may lack the rest with good reason.
    if (abi != nullptr && abi() != HFT_STRATEGY_ABI) {
        return path_ + ": made for strategy ABI " + std::to_string(abi()) + ", this engine has " + std::to_string(HFT_STRATEGY_ABI) +
               "; build it anew with this release's include/hft_strategy.h";
    }
    find(validate_, "hft_strategy_validate");
    find(create_, "hft_strategy_create");
    find(on_tick_, "hft_strategy_on_tick");
    find(destroy_, "hft_strategy_destroy");
    find(on_fill_, "hft_strategy_on_fill", false);
    if (missing.empty()) return {};
    return path_ + ": not a strategy library, it does not export " + joined(missing, ", ") + "; see include/hft_strategy.h";
}

void StrategyLibrary::validate(const Json& parameters, const RiskLimits& limits, const std::string& pointer, ConfigErrors& errors) const {
    const hft_limits seen{limits.max_position, limits.max_notional, limits.max_open_orders, limits.max_order_rate_per_s};
    Reported reported{pointer, &errors};
    const std::string text = parameters.dump(-1, ' ', true, Json::error_handler_t::replace);
    validate_(text.c_str(), &seen, report, &reported);
}

std::unique_ptr<Strategy> StrategyLibrary::create(const Json& parameters, std::string& error) {
    auto strategy = std::make_unique<LibraryStrategy>(shared_from_this());
    error = strategy->create(parameters.dump(-1, ' ', true, Json::error_handler_t::replace));
    if (!error.empty()) return nullptr;
    return strategy;
}

std::string release_strategies_dir() {
    std::error_code failed;
    const fs::path program = fs::read_symlink("/proc/self/exe", failed);
    if (failed) return "lib/strategies";
    const fs::path installed = program.parent_path().parent_path() / "lib/strategies";
    // In a build tree the program stands at the top.
    const fs::path built = program.parent_path() / "lib/strategies";
    return !fs::exists(installed, failed) && fs::exists(built, failed) ? built.string() : installed.string();
}

}  // namespace hft
