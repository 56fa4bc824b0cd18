// SPDX-License-Identifier: GPL-3.0-or-later
#include "apps/hft_system/api.hpp"

#include <algorithm>
#include <chrono>
#include <functional>
#include <nlohmann/json.hpp>
#include <optional>
#include <thread>

#include "apps/hft_system/metrics_page.hpp"

namespace hft {

namespace {

using Json = nlohmann::json;

constexpr std::size_t kMaxReason = 200;
constexpr const char* kStrategies = "/api/v1/strategies/";

const char* title_of(unsigned status) {
    switch (status) {
        case 400:
            return "Bad Request";
        case 404:
            return "Not Found";
        case 405:
            return "Method Not Allowed";
        case 409:
            return "Conflict";
        case 413:
            return "Content Too Large";
        case 431:
            return "Request Header Fields Too Large";
        case 503:
            return "Service Unavailable";
        default:
            return "Internal Server Error";
    }
}

HttpResponse json_response(const Json& body, unsigned status = 200) {
    return {status, "application/json", body.dump(-1, ' ', false, Json::error_handler_t::replace) + "\n", {}};
}

HttpResponse problem(unsigned status, const std::string& detail, Json extra = Json::object()) {
    extra["type"] = "about:blank";
    extra["title"] = title_of(status);
    extra["status"] = status;
    extra["detail"] = detail;
    HttpResponse response = json_response(extra, status);
    response.content_type = "application/problem+json";
    return response;
}

HttpResponse not_allowed(const std::string& allow) {
    HttpResponse response = problem(405, "expected " + allow);
    response.allow = allow;
    return response;
}

HttpResponse problem_of(const RoleAnswer& answer) {
    Json extra = Json::object();
    if (!answer.strategy.empty()) extra["strategy"] = answer.strategy;
    if (!answer.holder.empty()) extra["holder"] = answer.holder;
    return problem(answer.outcome == RoleOutcome::conflict ? 409 : 503, answer.detail, extra);
}

// What the hot thread does at its next turn is seen by the caller of the request that asked for it.
bool soon(const std::function<bool()>& condition) {
    for (const Nanos end = boot_ns() + kSecond; boot_ns() < end;) {
        if (condition()) return true;
        std::this_thread::sleep_for(std::chrono::milliseconds(1));
    }
    return condition();
}

Json strategy_json(Application& app, std::size_t i, const std::vector<LeaseSnapshot>& rows) {
    const StrategyConfig& config = app.config().strategies[i];
    StrategyView& view = app.core().view(i);
    HotView& hot = app.core().hot();
    const LeaseSnapshot& row = rows[i];
    const RiskCheck halted = view.halted.load();
    const Nanos now = boot_ns();
    const double left = static_cast<double>(std::max<Nanos>(0, view.right_until.load() - now)) / 1e9;
    const bool venue_up = app.core().venue_up(app.config().venue_index(config.venue));
    const bool trading = view.running.load() && view.active.load() && left > 0 && hot.enabled.load() && !hot.killed.load() && venue_up &&
                         !hot.queue_full.load();
    Json json = {{"id", config.id},
                 {"type", config.type},
                 {"venue", config.venue},
                 {"symbol", config.symbol},
                 {"state", halted != RiskCheck::none ? "halted" : (view.running.load() ? "running" : "stopped")},
                 {"trading", trading},
                 {"holder", row.holder.empty() ? Json(nullptr) : Json(row.holder)},
                 {"epoch", row.epoch},
                 {"killed", row.killed},
                 {"lease_seconds_left", left},
                 {"open_orders", view.open_orders.load()},
                 {"position", to_double(view.position.load())},
                 {"performance",
                  {{"daily_pnl_usd", view.daily_pnl.load()},
                   {"realised_pnl_usd", view.realised_pnl.load()},
                   {"orders", view.orders[static_cast<std::size_t>(OrderStatus::sent)].load()},
                   {"fills", view.fills.load()}}}};
    if (halted != RiskCheck::none) json["halt_reason"] = to_text(halted);
    return json;
}

Json strategies_json(Application& app) {
    Json list = Json::array();
    const auto rows = app.keeper().snapshot();
    for (std::size_t i = 0; i < app.config().strategies.size(); ++i) list.push_back(strategy_json(app, i, rows));
    return list;
}

const char* role(Application& app) { return app.keeper().primary() ? "primary" : "standby"; }

Json venue_faults(Application& app) {
    Json faults = Json::array();
    for (std::size_t i = 0; i < app.config().venues.size(); ++i) {
        if (!app.core().venue_up(i)) faults.push_back("venue " + app.config().venues[i].name + " is not connected");
    }
    return faults;
}

Json faults(Application& app) {
    Json reasons = venue_faults(app);
    if (!app.hot_loop_moves()) reasons.push_back("the hot loop stands still");
    if (!app.writer().connected()) reasons.push_back("no database takes facts");
    if (!app.keeper().connected()) reasons.push_back("no database for the lease");
    if (app.keeper().connected() && !app.keeper().rows_known()) reasons.push_back("the lease rows are not known");
    if (app.core().hot().queue_full.load()) reasons.push_back("the persistence queue is full");
    return reasons;
}

HttpResponse probe(const Json& reasons) {
    return json_response({{"status", reasons.empty() ? "ok" : "failing"}, {"reasons", reasons}}, reasons.empty() ? 200 : 503);
}

HttpResponse liveness(Application& app) {
    Json reasons = Json::array();
    if (!app.hot_loop_moves()) reasons.push_back("the hot loop stands still");
    return probe(reasons);
}

HttpResponse health(Application& app) {
    const Json reasons = faults(app);
    return json_response({{"health", reasons.empty() ? "healthy" : "failing"}, {"reasons", reasons}}, reasons.empty() ? 200 : 503);
}

HttpResponse status(Application& app) {
    Json exchanges = Json::array();
    for (std::size_t i = 0; i < app.config().venues.size(); ++i) {
        exchanges.push_back({{"name", app.config().venues[i].name}, {"status", app.core().venue_up(i) ? "connected" : "disconnected"}});
    }
    const std::string host = app.store().host();
    return json_response(
        {{"role", role(app)},
         {"version", app.version()},
         {"engine", app.config().name},
         {"holder", app.holder()},
         {"trading_enabled", app.core().hot().enabled.load()},
         {"killswitch", app.core().hot().killed.load()},
         {"strategies", strategies_json(app)},
         {"exchanges", exchanges},
         {"database",
          {{"connected", app.writer().connected() && app.keeper().connected()}, {"host", host.empty() ? Json(nullptr) : Json(host)}}},
         {"lag", {{"queue_depth", app.writer().depth()}, {"oldest_ms", static_cast<double>(app.writer().oldest_ns()) / 1e6}}},
         {"uptime_seconds", static_cast<double>(boot_ns() - app.started()) / 1e9}});
}

HttpResponse positions(Application& app) {
    Json list = Json::array();
    for (std::size_t i = 0; i < app.config().strategies.size(); ++i) {
        StrategyView& view = app.core().view(i);
        list.push_back({{"strategy", app.config().strategies[i].id},
                        {"symbol", app.config().strategies[i].symbol},
                        {"quantity", to_double(view.position.load())},
                        {"average_price", view.average_price.load()},
                        {"daily_pnl_usd", view.daily_pnl.load()}});
    }
    return json_response({{"positions", list}});
}

HttpResponse metrics(Application& app) { return {200, "text/plain; version=0.0.4; charset=utf-8", metrics_page(app), {}}; }

// The body as an object with only these keys, or why not.
std::optional<Json> body_object(const HttpRequest& request, const std::vector<std::string>& known, HttpResponse& why) {
    ConfigErrors errors;
    Json json = parse_config(request.body, errors);
    if (errors.empty()) ConfigObject(&json, "", known, errors);
    if (errors.empty()) return json;
    std::string text = errors.text();
    std::replace(text.begin(), text.end(), '\n', ' ');
    text.pop_back();
    why = problem(400, text);
    return std::nullopt;
}

std::optional<std::string> reason_of(const HttpRequest& request, HttpResponse& why) {
    const std::optional<Json> body = body_object(request, {"reason"}, why);
    if (!body) return std::nullopt;
    const bool good = body->contains("reason") && (*body)["reason"].is_string() &&
                      !(*body)["reason"].get_ref<const std::string&>().empty() &&
                      (*body)["reason"].get_ref<const std::string&>().size() <= kMaxReason;
    if (good) return (*body)["reason"].get<std::string>();
    why = problem(400, "/reason: expected text of 1 to " + std::to_string(kMaxReason) + " characters");
    return std::nullopt;
}

void set_enabled(Application& app, bool enabled) {
    Command command;
    command.kind = enabled ? Command::Kind::enable : Command::Kind::disable;
    app.command(command);
    soon([&] { return app.core().hot().enabled.load() == enabled; });
    app.report(LogLevel::info, "trading", enabled ? "trading enabled" : "trading disabled");
}

HttpResponse put_config(Application& app, const HttpRequest& request) {
    HttpResponse why;
    const std::optional<Json> body = body_object(request, {"role", "trading_enabled"}, why);
    if (!body) return why;
    if (body->empty()) return problem(400, "expected \"role\" or \"trading_enabled\"");
    if (body->contains("role") && (*body)["role"] != "primary" && (*body)["role"] != "standby") {
        return problem(400, "/role: expected \"primary\" or \"standby\", found " + excerpt((*body)["role"]));
    }
    if (body->contains("trading_enabled") && !(*body)["trading_enabled"].is_boolean()) {
        return problem(400, "/trading_enabled: expected true or false, found " + excerpt((*body)["trading_enabled"]));
    }
    const bool names_trading = body->contains("trading_enabled");
    const bool enable = names_trading && (*body)["trading_enabled"].get<bool>();
    if (names_trading && !enable) set_enabled(app, false);
    if (body->contains("role")) {
        const RoleAnswer answer = (*body)["role"] == "primary" ? app.keeper().become_primary() : app.keeper().become_standby();
        if (answer.outcome != RoleOutcome::done) {
            app.report(LogLevel::warning, "role", "role " + (*body)["role"].get<std::string>() + " refused: " + answer.detail,
                       answer.strategy);
            return problem_of(answer);
        }
    }
    if (enable) set_enabled(app, true);
    return json_response({{"role", role(app)}, {"trading_enabled", app.core().hot().enabled.load()}, {"strategies", strategies_json(app)}});
}

Json kill_json(Application& app) {
    const KillState state = app.kill_switch().state();
    return {{"latched", state.latched},
            {"reason", state.reason.empty() ? Json(nullptr) : Json(state.reason)},
            {"since", state.since.empty() ? Json(nullptr) : Json(state.since)},
            {"rows_latched", state.latched && (state.rows_latched || app.keeper().rows_latched())}};
}

HttpResponse killswitch(Application& app, const HttpRequest& request) {
    if (request.method == "GET") return json_response(kill_json(app));
    if (request.method != "POST" && request.method != "DELETE") return not_allowed("GET, POST, DELETE");
    HttpResponse why;
    const std::optional<std::string> reason = reason_of(request, why);
    if (!reason) return why;
    if (request.method == "POST") {
        const std::string error = app.kill(*reason);
        return error.empty() ? json_response(kill_json(app)) : problem(500, "latched, but a restart would forget it: " + error);
    }
    const RoleAnswer answer = app.clear_kill(*reason);
    return answer.outcome == RoleOutcome::done ? json_response(kill_json(app)) : problem(503, "still latched: " + answer.detail);
}

HttpResponse strategy(Application& app, const HttpRequest& request) {
    const std::string rest = request.target.substr(std::string(kStrategies).size());
    const std::size_t slash = rest.find('/');
    const std::string id = rest.substr(0, slash);
    const std::string action = slash == std::string::npos ? "" : rest.substr(slash + 1);
    const auto& list = app.config().strategies;
    const auto found = std::find_if(list.begin(), list.end(), [&](const StrategyConfig& s) { return s.id == id; });
    if (found == list.end()) return problem(404, "no strategy \"" + id + "\"");
    const auto index = static_cast<std::size_t>(found - list.begin());
    if (action.empty()) {
        if (request.method != "GET") return not_allowed("GET");
    } else if (action == "start" || action == "stop") {
        if (request.method != "POST") return not_allowed("POST");
        const bool start = action == "start";
        if (start && app.core().hot().killed.load()) return problem(409, "the kill switch is latched");
        Command command;
        command.kind = start ? Command::Kind::start : Command::Kind::stop;
        command.strategy = index;
        app.command(command);
        soon([&] { return app.core().view(index).running.load() == start; });
        app.report(LogLevel::info, "strategy", start ? "started" : "stopped", id);
    } else {
        return problem(404, "no such resource: " + request.target);
    }
    return json_response(strategy_json(app, index, app.keeper().snapshot()));
}

}  // namespace

HttpResponse refusal(unsigned status, const std::string& detail) { return problem(status, detail); }

HttpResponse metrics_api(Application& app, const HttpRequest& request) {
    const bool get = request.method == "GET" || request.method == "HEAD";
    if (request.target == "/metrics" || request.target == "/api/v1/metrics") return get ? metrics(app) : not_allowed("GET");
    if (request.target == "/health") return get ? liveness(app) : not_allowed("GET");
    if (request.target == "/ready") return get ? probe(faults(app)) : not_allowed("GET");
    return problem(404, "no such resource: " + request.target);
}

HttpResponse control_api(Application& app, const HttpRequest& request) {
    const std::string& target = request.target;
    const auto get = [&](const std::function<HttpResponse(Application&)>& answer) {
        return request.method == "GET" ? answer(app) : not_allowed("GET");
    };
    if (target == "/api/v1/health") return get(health);
    if (target == "/api/v1/status") return get(status);
    if (target == "/api/v1/positions") return get(positions);
    if (target == "/api/v1/strategies") return get([](Application& a) { return json_response({{"strategies", strategies_json(a)}}); });
    if (target == "/api/v1/config") {
        if (request.method == "GET") return json_response(app.config().json());
        return request.method == "PUT" ? put_config(app, request) : not_allowed("GET, PUT");
    }
    if (target == "/api/v1/killswitch") return killswitch(app, request);
    if (target.rfind(kStrategies, 0) == 0) return strategy(app, request);
    return metrics_api(app, request);
}

}  // namespace hft
