// SPDX-License-Identifier: GPL-3.0-or-later
#include "io/wire.hpp"

#include <gtest/gtest.h>

#include <array>
#include <random>
#include <vector>

namespace hft {
namespace {

template <typename M>
std::vector<std::byte> encoded(const M& message) {
    std::array<std::byte, wire::kMaxFrame> out{};
    const std::size_t n = wire::encode(message, out.data());
    return {out.begin(), out.begin() + static_cast<std::ptrdiff_t>(n)};
}

// Encoding is a function of all fields, so equal bytes mean equal messages.
template <typename M>
void round_trip(const M& message) {
    const auto bytes = encoded(message);
    const wire::Frame frame = wire::next_frame(bytes);
    ASSERT_EQ(frame.state, wire::FrameState::whole);
    EXPECT_EQ(frame.type, wire::TypeOf<M>::value);
    const auto decoded = wire::decode<M>(frame.bytes);
    ASSERT_TRUE(decoded.has_value());
    EXPECT_EQ(encoded(*decoded), bytes);
    // Any other length of this type is refused, and a cut frame is waited for.
    EXPECT_FALSE(wire::decode<M>(frame.bytes.first(frame.bytes.size() - 1)).has_value());
    EXPECT_EQ(wire::next_frame(std::span(bytes).first(bytes.size() - 1)).state, wire::FrameState::partial);
}

NewOrder order() {
    NewOrder o;
    o.strategy = StrategyName("mm");
    o.symbol = SymbolName("BTC-USD");
    o.epoch = 7;
    o.seq = 8;
    o.intent = {9, 1};
    o.side = Side::sell;
    o.price = -10;
    o.quantity = 11;
    o.sent_ns = 12;
    return o;
}

TEST(Wire, EveryMessageComesBack) {
    round_trip(Login{EngineName("blue"), Incarnation("ff"), AccountName("desk-1"), SessionKind::drop_copy});
    round_trip(Heartbeat{7});
    round_trip(HeartbeatAck{7, 8});
    round_trip(DropCopyRequest{StrategyName("mm"), 1, 2, 3});
    round_trip(DropCopyEnd{StrategyName("mm"), 4, true, 5});
    round_trip(order());
    round_trip(CancelOrder{StrategyName("mm"), 1, 2});
    round_trip(Fence{StrategyName("mm"), 1, 2});
    round_trip(LoginAck{VenueName("paper"), 3000, false});
    round_trip(EpochInfo{StrategyName("mm"), 3});
    round_trip(Accepted{StrategyName("mm"), 1, 2, 3, {4, 1}, 5, 6});
    round_trip(Rejected{StrategyName("mm"), 1, 2, {4, 1}, RejectReason::stale_epoch, 5, 6});
    Fill fill;
    fill.holder = HolderName("blue/ff");
    fill.recovered = true;
    fill.side = Side::sell;
    fill.fill_id = 99;
    round_trip(fill);
    round_trip(Cancelled{StrategyName("mm"), 1, 2, 3, CancelReason::fenced, 4, 5, 6});
    round_trip(CancelRejected{StrategyName("mm"), 1, 2, RejectReason::unknown_order, 3});
    round_trip(FenceCancelled{});
    round_trip(FenceAck{StrategyName("mm"), 1, 2, true, false, RejectReason::foreign_account, 3, -4, 2, 5});
    DropCopy copy;
    copy.kind = DropCopyKind::fence;
    copy.history = true;
    copy.reason = CancelReason::self_match;
    copy.venue_ns = -1;
    round_trip(copy);
    round_trip(Tick{SymbolName("BTC-USD"), 1, 2, 3, 4, 5, 6});
}

TEST(Wire, FieldsKeepTheirValues) {
    const auto bytes = encoded(order());
    const auto decoded = wire::decode<NewOrder>(bytes);
    ASSERT_TRUE(decoded.has_value());
    EXPECT_EQ(decoded->strategy.view(), "mm");
    EXPECT_EQ(decoded->intent.tick, 9U);
    EXPECT_EQ(decoded->side, Side::sell);
    EXPECT_EQ(decoded->price, -10);
    EXPECT_EQ(decoded->sent_ns, 12);
}

TEST(Wire, HostileHeaders) {
    auto bytes = encoded(order());
    bytes[3] = std::byte{9};
    EXPECT_EQ(wire::next_frame(bytes).state, wire::FrameState::broken);
    const std::array<std::byte, 4> short_length{std::byte{3}, std::byte{0}, std::byte{1}, std::byte{wire::kVersion}};
    EXPECT_EQ(wire::next_frame(short_length).state, wire::FrameState::broken);
    const std::array<std::byte, 4> long_length{std::byte{255}, std::byte{255}, std::byte{1}, std::byte{wire::kVersion}};
    EXPECT_EQ(wire::next_frame(long_length).state, wire::FrameState::broken);
    EXPECT_EQ(wire::next_frame({}).state, wire::FrameState::partial);
    // A frame of the version before: its sender is to be upgraded, not guessed at.
    auto old = encoded(order());
    old[3] = std::byte{1};
    EXPECT_EQ(wire::next_frame(old).state, wire::FrameState::broken);
}

TEST(Wire, ImpossibleFieldValuesAreRefused) {
    auto bytes = encoded(order());
    constexpr std::size_t kSide = wire::kHeader + 32 + 16 + 8 + 8 + 8 + 1;
    ASSERT_EQ(bytes[kSide], std::byte{1});
    bytes[kSide] = std::byte{2};
    EXPECT_FALSE(wire::decode<NewOrder>(bytes).has_value());
    auto login = encoded(Login{EngineName("blue"), Incarnation("ff")});
    login.back() = std::byte{2};  // the kind of session
    EXPECT_FALSE(wire::decode<Login>(login).has_value());
    auto named = encoded(order());
    named[wire::kHeader + 10] = std::byte{'x'};  // behind the end of the name
    EXPECT_FALSE(wire::decode<NewOrder>(named).has_value());
}

TEST(Wire, RandomBytesNeverCrash) {
    std::mt19937 random(7);
    std::size_t whole = 0;
    for (int i = 0; i < 20'000; ++i) {
        std::vector<std::byte> bytes(random() % 300);
        for (auto& b : bytes) b = static_cast<std::byte>(random() & 0xff);
        if (bytes.size() >= 4 && i % 2 == 0) {
            const auto n = static_cast<std::uint16_t>(bytes.size());
            std::memcpy(bytes.data(), &n, 2);
            bytes[3] = std::byte{wire::kVersion};
        }
        const wire::Frame frame = wire::next_frame(bytes);
        if (frame.state != wire::FrameState::whole) continue;
        ++whole;
        static_cast<void>(wire::decode<NewOrder>(frame.bytes));
        static_cast<void>(wire::decode<Fill>(frame.bytes));
        static_cast<void>(wire::decode<Login>(frame.bytes));
        static_cast<void>(wire::decode<DropCopy>(frame.bytes));
        static_cast<void>(wire::decode<DropCopyRequest>(frame.bytes));
        static_cast<void>(wire::decode<FenceAck>(frame.bytes));
    }
    EXPECT_GT(whole, 1000U);
}

}  // namespace
}  // namespace hft
