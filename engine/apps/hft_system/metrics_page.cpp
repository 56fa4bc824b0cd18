// SPDX-License-Identifier: GPL-3.0-or-later
#include "apps/hft_system/metrics_page.hpp"

#include <algorithm>

#include "io/prometheus.hpp"

namespace hft {

namespace {

double one_if(bool yes) { return yes ? 1.0 : 0.0; }

void strategies(PrometheusText& out, Application& app) {
    const auto& list = app.config().strategies;
    TradingCore& core = app.core();
    out.family("trading_orders_total", "counter", "Orders by the state they reached; an order counts once in each.");
    for (std::size_t i = 0; i < list.size(); ++i) {
        for (std::size_t s = 0; s < core.view(i).orders.size(); ++s) {
            out.sample("trading_orders_total", {{"strategy", list[i].id}, {"status", to_text(static_cast<OrderStatus>(s))}},
                       core.view(i).orders[s].load());
        }
    }
    out.family("trading_fills_total", "counter", "Fills booked.");
    for (std::size_t i = 0; i < list.size(); ++i) out.sample("trading_fills_total", {{"strategy", list[i].id}}, core.view(i).fills.load());
    out.family("position", "gauge", "Net position in units of the symbol.");
    for (std::size_t i = 0; i < list.size(); ++i) {
        out.sample("position", {{"strategy", list[i].id}, {"symbol", list[i].symbol}}, to_double(core.view(i).position.load()));
    }
    out.family("daily_pnl_usd", "gauge", "Result of the UTC day, realised and open.");
    for (std::size_t i = 0; i < list.size(); ++i) out.sample("daily_pnl_usd", {{"strategy", list[i].id}}, core.view(i).daily_pnl.load());
    out.family("value_at_risk_usd", "gauge", "Parametric value at risk of the position, 99 %, one day (core/volatility.hpp).");
    for (std::size_t i = 0; i < list.size(); ++i) {
        out.sample("value_at_risk_usd", {{"strategy", list[i].id}}, core.view(i).value_at_risk.load());
    }
    out.family("trading_paper_orders_total", "counter", "Orders that passed every check and were not sent, for paper_trading.");
    for (std::size_t i = 0; i < list.size(); ++i) {
        out.sample("trading_paper_orders_total", {{"strategy", list[i].id}}, core.view(i).paper_orders.load());
    }
    out.family("open_orders", "gauge", "Orders at the venue or on the way.");
    for (std::size_t i = 0; i < list.size(); ++i)
        out.sample("open_orders", {{"strategy", list[i].id}}, std::uint64_t{core.view(i).open_orders.load()});
}

void lease(PrometheusText& out, Application& app) {
    const auto& list = app.config().strategies;
    const auto rows = app.keeper().snapshot();
    const Nanos now = boot_ns();
    out.family("engine_role", "gauge", "1 while a lease is held and fenced, else 0 (standby).");
    out.sample("engine_role", {}, one_if(app.keeper().primary()));
    out.family("engine_lease_epoch", "gauge", "Epoch last seen in the lease row.");
    for (std::size_t i = 0; i < list.size(); ++i) out.sample("engine_lease_epoch", {{"strategy", list[i].id}}, rows[i].epoch);
    out.family("engine_lease_seconds_left", "gauge", "Time left to send orders without another acknowledged beat; 0 without a right.");
    for (std::size_t i = 0; i < list.size(); ++i) {
        out.sample("engine_lease_seconds_left", {{"strategy", list[i].id}},
                   static_cast<double>(std::max<Nanos>(0, rows[i].right_until - now)) / 1e9);
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
