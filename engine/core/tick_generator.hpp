// SPDX-License-Identifier: GPL-3.0-or-later
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "core/messages.hpp"

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
};

// A market order of the outside world.
struct Trade {
    Side side = Side::buy;
    Quantity quantity = 0;
};

// The same seed gives the same prices on every machine: no distribution of the standard library is used.
class TickGenerator {
public:
    TickGenerator(const GeneratorSetup& setup, std::vector<SymbolSetup> symbols, std::uint64_t tick_base);

    struct Step {
        Tick tick;
        std::optional<Trade> trade;
    };
    [[nodiscard]] Step next(std::size_t symbol, Nanos now);
    [[nodiscard]] std::size_t symbols() const noexcept { return states_.size(); }
    [[nodiscard]] const SymbolSetup& symbol(std::size_t i) const { return states_[i].setup; }

private:
    struct State {
        SymbolSetup setup;
        double mid;
        std::uint64_t number;
        std::uint64_t random;
    };
    static double uniform(State& state) noexcept;
    static double normal(State& state) noexcept;

    GeneratorSetup setup_;
    std::vector<State> states_;
};

}  // namespace hft
