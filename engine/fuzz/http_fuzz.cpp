// SPDX-License-Identifier: GPL-3.0-or-later
// Any request at every handler of the control API: a first line "METHOD TARGET", then the body. The engine behind it is whole, without
// a database and without a venue. Every answer has a status of openapi.yaml and a body of its type; a handler that throws has crashed.
#include <fcntl.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <memory>
#include <nlohmann/json.hpp>
#include <string>

#include "apps/hft_system/api/api.hpp"

namespace {

using namespace hft;
using Json = nlohmann::json;

std::string home() {
    std::string pattern = (std::filesystem::temp_directory_path() / "hft-http-fuzz-XXXXXX").string();
    if (::mkdtemp(pattern.data()) == nullptr) std::abort();
    return pattern;
}

class Engine {
public:
    Engine() : home_(home()), log_("fuzz") {
        // Each report is a line there; what counts here comes on standard error.
        if (::dup2(::open("/dev/null", O_WRONLY | O_CLOEXEC), STDOUT_FILENO) < 0) std::abort();
        ConfigErrors errors;
        Json json = read_config_file(HFT_ENGINE_DIR "/config/production.json.example", errors);
        json["engine"]["data_dir"] = home_.string();
        json["engine"]["log_dir"] = home_.string();
        json["engine"]["strategies_dir"] = HFT_STRATEGIES_DIR;
        json["api"] = {{"listen", "127.0.0.1"}, {"port", 8080}};  // never opened
        json["database"]["hosts"] = {"127.0.0.1"};
        json["database"]["port"] = 1;
        json["database"]["queue_records"] = 16384;
        json["venues"][0]["host"] = "127.0.0.1";
        json["venues"][0]["order_port"] = 1;
        json["venues"][0]["market_data_port"] = 2;
        const std::string path = (home_ / "production.json").string();
        std::ofstream(path) << json.dump();
        const EngineConfig config = load_engine_config(json, errors);
        if (!errors.empty()) fail("the configuration: " + errors.one_line());
        app_ = std::make_unique<Application>(config, path, "", "fuzz", log_);
        if (const std::string error = app_->start(); !error.empty()) fail(error);
    }
    ~Engine() {
        app_.reset();
        std::filesystem::remove_all(home_);
    }
    Engine(const Engine&) = delete;
    Engine& operator=(const Engine&) = delete;

    Application& app() {
        // Handlers that would wait for a lease or a drain answer at once so.
        app_->core().hot().killed = true;
        return *app_;
    }
    [[noreturn]] static void fail(const std::string& why) {
        const std::string line = why + "\n";
        if (::write(STDERR_FILENO, line.data(), line.size()) < 0) std::abort();
        std::abort();
    }

private:
    std::filesystem::path home_;
    Log log_;
    std::unique_ptr<Application> app_;
};

// What openapi.yaml lists for handlers; 500 is left to the one that could not write the kill switch's file.
constexpr std::array<unsigned, 8> kStatuses{200, 201, 202, 400, 404, 405, 409, 503};

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    static Engine engine;
    const std::string text(reinterpret_cast<const char*>(data), size);
    const std::size_t line = std::min(text.find('\n'), text.size());
    const std::size_t blank = std::min(text.find(' '), line);
    HttpRequest request;
    request.method = text.substr(0, blank);
    request.target = blank < line ? text.substr(blank + 1, line - blank - 1) : "";
    request.body = line < text.size() ? text.substr(line + 1) : "";
    request.client = "127.0.0.1";
    const HttpResponse response = control_api(engine.app(), Tokens{}, request);
    if (std::find(kStatuses.begin(), kStatuses.end(), response.status) == kStatuses.end())
        Engine::fail("status " + std::to_string(response.status));
    if (response.content_type.find("json") != std::string::npos && !response.body.empty() && !Json::accept(response.body))
        Engine::fail("not JSON: " + response.body);
    (void)metrics_api(engine.app(), request);
    return 0;
}
