// SPDX-License-Identifier: GPL-3.0-or-later
#pragma once

#include <initializer_list>

#include "core/types.hpp"

namespace hft {

// A thousand million units. What comes from outside is held against it, so that no sum of amounts can overflow.
inline constexpr std::int64_t kMaxAmount = 1'000'000'000 * kScale;
inline constexpr std::int64_t kMaxPosition = 1'000 * kMaxAmount;

inline bool amounts(std::initializer_list<std::int64_t> values) noexcept {
    bool good = true;
    for (const std::int64_t value : values) good &= value >= 0 && value <= kMaxAmount;
    return good;
}
inline bool plausible_position(Quantity position) noexcept { return position >= -kMaxPosition && position <= kMaxPosition; }

}  // namespace hft
