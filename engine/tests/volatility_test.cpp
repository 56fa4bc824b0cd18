// SPDX-License-Identifier: GPL-3.0-or-later
#include "core/volatility.hpp"

#include <gtest/gtest.h>

#include <cmath>
#include <random>

namespace hft {
namespace {

TEST(Volatility, KnowsNothingBeforeTwoPrices) {
    EwmaVolatility v;
    EXPECT_EQ(v.value_at_risk(from_double(100), from_double(1)), 0);
    v.observe(from_double(100), kSecond);
    EXPECT_EQ(v.value_at_risk(from_double(100), from_double(1)), 0);
}

TEST(Volatility, FindsTheVarianceOfARandomWalk) {
    EwmaVolatility v;
    std::mt19937_64 random(3);
    std::normal_distribution<double> r(0, 1e-4);
    double mid = 50'000;
    for (Nanos t = 1; t <= 20'000; ++t) {
        mid *= 1 + r(random);
        v.observe(from_double(mid), t * kSecond);
    }
    // About 2,000 returns weigh in: 4 standard errors of a variance from as many are 13 %.
    EXPECT_NEAR(v.variance_of_a_second(), 1e-8, 0.13e-8);
    const double expected = 2.326348 * std::sqrt(v.variance_of_a_second() * 86'400) * 50'000 * 2;
    EXPECT_NEAR(v.value_at_risk(from_double(50'000), from_double(2)), expected, 1e-6 * expected);
    EXPECT_EQ(v.value_at_risk(from_double(50'000), from_double(-2)), v.value_at_risk(from_double(50'000), from_double(2)));
}

TEST(Volatility, TicksWithinASecondAreNotReturns) {
    EwmaVolatility v;
    v.observe(from_double(100), kSecond);
    v.observe(from_double(200), kSecond + kMillisecond);
    EXPECT_EQ(v.variance_of_a_second(), 0);
    v.observe(from_double(101), 2 * kSecond);
    EXPECT_NEAR(v.variance_of_a_second(), 1e-4, 1e-9);
}

TEST(Volatility, AReturnOverAGapIsSpreadOverItsSeconds) {
    EwmaVolatility v;
    v.observe(from_double(100), kSecond);
    v.observe(from_double(102), 5 * kSecond);
    EXPECT_NEAR(v.variance_of_a_second(), 0.02 * 0.02 / 4, 1e-9);
}

TEST(Volatility, AClockThatStepsBackHurtsNothing) {
    EwmaVolatility v;
    v.observe(from_double(100), 100 * kSecond);
    v.observe(from_double(150), 50 * kSecond);
    EXPECT_EQ(v.variance_of_a_second(), 0);
    v.observe(from_double(150), 52 * kSecond);
    EXPECT_EQ(v.variance_of_a_second(), 0);
    v.observe(0, 60 * kSecond);
    EXPECT_EQ(v.variance_of_a_second(), 0);
}

TEST(Volatility, ForgetsByLambda) {
    EwmaVolatility v;
    for (Nanos t = 1; t <= 3000; ++t) v.observe(from_double(t % 2 == 0 ? 100 : 101), t * kSecond);
    const double before = v.variance_of_a_second();
    for (Nanos t = 3001; t <= 3100; ++t) v.observe(from_double(100), t * kSecond);
    EXPECT_NEAR(v.variance_of_a_second() / before, std::pow(EwmaVolatility::kLambda, 100), 0.003);
}

}  // namespace
}  // namespace hft
