// SPDX-License-Identifier: GPL-3.0-or-later
#pragma once

#include <cstdint>
#include <ctime>

namespace hft {

using Nanos = std::int64_t;
inline constexpr Nanos kMillisecond = 1'000'000;
inline constexpr Nanos kSecond = 1'000'000'000;

namespace detail {
inline Nanos read_clock(clockid_t id) noexcept {
    timespec t{};
    clock_gettime(id, &t);
    return static_cast<Nanos>(t.tv_sec) * kSecond + static_cast<Nanos>(t.tv_nsec);
}
}  // namespace detail

// Rights are counted on this clock: it also runs while the machine sleeps and nobody sets it.
inline Nanos boot_ns() noexcept { return detail::read_clock(CLOCK_BOOTTIME); }
// Only for what people and databases read; decides nothing.
inline Nanos wall_ns() noexcept { return detail::read_clock(CLOCK_REALTIME); }

}  // namespace hft
