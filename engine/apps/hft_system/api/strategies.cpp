// SPDX-License-Identifier: GPL-3.0-or-later
#include <algorithm>
#include <optional>

#include "apps/hft_system/api/handlers.hpp"
#include "apps/hft_system/api/hot_thread.hpp"
#include "apps/hft_system/api/replies.hpp"
#include "apps/hft_system/api/views.hpp"

namespace hft {

namespace {

std::optional<std::size_t> find(const Call& call, HttpResponse& why) {
    const auto& list = call.app.config().strategies;
    const auto found = std::find_if(list.begin(), list.end(), [&](const StrategyConfig& s) { return s.id == call.id; });
    if (found != list.end()) return static_cast<std::size_t>(found - list.begin());
    why = problem(404, "no strategy \"" + call.id + "\"");
    return std::nullopt;
}

HttpResponse shown(const Call& call, std::size_t index) {
    return json_response(strategy_json(call.app, index, call.app.keeper().snapshot()));
}

HttpResponse set_running(const Call& call, bool start) {
    HttpResponse why;
    const std::optional<std::size_t> index = find(call, why);
    if (!index) return why;
    if (start && call.app.core().hot().killed.load()) return problem(409, "the kill switch is latched");
    Command command;
    command.kind = start ? Command::Kind::start : Command::Kind::stop;
    command.strategy = *index;
    call.app.command(command);
    soon([&] { return call.app.core().view(*index).running.load() == start; });
    call.app.report(LogLevel::info, "strategy", start ? "started" : "stopped", call.id);
    return shown(call, *index);
}

}  // namespace

HttpResponse list_strategies(const Call& call) { return json_response({{"strategies", strategies_json(call.app)}}); }

HttpResponse get_strategy(const Call& call) {
    HttpResponse why;
    const std::optional<std::size_t> index = find(call, why);
    return index ? shown(call, *index) : why;
}

HttpResponse start_strategy(const Call& call) { return set_running(call, true); }

HttpResponse stop_strategy(const Call& call) { return set_running(call, false); }

}  // namespace hft
