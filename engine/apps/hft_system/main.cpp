// SPDX-License-Identifier: GPL-3.0-or-later
#include <csignal>
#include <cstdlib>
#include <filesystem>
#include <iostream>
#include <string>

#include "apps/command_line.hpp"
#include "apps/hft_system/api/api.hpp"
#include "apps/hft_system/application.hpp"
#include "io/http_server.hpp"
#include "io/sd_notify.hpp"

namespace {

using namespace hft;

// A line of state at least this often: a silent log and a log that is no longer written must look different.
constexpr Nanos kStateLine = 10 * kSecond;

// Main thread of a running engine: signals, watchdog, what systemd shows.
void supervise(Application& app, Log& log, const sigset_t& signals) {
    const Nanos watchdog = sd_watchdog_interval();
    const timespec wait{0, static_cast<long>(watchdog > 0 ? std::min<Nanos>(100 * kMillisecond, watchdog / 4) : 100 * kMillisecond)};
    bool ready = false;
    std::string shown;
    Nanos told = 0;
    const Nanos started = boot_ns();
    const Nanos patience = static_cast<Nanos>(app.config().database.connect_timeout_ms) * kMillisecond + kSecond;
    for (;;) {
        const int caught = sigtimedwait(&signals, nullptr, &wait);
        if (caught == SIGTERM || caught == SIGINT) break;
        if (caught == SIGHUP) log.reopen();
        app.watch();
        const bool known = app.lease_state_known();
        if (!ready && (known || boot_ns() - started > patience)) {
            ready = true;
            sd_notify("READY=1");
            log.write(LogLevel::info, known ? "ready as standby" : "ready as standby without a database: the lease state is not known");
        }
        std::string status = app.keeper().primary() ? "primary" : "standby";
        if (app.core().hot().killed.load()) status += ", kill switch latched";
        if (!known) status += ", no database: the lease state is not known";
        if (!app.venues_up()) status += ", venue not connected";
        if (status != shown) sd_notify("STATUS=" + status);
        if (status != shown || boot_ns() - told >= kStateLine) {
            log.write(LogLevel::info, "state: " + status);
            told = boot_ns();
        }
        shown = status;
        if (watchdog > 0 && app.hot_loop_moves()) sd_notify("WATCHDOG=1");
    }
}

int run(const EngineConfig& config, const std::string& path) {
    Log log("hft_system");
    if (std::string error = log.open(config.log_dir); !error.empty()) {
        log.write(LogLevel::error, "/engine/log_dir: " + error);
        return 1;
    }
    // Blocked before any thread starts, so that only supervise() sees them.
    sigset_t signals;
    sigemptyset(&signals);
    for (const int s : {SIGTERM, SIGINT, SIGHUP}) sigaddset(&signals, s);
    pthread_sigmask(SIG_BLOCK, &signals, nullptr);
    std::signal(SIGPIPE, SIG_IGN);

    const char* password = std::getenv("DB_PASSWORD");
    if (password == nullptr) log.write(LogLevel::warning, "DB_PASSWORD is not in the environment; trying without a password");
    const std::string config_dir = std::filesystem::absolute(path).parent_path().string();
    Application app(config, config_dir, password == nullptr ? "" : password, HFT_VERSION, log);
    if (std::string error = app.start(); !error.empty()) {
        log.write(LogLevel::error, error);
        return 1;
    }
    HttpServer http({{config.api.listen, config.api.port, [&](const HttpRequest& request) { return control_api(app, request); }},
                     {config.metrics.listen, config.metrics.port, [&](const HttpRequest& request) { return metrics_api(app, request); }}},
                    refusal, 4);
    if (std::string error = http.start(); !error.empty()) {
        log.write(LogLevel::error, error);
        return 1;
    }
    log.write(LogLevel::info, "hft_system " HFT_VERSION " started as " + app.holder());
    supervise(app, log, signals);
    sd_notify("STOPPING=1\nSTATUS=draining");
    log.write(LogLevel::info, "stopping");
    app.shut_down();
    http.stop();
    log.write(LogLevel::info, "stopped");
    return 0;
}

}  // namespace

int main(int argc, char** argv) {
    const hft::CommandLine line = hft::parse_command_line({argv + 1, argv + argc});
    if (!line.error.empty()) {
        std::cerr << "hft_system: " << line.error << '\n';
        return 2;
    }
    if (line.version) {
        std::cout << "hft_system " HFT_VERSION << '\n';
        return 0;
    }
    hft::ConfigErrors errors;
    const nlohmann::json json = hft::read_config_file(line.config, errors);
    hft::EngineConfig config;
    if (errors.empty() || json.is_object()) config = hft::load_engine_config(json, errors);
    if (!errors.empty()) {
        std::cerr << errors.text();
        return 1;
    }
    if (line.validate) {
        std::cout << line.config << ": valid\n";
        return 0;
    }
    return run(config, line.config);
}
