// SPDX-License-Identifier: GPL-3.0-or-later
#include "core/spsc_ring.hpp"

#include <gtest/gtest.h>

#include <array>
#include <thread>

namespace hft {
namespace {

TEST(Ring, RefusesWhenFullAndDropsNothing) {
    RingCounters counters;
    std::array<int, 4> slots{};
    SpscRing<int> ring(counters, slots.data(), slots.size());
    for (int i = 0; i < 4; ++i) EXPECT_TRUE(ring.push(i));
    EXPECT_FALSE(ring.push(4));
    EXPECT_EQ(ring.free(), 0U);
    EXPECT_EQ(ring.peek(0), 0);
    ring.release(2);
    EXPECT_TRUE(ring.push(4));
    EXPECT_EQ(ring.readable(), 3U);
    EXPECT_EQ(ring.peek(0), 2);
    EXPECT_EQ(ring.peek(2), 4);
}

TEST(Ring, ReadIsNotGoneBeforeRelease) {
    RingCounters counters;
    std::array<int, 4> slots{};
    {
        SpscRing<int> ring(counters, slots.data(), slots.size());
        ASSERT_TRUE(ring.push(7));
        EXPECT_EQ(ring.peek(0), 7);
    }
    // Another life over the same storage finds it again.
    SpscRing<int> again(counters, slots.data(), slots.size());
    ASSERT_EQ(again.readable(), 1U);
    EXPECT_EQ(again.peek(0), 7);
}

TEST(Ring, TwoThreadsKeepOrderAndCount) {
    RingCounters counters;
    std::array<std::uint64_t, 64> slots{};
    SpscRing<std::uint64_t> ring(counters, slots.data(), slots.size());
    constexpr std::uint64_t kCount = 200'000;
    std::thread producer([&] {
        for (std::uint64_t i = 0; i < kCount;) {
            if (ring.push(i)) {
                ++i;
            } else {
                std::this_thread::yield();
            }
        }
    });
    std::uint64_t expected = 0;
    bool ordered = true;
    while (expected < kCount) {
        const std::size_t n = ring.readable();
        if (n == 0) std::this_thread::yield();
        for (std::size_t i = 0; i < n; ++i) ordered = ordered && ring.peek(i) == expected++;
        ring.release(n);
    }
    producer.join();
    EXPECT_TRUE(ordered);
    EXPECT_EQ(ring.size(), 0U);
}

}  // namespace
}  // namespace hft
