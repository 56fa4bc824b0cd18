// SPDX-License-Identifier: GPL-3.0-or-later
#pragma once

#include "core/hot.hpp"
#include "core/types.hpp"

namespace hft {

// Net position at average cost. The day's result is counted from the value at the first look of the UTC day.
class Position {
public:
    struct State {
        Quantity quantity = 0;
        double average_price = 0;
        double realised_pnl = 0;
        std::int64_t day = 0;
        double day_start_pnl = 0;
        std::uint64_t last_fill_id = 0;
    };

    void restore(const State& state) noexcept { state_ = state; }
    [[nodiscard]] const State& state() const noexcept { return state_; }

    HFT_HOT void book(Side side, Price price, Quantity quantity, std::uint64_t fill_id) noexcept;
    HFT_HOT void mark(Price mid, Nanos wall) noexcept;
    // The venue's figure replaces ours; the cost basis stays where the sign does.
    void adopt(Quantity quantity) noexcept;

    [[nodiscard]] double total_pnl() const noexcept;
    [[nodiscard]] double daily_pnl() const noexcept { return total_pnl() - state_.day_start_pnl; }

private:
    State state_;
    Price mid_ = 0;
};

}  // namespace hft
