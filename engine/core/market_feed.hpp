// SPDX-License-Identifier: GPL-3.0-or-later
#pragma once

#include <limits>
#include <optional>
#include <string>

#include "core/messages.hpp"

namespace hft {

// A market order of the outside world.
struct Trade {
    Side side = Side::buy;
    Quantity quantity = 0;
};

struct MarketStep {
    Tick tick;
    std::optional<Trade> trade;
};

// Where the venue's prices come from.
class MarketFeed {
public:
    static constexpr Nanos kNever = std::numeric_limits<Nanos>::max();

    virtual ~MarketFeed() = default;
    // When the next step is due (CLOCK_BOOTTIME).
    [[nodiscard]] virtual Nanos due() const noexcept = 0;
    // The next step, dated wall; nothing when none is due.
    [[nodiscard]] virtual std::optional<MarketStep> take(Nanos now, Nanos wall) = 0;
    // Why it ended; empty while it goes on or when it came to its end.
    [[nodiscard]] virtual std::string error() const { return {}; }
};

}  // namespace hft
