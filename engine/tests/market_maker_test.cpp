// SPDX-License-Identifier: GPL-3.0-or-later
#include "core/market_maker.hpp"

#include <gtest/gtest.h>

#include <vector>

namespace hft {
namespace {

struct Quote {
    std::uint8_t leg;
    Side side;
    Price price;
    Quantity quantity;
};

class Recorder final : public OrderActions {
public:
    bool place(std::uint8_t leg, Side side, Price price, Quantity quantity) noexcept override {
        quotes.push_back({leg, side, price, quantity});
        return true;
    }
    void cancel_all() noexcept override { ++cancels; }
    [[nodiscard]] Quantity position() const noexcept override { return held; }
    [[nodiscard]] Quantity max_position() const noexcept override { return from_double(1); }

    std::vector<Quote> quotes;
    int cancels = 0;
    Quantity held = 0;
};

Tick tick(std::uint64_t number) {
    Tick t;
    t.symbol = SymbolName("BTC-USD");
    t.number = number;
    t.bid = from_double(99.5);
    t.ask = from_double(100.5);
    return t;
}

TEST(MarketMaker, QuotesBothSidesAtEveryNthTick) {
    MarketMaker maker({20.0, 0.1, 10, 0.0, 0.01});
    Recorder actions;
    maker.on_tick(tick(9), actions);
    EXPECT_TRUE(actions.quotes.empty());
    maker.on_tick(tick(20), actions);
    EXPECT_EQ(actions.cancels, 1);
    ASSERT_EQ(actions.quotes.size(), 2U);
    EXPECT_EQ(actions.quotes[0].side, Side::buy);
    EXPECT_EQ(actions.quotes[0].price, from_double(99.9));
    EXPECT_EQ(actions.quotes[1].side, Side::sell);
    EXPECT_EQ(actions.quotes[1].price, from_double(100.1));
    EXPECT_NE(actions.quotes[0].leg, actions.quotes[1].leg);
    EXPECT_EQ(actions.quotes[0].price % from_double(0.01), 0);
}

TEST(MarketMaker, LeansAgainstItsPosition) {
    MarketMaker maker({20.0, 0.1, 1, 50.0, 0.01});
    Recorder flat;
    Recorder longer;
    longer.held = from_double(0.5);
    maker.on_tick(tick(1), flat);
    maker.on_tick(tick(1), longer);
    EXPECT_LT(longer.quotes[0].price, flat.quotes[0].price);
    EXPECT_LT(longer.quotes[1].price, flat.quotes[1].price);
}

TEST(MarketMaker, AFullPositionIsQuotedOnOneSide) {
    MarketMaker maker({20.0, 0.1, 1, 0.0, 0.01});
    Recorder full;
    full.held = from_double(0.95);
    maker.on_tick(tick(1), full);
    ASSERT_EQ(full.quotes.size(), 1U);
    EXPECT_EQ(full.quotes[0].side, Side::sell);
}

}  // namespace
}  // namespace hft
