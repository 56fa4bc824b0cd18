// SPDX-License-Identifier: GPL-3.0-or-later
#include "apps/hft_system/api/handlers.hpp"
#include "apps/hft_system/api/replies.hpp"

namespace hft {

namespace {

using Json = nlohmann::json;

Json kill_json(Application& app) {
    const KillState state = app.kill_switch().state();
    return {{"latched", state.latched},
            {"reason", state.reason.empty() ? Json(nullptr) : Json(state.reason)},
            {"since", state.since.empty() ? Json(nullptr) : Json(state.since)},
            {"rows_latched", state.latched && (state.rows_latched || app.keeper().rows_latched())}};
}

}  // namespace

HttpResponse get_killswitch(const Call& call) { return json_response(kill_json(call.app)); }

HttpResponse latch_killswitch(const Call& call) {
    HttpResponse why;
    const std::optional<std::string> reason = reason_of(call.request, why);
    if (!reason) return why;
    const std::string error = call.app.kill(*reason);
    return error.empty() ? json_response(kill_json(call.app)) : problem(500, "latched, but a restart would forget it: " + error);
}

HttpResponse clear_killswitch(const Call& call) {
    HttpResponse why;
    const std::optional<std::string> reason = reason_of(call.request, why);
    if (!reason) return why;
    const RoleAnswer answer = call.app.clear_kill(*reason);
    return answer.outcome == RoleOutcome::done ? json_response(kill_json(call.app)) : problem(503, "still latched: " + answer.detail);
}

}  // namespace hft
