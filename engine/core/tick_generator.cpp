// SPDX-License-Identifier: GPL-3.0-or-later
#include "core/tick_generator.hpp"

#include <cmath>
#include <utility>

namespace hft {

namespace {

// Pulls the price back to where it began, so that a run of weeks stays in a range the limits were made for.
constexpr double kReversion = 0.0005;

// From a twentieth of the largest up to it.
Quantity draw_size(Random& random, double largest) noexcept { return from_double(largest * (0.05 + 0.95 * random.uniform())); }

Price to_step(double value, double step, bool up) noexcept {
    const double steps = value / step;
    return from_double((up ? std::ceil(steps) : std::floor(steps)) * step);
}

}  // namespace

TickGenerator::TickGenerator(const GeneratorSetup& setup, std::vector<SymbolSetup> symbols, std::uint64_t tick_base) : setup_(setup) {
    Random seeds(setup.seed + tick_base);
    for (SymbolSetup& symbol : symbols) {
        const double mid = symbol.price;
        states_.push_back(State{std::move(symbol), mid, tick_base, Random(seeds.next())});
    }
}

double TickGenerator::normal(Random& random) noexcept {
    double sum = -6.0;
    for (int i = 0; i < 12; ++i) sum += random.uniform();
    return sum;
}

TickGenerator::Step TickGenerator::next(std::size_t symbol, Nanos now) {
    State& state = states_[symbol];
    const SymbolSetup& s = state.setup;
    state.mid += kReversion * (s.price - state.mid) + state.mid * s.volatility_bps / 1e4 * normal(state.random);
    const double half = state.mid * s.spread_bps / 2e4;
    Step step;
    step.tick.symbol = SymbolName(s.name);
    step.tick.number = ++state.number;
    step.tick.bid = to_step(state.mid - half, s.price_step, false);
    step.tick.ask = to_step(state.mid + half, s.price_step, true);
    step.tick.bid_quantity = draw_size(state.random, setup_.max_quote_size);
    step.tick.ask_quantity = draw_size(state.random, setup_.max_quote_size);
    step.tick.venue_ns = now;
    if (state.random.uniform() < setup_.trade_probability) {
        Trade trade;
        trade.side = state.random.uniform() < 0.5 ? Side::buy : Side::sell;
        trade.quantity = draw_size(state.random, setup_.max_trade_size);
        step.trade = trade;
    }
    return step;
}

std::optional<MarketStep> GeneratorFeed::take(Nanos now, Nanos wall) {
    if (now < next_) return std::nullopt;
    MarketStep step = generator_.next(symbol_, wall);
    symbol_ = (symbol_ + 1) % generator_.symbols();
    if (symbol_ != 0) return step;
    // After a stall the missed ticks are not made up for: a market that slept did not move.
    next_ = now - next_ > 10 * interval_ ? now + interval_ : next_ + interval_;
    return step;
}

}  // namespace hft
