// SPDX-License-Identifier: GPL-3.0-or-later
#pragma once

#include <array>
#include <cstdint>
#include <functional>
#include <nlohmann/json.hpp>
#include <string>

#include "apps/hft_system/strategy_registry.hpp"
#include "core/trading.hpp"

namespace hft {

// Every comparison with a venue, a line of JSON each, in reconciliation_<UTC date>.log; differences are reported too.
class ReconciliationLog {
public:
    using Report = std::function<void(const std::string& text, const std::string& strategy)>;
    ReconciliationLog(std::string directory, Report report);

    // Regularly, from one thread.
    void watch(const StrategyRegistry& strategies, TradingCore& core);

    // The last comparison of one strategy.
    [[nodiscard]] static nlohmann::json json(const std::string& strategy, const ReconcileView& view);

private:
    void write(const nlohmann::json& line);

    std::string directory_;
    Report report_;
    std::array<std::uint64_t, kMaxStrategies> seen_{};
};

}  // namespace hft
