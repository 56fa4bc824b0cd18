// SPDX-License-Identifier: GPL-3.0-or-later
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <mutex>
#include <nlohmann/json.hpp>
#include <string>
#include <vector>

#include "core/lease_keeper.hpp"
#include "core/trading.hpp"
#include "io/engine_config.hpp"

namespace hft {

struct LoadedStrategy {
    std::size_t index = 0;  // of its slot in the trading core and of its lease
    StrategyConfig config;
};
using LoadedStrategies = std::vector<std::shared_ptr<const LoadedStrategy>>;

struct StrategyAnswer {
    enum class Outcome : std::uint8_t { done, invalid, unknown, conflict, unavailable } outcome = Outcome::done;
    std::string detail;
};

// The strategies that are loaded, in the order of their loading: those of the configuration, and what came and went since.
// Nothing here outlives the process: after a restart the configuration rules.
class StrategyRegistry {
public:
    StrategyRegistry(const EngineConfig& config, std::function<void(const Command&)> command);

    // Makes the strategies of the configuration, in its order. Empty, or why one cannot be made.
    [[nodiscard]] std::string make_configured(std::vector<StrategySetup>& setups, std::vector<LeasedStrategy>& leased);
    void connect(TradingCore& core, LeaseKeeper& keeper);

    [[nodiscard]] LoadedStrategies list() const;
    [[nodiscard]] std::shared_ptr<const LoadedStrategy> find(const std::string& id) const;  // null: no such

    // One at a time; each waits for the hot thread, a second at most.
    [[nodiscard]] StrategyAnswer load(const nlohmann::json& strategy);
    [[nodiscard]] StrategyAnswer unload(const std::string& id);
    // changes: members "paper_trading", "limits", "parameters"; what is not named stays (RFC 7396).
    [[nodiscard]] StrategyAnswer configure(const std::string& id, const nlohmann::json& changes);

private:
    [[nodiscard]] LeasedStrategy leased(const StrategyConfig& strategy) const;
    [[nodiscard]] std::unique_ptr<Strategy> make(const StrategyConfig& strategy, std::string& error) const;
    void send(Command::Kind kind, std::size_t index);
    void put(std::shared_ptr<const LoadedStrategy> strategy);
    void erase(const std::string& id);

    const EngineConfig& config_;
    StrategySurroundings around_;
    std::function<void(const Command&)> command_;
    TradingCore* core_ = nullptr;
    LeaseKeeper* keeper_ = nullptr;
    std::mutex changing_;
    std::array<std::uint32_t, kMaxStrategies> tickets_{};  // of the last change asked for, by slot
    mutable std::mutex mutex_;
    LoadedStrategies loaded_;
};

}  // namespace hft
