// SPDX-License-Identifier: GPL-3.0-or-later
#include "core/venue_core.hpp"

#include <gtest/gtest.h>
#include <unistd.h>

#include <filesystem>
#include <fstream>
#include <string>
#include <vector>

#include "io/venue_log.hpp"

namespace hft {
namespace {

struct Output final : VenueOutput {
    void log(std::string_view line) override { lines.emplace_back(line); }
    void send(SessionId, const LoginAck&) override { ++logins; }
    void send(SessionId, const EpochInfo& m) override { epochs.push_back(m); }
    void send(SessionId, const Accepted& m) override { accepted.push_back(m); }
    void send(SessionId, const Rejected& m) override { rejected.push_back(m); }
    void send(SessionId, const Fill& m) override { fills.push_back(m); }
    void send(SessionId, const Cancelled& m) override { cancelled.push_back(m); }
    void send(SessionId, const CancelRejected& m) override { cancel_rejected.push_back(m); }
    void send(SessionId, const FenceCancelled& m) override { fence_cancelled.push_back(m); }
    void send(SessionId, const FenceAck& m) override { acks.push_back(m); }
    void send(SessionId session, const DropCopy& m) override { copies.emplace_back(session, m); }
    void send(SessionId, const DropCopyEnd& m) override { ends.push_back(m); }

    std::vector<std::string> lines;
    int logins = 0;
    std::vector<EpochInfo> epochs;
    std::vector<Accepted> accepted;
    std::vector<Rejected> rejected;
    std::vector<Fill> fills;
    std::vector<Cancelled> cancelled;
    std::vector<CancelRejected> cancel_rejected;
    std::vector<FenceCancelled> fence_cancelled;
    std::vector<FenceAck> acks;
    std::vector<std::pair<SessionId, DropCopy>> copies;
    std::vector<DropCopyEnd> ends;
};

std::vector<SymbolSetup> symbols() { return {{"BTC-USD", 100, 0.01, 100, 0}}; }

struct Venue {
    explicit Venue(FenceMode mode = FenceMode::enforce) : core(VenueName("paper"), mode, symbols(), out) {
        core.restored(1, "test");
        login(1, "blue", "1");
        quote(99, 101);
    }
    void login(SessionId session, const char* engine, const char* incarnation, const char* account = "main",
               SessionKind kind = SessionKind::order_entry) {
        core.on_login(session, Login{EngineName(engine), Incarnation(incarnation), AccountName(account), kind}, 1);
    }
    void quote(double bid, double ask, std::optional<Trade> trade = {}) {
        TickGenerator::Step step;
        step.tick.symbol = SymbolName("BTC-USD");
        step.tick.number = ++tick;
        step.tick.bid = from_double(bid);
        step.tick.ask = from_double(ask);
        step.tick.venue_ns = 100 + static_cast<Nanos>(tick);
        step.trade = trade;
        core.on_step(step);
    }
    void order(SessionId session, Side side, double price, double quantity, std::uint64_t epoch = 1, const char* strategy = "mm") {
        NewOrder o;
        o.strategy = StrategyName(strategy);
        o.symbol = SymbolName("BTC-USD");
        o.epoch = epoch;
        o.seq = ++seq;
        o.intent = {tick, 0};
        o.side = side;
        o.price = from_double(price);
        o.quantity = from_double(quantity);
        core.on_order(session, o, 5);
    }
    void fence(SessionId session, std::uint64_t epoch, std::uint64_t last_fill = 0) {
        core.on_fence(session, Fence{StrategyName("mm"), epoch, last_fill}, 6);
    }
    Output out;
    VenueCore core;
    std::uint64_t tick = 0;
    std::uint64_t seq = 0;
};

RejectReason last_reason(const Venue& v) { return v.out.rejected.empty() ? RejectReason::none : v.out.rejected.back().reason; }

TEST(Venue, RefusesWhatItCannotTake) {
    Venue v;
    v.order(9, Side::buy, 98, 1);
    EXPECT_EQ(last_reason(v), RejectReason::not_logged_in);
    v.order(1, Side::buy, 0, 1);
    EXPECT_EQ(last_reason(v), RejectReason::bad_price);
    v.order(1, Side::buy, 98.001, 1);
    EXPECT_EQ(last_reason(v), RejectReason::bad_price);
    v.order(1, Side::buy, 98, -1);
    EXPECT_EQ(last_reason(v), RejectReason::bad_quantity);
    NewOrder o;
    o.symbol = SymbolName("NONE");
    v.core.on_order(1, o, 5);
    EXPECT_EQ(last_reason(v), RejectReason::unknown_symbol);
    EXPECT_TRUE(v.out.accepted.empty());
}

TEST(Venue, ASeqIsTakenOnce) {
    Venue v;
    v.order(1, Side::buy, 98, 1);
    v.seq = 0;
    v.order(1, Side::buy, 98, 1);
    EXPECT_EQ(last_reason(v), RejectReason::duplicate_seq);
    EXPECT_EQ(v.out.accepted.size(), 1U);
}

TEST(Venue, AMarketableOrderFillsAtTheQuote) {
    Venue v;
    v.order(1, Side::buy, 102, 1);
    ASSERT_EQ(v.out.fills.size(), 1U);
    EXPECT_EQ(v.out.fills[0].price, from_double(101));
    EXPECT_EQ(v.out.fills[0].cumulative, from_double(1));
    EXPECT_EQ(v.core.open_orders(), 0U);
}

TEST(Venue, ATradeFillsInPriceTimeOrderPartlyAndWhole) {
    Venue v;
    v.order(1, Side::buy, 99.5, 1);
    v.order(1, Side::buy, 99.6, 1);
    v.order(1, Side::buy, 99.6, 1);
    v.quote(99, 101, Trade{Side::sell, from_double(1.5)});
    ASSERT_EQ(v.out.fills.size(), 2U);
    EXPECT_EQ(v.out.fills[0].seq, 2U);
    EXPECT_EQ(v.out.fills[0].quantity, from_double(1));
    EXPECT_EQ(v.out.fills[1].seq, 3U);
    EXPECT_EQ(v.out.fills[1].quantity, from_double(0.5));
    EXPECT_EQ(v.core.open_orders(), 2U);
}

TEST(Venue, ATradeLeavesOrdersWorseThanTheQuoteAlone) {
    Venue v;
    v.order(1, Side::buy, 98, 1);
    v.quote(99, 101, Trade{Side::sell, from_double(5)});
    EXPECT_TRUE(v.out.fills.empty());
}

TEST(Venue, TheQuoteRunsIntoRestingOrders) {
    Venue v;
    v.order(1, Side::sell, 102, 1);
    v.quote(102.5, 104);
    ASSERT_EQ(v.out.fills.size(), 1U);
    EXPECT_EQ(v.out.fills[0].price, from_double(102));
}

TEST(Venue, OrdersOfTwoAccountsMeetThoseOfOneDoNot) {
    Venue v;
    v.login(2, "green", "2", "other");
    v.order(1, Side::sell, 100, 1, 1, "a");
    v.order(2, Side::buy, 100, 0.4, 1, "b");
    ASSERT_EQ(v.out.fills.size(), 2U);
    EXPECT_EQ(v.out.fills[0].quantity, from_double(0.4));
    v.order(1, Side::buy, 100, 1, 1, "c");
    EXPECT_EQ(last_reason(v), RejectReason::self_match);
}

TEST(Venue, AStrategyBelongsToTheAccountThatUsedItFirst) {
    Venue v;
    v.order(1, Side::buy, 98, 1);
    v.login(2, "green", "2", "other");
    v.out.epochs.clear();
    v.order(2, Side::buy, 98, 1, 2);
    EXPECT_EQ(last_reason(v), RejectReason::foreign_account);
    v.fence(2, 9);
    ASSERT_EQ(v.out.acks.size(), 1U);
    EXPECT_FALSE(v.out.acks[0].granted);
    EXPECT_EQ(v.out.acks[0].reason, RejectReason::foreign_account);
    EXPECT_EQ(v.core.highest_epoch(StrategyName("mm")), 1U);
    EXPECT_EQ(v.core.open_orders(), 1U);
    v.login(3, "green", "3", "other");
    EXPECT_TRUE(v.out.epochs.empty()) << "told of another account's strategy";
}

TEST(DropCopy, TellsEverythingOfItsAccountAndNothingElse) {
    Venue v;
    v.login(2, "watch", "1", "main", SessionKind::drop_copy);
    v.login(3, "watch", "2", "other", SessionKind::drop_copy);
    v.order(1, Side::buy, 102, 0.5);
    v.order(1, Side::buy, 98, 1);
    v.core.on_cancel(1, CancelOrder{StrategyName("mm"), 1, 2}, 7);
    v.fence(1, 2);
    std::vector<DropCopyKind> kinds;
    for (const auto& [session, copy] : v.out.copies) {
        EXPECT_EQ(session, 2U);
        EXPECT_FALSE(copy.history);
        EXPECT_EQ(copy.holder.view(), "blue/1");
        kinds.push_back(copy.kind);
    }
    using K = DropCopyKind;
    EXPECT_EQ(kinds, (std::vector<K>{K::accepted, K::fill, K::accepted, K::cancelled, K::fence}));
    EXPECT_EQ(v.out.copies[1].second.price, from_double(101));
    EXPECT_EQ(v.out.copies[1].second.order_price, from_double(102));
}

TEST(Venue, CancelAndCancelOfWhatIsGone) {
    Venue v;
    v.order(1, Side::buy, 98, 1);
    v.core.on_cancel(1, CancelOrder{StrategyName("mm"), 1, 1}, 7);
    ASSERT_EQ(v.out.cancelled.size(), 1U);
    EXPECT_EQ(v.out.cancelled[0].reason, CancelReason::requested);
    v.core.on_cancel(1, CancelOrder{StrategyName("mm"), 1, 1}, 8);
    EXPECT_EQ(v.out.cancel_rejected.size(), 1U);
}

TEST(Venue, NobodyCancelsAnothersOrder) {
    Venue v;
    v.login(2, "green", "2");
    v.order(1, Side::buy, 98, 1);
    v.core.on_cancel(2, CancelOrder{StrategyName("mm"), 1, 1}, 7);
    EXPECT_EQ(v.core.open_orders(), 1U);
}

TEST(Venue, DisconnectCancels) {
    Venue v;
    v.order(1, Side::buy, 98, 1);
    v.core.on_disconnect(1, 9);
    EXPECT_EQ(v.core.open_orders(), 0U);
    EXPECT_NE(v.out.lines.back().find("\"disconnected\""), std::string::npos);
}

TEST(Fence, ShutsOutLowerEpochsAndTellsWhatItCancelled) {
    Venue v;
    v.login(2, "green", "2");
    v.order(1, Side::buy, 98, 1, 3);
    v.fence(2, 4);
    ASSERT_EQ(v.out.acks.size(), 1U);
    EXPECT_TRUE(v.out.acks[0].granted);
    EXPECT_EQ(v.out.acks[0].cancelled, 1U);
    ASSERT_EQ(v.out.fence_cancelled.size(), 1U);
    EXPECT_EQ(v.out.fence_cancelled[0].holder.view(), "blue/1");
    EXPECT_EQ(v.out.fence_cancelled[0].epoch, 3U);
    v.order(1, Side::buy, 98, 1, 3);
    EXPECT_EQ(last_reason(v), RejectReason::stale_epoch);
    v.order(2, Side::buy, 98, 1, 4);
    EXPECT_EQ(v.out.accepted.size(), 2U);
}

TEST(Fence, AnEqualEpochOfAnotherIncarnationIsRefused) {
    Venue v;
    v.fence(1, 4);
    v.login(2, "blue", "2");
    v.order(2, Side::buy, 98, 1, 4);
    EXPECT_EQ(last_reason(v), RejectReason::foreign_incarnation);
    v.fence(2, 4);
    EXPECT_FALSE(v.out.acks.back().granted);
    EXPECT_EQ(v.out.acks.back().highest, 4U);
    v.fence(2, 3);
    EXPECT_FALSE(v.out.acks.back().granted);
    v.fence(1, 4);
    EXPECT_TRUE(v.out.acks.back().granted);
}

TEST(Fence, AHigherEpochOnAnOrderCountsAsSeen) {
    Venue v;
    v.order(1, Side::buy, 98, 1, 9);
    v.fence(1, 8);
    EXPECT_FALSE(v.out.acks.back().granted);
    EXPECT_EQ(v.out.acks.back().highest, 9U);
}

TEST(Fence, TellsFillsSinceTheLastKnownAndThePosition) {
    Venue v;
    v.order(1, Side::buy, 102, 1);
    v.order(1, Side::sell, 98, 0.25);
    v.login(2, "green", "2");
    v.out.fills.clear();
    v.fence(2, 2, 1);
    ASSERT_EQ(v.out.fills.size(), 1U);
    EXPECT_EQ(v.out.fills[0].fill_id, 2U);
    EXPECT_TRUE(v.out.fills[0].recovered);
    EXPECT_EQ(v.out.fills[0].holder.view(), "blue/1");
    EXPECT_EQ(v.out.acks[0].position, from_double(0.75));
    EXPECT_TRUE(v.out.acks[0].complete);
}

TEST(Fence, ObserveOnlyRecords) {
    Venue v(FenceMode::observe);
    v.fence(1, 4);
    v.login(2, "green", "2");
    v.order(2, Side::buy, 98, 1, 3);
    EXPECT_TRUE(v.out.rejected.empty());
    EXPECT_NE(v.out.lines.back().find("\"stale\":true"), std::string::npos);
    EXPECT_EQ(v.core.highest_epoch(StrategyName("mm")), 4U);
}

TEST(Venue, HostileNamesDoNotBreakTheLog) {
    Venue v;
    v.order(1, Side::buy, 98, 1, 1, "a\",\"ev\":\"x\n");
    EXPECT_EQ(v.out.lines.back().find('\n'), std::string::npos);
    EXPECT_NE(v.out.lines.back().find("a\\\",\\\"ev"), std::string::npos);
}

class VenueRestart : public ::testing::Test {
protected:
    void SetUp() override {
        std::string pattern = (std::filesystem::temp_directory_path() / "venue-XXXXXX").string();
        ASSERT_NE(::mkdtemp(pattern.data()), nullptr);
        directory_ = pattern;
    }
    void TearDown() override { std::filesystem::remove_all(directory_); }
    void write(const std::vector<std::string>& lines, const std::string& tail = "") const {
        std::ofstream out(path(), std::ios::app);
        for (const std::string& line : lines) out << line << '\n';
        out << tail;
    }
    [[nodiscard]] std::string path() const { return directory_ + "/venue.jsonl"; }
    std::string directory_;
};

TEST_F(VenueRestart, EpochsPositionsAndNumbersComeBackFromTheLog) {
    Venue before;
    before.order(1, Side::buy, 102, 1, 7);
    before.order(1, Side::buy, 98, 1, 7);
    before.fence(1, 8);
    before.order(1, Side::sell, 105, 2, 8);
    write(before.out.lines, R"({"t":1,"ev":"acc)");

    VenueLog log(path());
    ASSERT_EQ(log.open(), "");
    Output out;
    VenueCore core(VenueName("paper"), FenceMode::enforce, symbols(), out);
    ASSERT_EQ(log.replay(core), "");
    core.restored(50, "test");
    EXPECT_EQ(core.highest_epoch(StrategyName("mm")), 8U);
    // The order that was open died with its session, and its engine has not heard of it.
    EXPECT_EQ(core.open_orders(), 0U);
    EXPECT_GT(core.tick_base(), before.tick);
    core.on_login(1, Login{EngineName("green"), Incarnation("2")}, 60);
    ASSERT_EQ(out.epochs.size(), 1U);
    EXPECT_EQ(out.epochs[0].epoch, 8U);
    core.on_fence(1, Fence{StrategyName("mm"), 8, 0}, 61);
    EXPECT_FALSE(out.acks.back().granted);
    core.on_fence(1, Fence{StrategyName("mm"), 9, 0}, 62);
    EXPECT_TRUE(out.acks.back().granted);
    EXPECT_EQ(out.acks.back().position, from_double(1));
    EXPECT_EQ(out.fills.size(), 1U);
    ASSERT_EQ(out.fence_cancelled.size(), 1U);
    EXPECT_EQ(out.fence_cancelled[0].epoch, 8U);
    NewOrder o;
    o.strategy = StrategyName("mm");
    o.symbol = SymbolName("BTC-USD");
    o.epoch = 9;
    o.seq = 1;
    o.price = from_double(98);
    o.quantity = from_double(1);
    core.on_order(1, o, 63);
    ASSERT_EQ(out.accepted.size(), 1U);
    EXPECT_EQ(out.accepted[0].venue_order_id, 4U);
}

TEST_F(VenueRestart, ANewFileBeginsWithTheWholeState) {
    Venue before;
    before.order(1, Side::buy, 102, 1, 7);
    before.out.lines.clear();
    before.core.log_state("rotated", 9, "test");
    write(before.out.lines);
    VenueLog log(path());
    ASSERT_EQ(log.open(), "");
    Output out;
    VenueCore core(VenueName("paper"), FenceMode::enforce, symbols(), out);
    ASSERT_EQ(log.replay(core), "");
    core.restored(50, "test");
    core.on_login(1, Login{EngineName("green"), Incarnation("2")}, 60);
    core.on_fence(1, Fence{StrategyName("mm"), 9, 0}, 62);
    EXPECT_EQ(out.acks.back().position, from_double(1));
    EXPECT_FALSE(out.acks.back().complete);
}

TEST_F(VenueRestart, DamageInTheMiddleIsRefused) {
    write({R"({"t":1,"ev":"start","last_order_id":0,"last_fill_id":0,"tick_base":0,"strategies":[]})", "garbage",
           R"({"t":2,"ev":"fence","strategy":"mm","epoch":4,"holder":"a/1"})"});
    VenueLog log(path());
    ASSERT_EQ(log.open(), "");
    Output out;
    VenueCore core(VenueName("paper"), FenceMode::enforce, symbols(), out);
    EXPECT_NE(log.replay(core).find(":2: not a JSON object"), std::string::npos);
}

TEST(Generator, TheSameSeedGivesTheSameTicks) {
    TickGenerator a({42, 0.5, 1}, symbols(), 0);
    TickGenerator b({42, 0.5, 1}, symbols(), 0);
    TickGenerator c({43, 0.5, 1}, {{"BTC-USD", 100, 0.01, 10, 1}}, 0);
    int trades = 0;
    for (int i = 0; i < 1000; ++i) {
        const auto x = a.next(0, 1);
        const auto y = b.next(0, 1);
        EXPECT_EQ(x.tick.bid, y.tick.bid);
        EXPECT_EQ(x.trade.has_value(), y.trade.has_value());
        EXPECT_LT(x.tick.bid, x.tick.ask);
        trades += x.trade.has_value() ? 1 : 0;
        const auto z = c.next(0, 1);
        EXPECT_EQ(z.tick.bid % from_double(0.01), 0);
    }
    EXPECT_GT(trades, 400);
    EXPECT_LT(trades, 600);
}

}  // namespace
}  // namespace hft
