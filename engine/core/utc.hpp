// SPDX-License-Identifier: GPL-3.0-or-later
#pragma once

#include <array>
#include <cstdio>
#include <ctime>
#include <string>

#include "core/clock.hpp"

namespace hft {

// A moment as text for people and files, in UTC.
inline std::string utc(const char* format = "%Y-%m-%dT%H:%M:%SZ", std::time_t at = std::time(nullptr)) {
    std::tm parts{};
    gmtime_r(&at, &parts);
    std::array<char, 40> text{};
    return std::string(text.data(), std::strftime(text.data(), text.size(), format, &parts));
}

// The same to the microsecond.
inline std::string utc_micros(Nanos wall) {
    std::array<char, 16> fraction{};
    std::snprintf(fraction.data(), fraction.size(), ".%06dZ", static_cast<int>(wall % kSecond / 1000));
    return utc("%Y-%m-%dT%H:%M:%S", static_cast<std::time_t>(wall / kSecond)) + fraction.data();
}

}  // namespace hft
