// SPDX-License-Identifier: GPL-3.0-or-later
#include <algorithm>
#include <cctype>
#include <optional>

#include "apps/hft_system/api/handlers.hpp"
#include "apps/hft_system/api/hot_thread.hpp"
#include "apps/hft_system/api/replies.hpp"
#include "apps/hft_system/api/views.hpp"

namespace hft {

namespace {

using Json = nlohmann::json;

// Where strategies/load looks: beside the configuration, one directory, no way out of it.
constexpr const char* kFiles = "config/strategies/";

HttpResponse unknown(const Call& call) { return problem(404, "no strategy \"" + call.id + "\""); }

HttpResponse shown(const Call& call, const LoadedStrategy& strategy, unsigned status = 200) {
    return json_response(strategy_json(call.app, strategy, call.app.keeper().snapshot()), status);
}

HttpResponse set_running(const Call& call, bool start) {
    const auto strategy = call.app.strategies().find(call.id);
    if (!strategy) return unknown(call);
    if (start && (call.app.core().hot().killed.load() || call.app.core().view(strategy->index).killed.load()))
        return problem(409, "the kill switch is latched");
    Command command;
    command.kind = start ? Command::Kind::start : Command::Kind::stop;
    command.strategy = strategy->index;
    call.app.command(command);
    soon([&] { return call.app.core().view(strategy->index).running.load() == start; });
    call.app.report(LogLevel::info, "strategy", start ? "started" : "stopped", call.id);
    return shown(call, *strategy);
}

unsigned status_of(StrategyAnswer::Outcome outcome) {
    switch (outcome) {
        case StrategyAnswer::Outcome::done:
            return 200;
        case StrategyAnswer::Outcome::invalid:
            return 400;
        case StrategyAnswer::Outcome::unknown:
            return 404;
        case StrategyAnswer::Outcome::conflict:
            return 409;
        case StrategyAnswer::Outcome::unavailable:
            return 503;
    }
    return 500;
}

// The strategy that the body holds, or the file in the one directory that the body names.
std::optional<Json> wanted(const Call& call, HttpResponse& why) {
    const std::optional<Json> body = body_object(call.request, {"config_file", "strategy"}, why);
    if (!body) return std::nullopt;
    if (body->size() == 1 && body->contains("strategy")) return (*body)["strategy"];
    why = problem(400, std::string("expected \"strategy\" (as in the configuration) or \"config_file\" (") + kFiles + "NAME.json)");
    if (body->size() != 1 || !(*body)["config_file"].is_string()) return std::nullopt;
    std::string name = (*body)["config_file"].get<std::string>();
    if (name.rfind(kFiles, 0) == 0) name = name.substr(std::string(kFiles).size());
    const bool plain =
        name.size() > 5 && name.size() <= 100 && name.front() != '.' && name.substr(name.size() - 5) == ".json" &&
        std::all_of(name.begin(), name.end(), [](unsigned char c) { return std::isalnum(c) || c == '.' || c == '_' || c == '-'; });
    if (!plain) {
        why = problem(400, std::string("/config_file: expected ") + kFiles + "NAME.json, found " + excerpt((*body)["config_file"]));
        return std::nullopt;
    }
    ConfigErrors errors;
    Json json = read_config_file(call.app.config_dir() + "/strategies/" + name, errors);
    if (errors.empty()) return json;
    std::string text = errors.text();
    std::replace(text.begin(), text.end(), '\n', ' ');
    why = problem(400, "/config_file: " + name + ": " + text);
    return std::nullopt;
}

}  // namespace

HttpResponse list_strategies(const Call& call) { return json_response({{"strategies", strategies_json(call.app)}}); }

HttpResponse get_strategy(const Call& call) {
    const auto strategy = call.app.strategies().find(call.id);
    return strategy ? shown(call, *strategy) : unknown(call);
}

HttpResponse load_strategy(const Call& call) {
    HttpResponse why;
    const std::optional<Json> json = wanted(call, why);
    if (!json) return why;
    const StrategyAnswer answer = call.app.strategies().load(*json);
    if (answer.outcome != StrategyAnswer::Outcome::done) return problem(status_of(answer.outcome), answer.detail);
    const std::string id = (*json)["id"].get<std::string>();
    call.app.report(LogLevel::info, "strategy", "loaded, stopped and without a lease", id);
    const auto strategy = call.app.strategies().find(id);
    return strategy ? shown(call, *strategy, 201) : problem(409, "unloaded again meanwhile");
}

HttpResponse unload_strategy(const Call& call) {
    const StrategyAnswer answer = call.app.strategies().unload(call.id);
    if (answer.outcome != StrategyAnswer::Outcome::done) return problem(status_of(answer.outcome), answer.detail);
    call.app.report(LogLevel::info, "strategy", "unloaded", call.id);
    return json_response({{"id", call.id}, {"unloaded", true}});
}

HttpResponse get_strategy_config(const Call& call) {
    const auto strategy = call.app.strategies().find(call.id);
    if (!strategy) return unknown(call);
    const StrategyView& view = call.app.core().view(strategy->index);
    Json json = strategy->config.json();
    json["in_force"] = {{"max_position", to_double(view.max_position.load())},
                        {"max_notional", view.max_notional.load()},
                        {"daily_loss_usd", view.daily_loss.load()}};
    return json_response(json);
}

HttpResponse put_strategy_config(const Call& call) {
    HttpResponse why;
    const std::optional<Json> body = body_object(call.request, {"paper_trading", "limits", "parameters"}, why);
    if (!body) return why;
    if (body->empty()) return problem(400, "expected \"paper_trading\", \"limits\" or \"parameters\"");
    const StrategyAnswer answer = call.app.strategies().configure(call.id, *body);
    if (answer.outcome != StrategyAnswer::Outcome::done) return problem(status_of(answer.outcome), answer.detail);
    call.app.report(LogLevel::info, "strategy", "configuration changed: " + excerpt(*body), call.id);
    return get_strategy_config(call);
}

HttpResponse start_strategy(const Call& call) { return set_running(call, true); }

HttpResponse stop_strategy(const Call& call) { return set_running(call, false); }

}  // namespace hft
