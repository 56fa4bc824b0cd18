// SPDX-License-Identifier: GPL-3.0-or-later
#pragma once

#include <memory>
#include <nlohmann/json.hpp>
#include <string>
#include <vector>

#include "core/risk.hpp"
#include "core/strategy.hpp"
#include "io/config_reader.hpp"
#include "strategies/hft_strategy.h"

namespace hft {

// One loaded strategy library. What it made keeps it loaded; the last of them unloads it.
class StrategyLibrary : public std::enable_shared_from_this<StrategyLibrary> {
public:
    ~StrategyLibrary();
    StrategyLibrary(const StrategyLibrary&) = delete;
    StrategyLibrary& operator=(const StrategyLibrary&) = delete;

    // Null and a reason in error: a name that is none, no such file, not loadable, of another ABI, a symbol missing.
    [[nodiscard]] static std::shared_ptr<StrategyLibrary> open(const std::vector<std::string>& directories, const std::string& type,
                                                               std::string& error);
    // Adds what the library finds wrong, with pointers below the given one.
    void validate(const nlohmann::json& parameters, const RiskLimits& limits, const std::string& pointer, ConfigErrors& errors) const;
    // Null and a reason in error.
    [[nodiscard]] std::unique_ptr<Strategy> create(const nlohmann::json& parameters, std::string& error);
    [[nodiscard]] const std::string& path() const noexcept { return path_; }

private:
    friend class LibraryStrategy;
    StrategyLibrary(std::string path, void* handle) : path_(std::move(path)), handle_(handle) {}
    [[nodiscard]] std::string resolve();

    std::string path_;
    void* handle_;
    decltype(&hft_strategy_validate) validate_ = nullptr;
    decltype(&hft_strategy_create) create_ = nullptr;
    decltype(&hft_strategy_on_tick) on_tick_ = nullptr;
    decltype(&hft_strategy_destroy) destroy_ = nullptr;
    decltype(&hft_strategy_on_fill) on_fill_ = nullptr;  // may be absent
};

// lib/strategies of the release this program belongs to.
[[nodiscard]] std::string release_strategies_dir();

}  // namespace hft
