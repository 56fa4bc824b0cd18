// SPDX-License-Identifier: GPL-3.0-or-later
#include "apps/hft_system/api/handlers.hpp"
#include "apps/hft_system/api/hot_thread.hpp"
#include "apps/hft_system/api/replies.hpp"
#include "apps/hft_system/api/views.hpp"

namespace hft {

namespace {

using Json = nlohmann::json;

void set_enabled(Application& app, bool enabled) {
    Command command;
    command.kind = enabled ? Command::Kind::enable : Command::Kind::disable;
    app.command(command);
    soon([&] { return app.core().hot().enabled.load() == enabled; });
    app.report(LogLevel::info, "trading", enabled ? "trading enabled" : "trading disabled");
}

}  // namespace

HttpResponse get_config(const Call& call) { return json_response(call.app.config().json()); }

HttpResponse put_config(const Call& call) {
    Application& app = call.app;
    HttpResponse why;
    const std::optional<Json> body = body_object(call.request, {"role", "trading_enabled"}, why);
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

}  // namespace hft
