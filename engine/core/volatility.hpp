// SPDX-License-Identifier: GPL-3.0-or-later
#pragma once

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <cstdlib>

#include "core/hot.hpp"
#include "core/types.hpp"

namespace hft {

// Exponentially weighted variance of returns and the parametric value at risk from it, after J.P. Morgan/Reuters,
// RiskMetrics Technical Document, 4th edition (1996), section 5.2:
//     variance(t) = lambda * variance(t-1) + (1 - lambda) * r(t)^2        mean return taken as zero
//     VaR         = |position| * mid * z * sqrt(variance of a second * horizon)
// RiskMetrics has lambda 0.94 for daily returns; here a return is of one second of the venue's time, and 0.999 gives
// the same weight (1 %) to what is 77 minutes old. Confidence 99 % on one side, horizon one day of 24 hours.
class EwmaVolatility {
public:
    static constexpr double kLambda = 0.999;
    static constexpr double kQuantile = 2.326348;  // of the standard normal at 99 %
    static constexpr double kHorizonSeconds = 86'400;

    HFT_HOT void observe(Price mid, Nanos venue_ns) noexcept {
        if (mid <= 0) return;
        if (last_mid_ > 0 && venue_ns - last_ns_ < kSecond && venue_ns >= last_ns_) return;
        if (last_mid_ > 0 && venue_ns > last_ns_) {
            const double r = static_cast<double>(mid) / static_cast<double>(last_mid_) - 1.0;
            const double seconds = static_cast<double>(venue_ns - last_ns_) / static_cast<double>(kSecond);
            // The first returns weigh alike, or the start value would rule for an hour.
            weight_ = std::max(1.0 - kLambda, weight_ > 0 ? weight_ / (1.0 + weight_) : 1.0);
            variance_ += weight_ * (r * r / seconds - variance_);
            day_quantile_ = kQuantile * std::sqrt(variance_ * kHorizonSeconds);
        }
        last_mid_ = mid;
        last_ns_ = venue_ns;
    }

    [[nodiscard]] double variance_of_a_second() const noexcept { return variance_; }
    [[nodiscard]] double value_at_risk(Price mid, Quantity position) const noexcept {
        return to_double(mid) * to_double(std::llabs(position)) * day_quantile_;
    }

private:
    Price last_mid_ = 0;
    Nanos last_ns_ = 0;
    double variance_ = 0;
    double weight_ = 0;
    double day_quantile_ = 0;
};

}  // namespace hft
