// SPDX-License-Identifier: GPL-3.0-or-later
#pragma once

#include <cstddef>
#include <cstdint>

#include "core/clock.hpp"
#include "core/random.hpp"

namespace hft {

struct ImpairmentSetup {
    std::uint64_t seed = 42;
    std::uint32_t latency_us = 0;   // of every message to order entry, on its way in
    std::uint32_t jitter_us = 0;    // on top, from 0 to this
    double reject_rate = 0;         // of new orders
    double disconnect_per_min = 0;  // of all order entry sessions together
};

// What a bad venue does to order entry. Each kind of fault draws from numbers of its own: the nth order is refused, or is not,
// whatever the other settings say.
class Impairments {
public:
    explicit Impairments(const ImpairmentSetup& setup) noexcept;

    [[nodiscard]] bool delays() const noexcept { return setup_.latency_us != 0 || setup_.jitter_us != 0; }
    [[nodiscard]] Nanos delay() noexcept;
    [[nodiscard]] bool reject() noexcept;
    [[nodiscard]] bool disconnects() const noexcept { return setup_.disconnect_per_min > 0; }
    // Time to the next disconnect: exponential, as of independent faults.
    [[nodiscard]] Nanos until_disconnect() noexcept;
    // Which of count sessions it is.
    [[nodiscard]] std::size_t victim(std::size_t count) noexcept;

private:
    ImpairmentSetup setup_;
    Random delays_;
    Random rejects_;
    Random disconnects_;
};

}  // namespace hft
