// SPDX-License-Identifier: GPL-3.0-or-later
// The venue and engines as they run, over loopback sockets: venue server, connector, transport, hot loop, lease keeper.
#include "tests/processes.hpp"

#include <array>

namespace hft {
namespace {

using namespace test;

// What holds whether one thread does all or each stage has its own.
class EitherLayout : public Integration, public ::testing::WithParamInterface<HotPathLayout> {};

INSTANTIATE_TEST_SUITE_P(HotPath, EitherLayout, ::testing::Values(HotPathLayout::run_to_completion, HotPathLayout::pipeline),
                         [](const auto& info) { return info.param == HotPathLayout::pipeline ? "Pipeline" : "RunToCompletion"; });

TEST_P(EitherLayout, TradesAndKnowsEveryFillOfTheVenue) {
    VenueProcess venue(directory_);
    EngineProcess engine("blue", "1", venue.order_port(), venue.market_data_port(), rows_, false, GetParam());
    ASSERT_TRUE(eventually([&] { return engine.ready(); }));
    engine.start_trading();
    std::this_thread::sleep_for(std::chrono::milliseconds(100));
    EXPECT_EQ(engine.sent(), 0U) << "a standby sent orders";
    const RoleAnswer answer = engine.keeper().become_primary();
    ASSERT_EQ(answer.outcome, RoleOutcome::done) << answer.detail;
    EXPECT_TRUE(engine.keeper().primary());
    ASSERT_TRUE(eventually([&] { return engine.view().fills.load() >= 20 && engine.sent() >= 200; }));
    ASSERT_EQ(engine.keeper().become_standby().outcome, RoleOutcome::done);
    EXPECT_EQ(engine.view().open_orders.load(), 0U);
    EXPECT_EQ(rows_.rows["mm"].row.holder, "");
    EXPECT_EQ(rows_.rows["mm"].row.epoch, 1U);
    const Quantity position = engine.view().position.load();
    std::this_thread::sleep_for(std::chrono::milliseconds(50));
    engine.end();

    Quantity net = 0;
    std::set<std::uint64_t> fills;
    for (const Json& line : log("fill")) {
        fills.insert(line.at("fill_id").get<std::uint64_t>());
        net += line.at("side") == "buy" ? line.at("fill_qty").get<Quantity>() : -line.at("fill_qty").get<Quantity>();
    }
    EXPECT_EQ(engine.fill_ids(), fills);
    EXPECT_EQ(position, net);
    std::set<std::uint64_t> accepted;
    for (const Json& line : log("accepted")) accepted.insert(line.at("seq").get<std::uint64_t>());
    EXPECT_EQ(engine.order_seqs(), accepted);
    EXPECT_TRUE(log("rejected").empty());
}

TEST_F(Integration, ASecondEngineIsRefusedByName) {
    VenueProcess venue(directory_);
    EngineProcess blue("blue", "1", venue.order_port(), venue.market_data_port(), rows_);
    EngineProcess green("green", "2", venue.order_port(), venue.market_data_port(), rows_);
    ASSERT_TRUE(eventually([&] { return blue.ready() && green.ready(); }));
    ASSERT_EQ(blue.keeper().become_primary().outcome, RoleOutcome::done);
    const RoleAnswer answer = green.keeper().become_primary();
    EXPECT_EQ(answer.outcome, RoleOutcome::conflict);
    EXPECT_EQ(answer.holder, "blue/1");
    EXPECT_FALSE(green.keeper().primary());
    EXPECT_TRUE(blue.keeper().primary());
}

TEST_F(Integration, TakeoverAfterADeathBooksWhatTheDeadDid) {
    VenueProcess venue(directory_);
    auto blue = std::make_unique<EngineProcess>("blue", "1", venue.order_port(), venue.market_data_port(), rows_);
    EngineProcess green("green", "2", venue.order_port(), venue.market_data_port(), rows_);
    ASSERT_TRUE(eventually([&] { return blue->ready() && green.ready(); }));
    blue->start_trading();
    ASSERT_EQ(blue->keeper().become_primary().outcome, RoleOutcome::done);
    ASSERT_TRUE(eventually([&] { return blue->view().fills.load() >= 10; }));
    blue.reset();
    green.start_trading();
    // Nothing of blue's reached the database: all of it comes from the venue.
    RoleAnswer answer;
    ASSERT_TRUE(eventually([&] {
        answer = green.keeper().become_primary();
        return answer.outcome == RoleOutcome::done;
    })) << answer.detail;
    EXPECT_EQ(rows_.rows["mm"].row.epoch, 2U);
    ASSERT_TRUE(eventually([&] { return green.sent() >= 20; }));
    ASSERT_EQ(green.keeper().become_standby().outcome, RoleOutcome::done);
    const Quantity position = green.view().position.load();
    green.end();
    Quantity net = 0;
    std::set<std::uint64_t> fills;
    for (const Json& line : log("fill")) {
        fills.insert(line.at("fill_id").get<std::uint64_t>());
        net += line.at("side") == "buy" ? line.at("fill_qty").get<Quantity>() : -line.at("fill_qty").get<Quantity>();
    }
    EXPECT_EQ(position, net);
    EXPECT_EQ(green.fill_ids(), fills);
    std::uint64_t highest = 0;
    for (const Json& line : log("accepted")) {
        EXPECT_GE(line.at("epoch").get<std::uint64_t>(), highest) << "an order under an epoch that was over";
        highest = line.at("epoch").get<std::uint64_t>();
    }
    EXPECT_EQ(highest, 2U);
}

TEST_P(EitherLayout, AVenueRestartIsFencedAnewUnderTheSameEpoch) {
    auto venue = std::make_unique<VenueProcess>(directory_);
    const std::uint16_t orders = venue->order_port();
    const std::uint16_t market_data = venue->market_data_port();
    EngineProcess engine("blue", "1", orders, market_data, rows_, false, GetParam());
    ASSERT_TRUE(eventually([&] { return engine.ready(); }));
    engine.start_trading();
    ASSERT_EQ(engine.keeper().become_primary().outcome, RoleOutcome::done);
    ASSERT_TRUE(eventually([&] { return engine.sent() >= 20; }));
    venue.reset();
    ASSERT_TRUE(eventually([&] { return !engine.core().venue_up(0); }));
    const std::uint64_t before = engine.sent();
    venue = std::make_unique<VenueProcess>(directory_, orders, market_data);
    ASSERT_TRUE(eventually([&] { return engine.sent() >= before + 20; }));
    EXPECT_EQ(rows_.rows["mm"].row.epoch, 1U);
    EXPECT_GE(log("fence").size(), 2U);
    EXPECT_TRUE(log("rejected").empty());
}

TEST_P(EitherLayout, TheKillSwitchStopsAndCancels) {
    VenueProcess venue(directory_);
    EngineProcess engine("blue", "1", venue.order_port(), venue.market_data_port(), rows_, false, GetParam());
    ASSERT_TRUE(eventually([&] { return engine.ready(); }));
    engine.start_trading();
    ASSERT_EQ(engine.keeper().become_primary().outcome, RoleOutcome::done);
    ASSERT_TRUE(eventually([&] { return engine.sent() >= 20 && engine.core().hot().tick_to_order.sum_ns() > 0; }));
    engine.core().hot().killed = true;
    ASSERT_TRUE(eventually([&] { return engine.view().open_orders.load() == 0; }));
    const std::uint64_t sent = engine.sent();
    std::this_thread::sleep_for(std::chrono::milliseconds(100));
    EXPECT_EQ(engine.sent(), sent) << "orders after the kill";
    engine.core().hot().killed = false;
    ASSERT_TRUE(eventually([&] { return engine.sent() > sent; }));
}

TEST_F(Integration, WithoutADatabaseItTradesToItsDeadlineAndNoLonger) {
    VenueProcess venue(directory_);
    EngineProcess engine("blue", "1", venue.order_port(), venue.market_data_port(), rows_);
    ASSERT_TRUE(eventually([&] { return engine.ready(); }));
    engine.start_trading();
    ASSERT_EQ(engine.keeper().become_primary().outcome, RoleOutcome::done);
    rows_.away = true;
    const Nanos gone = boot_ns();
    const std::uint64_t at_loss = engine.sent();
    ASSERT_TRUE(eventually([&] { return engine.sent() >= at_loss + 20; }));
    ASSERT_TRUE(eventually([&] { return boot_ns() > gone + 3 * kSecond; }));
    const std::uint64_t after = engine.sent();
    std::this_thread::sleep_for(std::chrono::milliseconds(200));
    EXPECT_EQ(engine.sent(), after) << "orders after the deadline";
    EXPECT_EQ(engine.view().open_orders.load(), 0U);
    rows_.away = false;
    ASSERT_TRUE(eventually([&] { return engine.sent() >= after + 20; })) << "an acknowledged beat of its own gives the right back";
    EXPECT_EQ(rows_.rows["mm"].row.epoch, 1U);
}

TEST_F(Integration, ABeatWhoseAnswerIsLostGivesNothing) {
    VenueProcess venue(directory_);
    EngineProcess engine("blue", "1", venue.order_port(), venue.market_data_port(), rows_);
    ASSERT_TRUE(eventually([&] { return engine.ready(); }));
    ASSERT_EQ(engine.keeper().become_primary().outcome, RoleOutcome::done);
    rows_.lose_reply = true;
    std::this_thread::sleep_for(std::chrono::milliseconds(100));
    const Nanos right = engine.view().right_until.load();
    std::this_thread::sleep_for(std::chrono::milliseconds(300));
    EXPECT_EQ(engine.view().right_until.load(), right);
    rows_.lose_reply = false;
    EXPECT_TRUE(eventually([&] { return engine.view().right_until.load() > right; }));
}

TEST_F(Integration, AKilledRowStopsItsHolder) {
    VenueProcess venue(directory_);
    EngineProcess blue("blue", "1", venue.order_port(), venue.market_data_port(), rows_);
    EngineProcess green("green", "2", venue.order_port(), venue.market_data_port(), rows_);
    ASSERT_TRUE(eventually([&] { return blue.ready() && green.ready(); }));
    blue.start_trading();
    ASSERT_EQ(blue.keeper().become_primary().outcome, RoleOutcome::done);
    ASSERT_TRUE(eventually([&] { return blue.sent() >= 10; }));
    green.keeper().latch_rows("test");
    ASSERT_TRUE(eventually([&] { return !blue.keeper().primary() && green.keeper().rows_latched(); }));
    ASSERT_TRUE(eventually([&] { return blue.view().open_orders.load() == 0; }));
    const std::uint64_t sent = blue.sent();
    std::this_thread::sleep_for(std::chrono::milliseconds(100));
    EXPECT_EQ(blue.sent(), sent);
    EXPECT_EQ(blue.keeper().become_primary().outcome, RoleOutcome::conflict);
    EXPECT_EQ(green.keeper().clear_kill().outcome, RoleOutcome::done);
    // The row still names who gave it up; asked to be standby, that engine makes it vacant.
    const auto holder = [&] {
        const std::lock_guard lock(rows_.mutex);
        return rows_.rows["mm"].row.holder;
    };
    EXPECT_EQ(holder(), "blue/1");
    EXPECT_TRUE(eventually([&] { return blue.keeper().become_standby().outcome == RoleOutcome::done && holder().empty(); }));
    ASSERT_TRUE(eventually([&] { return blue.keeper().become_primary().outcome == RoleOutcome::done; }));
}

TEST_F(Integration, AClearThatFailedLeavesTheKillToBeLatched) {
    VenueProcess venue(directory_);
    EngineProcess engine("blue", "1", venue.order_port(), venue.market_data_port(), rows_);
    ASSERT_TRUE(eventually([&] { return engine.ready(); }));
    rows_.away = true;
    ASSERT_TRUE(eventually([&] { return !engine.keeper().connected(); }));
    engine.keeper().latch_rows("test");
    EXPECT_EQ(engine.keeper().clear_kill().outcome, RoleOutcome::unavailable);
    rows_.away = false;
    EXPECT_TRUE(eventually([&] { return engine.keeper().rows_latched(); }));
    EXPECT_EQ(engine.keeper().clear_kill().outcome, RoleOutcome::done);
    EXPECT_FALSE(rows_.rows["mm"].row.killed);
}

// As killswitch_clear.yml does it: every engine at once, on the same rows.
TEST_F(Integration, EnginesThatClearAtOnceAllSucceed) {
    VenueProcess venue(directory_);
    EngineProcess blue("blue", "1", venue.order_port(), venue.market_data_port(), rows_);
    EngineProcess green("green", "2", venue.order_port(), venue.market_data_port(), rows_);
    ASSERT_TRUE(eventually([&] { return blue.ready() && green.ready(); }));
    for (int round = 0; round < 20; ++round) {
        blue.keeper().latch_rows("test");
        green.keeper().latch_rows("test");
        ASSERT_TRUE(eventually([&] { return blue.keeper().rows_latched() && green.keeper().rows_latched(); }));
        RoleAnswer other;
        std::thread beside([&] { other = green.keeper().clear_kill(); });
        const RoleAnswer answer = blue.keeper().clear_kill();
        beside.join();
        EXPECT_EQ(answer.outcome, RoleOutcome::done) << answer.detail;
        EXPECT_EQ(other.outcome, RoleOutcome::done) << other.detail;
    }
}

TEST_F(Integration, HostileBytesEndOnlyTheirOwnSession) {
    VenueProcess venue(directory_);
    EngineProcess engine("blue", "1", venue.order_port(), venue.market_data_port(), rows_);
    ASSERT_TRUE(eventually([&] { return engine.ready(); }));
    engine.start_trading();
    ASSERT_EQ(engine.keeper().become_primary().outcome, RoleOutcome::done);
    for (const int fill : {0x00, 0xff, 0x04}) {
        TcpResult hostile = tcp_connect("127.0.0.1", venue.order_port(), kSecond, kSecond);
        ASSERT_EQ(hostile.error, "");
        const std::vector<unsigned char> bytes(5000, static_cast<unsigned char>(fill));
        static_cast<void>(::write(hostile.fd.get(), bytes.data(), bytes.size()));
    }
    // An order before the login is refused, not executed.
    TcpResult early = tcp_connect("127.0.0.1", venue.order_port(), kSecond, kSecond);
    std::array<std::byte, wire::kMaxFrame> frame{};
    NewOrder order;
    order.strategy = StrategyName("mm");
    order.symbol = SymbolName("BTC-USD");
    order.epoch = 99;
    order.seq = 1;
    order.price = from_double(100);
    order.quantity = from_double(1);
    const std::size_t size = wire::encode(order, frame.data());
    ASSERT_EQ(::write(early.fd.get(), frame.data(), size), static_cast<ssize_t>(size));
    ASSERT_TRUE(eventually([&] { return log("rejected").size() == 1; }));
    EXPECT_EQ(log("rejected")[0].at("reason"), "not_logged_in");
    const std::uint64_t before = engine.sent();
    EXPECT_TRUE(eventually([&] { return engine.sent() >= before + 20; }));
}

}  // namespace
}  // namespace hft
