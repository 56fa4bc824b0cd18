// SPDX-License-Identifier: GPL-3.0-or-later
#pragma once

#include <cstdint>

#include "core/clock.hpp"
#include "core/fixed_string.hpp"

namespace hft {

using StrategyName = FixedString<32>;
using SymbolName = FixedString<16>;
using VenueName = FixedString<16>;
using AccountName = FixedString<16>;
using EngineName = FixedString<32>;
using Incarnation = FixedString<24>;
using HolderName = FixedString<56>;  // <engine>/<incarnation>

// Prices and quantities are integers in millionths.
using Price = std::int64_t;
using Quantity = std::int64_t;
inline constexpr std::int64_t kScale = 1'000'000;

inline double to_double(std::int64_t scaled) noexcept { return static_cast<double>(scaled) / static_cast<double>(kScale); }
inline std::int64_t from_double(double value) noexcept {
    return static_cast<std::int64_t>(value * static_cast<double>(kScale) + (value < 0 ? -0.5 : 0.5));
}
inline double notional_usd(Price price, Quantity quantity) noexcept { return to_double(price) * to_double(quantity); }

enum class Side : std::uint8_t { buy = 0, sell = 1 };
inline Side opposite(Side side) noexcept { return side == Side::buy ? Side::sell : Side::buy; }
inline Quantity signed_quantity(Side side, Quantity quantity) noexcept { return side == Side::buy ? quantity : -quantity; }
inline const char* to_text(Side side) noexcept { return side == Side::buy ? "buy" : "sell"; }

// What made the strategy send an order: the same on every engine that sees the same tick.
struct Intent {
    std::uint64_t tick = 0;
    std::uint8_t leg = 0;
};

enum class OrderStatus : std::uint8_t { sent, accepted, partially_filled, unknown, filled, cancelled, rejected };
inline const char* to_text(OrderStatus status) noexcept {
    switch (status) {
        case OrderStatus::sent:
            return "sent";
        case OrderStatus::accepted:
            return "accepted";
        case OrderStatus::partially_filled:
            return "partially_filled";
        case OrderStatus::unknown:
            return "unknown";
        case OrderStatus::filled:
            return "filled";
        case OrderStatus::cancelled:
            return "cancelled";
        case OrderStatus::rejected:
            return "rejected";
    }
    return "unknown";
}
// The order of migration 001: a later report never takes a row back.
inline int rank(OrderStatus status) noexcept {
    switch (status) {
        case OrderStatus::sent:
            return 0;
        case OrderStatus::accepted:
            return 1;
        case OrderStatus::partially_filled:
            return 2;
        case OrderStatus::unknown:
            return 3;
        default:
            return 4;
    }
}

enum class RejectReason : std::uint8_t {
    none,
    stale_epoch,
    foreign_incarnation,
    unknown_symbol,
    bad_price,
    bad_quantity,
    duplicate_seq,
    self_match,
    unknown_order,
    not_logged_in,
    foreign_account,
    impaired,
};
inline const char* to_text(RejectReason reason) noexcept {
    switch (reason) {
        case RejectReason::none:
            return "none";
        case RejectReason::stale_epoch:
            return "stale_epoch";
        case RejectReason::foreign_incarnation:
            return "foreign_incarnation";
        case RejectReason::unknown_symbol:
            return "unknown_symbol";
        case RejectReason::bad_price:
            return "bad_price";
        case RejectReason::bad_quantity:
            return "bad_quantity";
        case RejectReason::duplicate_seq:
            return "duplicate_seq";
        case RejectReason::self_match:
            return "self_match";
        case RejectReason::unknown_order:
            return "unknown_order";
        case RejectReason::not_logged_in:
            return "not_logged_in";
        case RejectReason::foreign_account:
            return "foreign_account";
        case RejectReason::impaired:
            return "impaired";
    }
    return "none";
}

enum class CancelReason : std::uint8_t { requested, fenced, disconnected, heartbeat, self_match };
// The engine may not hear of it: its session is gone, or another asked.
inline bool is_unasked(CancelReason reason) noexcept {
    return reason == CancelReason::fenced || reason == CancelReason::disconnected || reason == CancelReason::heartbeat;
}
inline const char* to_text(CancelReason reason) noexcept {
    switch (reason) {
        case CancelReason::requested:
            return "requested";
        case CancelReason::fenced:
            return "fenced";
        case CancelReason::disconnected:
            return "disconnected";
        case CancelReason::heartbeat:
            return "heartbeat";
        case CancelReason::self_match:
            return "self_match";
    }
    return "requested";
}

}  // namespace hft
