// SPDX-License-Identifier: GPL-3.0-or-later
// Counts every allocation of the program: between a tick and its order, and its answers, there must be none.
#include <gtest/gtest.h>

#include <atomic>
#include <cstdlib>
#include <new>

#include "core/hot_loop.hpp"
#include "tests/trading_fixture.hpp"

namespace {
std::atomic<std::uint64_t> allocations{0};

void* counted(std::size_t size) {
    allocations.fetch_add(1, std::memory_order_relaxed);
    if (void* p = std::malloc(size == 0 ? 1 : size)) return p;
    throw std::bad_alloc();
}
}  // namespace

// Not inlined: the compiler would see free() on what operator new returned and warn of a mismatch.
#define HFT_NOINLINE __attribute__((noinline))
HFT_NOINLINE void* operator new(std::size_t size) { return counted(size); }
HFT_NOINLINE void* operator new[](std::size_t size) { return counted(size); }
// gtest allocates by these; left to the sanitizer's own they would not fit the delete below.
HFT_NOINLINE void* operator new(std::size_t size, const std::nothrow_t&) noexcept {
    try {
        return counted(size);
    } catch (const std::bad_alloc&) {
        return nullptr;
    }
}
HFT_NOINLINE void* operator new[](std::size_t size, const std::nothrow_t& tag) noexcept { return operator new(size, tag); }
HFT_NOINLINE void operator delete(void* p) noexcept { std::free(p); }
HFT_NOINLINE void operator delete[](void* p) noexcept { std::free(p); }
HFT_NOINLINE void operator delete(void* p, std::size_t) noexcept { std::free(p); }
HFT_NOINLINE void operator delete[](void* p, std::size_t) noexcept { std::free(p); }

namespace hft {
namespace {

TEST(HotPath, TheCounterCounts) {
    const std::uint64_t before = allocations.load();
    const auto p = std::make_unique<int>(1);
    EXPECT_EQ(allocations.load(), before + 1);
    EXPECT_EQ(*p, 1);
}

TEST(HotPath, TickToOrderAndAnswersAllocateNothing) {
    test::Trader t;
    t.grant();
    const auto round = [&](std::uint64_t i) {
        t.turn();
        const std::size_t first = t.gateway.orders.size();
        t.tick(100 + static_cast<double>(i % 7) * 0.01);
        for (std::size_t n = first; n < t.gateway.orders.size(); ++n) {
            const NewOrder order = t.gateway.orders[n];
            t.accept(order);
            if (i % 3 == 0) t.fill(order, order.quantity / 2, order.quantity / 2, 10 * i + n - first + 1);
        }
        for (const CancelOrder& c : t.gateway.cancels) t.cancelled(c);
        t.gateway.cancels.clear();
        t.facts->release(t.facts->readable());
    };
    for (std::uint64_t i = 1; i <= 100; ++i) round(i);
    const std::uint64_t before = allocations.load();
    for (std::uint64_t i = 101; i <= 5000; ++i) round(i);
    EXPECT_EQ(allocations.load() - before, 0U);
    EXPECT_GT(t.gateway.orders.size(), 9000U);
}

}  // namespace
}  // namespace hft
