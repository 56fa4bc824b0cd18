// SPDX-License-Identifier: GPL-3.0-or-later
#include "core/risk.hpp"

#include <gtest/gtest.h>

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

TEST(Risk, Notional) {
    RiskLimits l = limits();
    l.max_notional = 500;
    const RiskGate gate(l);
    EXPECT_EQ(check(gate, view(), Side::buy, 100, 5), RiskCheck::none);
    EXPECT_EQ(check(gate, view(), Side::buy, 100, 5.01), RiskCheck::notional);
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
