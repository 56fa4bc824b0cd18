// SPDX-License-Identifier: GPL-3.0-or-later
#include "core/trading.hpp"

#include <gtest/gtest.h>

#include "tests/trading_fixture.hpp"

namespace hft {
namespace {

using test::Trader;

std::uint64_t failures(Trader& t, RiskCheck check) { return t.core->hot().risk_failures[static_cast<std::size_t>(check)].load(); }

TEST(Trading, NothingIsSentAfterStart) {
    Trader t;
    t.core->on_venue_up(0);
    t.turn();
    t.tick();
    EXPECT_TRUE(t.gateway.orders.empty());
}

TEST(Trading, SendsOnlyWithEveryGrant) {
    Trader t;
    t.grant();
    t.tick();
    ASSERT_EQ(t.gateway.orders.size(), 2U);
    EXPECT_EQ(t.gateway.orders[0].epoch, 5U);
    EXPECT_EQ(t.gateway.orders[0].intent.tick, 1U);
    EXPECT_EQ(t.gateway.orders[1].intent.leg, 1U);

    const auto nothing_more = [&](const char* what) {
        const std::size_t before = t.gateway.orders.size();
        t.turn();
        t.tick();
        EXPECT_EQ(t.gateway.orders.size(), before) << what;
    };
    t.core->view(0).right_until = boot_ns();
    nothing_more("the right ran out");
    t.core->view(0).right_until = boot_ns() + kSecond * 60;
    t.core->hot().killed = true;
    nothing_more("killed");
    t.core->hot().killed = false;
    t.command(Command::Kind::disable);
    nothing_more("not enabled");
    t.command(Command::Kind::enable);
    t.command(Command::Kind::stop);
    nothing_more("stopped");
    t.command(Command::Kind::start);
    t.command(Command::Kind::drop);
    nothing_more("the lease was given up");
}

TEST(Trading, ARefusedFenceGivesNothing) {
    Trader t;
    t.grant();
    t.command(Command::Kind::take, 6);
    t.turn();
    FenceAck ack;
    ack.strategy = StrategyName("mm");
    ack.epoch = 6;
    ack.highest = 9;
    t.core->on_fence_ack(ack);
    t.turn();
    t.tick();
    EXPECT_TRUE(t.gateway.orders.empty());
    EXPECT_EQ(t.core->view(0).fence.load(), FenceState::refused);
    EXPECT_EQ(t.core->view(0).fence_highest.load(), 9U);
}

TEST(Trading, TheAnswerToAnOldFenceIsNotTheNewOnes) {
    Trader t;
    t.grant(5);
    t.command(Command::Kind::take, 6);
    t.turn();
    FenceAck late;
    late.strategy = StrategyName("mm");
    late.epoch = 5;
    late.granted = true;
    t.core->on_fence_ack(late);
    t.turn();
    t.tick();
    EXPECT_TRUE(t.gateway.orders.empty());
    EXPECT_EQ(t.core->view(0).fence.load(), FenceState::pending);
}

TEST(Trading, ARightThatEndsCancelsWhatIsOpen) {
    Trader t;
    t.grant();
    t.tick();
    for (const NewOrder& order : t.gateway.orders) t.accept(order);
    t.turn();
    t.core->hot().killed = true;
    t.turn();
    EXPECT_EQ(t.gateway.cancels.size(), 2U);
}

TEST(Trading, FillsPartialAndWholeMoveThePosition) {
    Trader t;
    t.grant();
    t.tick();
    const NewOrder buy = t.gateway.orders[0];
    t.accept(buy);
    t.fill(buy, from_double(0.04), from_double(0.04), 1);
    t.turn();
    EXPECT_EQ(t.core->view(0).position.load(), from_double(0.04));
    EXPECT_EQ(t.core->view(0).open_orders.load(), 2U);
    t.fill(buy, from_double(0.06), from_double(0.1), 2);
    t.turn();
    EXPECT_EQ(t.core->view(0).position.load(), from_double(0.1));
    EXPECT_EQ(t.core->view(0).open_orders.load(), 1U);
    EXPECT_EQ(t.core->view(0).fills.load(), 2U);
}

TEST(Trading, AFillToldTwiceIsBookedOnce) {
    Trader t;
    t.grant();
    t.tick();
    const NewOrder buy = t.gateway.orders[0];
    t.fill(buy, from_double(0.1), from_double(0.1), 7);
    t.fill(buy, from_double(0.1), from_double(0.1), 7);
    t.turn();
    EXPECT_EQ(t.core->view(0).position.load(), from_double(0.1));
}

TEST(Trading, AForeignFillIsBookedUnderItsOwnEpoch) {
    Trader t;
    t.grant(5);
    while (t.facts->readable() != 0) t.facts->release(1);
    Fill m;
    m.strategy = StrategyName("mm");
    m.symbol = SymbolName("BTC-USD");
    m.holder = HolderName("green/9");
    m.epoch = 4;
    m.seq = 77;
    m.fill_id = 3;
    m.recovered = true;
    m.side = Side::sell;
    m.price = m.order_price = from_double(100);
    m.quantity = m.cumulative = m.order_quantity = from_double(1);
    t.core->on_fill(m);
    t.turn();
    EXPECT_EQ(t.core->view(0).position.load(), from_double(-1));
    ASSERT_EQ(t.facts->readable(), 3U);
    EXPECT_EQ(t.facts->peek(0).kind, FactKind::fill);
    EXPECT_EQ(t.facts->peek(0).epoch, 4U);
    EXPECT_EQ(t.facts->peek(0).engine.view(), "green/9");
    EXPECT_TRUE(t.facts->peek(0).recovered);
    EXPECT_EQ(t.facts->peek(1).status, OrderStatus::filled);
    EXPECT_EQ(t.facts->peek(2).kind, FactKind::position);
    EXPECT_EQ(t.facts->peek(2).epoch, 5U);
}

TEST(Trading, TheVenuesPositionWinsAndIsRecorded) {
    Trader t;
    t.core->on_venue_up(0);
    Position::State stored;
    stored.quantity = from_double(1);
    stored.last_fill_id = 10;
    t.command(Command::Kind::take, 5, stored);
    t.turn();
    ASSERT_EQ(t.gateway.fences.size(), 1U);
    EXPECT_EQ(t.gateway.fences[0].last_fill_id, 10U);
    FenceAck ack;
    ack.strategy = StrategyName("mm");
    ack.epoch = 5;
    ack.granted = true;
    ack.position = from_double(3);
    t.core->on_fence_ack(ack);
    t.turn();
    EXPECT_EQ(t.core->view(0).position.load(), from_double(3));
    EXPECT_EQ(t.facts->peek(0).event, EventKind::reconciled);
    EXPECT_EQ(t.facts->peek(0).before, from_double(1));
}

TEST(Trading, AStaleEpochAtTheVenueStopsAtOnce) {
    Trader t;
    t.grant(5);
    t.tick();
    Rejected m;
    m.strategy = StrategyName("mm");
    m.epoch = 5;
    m.seq = t.gateway.orders[0].seq;
    m.reason = RejectReason::stale_epoch;
    t.core->on_rejected(m);
    t.turn();
    t.tick();
    EXPECT_EQ(t.gateway.orders.size(), 2U);
    EXPECT_TRUE(t.core->view(0).stale.load());
}

TEST(Trading, ALostVenueLeavesOrdersUnknownAndNeedsANewFence) {
    Trader t;
    t.grant();
    t.tick();
    t.core->on_venue_lost(0);
    t.core->on_venue_up(0);
    t.turn();
    t.tick();
    EXPECT_EQ(t.gateway.orders.size(), 2U);
    EXPECT_EQ(t.core->view(0).open_orders.load(), 0U);
    EXPECT_EQ(t.core->view(0).orders[static_cast<std::size_t>(OrderStatus::unknown)].load(), 2U);
    EXPECT_EQ(t.core->view(0).fence.load(), FenceState::none);
}

TEST(Trading, ADailyLossHaltsTheStrategyUntilStarted) {
    Trader t;
    t.grant();
    t.tick();
    const NewOrder buy = t.gateway.orders[0];
    Fill big;
    t.fill(buy, from_double(9), from_double(9), 1);
    t.tick(98);
    const std::size_t before = t.gateway.orders.size();
    t.fill(buy, from_double(1000), from_double(1000), 2);
    t.tick(95);
    t.turn();
    EXPECT_EQ(t.gateway.orders.size(), before);
    EXPECT_EQ(t.core->view(0).halted.load(), RiskCheck::daily_loss);
    EXPECT_FALSE(t.core->view(0).running.load());
    EXPECT_EQ(failures(t, RiskCheck::daily_loss), 1U);
}

TEST(Trading, AFullQueueStopsOrdersAndThenReading) {
    Trader t(TradingCore::kOrderReserve + 64);
    t.grant();
    std::size_t sent = 0;
    for (int i = 0; i < 200; ++i) {
        t.tick();
        for (; sent < t.gateway.orders.size(); ++sent) t.accept(t.gateway.orders[sent]);
        for (const CancelOrder& c : t.gateway.cancels) t.cancelled(c);
        t.gateway.cancels.clear();
        t.turn();
    }
    EXPECT_LT(t.gateway.orders.size(), 64U);
    EXPECT_TRUE(t.core->hot().queue_full.load());
    EXPECT_GT(failures(t, RiskCheck::queue), 0U);
    EXPECT_TRUE(t.core->may_read_orders());
    Fact filler;
    while (t.facts->free() >= TradingCore::kReadReserve) ASSERT_TRUE(t.facts->push(filler));
    EXPECT_FALSE(t.core->may_read_orders());
    EXPECT_FALSE(t.core->hot().killed.load());
    // Room again: it goes on by itself.
    t.facts->release(t.facts->readable());
    t.turn();
    const std::size_t before = t.gateway.orders.size();
    t.tick();
    EXPECT_GT(t.gateway.orders.size(), before);
}

TEST(Trading, TheRecordStandsBeforeTheOrderLeaves) {
    Trader t;
    t.grant();
    while (t.facts->readable() != 0) t.facts->release(1);
    t.tick();
    ASSERT_GE(t.facts->readable(), 2U);
    EXPECT_EQ(t.facts->peek(0).status, OrderStatus::sent);
    EXPECT_EQ(t.facts->peek(0).seq, t.gateway.orders[0].seq);
    EXPECT_EQ(t.facts->peek(0).sent_ns, t.gateway.orders[0].sent_ns);
}

}  // namespace
}  // namespace hft
