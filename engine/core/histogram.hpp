// SPDX-License-Identifier: GPL-3.0-or-later
#pragma once

#include <array>
#include <atomic>
#include <cstddef>
#include <cstdint>

#include "core/clock.hpp"
#include "core/hot.hpp"

namespace hft {

// Classic buckets from 100 ns to 100 ms, written by one thread, read by any.
class LatencyHistogram {
public:
    static constexpr std::array<Nanos, 19> kBounds = {100,       200,        500,        1'000,      2'000,      5'000,     10'000,
                                                      20'000,    50'000,     100'000,    200'000,    500'000,    1'000'000, 2'000'000,
                                                      5'000'000, 10'000'000, 20'000'000, 50'000'000, 100'000'000};

    HFT_HOT void observe(Nanos value) noexcept {
        std::size_t i = 0;
        while (i < kBounds.size() && value > kBounds[i]) ++i;
        bump(counts_[i], 1);
        bump(sum_, value > 0 ? static_cast<std::uint64_t>(value) : 0);
    }
    [[nodiscard]] std::uint64_t count(std::size_t bucket) const noexcept { return counts_[bucket].load(std::memory_order_relaxed); }
    [[nodiscard]] std::uint64_t sum_ns() const noexcept { return sum_.load(std::memory_order_relaxed); }

private:
    static void bump(std::atomic<std::uint64_t>& counter, std::uint64_t by) noexcept {
        counter.store(counter.load(std::memory_order_relaxed) + by, std::memory_order_relaxed);
    }
    std::array<std::atomic<std::uint64_t>, kBounds.size() + 1> counts_{};
    std::atomic<std::uint64_t> sum_{0};
};

}  // namespace hft
