// SPDX-License-Identifier: GPL-3.0-or-later
#include "core/tick_generator.hpp"

#include <cmath>
#include <utility>

namespace hft {

namespace {

// Pulls the price back to where it began, so that a run of weeks stays in a range the limits were made for.
constexpr double kReversion = 0.0005;

std::uint64_t mix(std::uint64_t& state) noexcept {  // splitmix64
    state += 0x9E3779B97F4A7C15ULL;
    std::uint64_t z = state;
    z = (z ^ (z >> 30)) * 0xBF58476D1CE4E5B9ULL;
    z = (z ^ (z >> 27)) * 0x94D049BB133111EBULL;
    return z ^ (z >> 31);
}

Price to_step(double value, double step, bool up) noexcept {
    const double steps = value / step;
    return from_double((up ? std::ceil(steps) : std::floor(steps)) * step);
}

}  // namespace

TickGenerator::TickGenerator(const GeneratorSetup& setup, std::vector<SymbolSetup> symbols, std::uint64_t tick_base) : setup_(setup) {
    std::uint64_t seed = setup.seed + tick_base;
    for (SymbolSetup& symbol : symbols) {
        const double mid = symbol.price;
        states_.push_back(State{std::move(symbol), mid, tick_base, mix(seed)});
    }
}

double TickGenerator::uniform(State& state) noexcept { return static_cast<double>(mix(state.random) >> 11) * 0x1.0p-53; }

double TickGenerator::normal(State& state) noexcept {
    double sum = -6.0;
    for (int i = 0; i < 12; ++i) sum += uniform(state);
    return sum;
}

TickGenerator::Step TickGenerator::next(std::size_t symbol, Nanos now) {
    State& state = states_[symbol];
    const SymbolSetup& s = state.setup;
    state.mid += kReversion * (s.price - state.mid) + state.mid * s.volatility_bps / 1e4 * normal(state);
    const double half = state.mid * s.spread_bps / 2e4;
    Step step;
    step.tick.symbol = SymbolName(s.name);
    step.tick.number = ++state.number;
    step.tick.bid = to_step(state.mid - half, s.price_step, false);
    step.tick.ask = to_step(state.mid + half, s.price_step, true);
    step.tick.bid_quantity = kScale;
    step.tick.ask_quantity = kScale;
    step.tick.venue_ns = now;
    if (uniform(state) < setup_.trade_probability) {
        Trade trade;
        trade.side = uniform(state) < 0.5 ? Side::buy : Side::sell;
        trade.quantity = from_double(setup_.max_trade_size * (0.05 + 0.95 * uniform(state)));
        step.trade = trade;
    }
    return step;
}

}  // namespace hft
