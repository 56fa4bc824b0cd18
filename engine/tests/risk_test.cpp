// SPDX-License-Identifier: GPL-3.0-or-later
#include "core/risk.hpp"

#include <gtest/gtest.h>

#include <cstdlib>
#include <random>
#include <vector>

namespace hft {
namespace {

RiskLimits limits() {
    RiskLimits l;
    l.max_position = from_double(10);
    l.max_notional = 5000;
    l.max_order_rate_per_s = 3;
    l.max_open_orders = 2;
    l.daily_loss_usd = 100;
    l.price_collar_pct = 5;
    return l;
}

RiskView view() {
    RiskView v;
    v.reference = from_double(100);
    return v;
}

RiskCheck check(const RiskGate& gate, const RiskView& v, Side side, double price, double quantity, Nanos now = kSecond) {
    return gate.check(v, side, from_double(price), from_double(quantity), now);
}

TEST(Risk, LetsAGoodOrderThrough) { EXPECT_EQ(check(RiskGate(limits()), view(), Side::buy, 100, 1), RiskCheck::none); }

TEST(Risk, OrderSize) {
    const RiskGate gate(limits());
    EXPECT_EQ(check(gate, view(), Side::buy, 100, 0), RiskCheck::order_size);
    EXPECT_EQ(check(gate, view(), Side::buy, 0, 1), RiskCheck::order_size);
    EXPECT_EQ(check(gate, view(), Side::buy, -1, 1), RiskCheck::order_size);
    EXPECT_EQ(check(gate, view(), Side::buy, 100, 11), RiskCheck::order_size);
}

TEST(Risk, PositionCountsWhatIsOpenOnThatSide) {
    const RiskGate gate(limits());
    RiskView v = view();
    v.position = from_double(8);
    v.open_buy = from_double(1);
    EXPECT_EQ(check(gate, v, Side::buy, 100, 1), RiskCheck::none);
    EXPECT_EQ(check(gate, v, Side::buy, 100, 1.1), RiskCheck::position);
    v.position = from_double(-8);
    v.open_buy = 0;
    v.open_sell = from_double(2);
    EXPECT_EQ(check(gate, v, Side::sell, 100, 0.1), RiskCheck::position);
}

TEST(Risk, ReducingIsAllowedAboveALimit) {
    const RiskGate gate(limits());
    RiskView v = view();
    v.position = from_double(20);
    EXPECT_EQ(check(gate, v, Side::sell, 100, 1), RiskCheck::none);
    EXPECT_EQ(check(gate, v, Side::buy, 100, 1), RiskCheck::position);
}

// Found by the property below: from +20 an order through zero to -20 does not grow, and is not a reduction either.
TEST(Risk, ThroughZeroIsNoReduction) {
    RiskView v = view();
    v.position = from_double(20);
    v.open_sell = from_double(30);
    EXPECT_EQ(check(RiskGate(limits()), v, Side::sell, 100, 1), RiskCheck::position);
}

TEST(Risk, Notional) {
    RiskLimits l = limits();
    l.max_notional = 500;
    const RiskGate gate(l);
    EXPECT_EQ(check(gate, view(), Side::buy, 100, 5), RiskCheck::none);
    EXPECT_EQ(check(gate, view(), Side::buy, 100, 5.01), RiskCheck::notional);
}

TEST(Risk, ASellBelowTheMarketCountsAtTheMarket) {
    RiskLimits l = limits();
    l.max_notional = 480;
    EXPECT_EQ(check(RiskGate(l), view(), Side::sell, 96, 5), RiskCheck::notional);
}

TEST(Risk, ShareOfCapital) {
    RiskLimits l = limits();
    EXPECT_EQ(check(RiskGate(l), view(), Side::buy, 100, 9), RiskCheck::none) << "without an account there is no share";
    l.max_capital_usd = 700;
    const RiskGate gate(l);
    EXPECT_EQ(check(gate, view(), Side::buy, 100, 7), RiskCheck::none);
    EXPECT_EQ(check(gate, view(), Side::buy, 100, 7.01), RiskCheck::capital);
    RiskView v = view();
    v.position = from_double(9);
    EXPECT_EQ(check(gate, v, Side::sell, 100, 1), RiskCheck::none) << "the way down is open";
}

TEST(Risk, ABudgetOnlyNarrows) {
    RiskGate gate(limits());
    RiskBudget budget;
    budget.max_position = from_double(4);
    budget.max_notional = 1e9;
    budget.max_open_orders = 1;
    gate.grant(budget);
    EXPECT_EQ(gate.limits().max_position, from_double(4));
    EXPECT_EQ(gate.limits().max_notional, 5000);
    EXPECT_EQ(gate.limits().max_open_orders, 1U);
    EXPECT_EQ(check(gate, view(), Side::buy, 100, 4.5), RiskCheck::order_size);
    RiskLimits wider = limits();
    wider.max_position = from_double(100);
    gate.configure(wider);
    EXPECT_EQ(gate.limits().max_position, from_double(4)) << "a new configuration is no way around the budget";
    gate.grant(RiskBudget{});
    EXPECT_EQ(gate.limits().max_position, from_double(100));
}

TEST(Risk, NewLimitsForgetNoOrderTimes) {
    RiskGate gate(limits());
    for (int i = 0; i < 3; ++i) gate.sent(5 * kSecond);
    gate.configure(limits());
    EXPECT_EQ(check(gate, view(), Side::buy, 100, 1, 5 * kSecond), RiskCheck::order_rate);
}

// Whatever a strategy asks for and in whatever order fills, cancels and new limits come: were all that is open on one side to
// fill now, the position would be within the limit that held when the last of them was accepted, or smaller than it was.
TEST(Risk, PropertyNoFillCanCarryThePositionBeyondItsLimit) {
    struct Open {
        Side side;
        Quantity left;
    };
    for (std::uint64_t seed = 1; seed <= 200; ++seed) {
        std::mt19937_64 random(seed);
        const auto upto = [&](std::int64_t n) { return static_cast<std::int64_t>(random() % static_cast<std::uint64_t>(n)); };
        RiskLimits l = limits();
        l.max_notional = 1e9;
        l.max_order_rate_per_s = 1'000'000;
        l.max_open_orders = 40;
        RiskGate gate(l);
        RiskView v = view();
        if (seed % 4 == 0) v.position = from_double(25) * (seed % 8 == 0 ? 1 : -1);  // as after a limit was lowered
        std::vector<Open> open;
        for (int step = 0; step < 500; ++step) {
            const auto action = upto(10);
            if (action < 6) {
                const Side side = upto(2) == 0 ? Side::buy : Side::sell;
                const Quantity quantity = upto(from_double(12)) + (upto(20) == 0 ? -5 : 0);
                const Quantity before = v.position;
                if (gate.check(v, side, from_double(100) + upto(1000) - 500, quantity, kSecond) != RiskCheck::none) continue;
                ASSERT_GT(quantity, 0);
                open.push_back({side, quantity});
                (side == Side::buy ? v.open_buy : v.open_sell) += quantity;
                v.open_orders = static_cast<std::uint32_t>(open.size());
                const Quantity worst = side == Side::buy ? v.position + v.open_buy : v.position - v.open_sell;
                const bool reduces = (worst == 0 || (worst > 0) == (before > 0)) && std::llabs(worst) <= std::llabs(before);
                ASSERT_TRUE(std::llabs(worst) <= gate.limits().max_position || reduces)
                    << "seed " << seed << " step " << step << ": " << before << " could become " << worst;
            } else if (!open.empty()) {
                const auto at = static_cast<std::size_t>(upto(static_cast<std::int64_t>(open.size())));
                Open& order = open[at];
                const Quantity done = action < 9 ? upto(order.left) + 1 : order.left;
                (order.side == Side::buy ? v.open_buy : v.open_sell) -= done;
                if (action < 9) v.position += signed_quantity(order.side, done);
                order.left -= done;
                if (order.left == 0) open.erase(open.begin() + static_cast<std::ptrdiff_t>(at));
                v.open_orders = static_cast<std::uint32_t>(open.size());
            }
            if (upto(100) == 0) {
                RiskBudget budget;
                budget.max_position = from_double(1) + upto(from_double(15));
                gate.grant(budget);
            }
        }
    }
}

TEST(Risk, OpenOrders) {
    RiskView v = view();
    v.open_orders = 2;
    EXPECT_EQ(check(RiskGate(limits()), v, Side::buy, 100, 1), RiskCheck::open_orders);
}

TEST(Risk, Collar) {
    const RiskGate gate(limits());
    EXPECT_EQ(check(gate, view(), Side::buy, 105, 1), RiskCheck::none);
    EXPECT_EQ(check(gate, view(), Side::buy, 105.01, 1), RiskCheck::price_collar);
    EXPECT_EQ(check(gate, view(), Side::sell, 94.99, 1), RiskCheck::price_collar);
    RiskView unknown = view();
    unknown.reference = 0;
    EXPECT_EQ(check(gate, unknown, Side::buy, 100, 1), RiskCheck::price_collar);
}

TEST(Risk, DailyLoss) {
    RiskView v = view();
    v.daily_pnl = -99.99;
    EXPECT_EQ(check(RiskGate(limits()), v, Side::sell, 100, 1), RiskCheck::none);
    v.daily_pnl = -100;
    EXPECT_EQ(check(RiskGate(limits()), v, Side::sell, 100, 1), RiskCheck::daily_loss);
}

TEST(Risk, RateForgetsAfterASecond) {
    RiskGate gate(limits());
    for (int i = 0; i < 3; ++i) {
        EXPECT_EQ(check(gate, view(), Side::buy, 100, 1, 5 * kSecond), RiskCheck::none);
        gate.sent(5 * kSecond);
    }
    EXPECT_EQ(check(gate, view(), Side::buy, 100, 1, 5 * kSecond), RiskCheck::order_rate);
    EXPECT_EQ(check(gate, view(), Side::buy, 100, 1, 5 * kSecond + 900 * kMillisecond), RiskCheck::order_rate);
    EXPECT_EQ(check(gate, view(), Side::buy, 100, 1, 6 * kSecond + 50 * kMillisecond), RiskCheck::none);
}

}  // namespace
}  // namespace hft
