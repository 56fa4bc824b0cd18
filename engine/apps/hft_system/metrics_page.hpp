// SPDX-License-Identifier: GPL-3.0-or-later
#pragma once

#include <string>

#include "apps/hft_system/application.hpp"

namespace hft {

std::string metrics_page(Application& app);

}  // namespace hft
