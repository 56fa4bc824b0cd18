// SPDX-License-Identifier: GPL-3.0-or-later
#include "apps/hft_system/api/handlers.hpp"
#include "apps/hft_system/api/replies.hpp"
#include "apps/hft_system/api/views.hpp"
#include "apps/hft_system/metrics_page.hpp"

namespace hft {

namespace {

using Json = nlohmann::json;

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

}  // namespace

HttpResponse liveness(const Call& call) {
    Application& app = call.app;
    Json reasons = Json::array();
    if (!app.hot_loop_moves()) reasons.push_back("the hot loop stands still");
    return probe(reasons);
}

HttpResponse readiness(const Call& call) { return probe(faults(call.app)); }

HttpResponse health(const Call& call) {
    Application& app = call.app;
    const Json reasons = faults(app);
    return json_response({{"health", reasons.empty() ? "healthy" : "failing"}, {"reasons", reasons}}, reasons.empty() ? 200 : 503);
}

HttpResponse status(const Call& call) {
    Application& app = call.app;
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

HttpResponse positions(const Call& call) {
    Application& app = call.app;
    Json list = Json::array();
    for (const auto& strategy : app.strategies().list()) {
        StrategyView& view = app.core().view(strategy->index);
        list.push_back({{"strategy", strategy->config.id},
                        {"symbol", strategy->config.symbol},
                        {"quantity", to_double(view.position.load())},
                        {"average_price", view.average_price.load()},
                        {"daily_pnl_usd", view.daily_pnl.load()}});
    }
    return json_response({{"positions", list}});
}

HttpResponse metrics(const Call& call) { return {200, "text/plain; version=0.0.4; charset=utf-8", metrics_page(call.app), {}}; }

}  // namespace hft
