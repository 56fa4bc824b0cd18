// SPDX-License-Identifier: GPL-3.0-or-later
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>

#include "core/hot.hpp"
#include "core/types.hpp"

namespace hft {

struct OpenOrder {
    std::uint64_t seq = 0;  // 0: the slot is free
    std::uint64_t epoch = 0;
    std::uint64_t venue_order_id = 0;
    Intent intent;
    Side side = Side::buy;
    OrderStatus status = OrderStatus::sent;
    bool cancel_asked = false;
    Price price = 0;
    Quantity quantity = 0;
    Quantity cumulative = 0;
    Nanos sent_ns = 0;
    Nanos venue_ns = 0;

    [[nodiscard]] Quantity leaves() const noexcept { return quantity - cumulative; }
};

// The open orders of one strategy: few, so a linear look is the fastest there is.
class OrderTable {
public:
    static constexpr std::size_t kCapacity = 64;

    [[nodiscard]] HFT_HOT OpenOrder* add(std::uint64_t seq) noexcept {
        for (OpenOrder& order : orders_) {
            if (order.seq == 0) {
                order = OpenOrder{};
                order.seq = seq;
                ++size_;
                return &order;
            }
        }
        return nullptr;
    }
    [[nodiscard]] HFT_HOT OpenOrder* find(std::uint64_t seq, std::uint64_t epoch) noexcept {
        for (OpenOrder& order : orders_) {
            if (order.seq == seq && order.epoch == epoch) return &order;
        }
        return nullptr;
    }
    HFT_HOT void remove(OpenOrder& order) noexcept {
        order.seq = 0;
        --size_;
    }
    template <typename F>
    HFT_HOT void each(F&& f) noexcept {
        if (size_ == 0) return;
        for (OpenOrder& order : orders_) {
            if (order.seq != 0) f(order);
        }
    }
    [[nodiscard]] std::uint32_t size() const noexcept { return size_; }

private:
    std::array<OpenOrder, kCapacity> orders_{};
    std::uint32_t size_ = 0;
};

}  // namespace hft
