// SPDX-License-Identifier: GPL-3.0-or-later
#include "core/risk.hpp"

#include <algorithm>
#include <cmath>
#include <cstdlib>

namespace hft {

const char* to_text(RiskCheck check) noexcept {
    switch (check) {
        case RiskCheck::none:
            return "none";
        case RiskCheck::killswitch:
            return "killswitch";
        case RiskCheck::not_enabled:
            return "not_enabled";
        case RiskCheck::lease:
            return "lease";
        case RiskCheck::venue:
            return "venue";
        case RiskCheck::queue:
            return "queue";
        case RiskCheck::order_size:
            return "order_size";
        case RiskCheck::position:
            return "position";
        case RiskCheck::notional:
            return "notional";
        case RiskCheck::order_rate:
            return "order_rate";
        case RiskCheck::open_orders:
            return "open_orders";
        case RiskCheck::price_collar:
            return "price_collar";
        case RiskCheck::daily_loss:
            return "daily_loss";
        case RiskCheck::capital:
            return "capital";
        case RiskCheck::reconcile:
            return "reconcile";
    }
    return "none";
}

RiskLimits within(const RiskLimits& limits, const RiskBudget& budget) noexcept {
    RiskLimits out = limits;
    out.max_position = std::min(limits.max_position, budget.max_position);
    out.max_notional = std::min(limits.max_notional, budget.max_notional);
    out.daily_loss_usd = std::min(limits.daily_loss_usd, budget.daily_loss_usd);
    out.max_order_rate_per_s = std::min(limits.max_order_rate_per_s, budget.max_order_rate_per_s);
    out.max_open_orders = std::min(limits.max_open_orders, budget.max_open_orders);
    return out;
}

RiskCheck RiskGate::check(const RiskView& view, Side side, Price price, Quantity quantity, Nanos now) const noexcept {
    if (price <= 0 || quantity <= 0 || quantity > limits_.max_position) return RiskCheck::order_size;
    if (view.daily_pnl <= -limits_.daily_loss_usd) return RiskCheck::daily_loss;
    if (view.open_orders >= limits_.max_open_orders) return RiskCheck::open_orders;
    // As if everything open on this side filled.
    const Quantity reach = side == Side::buy ? view.position + view.open_buy + quantity : view.position - view.open_sell - quantity;
    // What only makes the position smaller is let through even above a limit. Through zero to the other side is no such order.
    const bool same_side = reach == 0 || (reach > 0) == (view.position > 0);
    const bool shrinks = same_side && std::llabs(reach) <= std::llabs(view.position);
    if (!shrinks && std::llabs(reach) > limits_.max_position) return RiskCheck::position;
    // A sell below the market fills at the market: the higher of both prices counts.
    const double worth = notional_usd(std::max(price, view.reference), std::llabs(reach));
    if (!shrinks && worth > limits_.max_notional) return RiskCheck::notional;
    if (!shrinks && worth > limits_.max_capital_usd) return RiskCheck::capital;
    if (view.reference <= 0) return RiskCheck::price_collar;
    const double distance = std::fabs(static_cast<double>(price - view.reference)) / static_cast<double>(view.reference);
    if (distance * 100.0 > limits_.price_collar_pct) return RiskCheck::price_collar;
    if (sent_within_second(now) >= limits_.max_order_rate_per_s) return RiskCheck::order_rate;
    return RiskCheck::none;
}

void RiskGate::sent(Nanos now) noexcept {
    const Nanos start = now - now % kBucket;
    const auto i = static_cast<std::size_t>((now / kBucket) % kBuckets);
    if (starts_[i] != start) {
        starts_[i] = start;
        counts_[i] = 0;
    }
    ++counts_[i];
}

std::uint32_t RiskGate::sent_within_second(Nanos now) const noexcept {
    std::uint32_t sum = 0;
    for (std::size_t i = 0; i < kBuckets; ++i) {
        if (counts_[i] != 0 && now - starts_[i] < kSecond) sum += counts_[i];
    }
    return sum;
}

}  // namespace hft
