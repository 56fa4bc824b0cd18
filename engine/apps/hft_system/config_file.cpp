// SPDX-License-Identifier: GPL-3.0-or-later
#include "apps/hft_system/config_file.hpp"

#include <algorithm>
#include <array>
#include <fstream>
#include <optional>
#include <set>
#include <sstream>

#include "core/utc.hpp"
#include "io/digest.hpp"
#include "io/engine_config.hpp"

namespace hft {

namespace {

using Json = nlohmann::json;

// What a strategy can change while it runs; everything else is built into threads, sockets or leases at the start.
constexpr std::array<std::string_view, 3> kReloadable{"limits", "parameters", "paper_trading"};

// The place of the strategy in the list, of a pointer like /strategies/2/limits/max_position.
std::optional<std::size_t> reloadable_strategy(const std::string& pointer, const Json& running, const Json& file) {
    const Json::json_pointer whole(pointer);
    Json::json_pointer at = whole;
    std::vector<std::string> parts;
    for (; !at.empty(); at.pop_back()) parts.insert(parts.begin(), at.back());
    if (parts.size() < 3 || parts[0] != "strategies") return std::nullopt;
    if (std::find(kReloadable.begin(), kReloadable.end(), parts[2]) == kReloadable.end()) return std::nullopt;
    const auto i = static_cast<std::size_t>(std::stoul(parts[1]));
    const Json& here = running["strategies"];
    const Json& there = file["strategies"];
    // A strategy that came, went or moved in the list is another matter.
    if (i >= here.size() || i >= there.size() || here[i]["id"] != there[i]["id"]) return std::nullopt;
    return i;
}

std::string content(const std::string& path) {
    std::ifstream in(path, std::ios::binary);
    std::ostringstream text;
    text << in.rdbuf();
    return in ? text.str() : "";
}

// Pointers of the values that are not the same on both sides, or on one side only.
std::set<std::string> differences(const Json& a, const Json& b) {
    const Json left = a.flatten();
    const Json right = b.flatten();
    std::set<std::string> found;
    for (const auto& [pointer, value] : left.items()) {
        if (!right.contains(pointer) || right[pointer] != value) found.insert(pointer);
    }
    for (const auto& [pointer, value] : right.items()) {
        if (!left.contains(pointer)) found.insert(pointer);
    }
    return found;
}

}  // namespace

ConfigFile::ConfigFile(std::string path, Json running)
    : path_(std::move(path)), running_(std::move(running)), loaded_sha256_(hex(digest(content(path_)))), loaded_at_(utc()) {}

ConfigCheck ConfigFile::check() const {
    ConfigCheck check;
    const std::string text = content(path_);
    if (!text.empty()) check.sha256 = hex(digest(text));
    const Json json = read_config_file(path_, check.errors);
    if (!json.is_object()) {
        if (check.errors.empty()) check.errors.add("", path_ + ": expected an object");
        return check;
    }
    const EngineConfig config = load_engine_config(json, check.errors);
    if (!check.errors.empty()) return check;
    check.json = config.json();
    const Json now = running();
    for (const std::string& pointer : differences(now, check.json)) {
        const std::optional<std::size_t> strategy = reloadable_strategy(pointer, now, check.json);
        (strategy ? check.reload : check.restart).push_back(pointer);
        if (!strategy) continue;
        const Json& from = now["strategies"][*strategy];
        const Json& to = check.json["strategies"][*strategy];
        Json& change = check.changes[to["id"].get<std::string>()];
        for (const std::string_view key : kReloadable) {
            const std::string name(key);
            if (from[name] == to[name]) continue;
            change[name] = to[name];
            // A merge patch keeps what it does not name: what left the file is taken out by name.
            if (!from[name].is_object()) continue;
            for (const auto& [member, value] : from[name].items()) {
                if (!to[name].contains(member)) change[name][member] = nullptr;
            }
        }
    }
    return check;
}

void ConfigFile::taken_up(const ConfigCheck& check) {
    const std::lock_guard lock(mutex_);
    for (Json& strategy : running_["strategies"]) {
        const auto change = check.changes.find(strategy["id"].get<std::string>());
        if (change != check.changes.end()) strategy.merge_patch(change->second);
    }
    loaded_sha256_ = check.sha256;
    loaded_at_ = utc();
}

Json ConfigFile::running() const {
    const std::lock_guard lock(mutex_);
    return running_;
}

std::string ConfigFile::loaded_sha256() const {
    const std::lock_guard lock(mutex_);
    return loaded_sha256_;
}

std::string ConfigFile::loaded_at() const {
    const std::lock_guard lock(mutex_);
    return loaded_at_;
}

}  // namespace hft
