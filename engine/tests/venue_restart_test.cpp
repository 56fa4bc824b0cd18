// SPDX-License-Identifier: GPL-3.0-or-later
// The venue's log: what a restart rebuilds from it, and what is told out of it.
#include <fcntl.h>
#include <gtest/gtest.h>

#include <filesystem>
#include <fstream>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include "io/line_reader.hpp"
#include "tests/venue_fixture.hpp"

namespace hft {
namespace {

using test::Output;
using test::symbols;
using test::Venue;

// A venue started on the log of an earlier one.
struct Restarted {
    explicit Restarted(const std::string& path, const VenueRules& rules = {}) : log(path), core(VenueName("paper"), rules, symbols(), out) {
        out.core = &core;
        EXPECT_EQ(log.open(), "");
        error = log.replay(core);
        out.file = log.file();
        out.file_size = log.size();
        core.restored(50, "test");
        core.on_login(1, Login{EngineName("green"), Incarnation("2")}, 60);
    }
    void fence(std::uint64_t epoch, std::uint64_t last_fill = 0) { core.on_fence(1, Fence{StrategyName("mm"), epoch, last_fill}, 61); }
    void ask(std::uint64_t epoch, std::uint64_t seq, std::uint64_t last_fill) {
        core.on_drop_copy_request(1, DropCopyRequest{StrategyName("mm"), epoch, seq, last_fill}, 62);
    }
    Output out;
    VenueLog log;
    VenueCore core;
    std::string error;
};

class VenueRestart : public test::TemporaryDirectory {};

TEST_F(VenueRestart, EpochsPositionsAndNumbersComeBackFromTheLog) {
    Venue before;
    before.order(1, Side::buy, 102, 1, 7);
    before.order(1, Side::buy, 98, 1, 7);
    before.fence(1, 8);
    before.order(1, Side::sell, 105, 2, 8);
    write(before.out.lines, R"({"t":1,"ev":"acc)");

    Restarted after(path());
    ASSERT_EQ(after.error, "");
    EXPECT_EQ(after.core.highest_epoch(StrategyName("mm")), 8U);
    EXPECT_EQ(after.core.open_orders(), 0U);
    EXPECT_GT(after.core.tick_base(), before.tick);
    ASSERT_EQ(after.out.epochs.size(), 1U);
    EXPECT_EQ(after.out.epochs[0].epoch, 8U);
    after.fence(8);
    EXPECT_FALSE(after.out.acks.back().granted);
    after.fence(9);
    EXPECT_TRUE(after.out.acks.back().granted);
    EXPECT_TRUE(after.out.acks.back().complete);
    EXPECT_EQ(after.out.acks.back().position, from_double(1));
    ASSERT_EQ(after.out.fills.size(), 1U);
    EXPECT_TRUE(after.out.fills[0].recovered);
    EXPECT_EQ(after.out.fills[0].intent.tick, 1U);
    // Both orders that were open died with their session, and their engine has not heard of it.
    ASSERT_EQ(after.out.fence_cancelled.size(), 2U);
    EXPECT_EQ(after.out.fence_cancelled[0].epoch, 7U);
    EXPECT_EQ(after.out.fence_cancelled[1].epoch, 8U);
    NewOrder o;
    o.strategy = StrategyName("mm");
    o.symbol = SymbolName("BTC-USD");
    o.epoch = 9;
    o.seq = 1;
    o.price = from_double(98);
    o.quantity = from_double(1);
    after.core.on_order(1, o, 63);
    ASSERT_EQ(after.out.accepted.size(), 1U);
    EXPECT_EQ(after.out.accepted[0].venue_order_id, 4U);
}

TEST_F(VenueRestart, AStateRecordIsTheWholeState) {
    Venue before;
    before.order(1, Side::buy, 102, 1, 7);
    before.order(1, Side::buy, 98, 1, 7);
    before.out.lines.clear();
    before.core.log_state("rotated", 9, "test");
    write(before.out.lines);
    Restarted after(path());
    ASSERT_EQ(after.error, "");
    after.fence(9);
    EXPECT_EQ(after.out.acks.back().position, from_double(1));
    EXPECT_FALSE(after.out.acks.back().complete) << "the fill is in a file that was moved away";
    ASSERT_EQ(after.out.fence_cancelled.size(), 1U) << "the order that was open when the file began";
    EXPECT_EQ(after.out.fence_cancelled[0].seq, 2U);
    after.fence(10, 1);
    EXPECT_TRUE(after.out.acks.back().complete);
    EXPECT_EQ(after.core.highest_epoch(StrategyName("mm")), 10U);
}

TEST_F(VenueRestart, ReadsFromTheLastWholeStateRecordOn) {
    Venue before;
    before.order(1, Side::buy, 102, 1, 7);
    before.core.log_state("state", 9, "test");
    before.order(1, Side::buy, 102, 2, 7);
    std::vector<std::string> lines = before.out.lines;
    // Nothing before the record is looked at: garbage there does not matter.
    lines[1] = "garbage";
    write(lines, R"({"t":1,"ev":"state","last_fi)");
    Restarted after(path());
    ASSERT_EQ(after.error, "");
    after.fence(8, 1);
    EXPECT_EQ(after.out.acks.back().position, from_double(3));
    EXPECT_TRUE(after.out.acks.back().complete);
    ASSERT_EQ(after.out.fills.size(), 1U);
    EXPECT_EQ(after.out.fills[0].quantity, from_double(2));
}

TEST_F(VenueRestart, RestartsMayFollowEachOther) {
    Venue before;
    before.order(1, Side::buy, 102, 1, 7);
    before.order(1, Side::buy, 98, 1, 7);
    write(before.out.lines);
    {
        Restarted first(path());
        write(first.out.lines);
    }
    Restarted second(path());
    ASSERT_EQ(second.error, "");
    second.fence(8);
    ASSERT_EQ(second.out.fence_cancelled.size(), 1U) << "forgotten by the second restart";
    EXPECT_EQ(second.out.fills.size(), 1U);
}

TEST_F(VenueRestart, WhereADisconnectCancelsNothingOrdersRestAgain) {
    const VenueRules keep{FenceMode::enforce, SelfMatch::cancel_newest, false, 0};
    Venue before(keep);
    before.order(1, Side::buy, 99.5, 1, 7);
    before.order(1, Side::buy, 99.5, 2, 7);
    before.core.on_disconnect(1, 9);
    EXPECT_EQ(before.core.open_orders(), 2U);
    write(before.out.lines);
    Restarted after(path(), keep);
    ASSERT_EQ(after.core.open_orders(), 2U);
    MarketStep step;
    step.tick.symbol = SymbolName("BTC-USD");
    step.tick.bid = from_double(99);
    step.tick.ask = from_double(101);
    step.trade = Trade{Side::sell, from_double(1.5)};
    after.core.on_step(step);
    ASSERT_EQ(after.out.fills.size(), 2U);
    EXPECT_EQ(after.out.fills[0].seq, 1U) << "priority is lost";
    EXPECT_EQ(after.core.open_orders(), 1U);
    after.fence(8);
    EXPECT_EQ(after.core.open_orders(), 0U);
    ASSERT_EQ(after.out.fence_cancelled.size(), 1U);
    EXPECT_EQ(after.out.fence_cancelled[0].cumulative, from_double(0.5));
}

TEST_F(VenueRestart, ALogFromBeforeAccountsIsRead) {
    write(
        {R"({"t":1,"ev":"start","venue":"paper","version":"0","fence":"enforce","tick_base":0,"last_order_id":0,"last_fill_id":0,"strategies":[]})",
         R"({"t":2,"ev":"accepted","strategy":"mm","epoch":3,"seq":1,"holder":"blue/1","order_id":1,"symbol":"BTC-USD","side":"buy","price":98000000,"qty":1000000,"tick":1,"leg":0,"sent_ns":5,"venue_tick":1,"stale":false})",
         R"({"t":3,"ev":"cancelled","strategy":"mm","epoch":3,"seq":1,"holder":"blue/1","order_id":1,"reason":"requested","cumulative":0})"});
    Restarted after(path());
    ASSERT_EQ(after.error, "");
    EXPECT_EQ(after.core.highest_epoch(StrategyName("mm")), 3U);
    after.fence(4);
    EXPECT_TRUE(after.out.acks.back().granted) << "whoever comes first takes a strategy of no account";
    after.ask(0, 0, 0);
    ASSERT_EQ(after.out.copies.size(), 3U);
    EXPECT_EQ(after.out.copies[1].second.kind, DropCopyKind::cancelled);
    EXPECT_EQ(after.out.copies[1].second.seq, 1U);
}

TEST_F(VenueRestart, DamageInTheMiddleIsRefused) {
    write({R"({"t":1,"ev":"start","last_order_id":0,"last_fill_id":0,"tick_base":0,"strategies":[]})", "garbage",
           R"({"t":2,"ev":"fence","strategy":"mm","epoch":4,"holder":"a/1"})"});
    VenueLog log(path());
    ASSERT_EQ(log.open(), "");
    Output out;
    VenueCore core(VenueName("paper"), VenueRules{}, symbols(), out);
    EXPECT_NE(log.replay(core).find("venue.jsonl:2: not a JSON object"), std::string::npos) << log.replay(core);
}

TEST_F(VenueRestart, AFieldOfTheWrongTypeIsRefused) {
    write({R"({"t":1,"ev":"start","last_order_id":"x","last_fill_id":0,"tick_base":0,"strategies":[]})"});
    VenueLog log(path());
    ASSERT_EQ(log.open(), "");
    Output out;
    VenueCore core(VenueName("paper"), VenueRules{}, symbols(), out);
    EXPECT_NE(log.replay(core).find("venue.jsonl:1: "), std::string::npos);
}

TEST_F(VenueRestart, HistoryIsToldAfterOrderAndAfterFill) {
    Venue before;
    for (int i = 0; i < 4; ++i) before.order(1, Side::buy, 102, 1, 7);  // seq and fill 1 to 4
    before.order(1, Side::buy, 98, 1, 7);                               // seq 5
    before.core.on_cancel(1, CancelOrder{StrategyName("mm"), 7, 5}, 7);
    before.order(1, Side::buy, 102, 1, 1, "another");
    write(before.out.lines);
    Restarted after(path());
    after.ask(7, 3, 2);
    using K = DropCopyKind;
    std::vector<std::pair<K, std::uint64_t>> told;
    for (const auto& [session, copy] : after.out.copies) {
        EXPECT_TRUE(copy.history);
        EXPECT_EQ(copy.strategy.view(), "mm");
        EXPECT_EQ(copy.symbol.view(), "BTC-USD");
        told.emplace_back(copy.kind, copy.seq);
    }
    EXPECT_EQ(told, (std::vector<std::pair<K, std::uint64_t>>{
                        {K::fill, 3}, {K::accepted, 4}, {K::fill, 4}, {K::accepted, 5}, {K::cancelled, 5}}));
    ASSERT_EQ(after.out.ends.size(), 1U);
    EXPECT_EQ(after.out.ends[0].told, 5U);
    EXPECT_TRUE(after.out.ends[0].complete);
    // Another account learns nothing, not even that there is such a strategy.
    after.out.copies.clear();
    after.core.on_login(2, Login{EngineName("x"), Incarnation("1"), AccountName("other")}, 70);
    after.core.on_drop_copy_request(2, DropCopyRequest{StrategyName("mm"), 0, 0, 0}, 71);
    EXPECT_TRUE(after.out.copies.empty());
    EXPECT_EQ(after.out.ends.size(), 2U);
}

// More fills than fit into a look back, state records among them: whatever is asked for, all of it comes and nothing before.
TEST_F(VenueRestart, HistoryBeginsWhereItMust) {
    Venue before;
    constexpr std::uint64_t kFills = 6'000;
    for (std::uint64_t i = 1; i <= kFills; ++i) {
        before.quote(99, 101);
        before.order(1, i % 2 == 0 ? Side::buy : Side::sell, i % 2 == 0 ? 102 : 98, 1, 7);
        if (i % 500 == 0) before.core.log_state("state", 9, "test");
        if (i % 1000 == 0) {
            write(before.out.lines);
            before.out.lines.clear();
        }
    }
    Restarted after(path());
    ASSERT_EQ(after.error, "");
    ASSERT_GT(after.log.size(), 3U * 1024 * 1024);
    std::uint64_t epoch = 8;
    for (const std::uint64_t last : {0U, 1U, 500U, 501U, 3000U, 5999U, 6000U}) {
        after.out.fills.clear();
        after.fence(epoch++, last);
        ASSERT_EQ(after.out.fills.size(), kFills - last);
        EXPECT_TRUE(after.out.acks.back().complete);
        for (std::uint64_t i = 0; i < after.out.fills.size(); ++i) ASSERT_EQ(after.out.fills[i].fill_id, last + 1 + i);
    }
    for (const std::uint64_t last : {0U, 700U, 5900U}) {
        after.out.copies.clear();
        after.ask(7, last, last);
        // The fences above are told too.
        EXPECT_EQ(after.out.copies.size(), 2 * (kFills - last) + 7);
    }
}

TEST_F(VenueRestart, AStateRecordAcrossAnyEdgeIsFound) {
    Venue before;
    before.core.log_state("state", 9, "test");
    const std::string state = before.out.lines.back();
    constexpr std::size_t kBlock = 256 * 1024;
    // The record begins just before, at and after the edge of a block counted from the end of the file.
    for (int shift = -70; shift <= 70; ++shift) {
        const std::size_t behind = kBlock - 70 + static_cast<std::size_t>(70 + shift);
        const std::string file = directory_ + "/edge";
        {
            std::ofstream out(file, std::ios::trunc);
            out << "{}\n" << state << '\n' << std::string(behind - state.size() - 2, 'x') << '\n';
        }
        const Fd fd(::open(file.c_str(), O_RDONLY));
        std::string line;
        const auto at = last_state_before(fd.get(), std::filesystem::file_size(file), &line);
        ASSERT_TRUE(at.has_value()) << shift;
        EXPECT_EQ(*at, 3U);
        EXPECT_EQ(line, state);
    }
}

TEST_F(VenueRestart, ALineWithoutItsEndIsWaitedFor) {
    write({"one", std::string(600'000, 'x')}, "thr");
    const Fd fd(::open(path().c_str(), O_RDONLY));
    LineReader lines(fd.get(), 0);
    std::string_view line;
    ASSERT_TRUE(lines.next(line));
    EXPECT_EQ(line, "one");
    ASSERT_TRUE(lines.next(line));
    EXPECT_EQ(line.size(), 600'000U);
    EXPECT_FALSE(lines.next(line));
    write({"ee"});
    ASSERT_TRUE(lines.next(line));
    EXPECT_EQ(line, "three");
    EXPECT_EQ(lines.offset(), std::filesystem::file_size(path()));
}

TEST_F(VenueRestart, TheDiskIsWaitedForInGroups) {
    VenueLog log(path(), kMillisecond, [](const std::string& why) { FAIL() << why; });
    ASSERT_EQ(log.open(), "");
    for (int i = 0; i < 100; ++i) {
        log.append("{}");
        ASSERT_TRUE(log.flush());
    }
    EXPECT_EQ(log.size(), 300U);
    EXPECT_EQ(std::filesystem::file_size(path()), 300U);
    GroupSync sync(kMillisecond, [](const std::string& why) { FAIL() << why; });
    ASSERT_TRUE(sync.watch(log.file()));
    sync.written();
    while (sync.count() == 0) std::this_thread::yield();
    EXPECT_FALSE(sync.watch(-1));
}

TEST_F(VenueRestart, AFullDiskIsToldAndNothingIsLost) {
    if (::access("/dev/full", W_OK) != 0) GTEST_SKIP() << "no /dev/full";
    VenueLog log("/dev/full");
    ASSERT_EQ(log.open(), "");
    log.append("{}");
    EXPECT_FALSE(log.flush());
    EXPECT_EQ(log.size(), 3U);
}

}  // namespace
}  // namespace hft
