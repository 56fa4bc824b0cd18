// SPDX-License-Identifier: GPL-3.0-or-later
#include "apps/hft_system/metrics_page.hpp"

#include <algorithm>

#include "io/prometheus.hpp"

namespace hft {

namespace {

double one_if(bool yes) { return yes ? 1.0 : 0.0; }

void strategies(PrometheusText& out, Application& app) {
    const LoadedStrategies list = app.strategies().list();
    const auto gauge = [&](const char* name, const char* type, const char* help, const auto& value) {
        out.family(name, type, help);
        for (const auto& strategy : list) out.sample(name, {{"strategy", strategy->config.id}}, value(app.core().view(strategy->index)));
    };
    out.family("trading_orders_total", "counter", "Orders by the state they reached; an order counts once in each.");
    for (const auto& strategy : list) {
        const StrategyView& view = app.core().view(strategy->index);
        for (std::size_t s = 0; s < view.orders.size(); ++s) {
            out.sample("trading_orders_total", {{"strategy", strategy->config.id}, {"status", to_text(static_cast<OrderStatus>(s))}},
                       view.orders[s].load());
        }
    }
    gauge("trading_fills_total", "counter", "Fills booked.", [](const StrategyView& v) { return v.fills.load(); });
    gauge("reconciliations_total", "counter", "Comparisons with the venue: at each fence, and when asked for.",
          [](const StrategyView& v) { return v.reconcile.done.load(); });
    gauge("reconciliation_differences_total", "counter", "Comparisons with the venue that found a difference.",
          [](const StrategyView& v) { return v.reconcile.differences.load(); });
    gauge("strategy_frozen", "gauge", "1 while no new order leaves because a transfer is under way or in doubt.",
          [](const StrategyView& v) { return one_if(v.frozen.load()); });
    gauge("trading_paper_orders_total", "counter", "Orders that passed every check and were not sent, for paper_trading.",
          [](const StrategyView& v) { return v.paper_orders.load(); });
    out.family("position", "gauge", "Net position in units of the symbol.");
    for (const auto& strategy : list) {
        out.sample("position", {{"strategy", strategy->config.id}, {"symbol", strategy->config.symbol}},
                   to_double(app.core().view(strategy->index).position.load()));
    }
    gauge("position_limit", "gauge", "Largest position allowed now, in units of the symbol.",
          [](const StrategyView& v) { return to_double(v.max_position.load()); });
    gauge("daily_pnl_usd", "gauge", "Result of the UTC day, realised and open.", [](const StrategyView& v) { return v.daily_pnl.load(); });
    gauge("daily_loss_limit_usd", "gauge", "Loss of the UTC day that halts the strategy.",
          [](const StrategyView& v) { return v.daily_loss.load(); });
    gauge("value_at_risk_usd", "gauge", "Parametric value at risk of the position, 99 %, one day (core/volatility.hpp).",
          [](const StrategyView& v) { return v.value_at_risk.load(); });
    gauge("open_orders", "gauge", "Orders at the venue or on the way.",
          [](const StrategyView& v) { return std::uint64_t{v.open_orders.load()}; });
}

void lease(PrometheusText& out, Application& app) {
    const LoadedStrategies list = app.strategies().list();
    const auto rows = app.keeper().snapshot();
    const Nanos now = boot_ns();
    out.family("engine_role", "gauge", "1 while a lease is held and fenced, else 0 (standby).");
    out.sample("engine_role", {}, one_if(app.keeper().primary()));
    out.family("engine_lease_epoch", "gauge", "Epoch last seen in the lease row.");
    for (const auto& strategy : list) {
        if (strategy->index < rows.size())
            out.sample("engine_lease_epoch", {{"strategy", strategy->config.id}}, rows[strategy->index].epoch);
    }
    out.family("engine_lease_seconds_left", "gauge", "Time left to send orders without another acknowledged beat; 0 without a right.");
    for (const auto& strategy : list) {
        if (strategy->index >= rows.size()) continue;
        out.sample("engine_lease_seconds_left", {{"strategy", strategy->config.id}},
                   static_cast<double>(std::max<Nanos>(0, rows[strategy->index].right_until - now)) / 1e9);
    }
}

}  // namespace

std::string metrics_page(Application& app) {
    PrometheusText out;
    HotView& hot = app.core().hot();
    out.family("build_info", "gauge", "Always 1; the version is the label.");
    out.sample("build_info", {{"version", app.version()}}, 1.0);
    strategies(out, app);
    lease(out, app);
    out.family("risk_check_failures_total", "counter", "Orders refused before they were sent, by the check that refused.");
    for (std::size_t i = 1; i < kRiskChecks; ++i) {
        out.sample("risk_check_failures_total", {{"check", to_text(static_cast<RiskCheck>(i))}}, hot.risk_failures[i].load());
    }
    out.histogram("tick_to_order_seconds", "From the tick read from the socket to its orders handed to the socket.", hot.tick_to_order);
    out.histogram("position_update_duration_seconds", "From a fill read from the socket to the position updated.", hot.position_update);
    out.family("engine_trading_enabled", "gauge", "1 when trading is enabled by the operator.");
    out.sample("engine_trading_enabled", {}, one_if(hot.enabled.load()));
    out.family("engine_killswitch", "gauge", "1 while the kill switch is latched.");
    out.sample("engine_killswitch", {}, one_if(hot.killed.load()));
    out.family("venue_connected", "gauge", "1 while the session to the venue stands.");
    for (std::size_t i = 0; i < app.config().venues.size(); ++i) {
        out.sample("venue_connected", {{"venue", app.config().venues[i].name}}, one_if(app.core().venue_up(i)));
    }
    out.family("venue_round_trip_seconds", "gauge", "Round trip of the last heartbeat on the order session, 0 before the first.");
    for (std::size_t i = 0; i < app.config().venues.size(); ++i) {
        out.sample("venue_round_trip_seconds", {{"venue", app.config().venues[i].name}},
                   static_cast<double>(app.venue_round_trip(i)) / static_cast<double>(kSecond));
    }
    out.family("database_connected", "gauge", "1 while facts and lease both have a connection to a writable database.");
    out.sample("database_connected", {}, one_if(app.writer().connected() && app.keeper().connected()));
    out.family("persistence_queue_depth", "gauge", "Records waiting for the database.");
    out.sample("persistence_queue_depth", {}, static_cast<std::uint64_t>(app.writer().depth()));
    out.family("persistence_queue_full", "gauge", "1 while trading is stopped because the queue is full.");
    out.sample("persistence_queue_full", {}, one_if(hot.queue_full.load()));
    out.family("persistence_queue_oldest_seconds", "gauge", "How long the oldest record has been waiting.");
    out.sample("persistence_queue_oldest_seconds", {}, static_cast<double>(app.writer().oldest_ns()) / 1e9);
    out.family("persistence_rows_total", "counter", "Rows acknowledged by the database, by table.");
    out.sample("persistence_rows_total", {{"table", "orders"}}, app.writer().rows(FactWriter::orders));
    out.sample("persistence_rows_total", {{"table", "fills"}}, app.writer().rows(FactWriter::fills));
    out.sample("persistence_rows_total", {{"table", "positions"}}, app.writer().rows(FactWriter::positions));
    out.sample("persistence_rows_total", {{"table", "events"}}, app.writer().rows(FactWriter::events));
    out.family("persistence_positions_refused_total", "counter", "Positions the database refused for their epoch.");
    out.sample("persistence_positions_refused_total", {}, app.writer().refused_positions());
    out.family("host_granted", "gauge", "1 for what the host let the engine have.");
    out.sample("host_granted", {{"what", "mlock"}}, one_if(app.grants().mlock.load()));
    out.sample("host_granted", {{"what", "huge_pages"}}, one_if(app.grants().huge_pages.load()));
    out.sample("host_granted", {{"what", "affinity"}}, one_if(app.grants().affinity.load()));
    out.sample("host_granted", {{"what", "fifo"}}, one_if(app.grants().fifo.load()));
    return out.text();
}

}  // namespace hft
