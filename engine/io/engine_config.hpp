// SPDX-License-Identifier: GPL-3.0-or-later
#pragma once

#include <cstdint>
#include <nlohmann/json.hpp>
#include <string>
#include <vector>

#include "core/hot_loop.hpp"
#include "core/market_maker.hpp"
#include "core/risk.hpp"
#include "io/config_reader.hpp"

namespace hft {

struct ListenAddress {
    std::string listen;
    std::uint16_t port = 0;
};

struct DatabaseConfig {
    std::vector<std::string> hosts;
    std::uint16_t port = 5432;
    std::string name;
    std::string user;
    std::uint32_t connect_timeout_ms = 2000;
    std::string sslmode;
    std::uint32_t queue_records = 131072;
};

struct VenueConfig {
    std::string name;
    std::string host;
    std::uint16_t order_port = 0;
    std::uint16_t market_data_port = 0;
    std::string fence;  // epoch or none
    std::string account;
    std::uint32_t heartbeat_ms = 500;  // 0: none
};

struct StrategyLimitsConfig {
    double max_position = 0;
    double max_notional = 0;
    std::uint32_t max_order_rate_per_s = 0;
    std::uint32_t max_open_orders = 0;
    double daily_loss_usd = 0;
    double price_collar_pct = 0;
};

struct StrategyConfig {
    std::string id;
    std::string type;
    std::string venue;
    std::string symbol;
    StrategyLimitsConfig limits;
    MarketMakerParameters parameters;
};

struct EngineConfig {
    std::string name;
    std::string data_dir;
    std::string log_dir;
    ListenAddress api;
    ListenAddress metrics;
    DatabaseConfig database;
    std::vector<VenueConfig> venues;
    std::vector<StrategyConfig> strategies;
    std::uint32_t beat_ms = 200;
    std::uint32_t ttl_ms = 60'000;
    std::uint32_t margin_ms = 500;
    std::uint32_t suspect_ms = 1'000;
    bool automatic_failover = false;
    WaitMode wait = WaitMode::park;
    int cpu = -1;  // -1: not pinned

    [[nodiscard]] std::size_t venue_index(const std::string& venue) const;
    [[nodiscard]] nlohmann::json json() const;  // defaults filled in
};

EngineConfig load_engine_config(const nlohmann::json& json, ConfigErrors& errors);

}  // namespace hft
