// SPDX-License-Identifier: GPL-3.0-or-later
#pragma once

#include <nlohmann/json.hpp>
#include <optional>
#include <string>
#include <vector>

#include "core/risk.hpp"
#include "io/config_reader.hpp"

namespace hft {

// The account that all strategies of the firm share. Shares are of capital_usd, in percent.
struct AccountConfig {
    std::string name;
    double capital_usd = 0;
    double max_capital_pct = 10;  // most that one strategy's position may be worth
    double daily_loss_pct = 3;    // most that one strategy may lose in a day
};

struct StrategyConfig {
    std::string id;
    std::string type;  // the name of its library, without .so
    std::string venue;
    std::string symbol;
    bool paper_trading = false;  // orders pass every check and are counted, but none is sent
    RiskLimits configured;       // as written
    RiskLimits limits;           // within the shares of the account
    nlohmann::json parameters;   // the library's own

    [[nodiscard]] nlohmann::json json() const;
};

// What one strategy is held against.
struct StrategySurroundings {
    std::vector<std::string> venues;
    std::vector<std::string> directories;  // of the libraries, first match wins
    std::optional<AccountConfig> account;
};

// Every fault with its pointer, those the library finds in the parameters too.
StrategyConfig read_strategy(const nlohmann::json& json, const std::string& pointer, const StrategySurroundings& around,
                             ConfigErrors& errors);
RiskLimits read_limits(const nlohmann::json* json, const std::string& pointer, ConfigErrors& errors);
nlohmann::json limits_json(const RiskLimits& limits);
RiskLimits within(RiskLimits limits, const std::optional<AccountConfig>& account);

}  // namespace hft
