// SPDX-License-Identifier: GPL-3.0-or-later
#pragma once

#include "core/strategy.hpp"

namespace hft {

struct MarketMakerParameters {
    double spread_bps = 4.0;  // between its own bid and ask
    double size = 0.05;       // of each quote
    std::uint32_t requote_ticks = 10;
    double skew_bps = 2.0;     // both quotes move this far against a full position
    double price_step = 0.01;  // the venue refuses prices off its step
};

// Quotes both sides around the venue's mid and replaces them every requote_ticks-th tick of the venue, so that two engines
// that see the same ticks form the same intents.
class MarketMaker final : public Strategy {
public:
    explicit MarketMaker(const MarketMakerParameters& parameters) noexcept
        : parameters_(parameters), size_(from_double(parameters.size)), step_(from_double(parameters.price_step)) {}

    HFT_HOT void on_tick(const Tick& tick, OrderActions& actions) noexcept override;

private:
    MarketMakerParameters parameters_;
    Quantity size_;
    Price step_;
};

}  // namespace hft
