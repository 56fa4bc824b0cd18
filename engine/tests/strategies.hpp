// SPDX-License-Identifier: GPL-3.0-or-later
#pragma once

#include <cstdio>
#include <cstdlib>
#include <memory>
#include <nlohmann/json.hpp>
#include <string>

#include "io/strategy_library.hpp"

namespace hft::test {

// From its shared object, as the engine makes it.
inline std::unique_ptr<Strategy> make_strategy(const std::string& type, const nlohmann::json& parameters,
                                               const std::string& directory = HFT_STRATEGIES_DIR) {
    std::string error;
    const auto library = StrategyLibrary::open({directory}, type, error);
    std::unique_ptr<Strategy> strategy = library ? library->create(parameters, error) : nullptr;
    if (!strategy) {
        std::fprintf(stderr, "%s\n", error.c_str());
        std::abort();
    }
    return strategy;
}

}  // namespace hft::test
