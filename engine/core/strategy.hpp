// SPDX-License-Identifier: GPL-3.0-or-later
#pragma once

#include <cstdint>

#include "core/hot.hpp"
#include "core/messages.hpp"

namespace hft {

// What a strategy may do; the caller checks risk and rights behind it.
class OrderActions {
public:
    // False when risk refused it, when there is no right to trade, and outside on_tick.
    virtual bool place(std::uint8_t leg, Side side, Price price, Quantity quantity) noexcept = 0;
    virtual void cancel_all() noexcept = 0;
    [[nodiscard]] virtual Quantity position() const noexcept = 0;
    [[nodiscard]] virtual Quantity max_position() const noexcept = 0;
    [[nodiscard]] virtual std::uint32_t open_orders() const noexcept = 0;

protected:
    ~OrderActions() = default;
};

class Strategy {
public:
    virtual ~Strategy() = default;
    // Every tick, with a right to trade or without: what it keeps between ticks is then the same on every engine.
    virtual void on_tick(const Tick& tick, OrderActions& actions) noexcept = 0;
    virtual void on_fill(const Fill& fill, Quantity position) noexcept {
        static_cast<void>(fill);
        static_cast<void>(position);
    }
};

}  // namespace hft
