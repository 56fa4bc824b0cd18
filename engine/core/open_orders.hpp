// SPDX-License-Identifier: GPL-3.0-or-later
#pragma once

#include <array>
#include <atomic>
#include <cstddef>

#include "core/hot.hpp"
#include "core/order_table.hpp"

namespace hft {

// The open orders of one strategy, copied for other threads when one of them asks: nothing is spent while nobody looks, and no
// lock is held. Readers take turns among themselves.
class OpenOrdersCopy {
public:
    // A reader: ask, wait until it is answered, then read.
    void ask() noexcept { wanted_.store(true, std::memory_order_release); }
    [[nodiscard]] bool answered() const noexcept { return !wanted_.load(std::memory_order_acquire); }
    [[nodiscard]] std::size_t size() const noexcept { return size_; }
    [[nodiscard]] const OpenOrder& operator[](std::size_t i) const noexcept { return orders_[i]; }

    // The hot thread. After the answer it does not touch the copy until it is asked again.
    HFT_HOT void answer(OrderTable& table) noexcept {
        if (!wanted_.load(std::memory_order_acquire)) return;
        size_ = 0;
        table.each([&](OpenOrder& order) { orders_[size_++] = order; });
        wanted_.store(false, std::memory_order_release);
    }

private:
    std::atomic<bool> wanted_{false};
    std::size_t size_ = 0;
    std::array<OpenOrder, OrderTable::kCapacity> orders_{};
};

}  // namespace hft
