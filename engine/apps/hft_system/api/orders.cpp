// SPDX-License-Identifier: GPL-3.0-or-later
#include <mutex>

#include "apps/hft_system/api/handlers.hpp"
#include "apps/hft_system/api/hot_thread.hpp"
#include "apps/hft_system/api/replies.hpp"

namespace hft {

namespace {

using Json = nlohmann::json;

Json order_json(const StrategyConfig& strategy, const OpenOrder& order) {
    return {{"strategy", strategy.id},
            {"venue", strategy.venue},
            {"symbol", strategy.symbol},
            {"epoch", order.epoch},
            {"seq", order.seq},
            {"venue_order_id", order.venue_order_id == 0 ? Json(nullptr) : Json(order.venue_order_id)},
            {"side", to_text(order.side)},
            {"price", to_double(order.price)},
            {"quantity", to_double(order.quantity)},
            {"filled", to_double(order.cumulative)},
            {"status", to_text(order.status)},
            {"cancel_asked", order.cancel_asked},
            {"sent_ns", order.sent_ns}};
}

}  // namespace

HttpResponse orders(const Call& call) {
    // One copy a strategy, so one reader at a time.
    static std::mutex one;
    const std::lock_guard lock(one);
    const LoadedStrategies strategies = call.app.strategies().list();
    const auto copy = [&](const auto& strategy) -> OpenOrdersCopy& { return call.app.core().view(strategy->index).open_orders_copy; };
    for (const auto& strategy : strategies) copy(strategy).ask();
    Json list = Json::array();
    for (const auto& strategy : strategies) {
        if (!soon([&] { return copy(strategy).answered(); })) return problem(503, "the hot loop stands still");
        for (std::size_t n = 0; n < copy(strategy).size(); ++n) list.push_back(order_json(strategy->config, copy(strategy)[n]));
    }
    return json_response({{"orders", list}});
}

}  // namespace hft
