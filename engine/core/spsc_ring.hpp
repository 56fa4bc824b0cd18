// SPDX-License-Identifier: GPL-3.0-or-later
#pragma once

#include <atomic>
#include <cstddef>
#include <cstdint>
#include <type_traits>

namespace hft {

// The two counters of a ring. They may lie in a file mapping, so they are counts, not addresses.
struct RingCounters {
    alignas(64) std::atomic<std::uint64_t> head{0};  // written by the producer
    alignas(64) std::atomic<std::uint64_t> tail{0};  // written by the consumer
};
static_assert(std::atomic<std::uint64_t>::is_always_lock_free);

// One producer, one consumer, storage owned by somebody else. A record leaves only when the consumer says release(),
// so what is read but not yet safe elsewhere is still there after a crash. Nothing is ever dropped: push says no.
template <typename T>
class SpscRing {
    static_assert(std::is_trivially_copyable_v<T>);

public:
    SpscRing(RingCounters& counters, T* slots, std::size_t capacity) noexcept
        : counters_(counters), slots_(slots), capacity_(capacity), cached_tail_(counters.tail.load(std::memory_order_acquire)) {}

    SpscRing(const SpscRing&) = delete;
    SpscRing& operator=(const SpscRing&) = delete;

    [[nodiscard]] std::size_t capacity() const noexcept { return capacity_; }
    [[nodiscard]] std::size_t size() const noexcept {
        const auto tail = counters_.tail.load(std::memory_order_acquire);
        return static_cast<std::size_t>(counters_.head.load(std::memory_order_acquire) - tail);
    }

    // Producer side.
    [[nodiscard]] std::size_t free() noexcept {
        cached_tail_ = counters_.tail.load(std::memory_order_acquire);
        return capacity_ - static_cast<std::size_t>(counters_.head.load(std::memory_order_relaxed) - cached_tail_);
    }
    [[nodiscard]] bool push(const T& value) noexcept {
        const auto head = counters_.head.load(std::memory_order_relaxed);
        if (head - cached_tail_ == capacity_) {
            cached_tail_ = counters_.tail.load(std::memory_order_acquire);
            if (head - cached_tail_ == capacity_) return false;
        }
        slots_[head % capacity_] = value;
        counters_.head.store(head + 1, std::memory_order_release);
        return true;
    }

    // Consumer side: peek at the records in order, then release the first n of them.
    [[nodiscard]] std::size_t readable() const noexcept {
        return static_cast<std::size_t>(counters_.head.load(std::memory_order_acquire) - counters_.tail.load(std::memory_order_relaxed));
    }
    [[nodiscard]] const T& peek(std::size_t i) const noexcept {
        return slots_[(counters_.tail.load(std::memory_order_relaxed) + i) % capacity_];
    }
    void release(std::size_t n) noexcept {
        counters_.tail.store(counters_.tail.load(std::memory_order_relaxed) + n, std::memory_order_release);
    }

private:
    RingCounters& counters_;
    T* slots_;
    std::size_t capacity_;
    std::uint64_t cached_tail_;
};

}  // namespace hft
