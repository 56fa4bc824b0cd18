// SPDX-License-Identifier: GPL-3.0-or-later
#pragma once

#include <atomic>

#include "core/gateway.hpp"
#include "core/trading.hpp"

namespace hft {

enum class WaitMode : std::uint8_t { park, spin };

// run_to_completion: one thread does everything between a tick and its order.
class HotLoop {
public:
    HotLoop(TradingCore& core, Transport& transport, WaitMode mode) noexcept
        : core_(core), transport_(transport), max_wait_(mode == WaitMode::spin ? 0 : kParkedWait) {}

    HFT_HOT void turn() noexcept {
        core_.housekeeping(boot_ns());
        transport_.pump(core_, max_wait_, core_.may_read_orders());
    }
    void run(const std::atomic<bool>& stop) noexcept {
        while (!stop.load(std::memory_order_relaxed)) turn();
    }

private:
    // A parked loop still looks at commands and rights this often.
    static constexpr Nanos kParkedWait = kMillisecond;

    TradingCore& core_;
    Transport& transport_;
    Nanos max_wait_;
};

}  // namespace hft
