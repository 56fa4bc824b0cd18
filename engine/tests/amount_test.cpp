// SPDX-License-Identifier: GPL-3.0-or-later
// Amounts whose sum would overflow, from every side that can bring them: the wire, an engine's order, the venue's log.
#include "core/amount.hpp"

#include <gtest/gtest.h>
#include <sys/mman.h>
#include <unistd.h>

#include <array>
#include <limits>
#include <string>
#include <vector>

#include "bench/silent_output.hpp"
#include "io/fd.hpp"
#include "io/venue_log.hpp"
#include "io/wire.hpp"

namespace hft {
namespace {

constexpr Quantity kHuge = std::numeric_limits<Quantity>::max();
const std::vector<SymbolSetup> kSymbols{{"BTC-USD", 100, 0.01, 20, 0.2}};

template <typename M>
bool decodes(const M& message) {
    std::array<std::byte, wire::kMaxFrame> frame{};
    const std::size_t size = wire::encode(message, frame.data());
    return wire::decode<M>(std::span<const std::byte>(frame.data(), size)).has_value();
}

TEST(Amount, AFillAnEngineCannotAddUpIsNoFrame) {
    Fill fill;
    fill.quantity = kMaxAmount;
    EXPECT_TRUE(decodes(fill));
    for (Quantity Fill::* const amount : {&Fill::quantity, &Fill::cumulative, &Fill::order_quantity, &Fill::price, &Fill::order_price}) {
        for (const Quantity bad : {kHuge, kMaxAmount + 1, Quantity{-1}, std::numeric_limits<Quantity>::min()}) {
            Fill wrong = fill;
            wrong.*amount = bad;
            EXPECT_FALSE(decodes(wrong)) << bad;
        }
    }
}

TEST(Amount, ATickAndAFenceAnswerAreHeldAgainstIt) {
    Tick tick;
    EXPECT_TRUE(decodes(tick));
    tick.ask = kHuge;
    EXPECT_FALSE(decodes(tick));
    FenceAck ack;
    ack.position = -kMaxPosition;
    EXPECT_TRUE(decodes(ack));
    ack.position = std::numeric_limits<Quantity>::min();
    EXPECT_FALSE(decodes(ack));
}

struct Refusals final : bench::SilentOutput {
    using SilentOutput::send;
    void send(SessionId, const Rejected& m) override { reasons.push_back(m.reason); }
    std::vector<RejectReason> reasons;
};

TEST(Amount, TheVenueAnswersAnOrderBeyondIt) {
    Refusals out;
    VenueCore venue(VenueName("paper"), FenceMode::enforce, kSymbols, out);
    venue.on_login(1, Login{EngineName("blue"), Incarnation("1"), AccountName("main"), SessionKind::order_entry}, 1);
    NewOrder order;
    order.strategy = StrategyName("mm");
    order.symbol = SymbolName("BTC-USD");
    order.epoch = 1;
    order.seq = 1;
    order.price = from_double(100);
    order.quantity = kHuge;
    venue.on_order(1, order, 1);
    order.quantity = kScale;
    order.price = kHuge / 10'000 * 10'000;
    venue.on_order(1, order, 1);
    EXPECT_EQ(out.reasons, (std::vector{RejectReason::bad_quantity, RejectReason::bad_price}));
}

std::string replayed(const std::string& line) {
    const Fd file(::memfd_create("venue.jsonl", MFD_CLOEXEC));
    EXPECT_EQ(::write(file.get(), line.data(), line.size()), static_cast<ssize_t>(line.size()));
    bench::SilentOutput out;
    VenueCore venue(VenueName("paper"), FenceMode::enforce, kSymbols, out);
    return VenueLog("/proc/self/fd/" + std::to_string(file.get())).replay(venue);
}

TEST(Amount, TheVenueNamesTheLineOfItsLog) {
    const auto fill = [](const std::string& quantity) {
        return R"({"t":3,"ev":"fill","strategy":"mm","epoch":5,"seq":1,"holder":"blue/1","order_id":1,"symbol":"BTC-USD","side":"buy",)"
               R"("price":100000000,"qty":1000000,"tick":7,"leg":0,"sent_ns":3,"fill_id":1,"fill_price":100000000,"fill_qty":)" +
               quantity + R"(,"cumulative":500000,"venue_tick":3})" + "\n";
    };
    EXPECT_EQ(replayed(fill("500000")), "");
    EXPECT_NE(replayed(fill("9223372036854775807")).find(":1: expected amounts"), std::string::npos);
    EXPECT_NE(replayed(fill("-1")).find(":1: expected amounts"), std::string::npos);
}

}  // namespace
}  // namespace hft
