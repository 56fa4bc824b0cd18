// SPDX-License-Identifier: GPL-3.0-or-later
#include "core/position.hpp"

#include <gtest/gtest.h>

namespace hft {
namespace {

constexpr Nanos kDay = 86'400 * kSecond;

TEST(Position, AverageCostAndRealisedResult) {
    Position p;
    p.book(Side::buy, from_double(100), from_double(1), 1);
    p.book(Side::buy, from_double(110), from_double(1), 2);
    EXPECT_DOUBLE_EQ(p.state().average_price, 105);
    p.book(Side::sell, from_double(120), from_double(1), 3);
    EXPECT_DOUBLE_EQ(p.state().realised_pnl, 15);
    EXPECT_EQ(p.state().quantity, from_double(1));
    EXPECT_EQ(p.state().last_fill_id, 3U);
}

TEST(Position, TurnsThroughZero) {
    Position p;
    p.book(Side::buy, from_double(100), from_double(1), 1);
    p.book(Side::sell, from_double(90), from_double(3), 2);
    EXPECT_DOUBLE_EQ(p.state().realised_pnl, -10);
    EXPECT_EQ(p.state().quantity, from_double(-2));
    EXPECT_DOUBLE_EQ(p.state().average_price, 90);
    p.book(Side::buy, from_double(80), from_double(2), 3);
    EXPECT_DOUBLE_EQ(p.state().realised_pnl, 10);
    EXPECT_EQ(p.state().average_price, 0);
}

TEST(Position, DayBeginsAtUtcMidnight) {
    Position p;
    p.mark(from_double(100), kDay);
    p.book(Side::buy, from_double(100), from_double(1), 1);
    p.mark(from_double(130), kDay + kSecond);
    EXPECT_DOUBLE_EQ(p.daily_pnl(), 30);
    p.mark(from_double(130), 2 * kDay);
    EXPECT_DOUBLE_EQ(p.daily_pnl(), 0);
    EXPECT_DOUBLE_EQ(p.total_pnl(), 30);
}

TEST(Position, AdoptsTheVenuesFigure) {
    Position p;
    p.mark(from_double(100), kDay);
    p.book(Side::buy, from_double(90), from_double(1), 1);
    p.adopt(from_double(2));
    EXPECT_DOUBLE_EQ(p.state().average_price, 90);
    p.adopt(from_double(-1));
    EXPECT_DOUBLE_EQ(p.state().average_price, 100);
    p.adopt(0);
    EXPECT_EQ(p.state().average_price, 0);
}

}  // namespace
}  // namespace hft
