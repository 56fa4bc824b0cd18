// SPDX-License-Identifier: GPL-3.0-or-later
#include "apps/hft_ctl/commands.hpp"

#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <csignal>
#include <cstring>
#include <iomanip>
#include <iostream>

#include "apps/hft_system/kill_switch.hpp"

namespace hft::ctl {

namespace {

using Json = nlohmann::json;

constexpr Nanos kPatience = 2 * kSecond;
// A change of role drains orders and writes rows; flatten works an order book.
constexpr Nanos kWork = 60 * kSecond;

std::string kill_file(const Engine& engine) { return engine.data_dir + "/killswitch.json"; }

std::string process_text(const Engine& engine) {
    const pid_t pid = engine.pid();
    return pid == 0 ? "no engine runs on " + engine.data_dir : "the engine runs (pid " + std::to_string(pid) + ")";
}

std::string detail_of(const HttpAnswer& answer) {
    const Json json = Json::parse(answer.body, nullptr, false);
    const bool said = json.is_object() && json.contains("detail") && json["detail"].is_string();
    return std::to_string(answer.status) + " " + (said ? json["detail"].get<std::string>() : "without a reason");
}

// For commands that only the API can carry out.
int not_done(const Engine& engine, const HttpAnswer& answer, const std::string& what) {
    if (answer.status == 0) {
        std::cout << what << ": NOT DONE. The API does not answer: " << answer.error << "; " << process_text(engine)
                  << ".\nNext: if it must not trade on, hft_ctl kill REASON (works without the API).\n";
        return no_answer;
    }
    std::cout << what << ": REFUSED: " << detail_of(answer) << ".\nNext: hft_ctl status; if it must not trade on, hft_ctl kill REASON.\n";
    return refused;
}

void print_strategy(const Json& one) {
    std::cout << "strategy " << one.at("id").get<std::string>() << ": " << one.at("state").get<std::string>()
              << (one.at("trading").get<bool>() ? ", TRADING" : ", not trading") << (one.at("killed").get<bool>() ? ", ROW KILLED" : "");
    if (one.contains("halt_reason")) std::cout << " (" << one.at("halt_reason").get<std::string>() << ")";
    std::cout << "; holder " << (one.at("holder").is_null() ? "nobody" : one.at("holder").get<std::string>()) << ", epoch "
              << one.at("epoch").get<std::uint64_t>() << ", lease " << std::fixed << std::setprecision(1)
              << one.at("lease_seconds_left").get<double>() << " s; position " << std::setprecision(6) << one.at("position").get<double>()
              << ", open orders " << one.at("open_orders").get<std::uint64_t>() << ", day " << std::setprecision(2)
              << one.at("performance").at("daily_pnl_usd").get<double>() << " USD\n";
}

void print_status(const Json& json) {
    std::cout << "engine " << json.at("engine").get<std::string>() << " " << json.at("version").get<std::string>() << ": "
              << json.at("role").get<std::string>() << ", trading " << (json.at("trading_enabled").get<bool>() ? "enabled" : "disabled")
              << ", kill switch " << (json.at("killswitch").get<bool>() ? "LATCHED" : "off") << "\n";
    for (const Json& one : json.at("strategies")) print_strategy(one);
    for (const Json& venue : json.at("exchanges")) {
        std::cout << "venue " << venue.at("name").get<std::string>() << ": " << venue.at("status").get<std::string>() << "\n";
    }
    const Json& database = json.at("database");
    std::cout << "database: " << (database.at("connected").get<bool>() ? "connected" : "NOT CONNECTED") << ", "
              << json.at("lag").at("queue_depth").get<std::uint64_t>() << " records wait for it\n";
}

// Root at the console, the service's own user at the next start: it must be able to read what was written for it.
void give_to_engine(const Engine& engine) {
    struct stat owner{};
    if (::geteuid() == 0 && ::stat(engine.data_dir.c_str(), &owner) == 0 &&
        ::chown(kill_file(engine).c_str(), owner.st_uid, owner.st_gid) != 0) {
        std::cout << kill_file(engine) << ": could not be given to its owner: " << std::strerror(errno) << "\n";
    }
}

int kill_without_api(const Engine& engine, const Arguments& arguments) {
    KillSwitch latch(kill_file(engine));
    latch.load();
    const std::string error = latch.latch(arguments.reason);
    if (error.empty()) {
        give_to_engine(engine);
        std::cout << "kill flag written: " << kill_file(engine) << "; a restart stays stopped.\n";
    } else {
        std::cout << "kill flag NOT WRITTEN: " << error << "\n";
    }
    const pid_t pid = engine.pid();
    if (pid == 0) {
        std::cout << "no engine runs on " << engine.data_dir << ": nothing to signal.\n";
        return error.empty() ? done : refused;
    }
    if (::kill(pid, SIGUSR1) != 0) {
        std::cout << "signal to pid " << pid << " FAILED: " << std::strerror(errno)
                  << ".\nNext: run this as root, or: systemctl kill -s KILL hft_system\n";
        return error.empty() ? in_part : refused;
    }
    std::cout << "SIGUSR1 sent to pid " << pid << ": all strategies stop and cancel within one turn of the hot loop.\n"
              << "Next: look at the venue's open orders. If it does not obey: systemctl kill -s KILL hft_system\n";
    return error.empty() ? done : in_part;
}

}  // namespace

int status(const Engine& engine, const Arguments&) {
    const HttpAnswer answer = engine.ask(engine.read_token, "GET", "/api/v1/status", nullptr, kPatience);
    if (answer.status == 200) {
        try {
            print_status(Json::parse(answer.body));
            return done;
        } catch (const Json::exception& fault) {
            std::cout << "status is not understood: " << fault.what() << "\n";
            return refused;
        }
    }
    if (answer.status != 0) {
        std::cout << "status REFUSED: " << detail_of(answer) << ".\n";
        return refused;
    }
    KillSwitch latch(kill_file(engine));
    latch.load();
    std::cout << "the API does not answer: " << answer.error << "; " << process_text(engine) << "; the kill flag is "
              << (latch.state().latched ? "LATCHED: " + latch.state().reason : "not set")
              << ".\nNext: journalctl -u hft_system -n 50; to stop trading: hft_ctl kill REASON (works without the API).\n";
    return no_answer;
}

int kill(const Engine& engine, const Arguments& arguments) {
    Json body = {{"reason", arguments.reason}};
    if (!arguments.strategy.empty()) body["strategy"] = arguments.strategy;
    const HttpAnswer answer = engine.ask(engine.kill_token, "POST", "/api/v1/killswitch", body, kPatience);
    if (answer.status == 200) {
        std::cout << "kill switch latched" << (arguments.strategy.empty() ? "" : " for " + arguments.strategy)
                  << " by the engine; orders are being cancelled, a restart stays stopped.\n"
                  << "Next: hft_ctl status; look at the venue's open orders.\n";
        return done;
    }
    if (answer.status == 404 && !arguments.strategy.empty()) {
        std::cout << "kill REFUSED: " << detail_of(answer) << ".\nNext: hft_ctl status names the strategies.\n";
        return refused;
    }
    std::cout << "the API " << (answer.status == 0 ? "does not answer: " + answer.error : "said " + detail_of(answer))
              << "; stopping everything without it.\n";
    return kill_without_api(engine, arguments);
}

int flatten(const Engine& engine, const Arguments& arguments) {
    Json body = {{"reason", arguments.reason}, {"wait_s", 30}};
    if (!arguments.strategy.empty()) body["strategies"] = Json::array({arguments.strategy});
    const HttpAnswer answer = engine.ask(engine.operate_token, "POST", "/api/v1/flatten", body, kWork);
    if (answer.status == 202) {
        std::cout << "flatten: under way, NOT YET FLAT after 30 s.\nNext: hft_ctl status until every position is 0; look at the venue.\n";
        return in_part;
    }
    if (answer.status != 200) return not_done(engine, answer, "flatten");
    std::cout << "flat: nothing is open, every position is 0, the strategies are stopped.\nNext: hft_ctl standby.\n";
    return done;
}

int standby(const Engine& engine, const Arguments&) {
    const HttpAnswer answer =
        engine.ask(engine.operate_token, "PUT", "/api/v1/config", {{"role", "standby"}, {"trading_enabled", false}}, kWork);
    if (answer.status != 200) return not_done(engine, answer, "standby");
    std::cout << "standby: trading is disabled, open orders are cancelled, the leases are given back.\n"
              << "Next: another engine may take them; hft_ctl status shows who holds what.\n";
    return done;
}

}  // namespace hft::ctl
