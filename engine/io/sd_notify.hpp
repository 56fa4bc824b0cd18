// SPDX-License-Identifier: GPL-3.0-or-later
#pragma once

#include <string>

#include "core/clock.hpp"

namespace hft {

// Tells systemd, if it started us and asked for it.
void sd_notify(const std::string& state);
// How often the watchdog must be fed; 0: not at all.
[[nodiscard]] Nanos sd_watchdog_interval();

}  // namespace hft
