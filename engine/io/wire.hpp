// SPDX-License-Identifier: GPL-3.0-or-later
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <optional>
#include <span>
#include <type_traits>

#include "core/amount.hpp"
#include "core/hot.hpp"
#include "core/messages.hpp"

namespace hft::wire {

// A frame: length of the whole (2 bytes), type (1), version (1), then the fields in order, little-endian, unpadded.
inline constexpr std::size_t kHeader = 4;
inline constexpr std::size_t kMaxFrame = 512;
inline constexpr std::uint8_t kVersion = 3;

enum class Type : std::uint8_t {
    login = 1,
    new_order = 2,
    cancel_order = 3,
    fence = 4,
    heartbeat = 5,
    drop_copy_request = 6,
    login_ack = 16,
    epoch_info = 17,
    accepted = 18,
    rejected = 19,
    fill = 20,
    cancelled = 21,
    cancel_rejected = 22,
    fence_cancelled = 23,
    fence_ack = 24,
    heartbeat_ack = 25,
    drop_copy = 26,
    drop_copy_end = 27,
    tick = 32,
};

static_assert(__BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__, "fields are copied as they lie in memory");

// The one list of fields of each message: writer and reader both walk it.
template <typename V>
void fields(V& v, Login& m) {
    v(m.engine);
    v(m.incarnation);
    v(m.account);
    v(m.kind);
}
template <typename V>
void fields(V& v, Heartbeat& m) {
    v(m.sent_ns);
}
template <typename V>
void fields(V& v, DropCopyRequest& m) {
    v(m.strategy);
    v(m.epoch);
    v(m.seq);
    v(m.last_fill_id);
}
template <typename V>
void fields(V& v, NewOrder& m) {
    v(m.strategy);
    v(m.symbol);
    v(m.epoch);
    v(m.seq);
    v(m.intent.tick);
    v(m.intent.leg);
    v(m.side);
    v(m.price);
    v(m.quantity);
    v(m.sent_ns);
}
template <typename V>
void fields(V& v, CancelOrder& m) {
    v(m.strategy);
    v(m.epoch);
    v(m.seq);
}
template <typename V>
void fields(V& v, Fence& m) {
    v(m.strategy);
    v(m.epoch);
    v(m.last_fill_id);
}
template <typename V>
void fields(V& v, LoginAck& m) {
    v(m.venue);
    v(m.heartbeat_timeout_ms);
    v(m.cancel_on_disconnect);
}
template <typename V>
void fields(V& v, HeartbeatAck& m) {
    v(m.sent_ns);
    v(m.venue_ns);
}
template <typename V>
void fields(V& v, EpochInfo& m) {
    v(m.strategy);
    v(m.epoch);
}
template <typename V>
void fields(V& v, Accepted& m) {
    v(m.strategy);
    v(m.epoch);
    v(m.seq);
    v(m.venue_order_id);
    v(m.intent.tick);
    v(m.intent.leg);
    v(m.sent_ns);
    v(m.venue_ns);
}
template <typename V>
void fields(V& v, Rejected& m) {
    v(m.strategy);
    v(m.epoch);
    v(m.seq);
    v(m.intent.tick);
    v(m.intent.leg);
    v(m.reason);
    v(m.sent_ns);
    v(m.venue_ns);
}
template <typename V>
void fields(V& v, Fill& m) {
    v(m.strategy);
    v(m.symbol);
    v(m.holder);
    v(m.epoch);
    v(m.seq);
    v(m.venue_order_id);
    v(m.fill_id);
    v(m.intent.tick);
    v(m.intent.leg);
    v(m.side);
    v(m.recovered);
    v(m.order_price);
    v(m.order_quantity);
    v(m.cumulative);
    v(m.price);
    v(m.quantity);
    v(m.sent_ns);
    v(m.venue_ns);
}
template <typename V>
void fields(V& v, Cancelled& m) {
    v(m.strategy);
    v(m.epoch);
    v(m.seq);
    v(m.venue_order_id);
    v(m.reason);
    v(m.cumulative);
    v(m.leaves);
    v(m.venue_ns);
}
template <typename V>
void fields(V& v, CancelRejected& m) {
    v(m.strategy);
    v(m.epoch);
    v(m.seq);
    v(m.reason);
    v(m.venue_ns);
}
template <typename V>
void fields(V& v, FenceCancelled& m) {
    v(m.strategy);
    v(m.symbol);
    v(m.holder);
    v(m.epoch);
    v(m.seq);
    v(m.venue_order_id);
    v(m.intent.tick);
    v(m.intent.leg);
    v(m.side);
    v(m.price);
    v(m.quantity);
    v(m.cumulative);
    v(m.sent_ns);
    v(m.venue_ns);
}
template <typename V>
void fields(V& v, FenceAck& m) {
    v(m.strategy);
    v(m.epoch);
    v(m.highest);
    v(m.granted);
    v(m.complete);
    v(m.reason);
    v(m.cancelled);
    v(m.position);
    v(m.open_orders);
    v(m.venue_ns);
}
template <typename V>
void fields(V& v, DropCopy& m) {
    v(m.kind);
    v(m.history);
    v(m.strategy);
    v(m.symbol);
    v(m.holder);
    v(m.epoch);
    v(m.seq);
    v(m.venue_order_id);
    v(m.fill_id);
    v(m.intent.tick);
    v(m.intent.leg);
    v(m.side);
    v(m.reason);
    v(m.order_price);
    v(m.order_quantity);
    v(m.cumulative);
    v(m.price);
    v(m.quantity);
    v(m.sent_ns);
    v(m.venue_ns);
}
template <typename V>
void fields(V& v, DropCopyEnd& m) {
    v(m.strategy);
    v(m.told);
    v(m.complete);
    v(m.venue_ns);
}
template <typename V>
void fields(V& v, Tick& m) {
    v(m.symbol);
    v(m.number);
    v(m.bid);
    v(m.ask);
    v(m.bid_quantity);
    v(m.ask_quantity);
    v(m.venue_ns);
}

template <typename M>
struct TypeOf;
template <>
struct TypeOf<Login> {
    static constexpr Type value = Type::login;
};
template <>
struct TypeOf<NewOrder> {
    static constexpr Type value = Type::new_order;
};
template <>
struct TypeOf<CancelOrder> {
    static constexpr Type value = Type::cancel_order;
};
template <>
struct TypeOf<Fence> {
    static constexpr Type value = Type::fence;
};
template <>
struct TypeOf<LoginAck> {
    static constexpr Type value = Type::login_ack;
};
template <>
struct TypeOf<EpochInfo> {
    static constexpr Type value = Type::epoch_info;
};
template <>
struct TypeOf<Accepted> {
    static constexpr Type value = Type::accepted;
};
template <>
struct TypeOf<Rejected> {
    static constexpr Type value = Type::rejected;
};
template <>
struct TypeOf<Fill> {
    static constexpr Type value = Type::fill;
};
template <>
struct TypeOf<Cancelled> {
    static constexpr Type value = Type::cancelled;
};
template <>
struct TypeOf<CancelRejected> {
    static constexpr Type value = Type::cancel_rejected;
};
template <>
struct TypeOf<FenceCancelled> {
    static constexpr Type value = Type::fence_cancelled;
};
template <>
struct TypeOf<FenceAck> {
    static constexpr Type value = Type::fence_ack;
};
template <>
struct TypeOf<Tick> {
    static constexpr Type value = Type::tick;
};
template <>
struct TypeOf<Heartbeat> {
    static constexpr Type value = Type::heartbeat;
};
template <>
struct TypeOf<DropCopyRequest> {
    static constexpr Type value = Type::drop_copy_request;
};
template <>
struct TypeOf<HeartbeatAck> {
    static constexpr Type value = Type::heartbeat_ack;
};
template <>
struct TypeOf<DropCopy> {
    static constexpr Type value = Type::drop_copy;
};
template <>
struct TypeOf<DropCopyEnd> {
    static constexpr Type value = Type::drop_copy_end;
};

namespace detail {

struct Measure {
    std::size_t size = kHeader;
    template <typename T>
    void operator()(const T&) noexcept {
        size += sizeof(T);
    }
};

struct Writer {
    std::byte* at;
    template <typename T>
    void operator()(const T& field) noexcept {
        static_assert(std::is_trivially_copyable_v<T>);
        std::memcpy(at, &field, sizeof(T));
        at += sizeof(T);
    }
};

template <typename E>
constexpr bool in_range(std::uint8_t value) noexcept {
    if constexpr (std::is_same_v<E, Side>) return value <= static_cast<std::uint8_t>(Side::sell);
    if constexpr (std::is_same_v<E, RejectReason>) return value <= static_cast<std::uint8_t>(RejectReason::impaired);
    if constexpr (std::is_same_v<E, CancelReason>) return value <= static_cast<std::uint8_t>(CancelReason::self_match);
    if constexpr (std::is_same_v<E, SessionKind>) return value <= static_cast<std::uint8_t>(SessionKind::drop_copy);
    if constexpr (std::is_same_v<E, DropCopyKind>) return value <= static_cast<std::uint8_t>(DropCopyKind::fence);
    return value <= 1;  // bool
}

struct Reader {
    const std::byte* at;
    bool ok = true;
    template <typename T>
    void operator()(T& field) noexcept {
        static_assert(std::is_trivially_copyable_v<T>);
        if constexpr (std::is_enum_v<T> || std::is_same_v<T, bool>) {
            const auto value = std::to_integer<std::uint8_t>(*at);
            if (in_range<T>(value)) {
                field = static_cast<T>(value);
            } else {
                ok = false;
            }
        } else {
            std::memcpy(static_cast<void*>(&field), at, sizeof(T));
        }
        at += sizeof(T);
    }
    // A name fills its field or ends in zeros: anything behind the end would make two equal names differ.
    template <std::size_t N>
    void operator()(FixedString<N>& field) noexcept {
        std::memcpy(field.data(), at, N);
        static constexpr std::array<char, N> kZeros{};
        const std::size_t n = field.view().size();
        ok = ok && std::memcmp(field.data() + n, kZeros.data(), N - n) == 0;
        at += N;
    }
};

}  // namespace detail

template <typename M>
std::size_t frame_size() noexcept {
    detail::Measure measure;
    M m{};
    fields(measure, m);
    return measure.size;
}

// Writes one frame; out must hold kMaxFrame. Returns its size.
template <typename M>
HFT_HOT std::size_t encode(const M& message, std::byte* out) noexcept {
    M m = message;
    detail::Writer writer{out + kHeader};
    fields(writer, m);
    const auto size = static_cast<std::uint16_t>(writer.at - out);
    std::memcpy(out, &size, sizeof(size));
    out[2] = static_cast<std::byte>(TypeOf<M>::value);
    out[3] = static_cast<std::byte>(kVersion);
    return size;
}

// Amounts that an engine adds up. A venue answers an order whose amounts are not possible, so orders are not looked at here.
template <typename M>
bool plausible(const M&) noexcept {
    return true;
}
inline bool plausible(const Tick& m) noexcept { return amounts({m.bid, m.ask, m.bid_quantity, m.ask_quantity}); }
inline bool plausible(const Fill& m) noexcept { return amounts({m.order_price, m.order_quantity, m.cumulative, m.price, m.quantity}); }
inline bool plausible(const FenceAck& m) noexcept { return plausible_position(m.position); }

// The payload of a frame of this message's type. Nothing when its length or a field's value is not possible.
template <typename M>
HFT_HOT std::optional<M> decode(std::span<const std::byte> frame) noexcept {
    if (frame.size() != frame_size<M>()) return std::nullopt;
    M m{};
    detail::Reader reader{frame.data() + kHeader};
    fields(reader, m);
    if (!reader.ok || !plausible(m)) return std::nullopt;
    return m;
}

enum class FrameState : std::uint8_t { whole, partial, broken };
struct Frame {
    FrameState state = FrameState::partial;
    Type type = Type::login;
    std::span<const std::byte> bytes;
};

// Looks at the front of what was received.
HFT_HOT inline Frame next_frame(std::span<const std::byte> received) noexcept {
    if (received.size() < kHeader) return {};
    std::uint16_t size = 0;
    std::memcpy(&size, received.data(), sizeof(size));
    if (size < kHeader || size > kMaxFrame || std::to_integer<std::uint8_t>(received[3]) != kVersion) {
        return {FrameState::broken, Type::login, {}};
    }
    if (received.size() < size) return {};
    return {FrameState::whole, static_cast<Type>(std::to_integer<std::uint8_t>(received[2])), received.first(size)};
}

}  // namespace hft::wire
