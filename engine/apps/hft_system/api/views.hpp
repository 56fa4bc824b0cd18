// SPDX-License-Identifier: GPL-3.0-or-later
#pragma once

#include <nlohmann/json.hpp>
#include <vector>

#include "apps/hft_system/application.hpp"

namespace hft {

// Parts of more than one answer.
nlohmann::json strategy_json(Application& app, const LoadedStrategy& strategy, const std::vector<LeaseSnapshot>& rows);
nlohmann::json strategies_json(Application& app);
const char* role(Application& app);

}  // namespace hft
