// SPDX-License-Identifier: GPL-3.0-or-later
#pragma once

#include "core/messages.hpp"
#include "core/spsc_ring.hpp"

namespace hft {

enum class FactKind : std::uint8_t { order = 1, fill = 2, position = 3, event = 4 };

enum class EventKind : std::uint8_t { strategy_halted, venue_lost, venue_connected, fenced, reconciled, killed, paper_order, flattened };
inline const char* to_text(EventKind kind) noexcept {
    switch (kind) {
        case EventKind::strategy_halted:
            return "strategy_halted";
        case EventKind::venue_lost:
            return "venue_lost";
        case EventKind::venue_connected:
            return "venue_connected";
        case EventKind::fenced:
            return "fenced";
        case EventKind::reconciled:
            return "reconciled";
        case EventKind::killed:
            return "killed";
        case EventKind::paper_order:
            return "paper_order";
        case EventKind::flattened:
            return "flattened";
    }
    return "unknown";
}

// One record of the journal. It carries names, not indices: after a restart another configuration may read it.
struct Fact {
    FactKind kind = FactKind::order;
    Side side = Side::buy;
    OrderStatus status = OrderStatus::sent;
    EventKind event = EventKind::fenced;
    std::uint8_t reason = 0;  // a RejectReason or a risk check, by kind
    bool recovered = false;
    Intent intent;
    StrategyName strategy;
    SymbolName symbol;
    VenueName venue;
    HolderName engine;
    std::uint64_t epoch = 0;
    std::uint64_t seq = 0;
    std::uint64_t venue_order_id = 0;
    std::uint64_t fill_id = 0;  // of a position: the last one in it
    Price price = 0;
    Quantity quantity = 0;  // of a position: signed
    Quantity cumulative = 0;
    Nanos sent_ns = 0;
    Nanos venue_ns = 0;  // of positions and events: when they came about
    double average_price = 0;
    double realised_pnl = 0;
    double day_start_pnl = 0;
    std::int64_t day = 0;  // days since 1970-01-01
    Quantity before = 0;   // of a reconciliation: what the engine believed
};

using FactRing = SpscRing<Fact>;

}  // namespace hft
