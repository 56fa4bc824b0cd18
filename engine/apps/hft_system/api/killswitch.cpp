// SPDX-License-Identifier: GPL-3.0-or-later
#include <algorithm>

#include "apps/hft_system/api/handlers.hpp"
#include "apps/hft_system/api/replies.hpp"

namespace hft {

namespace {

using Json = nlohmann::json;

Json latch_json(Application& app, const std::string& strategy) {
    const KillState state = app.kill_switch().state(strategy);
    return {{"latched", state.latched},
            {"reason", state.reason.empty() ? Json(nullptr) : Json(state.reason)},
            {"since", state.since.empty() ? Json(nullptr) : Json(state.since)},
            {"rows_latched", state.latched && (state.rows_latched || app.keeper().rows_latched())}};
}

Json kill_json(Application& app) {
    Json json = latch_json(app, "");
    json["strategies"] = Json::array();
    for (const std::string& strategy : app.kill_switch().strategies()) {
        Json one = latch_json(app, strategy);
        one["strategy"] = strategy;
        json["strategies"].push_back(one);
    }
    return json;
}

bool known(const Application& app, const std::string& strategy) {
    const auto& list = app.config().strategies;
    return strategy.empty() || std::any_of(list.begin(), list.end(), [&](const StrategyConfig& s) { return s.id == strategy; });
}

}  // namespace

HttpResponse get_killswitch(const Call& call) { return json_response(kill_json(call.app)); }

HttpResponse latch_killswitch(const Call& call) {
    HttpResponse why;
    const std::optional<Reason> given = reason_of(call.request, why);
    if (!given) return why;
    if (!known(call.app, given->strategy)) return problem(404, "no strategy \"" + given->strategy + "\"");
    const std::string error = call.app.kill(given->reason, given->strategy);
    return error.empty() ? json_response(kill_json(call.app)) : problem(500, "latched, but a restart would forget it: " + error);
}

HttpResponse fence(const Call& call) {
    HttpResponse why;
    const std::optional<Reason> given = reason_of(call.request, why);
    if (!given) return why;
    if (!known(call.app, given->strategy)) return problem(404, "no strategy \"" + given->strategy + "\"");
    std::vector<std::string> strategies;
    for (const StrategyConfig& strategy : call.app.config().strategies) {
        if (given->strategy.empty() || strategy.id == given->strategy) strategies.push_back(strategy.id);
    }
    Json told = Json::array();
    std::string wrong;
    for (const ShutOut& one : call.app.keeper().shut_out(strategies)) {
        told.push_back({{"strategy", one.strategy}, {"epoch", one.epoch}});
        if (!one.error.empty()) wrong += (wrong.empty() ? "" : "; ") + one.strategy + ": " + one.error;
    }
    if (!wrong.empty()) return problem(409, wrong);
    call.app.report(LogLevel::warning, "killswitch", "fenced at the venue: " + given->reason, given->strategy);
    return json_response({{"strategies", told}});
}

HttpResponse clear_killswitch(const Call& call) {
    HttpResponse why;
    const std::optional<Reason> given = reason_of(call.request, why);
    if (!given) return why;
    const RoleAnswer answer = call.app.clear_kill(given->reason, given->strategy);
    return answer.outcome == RoleOutcome::done ? json_response(kill_json(call.app)) : problem(503, "still latched: " + answer.detail);
}

}  // namespace hft
