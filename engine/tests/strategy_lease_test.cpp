// SPDX-License-Identifier: GPL-3.0-or-later
// What moves with a lease (the budget), and leases of strategies that come and go while the engine runs.
#include "tests/processes.hpp"

namespace hft {
namespace {

using namespace test;

class StrategyLease : public Integration {
protected:
    void SetUp() override {
        Integration::SetUp();
        venue_ = std::make_unique<VenueProcess>(directory_);
        blue_ = engine("blue", "1");
        ASSERT_TRUE(eventually([&] { return blue_->ready(); }));
    }
    void TearDown() override {
        green_.reset();
        blue_.reset();
        venue_.reset();
        Integration::TearDown();
    }
    std::unique_ptr<EngineProcess> engine(const std::string& name, const std::string& incarnation) {
        return std::make_unique<EngineProcess>(name, incarnation, venue_->order_port(), venue_->market_data_port(), rows_);
    }
    void budget(double max_position) {
        const std::lock_guard lock(rows_.mutex);
        rows_.rows["mm"].budget.max_position = from_double(max_position);
    }
    static bool bounded(EngineProcess& engine, double max_position) {
        return eventually([&] { return engine.view().max_position.load() == from_double(max_position); });
    }
    // A second strategy, as strategies/load puts it in.
    std::size_t load(EngineProcess& engine) {
        StrategySetup setup;
        setup.name = StrategyName("late");
        setup.symbol = SymbolName("BTC-USD");
        setup.limits = {from_double(50), 1e6, 100'000, 16, 1e6, 10};
        setup.strategy = make_strategy("market_maker", {{"size", 0.1}, {"requote_ticks", 3}});
        const std::size_t at = engine.core().stage(std::move(setup));
        Command c;
        c.kind = Command::Kind::load;
        c.strategy = at;
        engine.command(c);
        EXPECT_TRUE(eventually([&] { return engine.core().view(at).loaded.load(); }));
        return at;
    }
    std::unique_ptr<VenueProcess> venue_;
    std::unique_ptr<EngineProcess> blue_;
    std::unique_ptr<EngineProcess> green_;
};

const LeasedStrategy kLate{"late", "BTC-USD", 0, {"paper"}, true};

TEST_F(StrategyLease, TheBudgetIsReadAtTheClaimAndFollowed) {
    budget(3);
    ASSERT_EQ(blue_->keeper().become_primary().outcome, RoleOutcome::done);
    EXPECT_TRUE(bounded(*blue_, 3));
    budget(2);
    EXPECT_TRUE(bounded(*blue_, 2)) << "what was moved to another strategy is used no longer";
    budget(1000);
    EXPECT_TRUE(bounded(*blue_, 50)) << "the configured limit holds all the same";
}

TEST_F(StrategyLease, WithoutAReadableBudgetNothingIsClaimed) {
    rows_.no_budgets = true;
    const RoleAnswer answer = blue_->keeper().become_primary();
    EXPECT_EQ(answer.outcome, RoleOutcome::unavailable);
    EXPECT_EQ(answer.detail, "the risk budget of strategy mm cannot be read: no table");
    EXPECT_EQ(rows_.rows["mm"].row.holder, "");
    rows_.no_budgets = false;
    EXPECT_EQ(blue_->keeper().become_primary().outcome, RoleOutcome::done);
}

TEST_F(StrategyLease, TheBudgetMovesWithATransfer) {
    green_ = engine("green", "2");
    ASSERT_TRUE(eventually([&] { return green_->ready(); }));
    ASSERT_EQ(blue_->keeper().become_primary().outcome, RoleOutcome::done);
    EXPECT_TRUE(bounded(*blue_, 50));
    budget(4);
    ASSERT_EQ(blue_->keeper().become_primary().outcome, RoleOutcome::done);
    ASSERT_EQ(green_->keeper().arm({"t1", {"mm"}}).outcome, RoleOutcome::done);
    budget(5);  // changed between arm and handover: found right behind it
    TransferRequest request;
    request.id = "t1";
    request.strategies = {"mm"};
    request.to = "green";
    request.drain = 2 * kSecond;
    ASSERT_EQ(blue_->keeper().transfer(request).outcome, RoleOutcome::done);
    ASSERT_TRUE(eventually([&] { return green_->keeper().primary(); }));
    EXPECT_TRUE(bounded(*green_, 5));
}

TEST_F(StrategyLease, OnlyARefusalOfItsOwnEpochEndsALease) {
    ASSERT_EQ(blue_->keeper().become_primary().outcome, RoleOutcome::done);
    const std::uint64_t epoch = blue_->view().epoch.load();
    const auto beats = [&] {
        const std::lock_guard lock(rows_.mutex);
        return rows_.rows["mm"].row.beat;
    };
    // An answer to what was sent before the engine stood still, read after it has been given the next epoch.
    blue_->core().view(0).refused_epoch.store(epoch - 1);
    const auto before = beats();
    ASSERT_TRUE(eventually([&] { return beats() > before + 2; }));
    EXPECT_TRUE(blue_->keeper().primary());
    blue_->core().view(0).refused_epoch.store(epoch);
    EXPECT_TRUE(eventually([&] { return !blue_->keeper().primary(); }));
}

TEST_F(StrategyLease, AStrategyComesWithoutALeaseGetsOneAndLeaves) {
    blue_->start_trading();
    ASSERT_EQ(blue_->keeper().become_primary().outcome, RoleOutcome::done);
    const std::size_t at = load(*blue_);
    ASSERT_EQ(blue_->keeper().add(at, kLate).outcome, RoleOutcome::done);
    EXPECT_EQ(blue_->keeper().snapshot().at(at).holder, "");
    EXPECT_TRUE(blue_->keeper().snapshot().at(at).known);
    EXPECT_EQ(blue_->core().view(at).right_until.load(), 0);
    EXPECT_EQ(blue_->keeper().add(at, kLate).outcome, RoleOutcome::conflict) << "the slot is taken";
    EXPECT_EQ(blue_->keeper().add(at + 1, kLate).outcome, RoleOutcome::conflict) << "the name is taken";

    ASSERT_EQ(blue_->keeper().become_primary().outcome, RoleOutcome::done);
    EXPECT_EQ(rows_.rows["late"].row.holder, "blue/1");
    Command start;
    start.kind = Command::Kind::start;
    start.strategy = at;
    blue_->command(start);
    EXPECT_TRUE(eventually([&] { return blue_->core().view(at).orders[0].load() > 5; }));

    const RoleAnswer refused = blue_->keeper().remove(at);
    EXPECT_EQ(refused.outcome, RoleOutcome::conflict);
    EXPECT_NE(refused.detail.find("strategy late holds its lease"), std::string::npos) << refused.detail;
    ASSERT_EQ(blue_->keeper().become_standby().outcome, RoleOutcome::done);
    ASSERT_EQ(blue_->keeper().remove(at).outcome, RoleOutcome::done);
    EXPECT_EQ(blue_->keeper().remove(at).outcome, RoleOutcome::done) << "twice does nothing";
    EXPECT_TRUE(eventually([&] { return blue_->keeper().rows_known(); }));
    ASSERT_EQ(blue_->keeper().become_primary().outcome, RoleOutcome::done);
    EXPECT_EQ(rows_.rows["late"].row.holder, "") << "gone is not claimed";
    EXPECT_EQ(rows_.rows["mm"].row.holder, "blue/1");
}

TEST_F(StrategyLease, AKillHoldsForWhatComesLater) {
    blue_->core().hot().killed = true;
    blue_->keeper().latch_rows("test");
    ASSERT_TRUE(eventually([&] { return blue_->keeper().rows_latched(); }));
    const std::size_t at = load(*blue_);
    ASSERT_EQ(blue_->keeper().add(at, kLate).outcome, RoleOutcome::done);
    EXPECT_TRUE(eventually([&] {
        const std::lock_guard lock(rows_.mutex);
        return rows_.rows["late"].row.killed;
    }));
}

TEST_F(StrategyLease, WhatIsArmedStays) {
    green_ = engine("green", "2");
    ASSERT_TRUE(eventually([&] { return green_->ready(); }));
    ASSERT_EQ(blue_->keeper().become_primary().outcome, RoleOutcome::done);
    ASSERT_EQ(green_->keeper().arm({"t1", {"mm"}}).outcome, RoleOutcome::done);
    EXPECT_NE(green_->keeper().remove(0).detail.find("armed for transfer t1"), std::string::npos);
}

}  // namespace
}  // namespace hft
