// SPDX-License-Identifier: GPL-3.0-or-later
#include <atomic>
#include <csignal>
#include <iostream>
#include <string>
#include <thread>
#include <vector>

#include "apps/command_line.hpp"
#include "core/clock.hpp"
#include "io/log.hpp"
#include "io/sd_notify.hpp"
#include "io/venue_config.hpp"
#include "io/venue_server.hpp"

namespace {

using namespace hft;

int run(PaperVenueConfig config) {
    Log log("paper_venue");
    if (std::string error = log.open(config.log_dir); !error.empty()) {
        log.write(LogLevel::error, "/venue/log_dir: " + error);
        return 1;
    }
    config.server.log_path = config.log_dir + "/venue.jsonl";
    config.server.version = HFT_VERSION;

    // Blocked in every thread; this one waits for them.
    sigset_t signals;
    sigemptyset(&signals);
    for (const int s : {SIGTERM, SIGINT, SIGHUP}) sigaddset(&signals, s);
    pthread_sigmask(SIG_BLOCK, &signals, nullptr);

    VenueServer server(config.server, [&](const char* level, const std::string& text) { log.write(log_level(level), text); });
    if (std::string error = server.open(); !error.empty()) {
        log.write(LogLevel::error, error);
        return 1;
    }
    std::atomic<bool> stop{false};
    std::atomic<std::uint64_t> turns{0};
    std::thread loop([&] {
        while (!stop.load()) {
            server.turn();
            ++turns;
        }
    });
    log.write(LogLevel::info, "paper_venue " HFT_VERSION ": order entry on port " + std::to_string(server.order_port()) +
                                  ", market data on port " + std::to_string(server.market_data_port()));
    sd_notify("READY=1\nSTATUS=open");

    const Nanos watchdog = sd_watchdog_interval();
    const Nanos pause = watchdog > 0 ? watchdog / 3 : kSecond;
    const timespec wait{static_cast<time_t>(pause / kSecond), static_cast<long>(pause % kSecond)};
    std::uint64_t last = 0;
    for (;;) {
        const int caught = sigtimedwait(&signals, nullptr, &wait);
        if (caught == SIGTERM || caught == SIGINT) break;
        if (caught == SIGHUP) {
            log.reopen();
            server.reopen_log();
        }
        const std::uint64_t now = turns.load();
        if (watchdog > 0 && now != last) sd_notify("WATCHDOG=1");
        last = now;
    }
    sd_notify("STOPPING=1");
    stop = true;
    loop.join();
    log.write(LogLevel::info, "closed");
    return 0;
}

}  // namespace

int main(int argc, char** argv) {
    const hft::CommandLine line = hft::parse_command_line({argv + 1, argv + argc});
    if (!line.error.empty()) {
        std::cerr << "paper_venue: " << line.error << '\n';
        return 2;
    }
    if (line.version) {
        std::cout << "paper_venue " HFT_VERSION << '\n';
        return 0;
    }
    hft::ConfigErrors errors;
    const nlohmann::json json = hft::read_config_file(line.config, errors);
    hft::PaperVenueConfig config;
    if (errors.empty() || json.is_object()) config = hft::load_venue_config(json, errors);
    if (!errors.empty()) {
        std::cerr << errors.text();
        return 1;
    }
    if (line.validate) {
        std::cout << line.config << ": valid\n";
        return 0;
    }
    return run(std::move(config));
}
