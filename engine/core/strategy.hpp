// SPDX-License-Identifier: GPL-3.0-or-later
#pragma once

#include <cstdint>

#include "core/hot.hpp"
#include "core/messages.hpp"

namespace hft {

// What a strategy may do; the caller checks risk and rights behind it.
class OrderActions {
public:
    // False when risk refused it.
    virtual bool place(std::uint8_t leg, Side side, Price price, Quantity quantity) noexcept = 0;
    virtual void cancel_all() noexcept = 0;
    [[nodiscard]] virtual Quantity position() const noexcept = 0;
    [[nodiscard]] virtual Quantity max_position() const noexcept = 0;

protected:
    ~OrderActions() = default;
};

class Strategy {
public:
    virtual ~Strategy() = default;
    virtual void on_tick(const Tick& tick, OrderActions& actions) noexcept = 0;
};

}  // namespace hft
