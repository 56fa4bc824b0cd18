// SPDX-License-Identifier: GPL-3.0-or-later
#pragma once

#include <array>
#include <atomic>
#include <cstddef>
#include <cstdint>

#include "core/hot.hpp"
#include "core/types.hpp"

namespace hft {

enum class RiskCheck : std::uint8_t {
    none,
    killswitch,
    not_enabled,
    lease,
    venue,
    queue,
    order_size,
    position,
    notional,
    order_rate,
    open_orders,
    price_collar,
    daily_loss,
};
inline constexpr std::size_t kRiskChecks = 13;
const char* to_text(RiskCheck check) noexcept;

struct RiskLimits {
    Quantity max_position = 0;
    double max_notional = 0;
    std::uint32_t max_order_rate_per_s = 0;
    std::uint32_t max_open_orders = 0;
    double daily_loss_usd = 0;
    double price_collar_pct = 0;
};

// What the limits are held against, at the moment of one order.
struct RiskView {
    Quantity position = 0;
    Quantity open_buy = 0;  // not yet filled
    Quantity open_sell = 0;
    std::uint32_t open_orders = 0;
    Price reference = 0;  // the venue's mid
    double daily_pnl = 0;
};

// The limits of one strategy. Holds nothing but the order times of the last second.
class RiskGate {
public:
    explicit RiskGate(const RiskLimits& limits) noexcept : limits_(limits) {}

    [[nodiscard]] HFT_HOT RiskCheck check(const RiskView& view, Side side, Price price, Quantity quantity, Nanos now) const noexcept;
    // Counts an order against the rate once it really goes out.
    HFT_HOT void sent(Nanos now) noexcept;
    [[nodiscard]] const RiskLimits& limits() const noexcept { return limits_; }

private:
    static constexpr std::uint32_t kBuckets = 20;
    static constexpr Nanos kBucket = kSecond / kBuckets;
    [[nodiscard]] std::uint32_t sent_within_second(Nanos now) const noexcept;

    RiskLimits limits_;
    std::array<std::uint32_t, kBuckets> counts_{};
    std::array<Nanos, kBuckets> starts_{};
};

}  // namespace hft
