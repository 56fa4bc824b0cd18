// SPDX-License-Identifier: GPL-3.0-or-later
#include "core/market_maker.hpp"

namespace hft {

void MarketMaker::on_tick(const Tick& tick, OrderActions& actions) noexcept {
    if (tick.number % parameters_.requote_ticks != 0) return;
    actions.cancel_all();
    const double mid = (static_cast<double>(tick.bid) + static_cast<double>(tick.ask)) / 2.0;
    const Quantity position = actions.position();
    const double fullness = static_cast<double>(position) / static_cast<double>(actions.max_position());
    const double centre = mid * (1.0 - fullness * parameters_.skew_bps / 1e4);
    const double half = mid * parameters_.spread_bps / 2e4;
    const Price bid = static_cast<Price>(centre - half) / step_ * step_;
    const Price ask = (static_cast<Price>(centre + half) + step_ - 1) / step_ * step_;
    if (position + size_ <= actions.max_position()) actions.place(0, Side::buy, bid, size_);
    if (position - size_ >= -actions.max_position()) actions.place(1, Side::sell, ask, size_);
}

}  // namespace hft
