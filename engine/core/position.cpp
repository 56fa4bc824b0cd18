// SPDX-License-Identifier: GPL-3.0-or-later
#include "core/position.hpp"

#include <cstdlib>

namespace hft {

namespace {
constexpr Nanos kDay = 86'400 * kSecond;
}

void Position::book(Side side, Price price, Quantity quantity, std::uint64_t fill_id) noexcept {
    const Quantity change = signed_quantity(side, quantity);
    const double fill_price = to_double(price);
    const Quantity old = state_.quantity;
    const bool same_side = old == 0 || (old > 0) == (change > 0);
    if (same_side) {
        const double held = to_double(std::llabs(old));
        const double added = to_double(quantity);
        state_.average_price = (state_.average_price * held + fill_price * added) / (held + added);
    } else {
        const Quantity closed = quantity < std::llabs(old) ? quantity : std::llabs(old);
        const double gain = (fill_price - state_.average_price) * to_double(closed);
        state_.realised_pnl += old > 0 ? gain : -gain;
        if (quantity > std::llabs(old)) state_.average_price = fill_price;
    }
    state_.quantity = old + change;
    if (state_.quantity == 0) state_.average_price = 0;
    if (fill_id > state_.last_fill_id) state_.last_fill_id = fill_id;
}

void Position::mark(Price mid, Nanos wall) noexcept {
    mid_ = mid;
    const std::int64_t day = wall / kDay;
    if (day != state_.day) {
        state_.day = day;
        state_.day_start_pnl = total_pnl();
    }
}

void Position::adopt(Quantity quantity) noexcept {
    const bool sign_kept = quantity != 0 && state_.quantity != 0 && (quantity > 0) == (state_.quantity > 0);
    if (!sign_kept) state_.average_price = quantity == 0 ? 0 : to_double(mid_);
    state_.quantity = quantity;
}

double Position::total_pnl() const noexcept {
    if (mid_ == 0 || state_.quantity == 0) return state_.realised_pnl;
    return state_.realised_pnl + (to_double(mid_) - state_.average_price) * to_double(state_.quantity);
}

}  // namespace hft
