// SPDX-License-Identifier: GPL-3.0-or-later
#pragma once

// What engine and venue say to each other; io/wire.hpp gives each its frame.

#include "core/types.hpp"

namespace hft {

struct Tick {
    SymbolName symbol;
    std::uint64_t number = 0;
    Price bid = 0;
    Price ask = 0;
    Quantity bid_quantity = 0;
    Quantity ask_quantity = 0;
    Nanos venue_ns = 0;
};

enum class SessionKind : std::uint8_t { order_entry, drop_copy };

// Engine to venue.
struct Login {
    EngineName engine;
    Incarnation incarnation;
    AccountName account = AccountName("main");
    SessionKind kind = SessionKind::order_entry;  // a drop copy only listens
};
// From the hot loop, so that the venue notices when that loop hangs.
struct Heartbeat {
    Nanos sent_ns = 0;  // the engine's own clock; comes back as it is
};
struct NewOrder {
    StrategyName strategy;
    SymbolName symbol;
    std::uint64_t epoch = 0;
    std::uint64_t seq = 0;
    Intent intent;
    Side side = Side::buy;
    Price price = 0;
    Quantity quantity = 0;
    Nanos sent_ns = 0;
};
struct CancelOrder {
    StrategyName strategy;
    std::uint64_t epoch = 0;
    std::uint64_t seq = 0;
};
// Shuts out every lower epoch of the strategy. Fills after last_fill_id are told before the answer.
struct Fence {
    StrategyName strategy;
    std::uint64_t epoch = 0;
    std::uint64_t last_fill_id = 0;
};

// Asks for what the strategy did before now, out of the venue's log: accepted and cancelled orders after (epoch, seq), fills
// after last_fill_id, each as a DropCopy; then DropCopyEnd. On any session of the strategy's account.
struct DropCopyRequest {
    StrategyName strategy;
    std::uint64_t epoch = 0;
    std::uint64_t seq = 0;
    std::uint64_t last_fill_id = 0;
};

// Venue to engine.
struct LoginAck {
    VenueName venue;
    std::uint32_t heartbeat_timeout_ms = 0;  // a session silent for longer is ended; 0: never
    bool cancel_on_disconnect = true;
};
struct HeartbeatAck {
    Nanos sent_ns = 0;
    Nanos venue_ns = 0;
};
// One for each strategy of the account that the venue knows, before LoginAck.
struct EpochInfo {
    StrategyName strategy;
    std::uint64_t epoch = 0;
};
struct Accepted {
    StrategyName strategy;
    std::uint64_t epoch = 0;
    std::uint64_t seq = 0;
    std::uint64_t venue_order_id = 0;
    Intent intent;
    Nanos sent_ns = 0;
    Nanos venue_ns = 0;
};
struct Rejected {
    StrategyName strategy;
    std::uint64_t epoch = 0;
    std::uint64_t seq = 0;
    Intent intent;
    RejectReason reason = RejectReason::none;
    Nanos sent_ns = 0;
    Nanos venue_ns = 0;
};
// Carries all of its order, so that an engine can book what it never sent itself.
struct Fill {
    StrategyName strategy;
    SymbolName symbol;
    HolderName holder;
    std::uint64_t epoch = 0;
    std::uint64_t seq = 0;
    std::uint64_t venue_order_id = 0;
    std::uint64_t fill_id = 0;
    Intent intent;
    Side side = Side::buy;
    bool recovered = false;
    Price order_price = 0;
    Quantity order_quantity = 0;
    Quantity cumulative = 0;
    Price price = 0;
    Quantity quantity = 0;
    Nanos sent_ns = 0;
    Nanos venue_ns = 0;
    Nanos received = 0;  // read from the socket (CLOCK_BOOTTIME); ours, not on the wire
};
struct Cancelled {
    StrategyName strategy;
    std::uint64_t epoch = 0;
    std::uint64_t seq = 0;
    std::uint64_t venue_order_id = 0;
    CancelReason reason = CancelReason::requested;
    Quantity cumulative = 0;
    Quantity leaves = 0;
    Nanos venue_ns = 0;
};
struct CancelRejected {
    StrategyName strategy;
    std::uint64_t epoch = 0;
    std::uint64_t seq = 0;
    RejectReason reason = RejectReason::none;
    Nanos venue_ns = 0;
};
// Before FenceAck, one for each order the fence cancelled: another engine's, so it names its holder.
struct FenceCancelled {
    StrategyName strategy;
    SymbolName symbol;
    HolderName holder;
    std::uint64_t epoch = 0;
    std::uint64_t seq = 0;
    std::uint64_t venue_order_id = 0;
    Intent intent;
    Side side = Side::buy;
    Price price = 0;
    Quantity quantity = 0;
    Quantity cumulative = 0;
    Nanos sent_ns = 0;
    Nanos venue_ns = 0;
};
struct FenceAck {
    StrategyName strategy;
    std::uint64_t epoch = 0;
    std::uint64_t highest = 0;  // what the venue holds now; above epoch when refused
    bool granted = false;
    bool complete = false;                     // false: fills after last_fill_id are missing, the venue's log does not reach back so far
    RejectReason reason = RejectReason::none;  // why it was refused
    std::uint32_t cancelled = 0;
    Quantity position = 0;          // net of all fills of the strategy at this venue, all epochs
    std::uint32_t open_orders = 0;  // of the session that fenced: what it left open
    Nanos venue_ns = 0;
};

enum class DropCopyKind : std::uint8_t { accepted, fill, cancelled, fence };
// What happened to an order, or a fence, of any strategy of the account. Carries all of the order.
struct DropCopy {
    DropCopyKind kind = DropCopyKind::accepted;
    bool history = false;  // asked for by a DropCopyRequest
    StrategyName strategy;
    SymbolName symbol;
    HolderName holder;
    std::uint64_t epoch = 0;
    std::uint64_t seq = 0;
    std::uint64_t venue_order_id = 0;
    std::uint64_t fill_id = 0;  // of a fill
    Intent intent;
    Side side = Side::buy;
    CancelReason reason = CancelReason::requested;  // of a cancel
    Price order_price = 0;
    Quantity order_quantity = 0;
    Quantity cumulative = 0;
    Price price = 0;        // of a fill
    Quantity quantity = 0;  // of a fill
    Nanos sent_ns = 0;
    Nanos venue_ns = 0;
};
struct DropCopyEnd {
    StrategyName strategy;
    std::uint64_t told = 0;
    bool complete = false;  // false: the venue's log does not reach back so far
    Nanos venue_ns = 0;
};

}  // namespace hft
