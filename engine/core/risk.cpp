// SPDX-License-Identifier: GPL-3.0-or-later
#include "core/risk.hpp"

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
    }
    return "none";
}

RiskCheck RiskGate::check(const RiskView& view, Side side, Price price, Quantity quantity, Nanos now) const noexcept {
    if (price <= 0 || quantity <= 0 || quantity > limits_.max_position) return RiskCheck::order_size;
    if (view.daily_pnl <= -limits_.daily_loss_usd) return RiskCheck::daily_loss;
    if (view.open_orders >= limits_.max_open_orders) return RiskCheck::open_orders;
    // As if everything open on this side filled.
    const Quantity reach = side == Side::buy ? view.position + view.open_buy + quantity : view.position - view.open_sell - quantity;
    // What makes the position smaller is let through even above a limit.
    const bool grows = std::llabs(reach) > std::llabs(view.position);
    if (grows && std::llabs(reach) > limits_.max_position) return RiskCheck::position;
    if (grows && notional_usd(price, std::llabs(reach)) > limits_.max_notional) return RiskCheck::notional;
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
