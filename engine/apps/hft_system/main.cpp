// SPDX-License-Identifier: GPL-3.0-or-later
#include <atomic>
#include <csignal>
#include <cstdlib>
#include <filesystem>
#include <iostream>
#include <string>

#include "apps/command_line.hpp"
#include "apps/hft_system/api/api.hpp"
#include "apps/hft_system/api/audit_log.hpp"
#include "apps/hft_system/api/routes.hpp"
#include "apps/hft_system/application.hpp"
#include "io/http_server.hpp"
#include "io/sd_notify.hpp"

namespace {

using namespace hft;

// SIGUSR1 latches the kill switch with nothing but two stores, so that it works while every other part hangs.
std::atomic<std::atomic<bool>*> hot_killed{nullptr};
std::atomic<bool> kill_signalled{false};
static_assert(std::atomic<bool>::is_always_lock_free && std::atomic<std::atomic<bool>*>::is_always_lock_free);

extern "C" void latch_by_signal(int) {
    kill_signalled.store(true);
    if (std::atomic<bool>* killed = hot_killed.load(); killed != nullptr) killed->store(true);
}

// A line of state at least this often: a silent log and a log that is no longer written must look different.
constexpr Nanos kStateLine = 10 * kSecond;

// Main thread of a running engine: signals, watchdog, what systemd shows.
void supervise(Application& app, HttpServer& http, Log& log, AuditLog& audit, const sigset_t& signals) {
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
        if (kill_signalled.exchange(false)) app.kill_by_signal();
        if (caught == SIGHUP) {
            log.reopen();
            audit.reopen();
            ConfigErrors errors;
            http.reload_certificates(errors);
            for (const ConfigError& error : errors.all())
                log.write(LogLevel::error, "old certificate kept: " + error.pointer + ": " + error.text);
        }
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

// What the configuration cannot tell by itself: the tokens in the environment and the files it names.
Tokens check_api(const ApiConfig& api, ConfigErrors& errors) {
    std::vector<std::string> faults;
    Tokens tokens = Tokens::from_environment([](const char* name) -> const char* { return std::getenv(name); }, faults);
    for (const std::string& fault : faults) errors.add("/api", fault);
    if (tokens.empty() && faults.empty() && !api.listen.empty() && !api.loopback()) {
        errors.add("/api/listen", "expected a loopback address while there are no tokens, found \"" + api.listen +
                                      "\"; give API_TOKENS_READ, API_TOKENS_OPERATE or API_TOKENS_KILL in the environment");
    }
    if (api.tls && !api.tls->certificate.empty() && !api.tls->key.empty()) static_cast<void>(server_tls(*api.tls, "/api/tls", errors));
    return tokens;
}

int run(const EngineConfig& config, const std::string& path, const Tokens& tokens) {
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
    struct sigaction latch{};
    latch.sa_handler = latch_by_signal;
    latch.sa_flags = SA_RESTART;
    sigaction(SIGUSR1, &latch, nullptr);

    const char* password = std::getenv("DB_PASSWORD");
    if (password == nullptr) log.write(LogLevel::warning, "DB_PASSWORD is not in the environment; trying without a password");
    Application app(config, std::filesystem::absolute(path).string(), password == nullptr ? "" : password, HFT_VERSION, log);
    AuditLog audit(tokens, app.holder(), [&log](LogLevel level, const std::string& text) { log.write(level, text); });
    if (std::string error = audit.open(config.log_dir); !error.empty()) {
        log.write(LogLevel::error, "/engine/log_dir: " + error);
        return 1;
    }
    if (std::string error = app.start(); !error.empty()) {
        log.write(LogLevel::error, error);
        return 1;
    }
    hot_killed = &app.core().hot().killed;
    if (kill_signalled) app.core().hot().killed = true;  // it came before there was anything to stop
    HttpEndpoint api;
    api.address = config.api.listen;
    api.port = config.api.port;
    api.handler = [&](const HttpRequest& request) { return control_api(app, tokens, request); };
    api.limits.requests_per_s = config.api.requests_per_s;
    api.tls = config.api.tls;
    api.urgent = urgent;
    api.answered = [&](const HttpRequest& request, const HttpResponse& response) { audit.write(request, response); };
    HttpEndpoint metrics;
    metrics.address = config.metrics.listen;
    metrics.port = config.metrics.port;
    metrics.handler = [&](const HttpRequest& request) { return metrics_api(app, request); };
    if (!config.api.loopback() && !config.api.tls) log.write(LogLevel::warning, "/api/insecure: tokens cross the network in the clear");
    HttpServer http({std::move(api), std::move(metrics)}, refusal, 4);
    if (std::string error = http.start(); !error.empty()) {
        log.write(LogLevel::error, error);
        hot_killed = nullptr;
        return 1;
    }
    log.write(LogLevel::info, "hft_system " HFT_VERSION " started as " + app.holder());
    supervise(app, http, log, audit, signals);
    sd_notify("STOPPING=1\nSTATUS=draining");
    log.write(LogLevel::info, "stopping");
    app.shut_down();
    http.stop();
    log.write(LogLevel::info, "stopped");
    hot_killed = nullptr;
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
    hft::Tokens tokens;
    if (json.is_object()) tokens = check_api(config.api, errors);
    if (!errors.empty()) {
        std::cerr << errors.text();
        return 1;
    }
    if (line.validate) {
        std::cout << line.config << ": valid\n";
        return 0;
    }
    return run(config, line.config, tokens);
}
