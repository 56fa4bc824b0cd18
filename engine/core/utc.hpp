// SPDX-License-Identifier: GPL-3.0-or-later
#pragma once

#include <array>
#include <ctime>
#include <string>

namespace hft {

// A moment as text for people and files, in UTC.
inline std::string utc(const char* format = "%Y-%m-%dT%H:%M:%SZ", std::time_t at = std::time(nullptr)) {
    std::tm parts{};
    gmtime_r(&at, &parts);
    std::array<char, 40> text{};
    return std::string(text.data(), std::strftime(text.data(), text.size(), format, &parts));
}

}  // namespace hft
