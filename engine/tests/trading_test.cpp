// SPDX-License-Identifier: GPL-3.0-or-later
#include "core/trading.hpp"

#include <gtest/gtest.h>

#include <memory>
#include <utility>
#include <vector>

#include "tests/trading_fixture.hpp"

namespace hft {
namespace {

using test::Trader;

std::uint64_t failures(Trader& t, RiskCheck check) { return t.core->hot().risk_failures[static_cast<std::size_t>(check)].load(); }

TEST(Trading, NothingIsSentAfterStart) {
    Trader t;
    t.core->on_venue_up(0, kNoSession);
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

// A fence that went ahead of its lease: the venue has answered, or will; nothing is sent before both are here.
class FenceAhead : public ::testing::Test {
protected:
    void SetUp() override {
        trader.core->on_venue_up(0, kNoSession);
        trader.command(Command::Kind::start);
        trader.command(Command::Kind::enable);
        state.quantity = from_double(2);
        state.last_fill_id = 7;
        trader.command(Command::Kind::fence_ahead, 5, state);
        trader.turn();
        ASSERT_EQ(trader.gateway.fences.size(), 1U);
        EXPECT_EQ(trader.gateway.fences[0].epoch, 5U);
        EXPECT_EQ(trader.gateway.fences[0].last_fill_id, 7U);
        trader.core->view(0).right_until = boot_ns() + 3600 * kSecond;
    }
    void take() {
        trader.command(Command::Kind::take, 5, state);
        trader.turn();
    }
    void answer(Quantity position, bool granted = true, std::uint32_t cancelled = 0) {
        FenceAck ack;
        ack.strategy = StrategyName("mm");
        ack.epoch = 5;
        ack.highest = granted ? 5 : 9;
        ack.granted = granted;
        ack.cancelled = cancelled;
        ack.position = position;
        trader.core->on_fence_ack(ack);
        trader.turn();
    }
    bool sends() {
        const std::size_t before = trader.gateway.orders.size();
        trader.tick();
        return trader.gateway.orders.size() > before;
    }

    Trader trader;
    Position::State state;
};

TEST_F(FenceAhead, GivesNoRightByItself) {
    answer(state.quantity);
    EXPECT_FALSE(sends());
    EXPECT_NE(trader.core->view(0).fence.load(), FenceState::granted);
    take();
    EXPECT_EQ(trader.core->view(0).fence.load(), FenceState::granted);
    EXPECT_EQ(trader.core->view(0).fence_epoch.load(), 5U);
    EXPECT_TRUE(sends());
    EXPECT_EQ(trader.gateway.fences.size(), 1U) << "asked once";
    EXPECT_EQ(trader.core->view(0).position.load(), state.quantity);
}

TEST_F(FenceAhead, TheLeaseMayComeFirst) {
    take();
    EXPECT_FALSE(sends());
    EXPECT_EQ(trader.core->view(0).fence.load(), FenceState::pending);
    answer(state.quantity);
    EXPECT_TRUE(sends());
    EXPECT_EQ(trader.gateway.fences.size(), 1U);
}

TEST_F(FenceAhead, WhatHappenedBehindTheStateIsAskedForAgain) {
    answer(state.quantity, true, 1);
    take();
    EXPECT_FALSE(sends()) << "an order was cancelled by the fence";
    EXPECT_EQ(trader.gateway.fences.size(), 2U);
    EXPECT_EQ(trader.gateway.fences[1].last_fill_id, 7U);
    answer(state.quantity);
    EXPECT_TRUE(sends());
}

TEST_F(FenceAhead, AFillThatCameWithItIsBookedWithTheState) {
    NewOrder foreign;
    foreign.strategy = StrategyName("mm");
    foreign.symbol = SymbolName("BTC-USD");
    foreign.epoch = 4;
    foreign.seq = 3;
    foreign.side = Side::buy;
    foreign.price = from_double(100);
    foreign.quantity = from_double(1);
    trader.fill(foreign, from_double(1), from_double(1), 8);
    answer(from_double(3));
    take();
    ASSERT_EQ(trader.gateway.fences.size(), 2U);
    EXPECT_EQ(trader.gateway.fences[1].last_fill_id, 7U) << "not booked before the state was there";
    trader.fill(foreign, from_double(1), from_double(1), 8);
    answer(from_double(3));
    EXPECT_TRUE(sends());
    EXPECT_EQ(trader.core->view(0).position.load(), from_double(3));
    EXPECT_EQ(trader.core->view(0).reconcile.differences.load(), 0U);
}

TEST_F(FenceAhead, ARefusalIsAskedForAgainByTheTake) {
    answer(0, false);
    take();
    EXPECT_EQ(trader.gateway.fences.size(), 2U);
    answer(0, false);
    EXPECT_EQ(trader.core->view(0).fence.load(), FenceState::refused);
    EXPECT_FALSE(sends());
}

TEST_F(FenceAhead, IsForgottenWithTheSessionTheDropAndAnotherEpoch) {
    trader.core->on_venue_lost(0);
    trader.core->on_venue_up(0, kNoSession);
    take();
    EXPECT_EQ(trader.gateway.fences.size(), 2U) << "the answer died with its session";
    EXPECT_FALSE(sends());
    trader.command(Command::Kind::drop);
    trader.command(Command::Kind::fence_ahead, 6, state);
    trader.command(Command::Kind::take, 7, state);
    trader.turn();
    EXPECT_EQ(trader.gateway.fences.size(), 4U);
    EXPECT_EQ(trader.gateway.fences[3].epoch, 7U);
    EXPECT_FALSE(sends());
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
    t.core->on_venue_up(0, kNoSession);
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
    EXPECT_EQ(t.core->view(0).refused_epoch.load(), 5U);
}

TEST(Trading, ALostVenueLeavesOrdersUnknownAndNeedsANewFence) {
    Trader t;
    t.grant();
    t.tick();
    t.core->on_venue_lost(0);
    t.core->on_venue_up(0, kNoSession);
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

// Asks for what the test wants at each tick, and keeps the answers.
class Scripted final : public Strategy {
public:
    struct Wish {
        Side side;
        double price;
        double quantity;
        std::uint8_t leg = 0;
    };
    void on_tick(const Tick&, OrderActions& given) noexcept override {
        actions = &given;
        ++ticks;
        answers.clear();
        for (const Wish& w : wishes) answers.push_back(given.place(w.leg, w.side, from_double(w.price), from_double(w.quantity)));
    }
    void on_fill(const Fill& fill, Quantity position) noexcept override {
        fills.emplace_back(fill.fill_id, position);
        placed_in_fill = actions->place(9, Side::buy, from_double(100), from_double(1));
    }
    std::vector<Wish> wishes;
    std::vector<bool> answers;
    std::vector<std::pair<std::uint64_t, Quantity>> fills;
    OrderActions* actions = nullptr;
    bool placed_in_fill = false;
    int ticks = 0;
};

// Puts a scripted strategy in the place of the market maker.
Scripted& script(Trader& t, const RiskLimits& limits, bool paper = false) {
    auto made = std::make_unique<Scripted>();
    Scripted& scripted = *made;
    t.core->stage_parameters(0, std::move(made));
    Command c;
    c.kind = Command::Kind::configure;
    c.limits = limits;
    c.paper = paper;
    c.parameters = true;
    Trader::must(t.commands->push(c));
    t.turn();
    return scripted;
}

RiskLimits wide() {
    RiskLimits l;
    l.max_position = from_double(10);
    l.max_notional = 900;
    l.max_order_rate_per_s = 4;
    l.max_open_orders = 3;
    l.daily_loss_usd = 1000;
    l.price_collar_pct = 5;
    l.max_capital_usd = 700;
    return l;
}

TEST(Trading, EveryCheckOfTheGateCountsUnderItsName) {
    struct Case {
        RiskCheck check;
        Scripted::Wish wish;
    };
    for (const Case& c : {Case{RiskCheck::order_size, {Side::buy, 100, 11}}, Case{RiskCheck::price_collar, {Side::buy, 106, 1}},
                          Case{RiskCheck::notional, {Side::buy, 100, 9.5}}, Case{RiskCheck::capital, {Side::buy, 100, 8}}}) {
        Trader t;
        t.grant();
        Scripted& s = script(t, wide());
        s.wishes = {c.wish, {Side::buy, 100, 1}};
        t.tick();
        EXPECT_EQ(s.answers, (std::vector<bool>{false, true})) << to_text(c.check);
        EXPECT_EQ(failures(t, c.check), 1U) << to_text(c.check);
        EXPECT_EQ(t.gateway.orders.size(), 1U);
    }
    Trader position;
    position.grant();
    RiskLimits l = wide();
    l.max_notional = l.max_capital_usd = 1e9;
    script(position, l).wishes = {{Side::sell, 100, 6}, {Side::sell, 100, 6}};
    position.tick();
    EXPECT_EQ(failures(position, RiskCheck::position), 1U);

    Trader open;
    open.grant();
    script(open, wide()).wishes = std::vector<Scripted::Wish>(4, {Side::buy, 100, 0.1});
    open.tick();
    EXPECT_EQ(open.gateway.orders.size(), 3U);
    EXPECT_EQ(failures(open, RiskCheck::open_orders), 1U);

    Trader rate;
    rate.grant();
    l = wide();
    l.max_open_orders = 64;
    script(rate, l).wishes = std::vector<Scripted::Wish>(5, {Side::buy, 100, 0.1});
    rate.tick();
    EXPECT_EQ(rate.gateway.orders.size(), 4U);
    EXPECT_EQ(failures(rate, RiskCheck::order_rate), 1U);
}

TEST(Trading, TheLegOfClosingOrdersIsNoStrategys) {
    Trader t;
    t.grant();
    Scripted& s = script(t, wide());
    s.wishes = {{Side::buy, 100, 1, 255}, {Side::buy, 100, 1, 254}};
    t.tick();
    EXPECT_EQ(s.answers, (std::vector<bool>{false, true}));
    ASSERT_EQ(t.gateway.orders.size(), 1U);
    EXPECT_EQ(t.gateway.orders[0].intent.leg, 254);
}

TEST(Trading, TheTableOfOpenOrdersIsTheLastLimit) {
    Trader t;
    t.grant();
    RiskLimits l = wide();
    l.max_open_orders = 1000;
    l.max_order_rate_per_s = 1000;
    script(t, l).wishes = std::vector<Scripted::Wish>(OrderTable::kCapacity + 1, {Side::buy, 100, 0.01});
    t.tick();
    EXPECT_EQ(t.gateway.orders.size(), OrderTable::kCapacity);
    EXPECT_EQ(failures(t, RiskCheck::open_orders), 1U);
}

TEST(Trading, AStandbySeesEveryTickAndSendsNothing) {
    Trader t;
    t.core->on_venue_up(0, kNoSession);
    Scripted& s = script(t, wide());
    s.wishes = {{Side::buy, 100, 1}};
    for (int i = 0; i < 5; ++i) t.tick();
    EXPECT_EQ(s.ticks, 5);
    EXPECT_EQ(s.answers, std::vector<bool>{false});
    EXPECT_TRUE(t.gateway.orders.empty());
    for (std::size_t i = 0; i < kRiskChecks; ++i) EXPECT_EQ(t.core->hot().risk_failures[i].load(), 0U) << "waiting is no failure";
}

TEST(Trading, PaperOrdersPassEveryCheckAndAreNotSent) {
    Trader t;
    t.grant();
    Scripted& s = script(t, wide(), true);
    s.wishes = {{Side::buy, 100, 1}, {Side::buy, 106, 1}};
    while (t.facts->readable() != 0) t.facts->release(1);
    t.tick();
    t.turn();
    EXPECT_EQ(s.answers, (std::vector<bool>{true, false}));
    EXPECT_TRUE(t.gateway.orders.empty());
    EXPECT_EQ(t.core->view(0).paper_orders.load(), 1U);
    EXPECT_EQ(t.core->view(0).orders[0].load(), 0U);
    EXPECT_EQ(t.core->view(0).open_orders.load(), 0U);
    EXPECT_EQ(failures(t, RiskCheck::price_collar), 1U);
    ASSERT_EQ(t.facts->readable(), 1U);
    EXPECT_EQ(t.facts->peek(0).event, EventKind::paper_order);
    EXPECT_EQ(t.facts->peek(0).price, from_double(100));
    EXPECT_EQ(t.facts->peek(0).intent.tick, 1U);
    for (int i = 0; i < 5; ++i) t.tick();
    EXPECT_GT(failures(t, RiskCheck::order_rate), 0U) << "paper orders count against the rate";
}

TEST(Trading, GoingOnPaperCancelsWhatIsOpen) {
    Trader t;
    t.grant();
    t.tick();
    for (const NewOrder& order : t.gateway.orders) t.accept(order);
    const std::size_t before = t.gateway.orders.size();
    script(t, wide(), true);
    EXPECT_EQ(t.gateway.cancels.size(), 2U);
    t.tick();
    EXPECT_EQ(t.gateway.orders.size(), before);
    EXPECT_TRUE(t.core->view(0).paper.load());
}

TEST(Trading, AFillIsToldOnceWithThePositionAndPlacesNothing) {
    Trader t;
    t.grant();
    Scripted& s = script(t, wide());
    s.wishes = {{Side::buy, 100, 2}};
    t.tick();
    const NewOrder buy = t.gateway.orders.at(0);
    t.fill(buy, from_double(1), from_double(1), 4);
    t.fill(buy, from_double(1), from_double(1), 4);
    ASSERT_EQ(s.fills.size(), 1U);
    EXPECT_EQ(s.fills[0].second, from_double(1));
    EXPECT_FALSE(s.placed_in_fill);
    EXPECT_EQ(t.gateway.orders.size(), 1U);
}

TEST(Trading, TheBudgetComesWithTheLeaseAndHolds) {
    Trader t;
    t.core->on_venue_up(0, kNoSession);
    Command c;
    c.kind = Command::Kind::take;
    c.epoch = 5;
    c.budget.max_position = from_double(3);
    Trader::must(t.commands->push(c));
    t.turn();
    EXPECT_EQ(t.core->view(0).max_position.load(), from_double(3));
    // After a lost session the same right is fenced anew: the budget stays.
    c.keep_position = true;
    c.budget = RiskBudget{};
    Trader::must(t.commands->push(c));
    t.turn();
    EXPECT_EQ(t.core->view(0).max_position.load(), from_double(3));
}

TEST(Trading, AStrategyIsLoadedAndUnloadedWhileOthersTrade) {
    Trader t;
    t.grant();
    EXPECT_TRUE(t.core->view(0).loaded.load());
    auto made = std::make_unique<Scripted>();
    Scripted& scripted = *made;
    StrategySetup setup;
    setup.name = StrategyName("late");
    setup.symbol = SymbolName("BTC-USD");
    setup.limits = wide();
    setup.strategy = std::move(made);
    const std::size_t at = t.core->stage(std::move(setup));
    ASSERT_EQ(at, 1U);
    t.tick();
    EXPECT_EQ(scripted.ticks, 0) << "seen before it was loaded";
    Command c;
    c.strategy = at;
    c.kind = Command::Kind::load;
    Trader::must(t.commands->push(c));
    t.turn();
    EXPECT_TRUE(t.core->view(at).loaded.load());
    EXPECT_FALSE(t.core->view(at).running.load());
    EXPECT_FALSE(t.core->view(at).active.load());
    scripted.wishes = {{Side::buy, 100, 1}};
    const std::size_t before = t.gateway.orders.size();
    t.tick();
    EXPECT_EQ(scripted.ticks, 1);
    EXPECT_EQ(t.gateway.orders.size(), before + 2) << "the market maker's two and nobody else's";

    c.kind = Command::Kind::unload;
    Trader::must(t.commands->push(c));
    t.turn();
    EXPECT_FALSE(t.core->view(at).loaded.load());
    t.core->discard(at);
    t.tick();
    EXPECT_TRUE(t.core->view(0).running.load());

    // The slot is clean for the next.
    StrategySetup next;
    next.name = StrategyName("next");
    next.symbol = SymbolName("BTC-USD");
    next.limits = wide();
    next.strategy = std::make_unique<Scripted>();
    EXPECT_EQ(t.core->stage(std::move(next)), at);
}

TEST(Trading, AStrategyWithARightAnOrderOrAPositionStays) {
    Trader t;
    t.grant();
    const auto unload = [&] {
        Command c;
        c.kind = Command::Kind::unload;
        Trader::must(t.commands->push(c));
        t.turn();
        return !t.core->view(0).loaded.load();
    };
    EXPECT_FALSE(unload()) << "running, with a lease";
    t.tick();
    const NewOrder buy = t.gateway.orders.at(0);
    for (const NewOrder& order : t.gateway.orders) t.accept(order);
    t.fill(buy, from_double(0.1), from_double(0.1), 1);
    t.command(Command::Kind::stop);
    t.command(Command::Kind::drop);
    EXPECT_FALSE(unload()) << "an order is open";
    for (const CancelOrder& c : t.gateway.cancels) t.cancelled(c);
    EXPECT_FALSE(unload()) << "it holds a position";
    Position::State flat;
    t.command(Command::Kind::take, 6, flat);
    t.command(Command::Kind::drop);
    EXPECT_TRUE(unload());
    t.core->discard(0);
    t.tick();
    Fill late;
    late.strategy = StrategyName("mm");
    t.core->on_fill(late);
}

TEST(Trading, SlotsAreFew) {
    Trader t;
    const auto stage = [&] {
        StrategySetup setup;
        setup.strategy = std::make_unique<Scripted>();
        return t.core->stage(std::move(setup));
    };
    for (std::size_t i = 1; i < kMaxStrategies; ++i) EXPECT_EQ(stage(), i);
    EXPECT_EQ(stage(), kMaxStrategies);
}

TEST(Trading, AFillFromTheSocketIsTimed) {
    Trader t;
    t.grant();
    t.tick();
    Fill m;
    m.strategy = StrategyName("mm");
    m.epoch = 5;
    m.seq = t.gateway.orders.at(0).seq;
    m.fill_id = 1;
    m.price = from_double(100);
    m.quantity = m.cumulative = m.order_quantity = from_double(0.1);
    m.received = boot_ns();
    t.core->on_fill(m);
    std::uint64_t seen = 0;
    for (std::size_t i = 0; i <= LatencyHistogram::kBounds.size(); ++i) seen += t.core->hot().position_update.count(i);
    EXPECT_EQ(seen, 1U);
}

TEST(Trading, FlattenCancelsAndClosesThePositionAtTheMarket) {
    Trader t;
    t.grant();
    t.tick();
    ASSERT_EQ(t.gateway.orders.size(), 2U);
    const NewOrder buy = t.gateway.orders[0].side == Side::buy ? t.gateway.orders[0] : t.gateway.orders[1];
    t.accept(t.gateway.orders[0]);
    t.accept(t.gateway.orders[1]);
    t.fill(buy, buy.quantity, buy.quantity, 1);
    t.command(Command::Kind::flatten);
    t.turn();
    ASSERT_EQ(t.gateway.cancels.size(), 1U);
    t.tick();
    EXPECT_EQ(t.gateway.orders.size(), 2U) << "not before the cancel is answered";
    t.cancelled(t.gateway.cancels[0]);
    t.tick();
    ASSERT_EQ(t.gateway.orders.size(), 3U);
    const NewOrder closing = t.gateway.orders[2];
    EXPECT_EQ(closing.side, Side::sell);
    EXPECT_EQ(closing.quantity, buy.quantity);
    EXPECT_EQ(closing.price, from_double(99.5));
    t.accept(closing);
    t.fill(closing, closing.quantity, closing.quantity, 2);
    t.tick();
    t.turn();
    EXPECT_FALSE(t.core->view(0).flattening);
    EXPECT_FALSE(t.core->view(0).running);
    EXPECT_EQ(t.core->view(0).position, 0);
    t.tick();
    EXPECT_EQ(t.gateway.orders.size(), 3U) << "a flat strategy stays stopped";
}

TEST(Trading, FlattenWithoutARightSendsNothing) {
    Trader t;
    t.core->on_venue_up(0, kNoSession);
    t.command(Command::Kind::flatten);
    t.turn();
    t.tick();
    EXPECT_TRUE(t.gateway.orders.empty());
}

TEST(Trading, AFrozenStrategyDrainsAndTellsItsFinalState) {
    Trader t;
    t.grant();
    t.tick();
    for (const NewOrder& order : std::vector<NewOrder>(t.gateway.orders)) t.accept(order);
    Command freeze;
    freeze.kind = Command::Kind::freeze;
    freeze.freeze = 7;
    Trader::must(t.commands->push(freeze));
    t.turn();
    EXPECT_EQ(t.gateway.cancels.size(), 2U);
    EXPECT_EQ(t.core->view(0).drained, 0U);
    t.fill(t.gateway.orders[0], t.gateway.orders[0].quantity, t.gateway.orders[0].quantity, 3);
    t.cancelled(t.gateway.cancels[1]);
    t.turn();
    ASSERT_EQ(t.core->view(0).drained, 7U);
    EXPECT_EQ(t.core->view(0).final_state.position.last_fill_id, 3U);
    EXPECT_EQ(std::llabs(t.core->view(0).final_state.position.quantity), t.gateway.orders[0].quantity);
    t.tick();
    EXPECT_EQ(t.gateway.orders.size(), 2U);
    t.command(Command::Kind::thaw);
    t.turn();
    t.tick();
    EXPECT_GT(t.gateway.orders.size(), 2U);
}

TEST(Trading, ALostSessionIsNotADrain) {
    Trader t;
    t.grant();
    t.tick();
    Command freeze;
    freeze.kind = Command::Kind::freeze;
    freeze.freeze = 8;
    Trader::must(t.commands->push(freeze));
    t.core->on_venue_lost(0);
    t.turn();
    EXPECT_EQ(t.core->view(0).drained, 0U);
}

FenceAck statement(Quantity position, std::uint32_t open_orders) {
    FenceAck ack;
    ack.strategy = StrategyName("mm");
    ack.epoch = ack.highest = 5;
    ack.granted = true;
    ack.position = position;
    ack.open_orders = open_orders;
    return ack;
}

TEST(Trading, ReconcileAsksTheVenueAndTradingGoesOnWhenBothAgree) {
    Trader t;
    t.grant();
    t.tick();
    for (const NewOrder& order : std::vector<NewOrder>(t.gateway.orders)) t.accept(order);
    const std::size_t fences = t.gateway.fences.size();
    t.command(Command::Kind::reconcile);
    t.turn();
    ASSERT_EQ(t.gateway.fences.size(), fences + 1);
    EXPECT_EQ(t.gateway.fences.back().epoch, 5U);
    t.core->on_fence_ack(statement(0, 2));
    t.turn();
    EXPECT_EQ(t.core->view(0).reconcile.done, 2U) << "the fence of the takeover was the first";
    EXPECT_EQ(t.core->view(0).reconcile.differences, 0U);
    EXPECT_TRUE(t.core->view(0).running);
}

TEST(Trading, ADifferenceToTheVenueIsTakenOverAndStopsTheStrategy) {
    for (const auto& [position, open] : {std::pair<Quantity, std::uint32_t>{from_double(1), 2}, {0, 1}}) {
        Trader t;
        t.grant();
        t.tick();
        for (const NewOrder& order : std::vector<NewOrder>(t.gateway.orders)) t.accept(order);
        t.command(Command::Kind::reconcile);
        t.turn();
        t.core->on_fence_ack(statement(position, open));
        t.turn();
        EXPECT_EQ(t.core->view(0).reconcile.differences, 1U);
        EXPECT_EQ(t.core->view(0).position, position);
        EXPECT_EQ(t.core->view(0).halted, RiskCheck::reconcile);
        EXPECT_EQ(failures(t, RiskCheck::reconcile), 1U);
        EXPECT_EQ(t.gateway.cancels.size(), 2U);
    }
}

TEST(Trading, WithAdoptADifferenceOnlyCounts) {
    Trader t;
    t.core->block_on_difference(false);
    t.grant();
    t.core->on_fence_ack(statement(from_double(1), 0));
    t.turn();
    EXPECT_EQ(t.core->view(0).reconcile.differences, 1U);
    EXPECT_TRUE(t.core->view(0).running);
}

TEST(Trading, AnOrderOnItsWayIsNoDifference) {
    Trader t;
    t.grant();
    t.command(Command::Kind::reconcile);
    t.turn();
    t.tick();  // sent after the question
    t.core->on_fence_ack(statement(0, 0));
    EXPECT_EQ(t.core->view(0).reconcile.differences, 0U);
}

}  // namespace
}  // namespace hft
