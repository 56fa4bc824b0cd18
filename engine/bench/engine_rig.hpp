// SPDX-License-Identifier: GPL-3.0-or-later
#pragma once

#include <cstdio>
#include <cstdlib>
#include <memory>
#include <utility>
#include <vector>

#include "core/trading.hpp"
#include "tests/strategies.hpp"

namespace hft::bench {

inline constexpr std::uint64_t kEpoch = 5;
inline const char* const kStrategy = "mm";
inline const char* const kSymbol = "BTC-USD";

// Limits that never bind: what is measured is the way to the order, not its refusal.
inline StrategySetup wide_setup(const char* name, const char* symbol, std::unique_ptr<Strategy> strategy) {
    StrategySetup setup;
    setup.name = StrategyName(name);
    setup.symbol = SymbolName(symbol);
    setup.limits.max_position = from_double(1000);
    setup.limits.max_notional = 1e12;
    setup.limits.max_order_rate_per_s = 4'000'000'000;
    setup.limits.max_open_orders = OrderTable::kCapacity;
    setup.limits.daily_loss_usd = 1e12;
    setup.limits.price_collar_pct = 50;
    setup.strategy = std::move(strategy);
    return setup;
}
inline std::vector<StrategySetup> market_maker(std::uint32_t requote_ticks) {
    std::vector<StrategySetup> setups;
    setups.push_back(wide_setup(kStrategy, kSymbol, test::make_strategy("market_maker", {{"requote_ticks", requote_ticks}})));
    return setups;
}

// A trading core with its rings, and the control side's part in getting it to trade.
class EngineRig {
public:
    EngineRig(std::vector<StrategySetup> setups, OrderGateway& gateway)
        : fact_slots_(65'536),
          facts_(fact_counters_, fact_slots_.data(), fact_slots_.size()),
          command_slots_(64),
          commands_(command_counters_, command_slots_.data(), command_slots_.size()),
          core_(std::move(setups), {VenueName("paper")}, HolderName("bench/1"), gateway, facts_, commands_) {}

    [[nodiscard]] TradingCore& core() noexcept { return core_; }
    [[nodiscard]] FactRing& facts() noexcept { return facts_; }

    // What the lease keeper does after a claim. fence: as in life; without it for a protocol that has no such message.
    void take(std::size_t strategy, bool fence = true) {
        Command command;
        command.strategy = strategy;
        command.fence = fence;
        for (const Command::Kind kind : {Command::Kind::start, Command::Kind::enable, Command::Kind::take}) {
            command.kind = kind;
            command.epoch = kEpoch;
            if (!commands_.push(command)) std::abort();
        }
        core_.view(strategy).right_until = boot_ns() + 24 * 3600 * kSecond;
    }
    // What the fact writer does, without the database.
    void drain() noexcept { facts_.release(facts_.readable()); }

private:
    RingCounters fact_counters_;
    std::vector<Fact> fact_slots_;
    FactRing facts_;
    RingCounters command_counters_;
    std::vector<Command> command_slots_;
    CommandRing commands_;
    TradingCore core_;
};

}  // namespace hft::bench
