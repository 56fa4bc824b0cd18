// SPDX-License-Identifier: GPL-3.0-or-later
#pragma once

#include <cstdint>
#include <string>
#include <utility>
#include <vector>

#include "core/market_feed.hpp"
#include "core/random.hpp"

namespace hft {

struct SymbolSetup {
    std::string name;
    double price = 0;
    double price_step = 0.01;
    double spread_bps = 10;
    double volatility_bps = 0.2;  // standard deviation of one tick
};

struct GeneratorSetup {
    std::uint64_t seed = 42;
    double trade_probability = 0.05;  // of somebody else's market order at a tick
    double max_trade_size = 0.1;
    double max_quote_size = 1.0;  // the quote's depth at a tick is drawn from a twentieth of it up to it
};

// The same seed gives the same prices on every machine: no distribution of the standard library is used.
class TickGenerator {
public:
    TickGenerator(const GeneratorSetup& setup, std::vector<SymbolSetup> symbols, std::uint64_t tick_base);

    using Step = MarketStep;
    [[nodiscard]] Step next(std::size_t symbol, Nanos now);
    [[nodiscard]] std::size_t symbols() const noexcept { return states_.size(); }
    [[nodiscard]] const SymbolSetup& symbol(std::size_t i) const { return states_[i].setup; }

private:
    struct State {
        SymbolSetup setup;
        double mid;
        std::uint64_t number;
        Random random;
    };
    static double normal(Random& random) noexcept;

    GeneratorSetup setup_;
    std::vector<State> states_;
};

// All symbols at once, at a fixed rate.
class GeneratorFeed final : public MarketFeed {
public:
    GeneratorFeed(TickGenerator generator, Nanos interval, Nanos first)
        : generator_(std::move(generator)), interval_(interval), next_(first) {}
    [[nodiscard]] Nanos due() const noexcept override { return next_; }
    [[nodiscard]] std::optional<MarketStep> take(Nanos now, Nanos wall) override;

private:
    TickGenerator generator_;
    Nanos interval_;
    Nanos next_;
    std::size_t symbol_ = 0;
};

}  // namespace hft
