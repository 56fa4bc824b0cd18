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

Json errors_json(const ConfigCheck& check) {
    Json list = Json::array();
    for (const ConfigError& error : check.errors.all()) list.push_back({{"pointer", error.pointer}, {"detail", error.text}});
    return {{"errors", list}};
}

HttpResponse status_json(const ConfigFile& file, const ConfigCheck& check, const std::vector<std::string>& taken_up) {
    Json json = {{"file", file.path()},           {"loaded_at", file.loaded_at()}, {"loaded_sha256", file.loaded_sha256()},
                 {"file_sha256", check.sha256},   {"valid", check.errors.empty()}, {"requires_restart", !check.restart.empty()},
                 {"restart_keys", check.restart}, {"reload_keys", check.reload},   {"reloaded_keys", taken_up}};
    json.update(errors_json(check));
    return json_response(json);
}

}  // namespace

HttpResponse get_config(const Call& call) { return json_response(call.app.config_file().running()); }

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

HttpResponse config_status(const Call& call) {
    const ConfigFile& file = call.app.config_file();
    return status_json(file, file.check(), {});
}

// An invalid file changes nothing. What cannot be taken up while running is named, and stays as it was.
HttpResponse reload_config(const Call& call) {
    ConfigFile& file = call.app.config_file();
    const ConfigCheck check = file.check();
    if (!check.errors.empty())
        return problem(400, file.path() + " is refused, the old configuration stands: " + check.errors.one_line(), errors_json(check));
    for (const auto& [strategy, change] : check.changes) {
        const StrategyAnswer answer = call.app.strategies().configure(strategy, change);
        if (answer.outcome != StrategyAnswer::Outcome::done) return problem(503, "strategy " + strategy + ": " + answer.detail);
    }
    file.taken_up(check);
    std::string text = std::to_string(check.reload.size()) + " changes taken up";
    if (!check.restart.empty()) text += ", " + std::to_string(check.restart.size()) + " wait for a restart";
    call.app.report(LogLevel::info, "config", "reloaded " + file.path() + ": " + text);
    return status_json(file, file.check(), check.reload);
}

}  // namespace hft
