// SPDX-License-Identifier: GPL-3.0-or-later
#pragma once

#include <cstddef>
#include <vector>

#include "bench/distribution.hpp"
#include "bench/silent_output.hpp"
#include "core/trading.hpp"

namespace hft::bench {

// From the instant a tick was due to the first order it made, as the venue has it decoded. Due, not sent: a venue or an engine
// that is late with one tick is late with all that wait behind it, and all of them count.
class Stopwatch {
public:
    Stopwatch(std::size_t warm_up, std::size_t ticks) : warm_up_(warm_up), due_(warm_up + ticks + 1), samples_(ticks) {}

    void tick_due(std::uint64_t tick, Nanos due) noexcept { due_[tick] = due; }
    void order_seen(std::uint64_t tick) noexcept {
        if (tick <= last_ || tick >= due_.size()) return;
        last_ = tick;
        if (tick > warm_up_) samples_.add(boot_ns() - due_[tick]);
    }
    [[nodiscard]] std::uint64_t last() const noexcept { return last_; }
    [[nodiscard]] Distribution& samples() noexcept { return samples_; }

private:
    std::size_t warm_up_;
    std::vector<Nanos> due_;
    Distribution samples_;
    std::uint64_t last_ = 0;
};

// The venue's side of a link: where ticks leave and orders come in. Both links stand before the same VenueCore.
class VenueLink : public SilentOutput {
public:
    using SilentOutput::send;
    // One look at the sockets, on the venue's thread.
    virtual void pump(VenueCore& core, Stopwatch& stopwatch) = 0;
    virtual void send_tick(const Tick& tick) = 0;
    virtual void flush() = 0;
    [[nodiscard]] virtual bool connected() const = 0;
};

// The engine's side of it, on the engine's thread.
class EngineLink {
public:
    virtual ~EngineLink() = default;
    virtual OrderGateway& gateway() = 0;
    virtual void turn(TradingCore& core) = 0;
};

}  // namespace hft::bench
