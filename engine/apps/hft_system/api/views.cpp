// SPDX-License-Identifier: GPL-3.0-or-later
#include "apps/hft_system/api/views.hpp"

#include <algorithm>

namespace hft {

using Json = nlohmann::json;

Json strategy_json(Application& app, const LoadedStrategy& strategy, const std::vector<LeaseSnapshot>& rows) {
    const StrategyConfig& config = strategy.config;
    StrategyView& view = app.core().view(strategy.index);
    HotView& hot = app.core().hot();
    // Just loaded: its row was not looked at yet.
    const LeaseSnapshot row = strategy.index < rows.size() ? rows[strategy.index] : LeaseSnapshot{};
    const RiskCheck halted = view.halted.load();
    const Nanos now = boot_ns();
    const double left = static_cast<double>(std::max<Nanos>(0, view.right_until.load() - now)) / 1e9;
    const bool venue_up = app.core().venue_up(app.config().venue_index(config.venue));
    const bool trading = view.running.load() && view.active.load() && left > 0 && hot.enabled.load() && !hot.killed.load() &&
                         !view.killed.load() && venue_up && !hot.queue_full.load();
    Json json = {{"id", config.id},
                 {"type", config.type},
                 {"venue", config.venue},
                 {"symbol", config.symbol},
                 {"state", halted != RiskCheck::none ? "halted" : (view.running.load() ? "running" : "stopped")},
                 {"trading", trading},
                 {"paper_trading", view.paper.load()},
                 {"holder", row.holder.empty() ? Json(nullptr) : Json(row.holder)},
                 {"epoch", row.epoch},
                 {"killed", row.killed || view.killed.load()},
                 {"lease_seconds_left", left},
                 {"open_orders", view.open_orders.load()},
                 {"position", to_double(view.position.load())},
                 {"accepted",
                  {{"epoch", view.accepted_epoch.load()},
                   {"first_venue_ns", view.accepted_first.load()},
                   {"last_venue_ns", view.accepted_last.load()}}},
                 {"performance",
                  {{"daily_pnl_usd", view.daily_pnl.load()},
                   {"realised_pnl_usd", view.realised_pnl.load()},
                   {"orders", view.orders[static_cast<std::size_t>(OrderStatus::sent)].load()},
                   {"paper_orders", view.paper_orders.load()},
                   {"value_at_risk_usd", view.value_at_risk.load()},
                   {"fills", view.fills.load()}}}};
    if (halted != RiskCheck::none) json["halt_reason"] = to_text(halted);
    return json;
}

Json strategies_json(Application& app) {
    Json list = Json::array();
    const auto rows = app.keeper().snapshot();
    for (const auto& strategy : app.strategies().list()) list.push_back(strategy_json(app, *strategy, rows));
    return list;
}

const char* role(Application& app) { return app.keeper().primary() ? "primary" : "standby"; }

}  // namespace hft
