// SPDX-License-Identifier: GPL-3.0-or-later
// The strategies of the release, through their shared objects.
#include <gtest/gtest.h>

#include <cmath>
#include <cstdint>
#include <random>
#include <tuple>
#include <vector>

#include "tests/strategies.hpp"

namespace hft {
namespace {

using Json = nlohmann::json;
using test::make_strategy;

struct Quote {
    std::uint64_t tick;
    std::uint8_t leg;
    Side side;
    Price price;
    Quantity quantity;
    friend bool operator==(const Quote& a, const Quote& b) {
        return std::tie(a.tick, a.leg, a.side, a.price, a.quantity) == std::tie(b.tick, b.leg, b.side, b.price, b.quantity);
    }
};

class Recorder final : public OrderActions {
public:
    bool place(std::uint8_t leg, Side side, Price price, Quantity quantity) noexcept override {
        quotes.push_back({now, leg, side, price, quantity});
        return true;
    }
    void cancel_all() noexcept override { ++cancels; }
    [[nodiscard]] Quantity position() const noexcept override { return held; }
    [[nodiscard]] Quantity max_position() const noexcept override { return most; }
    [[nodiscard]] std::uint32_t open_orders() const noexcept override { return 0; }

    std::vector<Quote> quotes;
    int cancels = 0;
    Quantity held = 0;
    Quantity most = from_double(1);
    std::uint64_t now = 0;
};

Tick tick(std::uint64_t number, double mid = 100) {
    Tick t;
    t.symbol = SymbolName("BTC-USD");
    t.number = number;
    t.bid = from_double(mid - 0.5);
    t.ask = from_double(mid + 0.5);
    return t;
}

void feed(Strategy& strategy, Recorder& actions, const Tick& t) {
    actions.now = t.number;
    strategy.on_tick(t, actions);
}

Json maker(double spread, std::uint32_t every, double skew) {
    return {{"spread_bps", spread}, {"size", 0.1}, {"requote_ticks", every}, {"skew_bps", skew}};
}

TEST(MarketMaker, QuotesBothSidesAtEveryNthTick) {
    const auto strategy = make_strategy("market_maker", maker(20, 10, 0));
    Recorder actions;
    feed(*strategy, actions, tick(9));
    EXPECT_TRUE(actions.quotes.empty());
    feed(*strategy, actions, tick(20));
    EXPECT_EQ(actions.cancels, 1);
    ASSERT_EQ(actions.quotes.size(), 2U);
    EXPECT_EQ(actions.quotes[0], (Quote{20, 0, Side::buy, from_double(99.9), from_double(0.1)}));
    EXPECT_EQ(actions.quotes[1], (Quote{20, 1, Side::sell, from_double(100.1), from_double(0.1)}));
}

TEST(MarketMaker, LeansAgainstItsPosition) {
    const auto strategy = make_strategy("market_maker", maker(20, 1, 50));
    Recorder flat;
    Recorder longer;
    longer.held = from_double(0.5);
    feed(*strategy, flat, tick(1));
    feed(*strategy, longer, tick(1));
    EXPECT_LT(longer.quotes[0].price, flat.quotes[0].price);
    EXPECT_LT(longer.quotes[1].price, flat.quotes[1].price);
}

TEST(MarketMaker, AFullPositionIsQuotedOnOneSide) {
    const auto strategy = make_strategy("market_maker", maker(20, 1, 0));
    Recorder full;
    full.held = from_double(0.95);
    feed(*strategy, full, tick(1));
    ASSERT_EQ(full.quotes.size(), 1U);
    EXPECT_EQ(full.quotes[0].side, Side::sell);
}

TEST(MarketMaker, ABudgetOfNothingIsNoQuote) {
    const auto strategy = make_strategy("market_maker", maker(20, 1, 2));
    Recorder none;
    none.most = 0;
    feed(*strategy, none, tick(1));
    EXPECT_TRUE(none.quotes.empty());
    EXPECT_EQ(none.cancels, 1);
}

const Json kMomentum = {{"bar_ticks", 2}, {"lookback_bars", 3}, {"entry_bps", 10}, {"exit_bps", 2}, {"size", 0.2}, {"cross_bps", 0}};

TEST(Momentum, BuysARiseSellsAFallAndClosesWhenItIsOver) {
    const auto strategy = make_strategy("momentum", kMomentum);
    Recorder actions;
    std::uint64_t n = 0;
    for (const double mid : {100.0, 100.0, 100.0, 100.0}) {
        feed(*strategy, actions, tick(++n, mid));
        feed(*strategy, actions, tick(++n, mid));
    }
    EXPECT_TRUE(actions.quotes.empty()) << "a flat market moved it";
    n += 2;
    feed(*strategy, actions, tick(n, 101));
    ASSERT_EQ(actions.quotes.size(), 1U);
    EXPECT_EQ(actions.quotes[0], (Quote{n, 0, Side::buy, from_double(101.5), from_double(0.2)}));
    actions.held = from_double(0.1);
    for (const double mid : {101.0, 101.0, 101.0}) feed(*strategy, actions, tick(n += 2, mid));
    EXPECT_EQ(actions.quotes.back(), (Quote{n, 1, Side::sell, from_double(100.5), from_double(0.1)})) << "the trend is over";
    actions.held = 0;
    feed(*strategy, actions, tick(n += 2, 99));
    EXPECT_EQ(actions.quotes.back(), (Quote{n, 1, Side::sell, from_double(98.5), from_double(0.2)}));
}

TEST(Momentum, AMissedBarStartsTheWindowAnew) {
    const auto strategy = make_strategy("momentum", kMomentum);
    Recorder actions;
    for (std::uint64_t n = 2; n <= 6; n += 2) feed(*strategy, actions, tick(n, 100));
    feed(*strategy, actions, tick(10, 105));  // bar 4 is missing
    EXPECT_TRUE(actions.quotes.empty());
    for (std::uint64_t n = 12; n <= 14; n += 2) feed(*strategy, actions, tick(n, 105));
    EXPECT_TRUE(actions.quotes.empty());
    feed(*strategy, actions, tick(16, 107));
    EXPECT_EQ(actions.quotes.size(), 1U);
}

TEST(Momentum, NeverOrdersBeyondTheMostItMayHold) {
    const auto strategy = make_strategy("momentum", kMomentum);
    Recorder actions;
    actions.held = from_double(0.95);
    for (std::uint64_t n = 2; n <= 8; n += 2) feed(*strategy, actions, tick(n, 100));
    feed(*strategy, actions, tick(10, 101));
    ASSERT_FALSE(actions.quotes.empty());
    EXPECT_EQ(actions.quotes.back().side, Side::buy);
    EXPECT_EQ(actions.quotes.back().quantity, from_double(0.05));
}

// Design: the intents of two engines that see the same ticks are the same, however long each has run.
TEST(Strategies, IntentsAreTheSameOnEveryEngine) {
    for (const char* type : {"market_maker", "momentum"}) {
        const Json parameters = std::string(type) == "momentum" ? kMomentum : maker(20, 3, 5);
        const auto old = make_strategy(type, parameters);
        const auto fresh = make_strategy(type, parameters);
        Recorder from_old;
        Recorder from_fresh;
        std::mt19937_64 random(7);
        std::uniform_real_distribution<double> step(-0.2, 0.2);
        double mid = 100;
        std::size_t compared_from = 0;
        for (std::uint64_t n = 1; n <= 20'000; ++n) {
            mid += step(random);
            const Tick t = tick(n, mid);
            feed(*old, from_old, t);
            if (n > 10'000) feed(*fresh, from_fresh, t);
            if (n == 10'010) {  // the window of the fresh one is full
                compared_from = from_old.quotes.size();
                from_fresh.quotes.clear();
            }
            if (!from_old.quotes.empty() && from_old.quotes.back().tick == n) {
                from_old.held = from_fresh.held = from_old.held + (from_old.quotes.back().side == Side::buy ? 1 : -1) * from_double(0.01);
            }
        }
        const std::vector<Quote> expected(from_old.quotes.begin() + static_cast<std::ptrdiff_t>(compared_from), from_old.quotes.end());
        EXPECT_GT(expected.size(), 500U) << type;
        EXPECT_EQ(from_fresh.quotes, expected) << type;
    }
}

}  // namespace
}  // namespace hft
