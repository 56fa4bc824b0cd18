// SPDX-License-Identifier: GPL-3.0-or-later
#pragma once

#include <array>
#include <atomic>
#include <cstddef>
#include <cstdint>
#include <limits>

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
    capital,
    reconcile,  // we and the venue differ: a person decides
};
inline constexpr std::size_t kRiskChecks = 15;
const char* to_text(RiskCheck check) noexcept;

struct RiskLimits {
    Quantity max_position = 0;
    double max_notional = 0;
    std::uint32_t max_order_rate_per_s = 0;
    std::uint32_t max_open_orders = 0;
    double daily_loss_usd = 0;
    double price_collar_pct = 0;
    double max_capital_usd = std::numeric_limits<double>::infinity();  // the strategy's share of the account
};

// What the account grants a strategy, wherever it trades: stored beside its lease and read at the claim.
struct RiskBudget {
    Quantity max_position = std::numeric_limits<Quantity>::max();
    double max_notional = std::numeric_limits<double>::infinity();
    double daily_loss_usd = std::numeric_limits<double>::infinity();
    std::uint32_t max_order_rate_per_s = std::numeric_limits<std::uint32_t>::max();
    std::uint32_t max_open_orders = std::numeric_limits<std::uint32_t>::max();
    friend bool operator==(const RiskBudget&, const RiskBudget&) = default;
};

// The smaller of both, limit by limit.
[[nodiscard]] RiskLimits within(const RiskLimits& limits, const RiskBudget& budget) noexcept;

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
    RiskGate() noexcept : RiskGate(RiskLimits{}) {}
    explicit RiskGate(const RiskLimits& limits) noexcept : configured_(limits), limits_(limits) {}

    // The order times stay: a new limit is no way around the rate.
    void configure(const RiskLimits& limits) noexcept {
        configured_ = limits;
        limits_ = within(configured_, budget_);
    }
    void grant(const RiskBudget& budget) noexcept {
        budget_ = budget;
        limits_ = within(configured_, budget_);
    }

    [[nodiscard]] HFT_HOT RiskCheck check(const RiskView& view, Side side, Price price, Quantity quantity, Nanos now) const noexcept;
    // Counts an order against the rate once it really goes out.
    HFT_HOT void sent(Nanos now) noexcept;
    // In force: the configured ones within the budget.
    [[nodiscard]] const RiskLimits& limits() const noexcept { return limits_; }

private:
    static constexpr std::uint32_t kBuckets = 20;
    static constexpr Nanos kBucket = kSecond / kBuckets;
    [[nodiscard]] std::uint32_t sent_within_second(Nanos now) const noexcept;

    RiskLimits configured_;
    RiskBudget budget_;
    RiskLimits limits_;
    std::array<std::uint32_t, kBuckets> counts_{};
    std::array<Nanos, kBuckets> starts_{};
};

}  // namespace hft
