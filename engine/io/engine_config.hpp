// SPDX-License-Identifier: GPL-3.0-or-later
#pragma once

#include <cstdint>
#include <nlohmann/json.hpp>
#include <optional>
#include <string>
#include <vector>

#include "core/hot_loop.hpp"
#include "io/config_reader.hpp"
#include "io/strategy_config.hpp"
#include "io/tls_context.hpp"

namespace hft {

struct ListenAddress {
    std::string listen;
    std::uint16_t port = 0;
};

struct ApiConfig : ListenAddress {
    bool insecure = false;  // beyond loopback without TLS all the same
    std::uint32_t requests_per_s = 100;
    std::optional<TlsFiles> tls;

    [[nodiscard]] bool loopback() const;
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
    bool live = false;                 // trades real money: only in production
};

enum class HotPathLayout : std::uint8_t { run_to_completion, pipeline };

struct HotPathConfig {
    HotPathLayout layout = HotPathLayout::run_to_completion;
    WaitMode wait = WaitMode::park;
    int cpu = -1;           // of run_to_completion; -1: not pinned
    std::vector<int> cpus;  // of pipeline: feed, trading, gateway
};

struct EngineConfig {
    std::string name;
    std::string environment;     // development, staging or production
    std::string strategies_dir;  // looked at before the release's own; empty: not given
    std::string data_dir;
    std::string log_dir;
    ApiConfig api;
    ListenAddress metrics;
    DatabaseConfig database;
    std::vector<VenueConfig> venues;
    std::optional<AccountConfig> account;
    std::vector<StrategyConfig> strategies;
    std::uint32_t beat_ms = 200;
    std::uint32_t ttl_ms = 60'000;
    std::uint32_t margin_ms = 500;
    std::uint32_t suspect_ms = 1'000;
    bool automatic_failover = false;
    bool block_on_difference = true;
    HotPathConfig hot_path;

    [[nodiscard]] std::size_t venue_index(const std::string& venue) const;
    // What a strategy's configuration is held against.
    [[nodiscard]] StrategySurroundings strategy_surroundings() const;
    [[nodiscard]] nlohmann::json json() const;  // defaults filled in
};

EngineConfig load_engine_config(const nlohmann::json& json, ConfigErrors& errors);

}  // namespace hft
