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
        : counters_(counters),
          slots_(slots),
          capacity_(capacity),
          cached_tail_(counters.tail.load(std::memory_order_acquire)),
          write_at_(static_cast<std::size_t>(counters.head.load(std::memory_order_acquire) % capacity)),
          read_at_(static_cast<std::size_t>(cached_tail_ % capacity)) {}

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
        slots_[write_at_] = value;
        write_at_ = after(write_at_, 1);
        counters_.head.store(head + 1, std::memory_order_release);
        return true;
    }

    // Consumer side: peek at the records in order, then release the first n of them.
    [[nodiscard]] std::size_t readable() const noexcept {
        return static_cast<std::size_t>(counters_.head.load(std::memory_order_acquire) - counters_.tail.load(std::memory_order_relaxed));
    }
    [[nodiscard]] const T& peek(std::size_t i) const noexcept { return slots_[after(read_at_, i)]; }
    void release(std::size_t n) noexcept {
        read_at_ = after(read_at_, n);
        counters_.tail.store(counters_.tail.load(std::memory_order_relaxed) + n, std::memory_order_release);
    }

private:
    // Places are kept beside the counters: a division by a capacity of any size would cost more than the rest of a push.
    [[nodiscard]] std::size_t after(std::size_t place, std::size_t n) const noexcept {
        const std::size_t next = place + n;  // n is at most the capacity
        return next < capacity_ ? next : next - capacity_;
    }

    RingCounters& counters_;
    T* slots_;
    std::size_t capacity_;
    // The producer's, then the consumer's: each on lines of its own.
    alignas(64) std::uint64_t cached_tail_;
    std::size_t write_at_;
    alignas(64) std::size_t read_at_;
};

}  // namespace hft
