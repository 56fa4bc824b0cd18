// SPDX-License-Identifier: GPL-3.0-or-later
#include "apps/hft_system/api/hot_thread.hpp"

#include <chrono>
#include <thread>

#include "core/clock.hpp"

namespace hft {

bool soon(const std::function<bool()>& condition) {
    for (const Nanos end = boot_ns() + kSecond; boot_ns() < end;) {
        if (condition()) return true;
        std::this_thread::sleep_for(std::chrono::milliseconds(1));
    }
    return condition();
}

}  // namespace hft
