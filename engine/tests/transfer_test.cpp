// SPDX-License-Identifier: GPL-3.0-or-later
// Transfers between two engines over one venue: what the venue's log says afterwards, and what every fault leaves behind.
#include <algorithm>
#include <map>

#include "tests/processes.hpp"

namespace hft {
namespace {

using namespace test;

class Transfer : public Integration {
protected:
    void SetUp() override {
        Integration::SetUp();
        venue_ = std::make_unique<VenueProcess>(directory_);
        blue_ = engine("blue", "1");
        green_ = engine("green", "2");
        ASSERT_TRUE(eventually([&] { return blue_->ready() && green_->ready(); }));
        blue_->start_trading();
        green_->start_trading();
        ASSERT_EQ(blue_->keeper().become_primary().outcome, RoleOutcome::done);
        ASSERT_TRUE(eventually([&] { return blue_->sent() > 20; }));
    }
    void TearDown() override {
        blue_.reset();
        green_.reset();
        venue_.reset();
        Integration::TearDown();
    }
    std::unique_ptr<EngineProcess> engine(const std::string& name, const std::string& incarnation) {
        return std::make_unique<EngineProcess>(name, incarnation, venue_->order_port(), venue_->market_data_port(), rows_);
    }
    RoleAnswer arm(EngineProcess& taker, const std::string& id) {
        ArmRequest request;
        request.id = id;
        request.strategies = {"mm"};
        return taker.keeper().arm(request);
    }
    RoleAnswer transfer(EngineProcess& giver, const std::string& to, const std::string& id, Nanos drain = 2 * kSecond,
                        bool abandon = false) {
        TransferRequest request;
        request.id = id;
        request.strategies = {"mm"};
        request.to = to;
        request.drain = drain;
        request.abandon = abandon;
        return giver.keeper().transfer(request);
    }
    bool trades(EngineProcess& engine) {
        const std::uint64_t before = engine.sent();
        return eventually([&] { return engine.sent() > before + 5; });
    }
    bool stands_still(EngineProcess& engine) {
        std::this_thread::sleep_for(std::chrono::milliseconds(30));
        const std::uint64_t before = engine.sent();
        std::this_thread::sleep_for(std::chrono::milliseconds(200));
        return engine.sent() == before;
    }
    // The venue falls silent while orders of the engine are with it.
    void silence_venue_with_open_orders(EngineProcess& engine) {
        ASSERT_TRUE(eventually([&] {
            venue_->pause(true);
            std::this_thread::sleep_for(std::chrono::milliseconds(20));
            if (engine.view().open_orders.load() > 0) return true;
            venue_->pause(false);
            return false;
        }));
    }
    static std::string outcome(EngineProcess& engine, const std::string& id) {
        for (const TransferRecord& record : engine.keeper().transfers()) {
            if (record.id == id) return record.outcome;
        }
        return "";
    }
    // Orders accepted under an epoch after a higher one was seen, and epochs used by two incarnations.
    void expect_no_overlap() {
        std::uint64_t highest = 0;
        std::map<std::uint64_t, std::string> holder_of;
        for (const Json& line : log("accepted")) {
            const auto epoch = line.at("epoch").get<std::uint64_t>();
            EXPECT_GE(epoch, highest);
            highest = std::max(highest, epoch);
            const auto [at, fresh] = holder_of.try_emplace(epoch, line.at("holder").get<std::string>());
            if (!fresh) {
                EXPECT_EQ(at->second, line.at("holder").get<std::string>());
            }
        }
        EXPECT_TRUE(log("rejected").empty());
    }

    std::unique_ptr<VenueProcess> venue_;
    std::unique_ptr<EngineProcess> blue_;
    std::unique_ptr<EngineProcess> green_;
};

TEST_F(Transfer, ThereAndBackWithNothingLost) {
    for (int round = 0; round < 5; ++round) {
        EngineProcess& giver = round % 2 == 0 ? *blue_ : *green_;
        EngineProcess& taker = round % 2 == 0 ? *green_ : *blue_;
        const std::string id = "t" + std::to_string(round);
        ASSERT_EQ(arm(taker, id).outcome, RoleOutcome::done);
        const RoleAnswer answer = transfer(giver, round % 2 == 0 ? "green" : "blue", id);
        ASSERT_EQ(answer.outcome, RoleOutcome::done) << answer.detail;
        ASSERT_TRUE(trades(taker));
        // The hot path trades on the fence; what the keeper tells of it follows.
        EXPECT_TRUE(eventually([&] { return taker.keeper().primary() && outcome(taker, id) == "done"; })) << outcome(taker, id);
        EXPECT_TRUE(eventually([&] { return !giver.keeper().primary(); }));
        EXPECT_EQ(outcome(giver, id), "done");
        EXPECT_TRUE(stands_still(giver));
        EXPECT_EQ(taker.view().accepted_epoch.load(), giver.view().accepted_epoch.load() + 1);
        EXPECT_GT(taker.view().accepted_first.load(), giver.view().accepted_last.load()) << "by the clock of the venue";
    }
    ASSERT_EQ(green_->keeper().become_standby().outcome, RoleOutcome::done);
    const Quantity position = green_->view().position.load();
    expect_no_overlap();
    Quantity net = 0;
    for (const Json& line : log("fill")) {
        net += line.at("side") == "buy" ? line.at("fill_qty").get<Quantity>() : -line.at("fill_qty").get<Quantity>();
    }
    EXPECT_EQ(position, net);
}

TEST_F(Transfer, NobodyArmedIsRefusedAndTradingGoesOn) {
    const RoleAnswer answer = transfer(*blue_, "green", "t");
    EXPECT_EQ(answer.outcome, RoleOutcome::conflict);
    EXPECT_EQ(answer.detail, "green is not armed for strategy mm under transfer t");
    EXPECT_TRUE(trades(*blue_));
}

TEST_F(Transfer, AnotherTakerOrIdIsRefused) {
    ASSERT_EQ(arm(*green_, "t").outcome, RoleOutcome::done);
    EXPECT_EQ(transfer(*blue_, "red", "t").outcome, RoleOutcome::conflict);
    EXPECT_EQ(transfer(*blue_, "green", "other").outcome, RoleOutcome::conflict);
    EXPECT_TRUE(trades(*blue_));
}

TEST_F(Transfer, TheHolderCannotBeArmedAndAStandbyCannotGive) {
    EXPECT_EQ(arm(*blue_, "t").outcome, RoleOutcome::conflict);
    ASSERT_EQ(arm(*green_, "t").outcome, RoleOutcome::done);
    EXPECT_EQ(transfer(*green_, "green", "t").outcome, RoleOutcome::conflict);
}

TEST_F(Transfer, AfterDisarmNoTransferReachesTheTaker) {
    ASSERT_EQ(arm(*green_, "t").outcome, RoleOutcome::done);
    EXPECT_EQ(arm(*green_, "u").outcome, RoleOutcome::conflict) << "one transfer at a time";
    ASSERT_EQ(green_->keeper().disarm("t").outcome, RoleOutcome::done);
    EXPECT_EQ(transfer(*blue_, "green", "t").outcome, RoleOutcome::conflict);
    EXPECT_TRUE(trades(*blue_));
}

TEST_F(Transfer, AnArmRunsOut) {
    ArmRequest request;
    request.id = "t";
    request.strategies = {"mm"};
    request.expires = 50 * kMillisecond;
    ASSERT_EQ(green_->keeper().arm(request).outcome, RoleOutcome::done);
    ASSERT_TRUE(eventually([&] { return outcome(*green_, "t") == "disarmed"; }));
    EXPECT_EQ(transfer(*blue_, "green", "t").outcome, RoleOutcome::conflict);
}

TEST_F(Transfer, WhatTheDatabaseWouldRefuseIsFoundBeforeTheFreeze) {
    ASSERT_EQ(arm(*green_, "t").outcome, RoleOutcome::done);
    {
        const std::lock_guard lock(rows_.mutex);
        rows_.refuse_rehearsal = "permission denied for function lease_hand_over";
    }
    const RoleAnswer answer = transfer(*blue_, "green", "t");
    EXPECT_EQ(answer.outcome, RoleOutcome::conflict);
    EXPECT_NE(answer.detail.find("would refuse the handover: permission denied"), std::string::npos) << answer.detail;
    EXPECT_EQ(blue_->view().drained.load(), 0U) << "it was frozen and drained";
    EXPECT_TRUE(trades(*blue_));
    {
        const std::lock_guard lock(rows_.mutex);
        rows_.refuse_rehearsal.clear();
    }
    EXPECT_EQ(transfer(*blue_, "green", "t").outcome, RoleOutcome::done);
    EXPECT_NE(blue_->view().drained.load(), 0U);
}

TEST_F(Transfer, NoFactIsWrittenBetweenTheFreezeAndTheClaim) {
    ASSERT_EQ(arm(*green_, "t").outcome, RoleOutcome::done);
    bool rested = false;
    rows_.on_handover = [&] {
        rested = blue_->journal_rests();
        rows_.fail_write = true;
    };
    EXPECT_EQ(transfer(*blue_, "green", "t").outcome, RoleOutcome::conflict);
    EXPECT_TRUE(rested);
    EXPECT_FALSE(blue_->journal_rests()) << "also after a refusal";
}

TEST_F(Transfer, ARefusedHandoverThawsAfterABeatOfItsOwn) {
    ASSERT_EQ(arm(*green_, "t").outcome, RoleOutcome::done);
    rows_.on_handover = [&] { rows_.fail_write = true; };
    const RoleAnswer answer = transfer(*blue_, "green", "t");
    EXPECT_EQ(answer.outcome, RoleOutcome::conflict) << answer.detail;
    rows_.fail_write = false;
    EXPECT_TRUE(trades(*blue_));
    EXPECT_EQ(outcome(*blue_, "t"), "refused");
    EXPECT_FALSE(green_->keeper().primary());
    expect_no_overlap();
}

// The commit stands, the answer was lost: the giver must not trade on, whatever it believes.
TEST_F(Transfer, InDoubtTheGiverStaysFrozenAndTheTakerTakes) {
    ASSERT_EQ(arm(*green_, "t").outcome, RoleOutcome::done);
    rows_.on_handover = [&] { rows_.lose_reply = true; };
    const RoleAnswer answer = transfer(*blue_, "green", "t");
    EXPECT_EQ(answer.outcome, RoleOutcome::unavailable);
    const std::uint64_t sent = blue_->sent();
    rows_.lose_reply = false;
    EXPECT_TRUE(trades(*green_));
    EXPECT_EQ(blue_->sent(), sent);
    EXPECT_TRUE(eventually([&] { return outcome(*blue_, "t") == "done"; }));
    expect_no_overlap();
}

// It stands on a server that no standby follows: the taker may go on, the giver gives nothing up that may come back.
TEST_F(Transfer, UntilTheHandoverIsSettledTheGiverIsInDoubt) {
    ASSERT_EQ(arm(*green_, "t").outcome, RoleOutcome::done);
    std::atomic<bool> away{true};
    rows_.on_settle = [&] { rows_.lose_write = away.load(); };
    EXPECT_EQ(transfer(*blue_, "green", "t").outcome, RoleOutcome::unavailable);
    EXPECT_TRUE(stands_still(*blue_));
    EXPECT_EQ(outcome(*blue_, "t"), "in doubt") << "a row that was only seen takes nothing";
    away = false;
    rows_.lose_write = false;
    EXPECT_TRUE(eventually([&] { return outcome(*blue_, "t") == "done"; })) << outcome(*blue_, "t");
    EXPECT_TRUE(trades(*green_));
    rows_.on_settle = nullptr;
    expect_no_overlap();
}

// The server dies with the handover and the claim behind it; the taker's fence is at the venue already.
TEST_F(Transfer, WhatTheTakerFencedAheadOfALostClaimTheGiverClaimsAnew) {
    ASSERT_EQ(arm(*green_, "t").outcome, RoleOutcome::done);
    std::map<std::string, MemoryRows::Stored> standby;
    rows_.lose_accept = true;
    rows_.on_handover = [&] {
        const std::lock_guard lock(rows_.mutex);
        standby = rows_.rows;
    };
    rows_.on_settle = [&] {
        if (standby.empty()) return;
        ASSERT_TRUE(eventually([&] { return log("fence").size() >= 2; })) << "green did not fence ahead";
        const std::lock_guard lock(rows_.mutex);
        rows_.rows = std::exchange(standby, {});
        rows_.transfers.clear();
    };
    EXPECT_NE(transfer(*blue_, "green", "t").outcome, RoleOutcome::done);
    EXPECT_TRUE(trades(*blue_));
    EXPECT_TRUE(eventually([&] { return blue_->keeper().primary(); }));
    EXPECT_EQ(log("fence").back().at("holder").get<std::string>(), "blue/1");
    EXPECT_GT(log("fence").back().at("epoch").get<std::uint64_t>(), 2U);
    EXPECT_FALSE(green_->keeper().primary());
    EXPECT_EQ(green_->sent(), 0U);
    rows_.on_handover = nullptr;
    rows_.on_settle = nullptr;
}

TEST_F(Transfer, TheFenceGoesAheadOfTheClaim) {
    ASSERT_EQ(arm(*green_, "t").outcome, RoleOutcome::done);
    rows_.lose_accept = true;
    ASSERT_EQ(transfer(*blue_, "green", "t").outcome, RoleOutcome::done);
    EXPECT_TRUE(eventually([&] { return log("fence").back().at("epoch").get<std::uint64_t>() == 2U; }));
    EXPECT_TRUE(stands_still(*green_)) << "a fence is no right";
    rows_.lose_accept = false;
    EXPECT_TRUE(trades(*green_));
    EXPECT_EQ(log("fence").size(), 2U) << "one fence for each epoch";
    expect_no_overlap();
}

// The request never arrived: once a beat of the giver is acknowledged, the handover cannot succeed any more.
TEST_F(Transfer, ALostHandoverThawsOnceTheRowMoved) {
    ASSERT_EQ(arm(*green_, "t").outcome, RoleOutcome::done);
    rows_.on_handover = [&] { rows_.lose_write = true; };
    EXPECT_EQ(transfer(*blue_, "green", "t").outcome, RoleOutcome::unavailable);
    const std::uint64_t sent = blue_->sent();
    std::this_thread::sleep_for(std::chrono::milliseconds(60));
    rows_.lose_write = false;
    EXPECT_TRUE(eventually([&] { return blue_->sent() > sent + 5; }));
    EXPECT_FALSE(green_->keeper().primary());
    expect_no_overlap();
}

TEST_F(Transfer, ARepeatedRequestFindsTheOutcomeAlsoAfterARestart) {
    ASSERT_EQ(arm(*green_, "t").outcome, RoleOutcome::done);
    ASSERT_EQ(transfer(*blue_, "green", "t").outcome, RoleOutcome::done);
    EXPECT_EQ(transfer(*blue_, "green", "t").outcome, RoleOutcome::done);
    blue_.reset();
    blue_ = engine("blue", "9");
    ASSERT_TRUE(eventually([&] { return blue_->ready(); }));
    EXPECT_EQ(transfer(*blue_, "green", "t").outcome, RoleOutcome::done);
    EXPECT_EQ(outcome(*blue_, "t"), "done");
    EXPECT_EQ(arm(*blue_, "t").outcome, RoleOutcome::conflict) << "an id is used once";
    EXPECT_TRUE(trades(*green_));
}

TEST_F(Transfer, WhatTheCallerDidNotExpectIsRefused) {
    ASSERT_EQ(arm(*green_, "t").outcome, RoleOutcome::done);
    TransferRequest request;
    request.id = "t";
    request.strategies = {"mm"};
    request.to = "green";
    const auto detail = [&](const TransferRequest& changed) {
        const RoleAnswer answer = blue_->keeper().transfer(changed);
        EXPECT_EQ(answer.outcome, RoleOutcome::conflict);
        return answer.detail;
    };
    TransferRequest changed = request;
    changed.to_incarnation = "7";
    EXPECT_EQ(detail(changed), "armed is green/2, expected incarnation 7: it was restarted");
    changed = request;
    changed.to_build = "2.0";
    EXPECT_EQ(detail(changed), "green runs build 1.0, expected 2.0");
    changed = request;
    changed.holder = "blue/8";
    EXPECT_EQ(detail(changed), "expected holder blue/8, this engine is blue/1");
    changed = request;
    changed.epochs = {{"mm", 77}};
    EXPECT_EQ(detail(changed), "strategy mm is held under epoch 1, expected 77");
    EXPECT_TRUE(trades(*blue_));
    changed = request;
    changed.to_incarnation = "2";
    changed.to_build = "1.0";
    changed.holder = "blue/1";
    changed.epochs = {{"mm", 1}};
    EXPECT_EQ(blue_->keeper().transfer(changed).outcome, RoleOutcome::done);
    EXPECT_TRUE(trades(*green_));
}

TEST_F(Transfer, ATakerThatGivesNoSignOfLifeGetsNothing) {
    {
        const std::lock_guard lock(rows_.mutex);
        MemoryRows::Stored& row = rows_.rows["mm"];
        row.armed_id = "t";
        row.armed_taker = "green/2";
        row.armed_epoch = row.row.epoch;
    }
    const RoleAnswer answer = transfer(*blue_, "green", "t");
    EXPECT_EQ(answer.outcome, RoleOutcome::conflict);
    EXPECT_EQ(answer.detail, "green gave no sign of life for transfer t within 1000 ms");
    EXPECT_TRUE(trades(*blue_));
}

TEST_F(Transfer, WhatTheTakerCannotFenceTheGiverTakesBack) {
    ASSERT_EQ(arm(*green_, "t").outcome, RoleOutcome::done);
    rows_.on_handover = [&] {
        venue_->pause(true);
        std::this_thread::sleep_for(std::chrono::milliseconds(20));  // its loop ends the turn it is in
    };
    TransferRequest request;
    request.id = "t";
    request.strategies = {"mm"};
    request.to = "green";
    request.take_back = 10 * kSecond;
    ASSERT_EQ(blue_->keeper().transfer(request).outcome, RoleOutcome::done);
    ASSERT_TRUE(eventually([&] { return outcome(*green_, "t") == "failed"; }));
    venue_->pause(false);
    EXPECT_TRUE(eventually([&] { return outcome(*blue_, "t") == "taken back"; })) << outcome(*blue_, "t");
    EXPECT_TRUE(trades(*blue_));
    EXPECT_TRUE(stands_still(*green_));
    EXPECT_EQ(transfer(*blue_, "green", "t").outcome, RoleOutcome::conflict) << "it was not done";
    expect_no_overlap();
}

// Of two strategies one cannot be fenced: another incarnation has used its epoch at the venue.
TEST_F(Transfer, ATakerThatCannotFenceOneStrategyGivesAllBack) {
    const std::vector<std::string> both = {"one", "two"};
    const auto engine_of_both = [&](const std::string& name, const std::string& incarnation) {
        return std::make_unique<EngineProcess>(name, incarnation, venue_->order_port(), venue_->market_data_port(), rows_, false,
                                               HotPathLayout::run_to_completion, both);
    };
    const auto giver = engine_of_both("yellow", "4");
    const auto taker = engine_of_both("white", "5");
    const auto third = engine_of_both("red", "6");
    ASSERT_TRUE(eventually([&] { return giver->ready() && taker->ready() && third->ready(); }));
    giver->start_trading();
    taker->start_trading();
    ASSERT_EQ(giver->keeper().become_primary().outcome, RoleOutcome::done);
    third->core().hot().killed = true;
    rows_.on_handover = [&] { EXPECT_EQ(third->keeper().shut_out({"two"}).front().error, ""); };
    ArmRequest ready;
    ready.id = "t";
    ready.strategies = both;
    ASSERT_EQ(taker->keeper().arm(ready).outcome, RoleOutcome::done);
    TransferRequest request;
    request.id = "t";
    request.strategies = both;
    request.to = "white";
    request.take_back = 10 * kSecond;
    ASSERT_EQ(giver->keeper().transfer(request).outcome, RoleOutcome::done);
    EXPECT_TRUE(eventually([&] { return outcome(*taker, "t") == "failed"; })) << outcome(*taker, "t");
    EXPECT_TRUE(eventually([&] { return outcome(*giver, "t") == "taken back"; })) << outcome(*giver, "t");
    for (std::size_t i = 0; i < both.size(); ++i) {
        const std::uint64_t sent = giver->core().view(i).orders[0].load();
        EXPECT_TRUE(eventually([&] { return giver->core().view(i).orders[0].load() > sent + 5; })) << both[i];
    }
    EXPECT_FALSE(taker->keeper().primary());
    rows_.on_handover = nullptr;
}

TEST_F(Transfer, AKilledRowRefusesTheHandover) {
    ASSERT_EQ(arm(*green_, "t").outcome, RoleOutcome::done);
    {
        const std::lock_guard lock(rows_.mutex);
        rows_.rows["mm"].row.killed = true;
        ++rows_.rows["mm"].row.beat;
    }
    EXPECT_NE(transfer(*blue_, "green", "t").outcome, RoleOutcome::done);
    EXPECT_FALSE(green_->keeper().primary());
    EXPECT_TRUE(stands_still(*blue_));
    EXPECT_TRUE(stands_still(*green_));
}

// Blue does not answer a kill, green is latched and fences without taking over: needs no database.
TEST_F(Transfer, AHolderThatDoesNotConfirmAKillIsShutOutByAnyLatchedEngine) {
    EXPECT_NE(green_->keeper().shut_out({"mm"}).front().error.find("not latched here"), std::string::npos);
    green_->core().hot().killed = true;
    blue_->core().hot().killed = true;
    EXPECT_NE(blue_->keeper().shut_out({"mm"}).front().error.find("held here"), std::string::npos);
    blue_->core().hot().killed = false;
    ASSERT_TRUE(trades(*blue_));
    rows_.away = true;
    const ShutOut told = green_->keeper().shut_out({"mm"}).front();
    EXPECT_EQ(told.error, "");
    ASSERT_EQ(log("fence").back().at("epoch").get<std::uint64_t>(), told.epoch);
    const std::size_t accepted = log("accepted").size();
    std::this_thread::sleep_for(std::chrono::milliseconds(300));
    EXPECT_EQ(log("accepted").size(), accepted) << "an order was accepted behind the fence";
    EXPECT_FALSE(green_->keeper().primary());
    EXPECT_EQ(green_->sent(), 0U);
    // The way back is a claim; it finds an epoch that the venue takes.
    rows_.away = false;
    ASSERT_TRUE(eventually([&] { return !blue_->keeper().primary(); }));
    green_->core().hot().killed = false;
    ASSERT_TRUE(eventually([&] { return green_->keeper().become_primary().outcome == RoleOutcome::done; }));
    EXPECT_TRUE(trades(*green_));
    EXPECT_GE(log("accepted").back().at("epoch").get<std::uint64_t>(), told.epoch);
    EXPECT_EQ(log("accepted").back().at("holder").get<std::string>(), "green/2");
}

TEST_F(Transfer, ALatchedKillSwitchRefusesArmAndTransfer) {
    green_->core().hot().killed = true;
    EXPECT_EQ(arm(*green_, "t").outcome, RoleOutcome::conflict);
    green_->core().hot().killed = false;
    ASSERT_EQ(arm(*green_, "t").outcome, RoleOutcome::done);
    blue_->core().hot().killed = true;
    EXPECT_EQ(transfer(*blue_, "green", "t").outcome, RoleOutcome::conflict);
}

TEST_F(Transfer, WithoutAVenueThereIsNoDrainUnlessOrdersAreGivenUp) {
    ASSERT_EQ(arm(*green_, "t").outcome, RoleOutcome::done);
    silence_venue_with_open_orders(*blue_);
    const RoleAnswer refused = transfer(*blue_, "green", "t", 50 * kMillisecond);
    EXPECT_EQ(refused.outcome, RoleOutcome::conflict) << refused.detail;
    EXPECT_NE(refused.detail.find("not answered within 50 ms"), std::string::npos) << refused.detail;
    venue_->pause(false);
    EXPECT_TRUE(trades(*blue_));
    silence_venue_with_open_orders(*blue_);
    const RoleAnswer given = transfer(*blue_, "green", "t", 50 * kMillisecond, true);
    EXPECT_EQ(given.outcome, RoleOutcome::done) << given.detail;
    venue_->pause(false);
    EXPECT_TRUE(trades(*green_));
    ASSERT_EQ(green_->keeper().become_standby().outcome, RoleOutcome::done);
    expect_no_overlap();
    Quantity net = 0;
    for (const Json& line : log("fill")) {
        net += line.at("side") == "buy" ? line.at("fill_qty").get<Quantity>() : -line.at("fill_qty").get<Quantity>();
    }
    EXPECT_EQ(green_->view().position.load(), net) << "the fence tells what the given-up orders did";
}

TEST_F(Transfer, ATakerThatDiedIsTakenOverByTheGiver) {
    ASSERT_EQ(arm(*green_, "t").outcome, RoleOutcome::done);
    ASSERT_EQ(transfer(*blue_, "green", "t").outcome, RoleOutcome::done);
    green_->end();
    // Refused as long as a beat of its last moments is news to blue.
    EXPECT_TRUE(eventually([&] { return blue_->keeper().take_over({"mm"}).outcome == RoleOutcome::done; }));
    EXPECT_TRUE(trades(*blue_));
    expect_no_overlap();
}

TEST_F(Transfer, TakeoverOfALivingHolderIsRefused) {
    const RoleAnswer answer = green_->keeper().take_over({"mm"});
    EXPECT_EQ(answer.outcome, RoleOutcome::conflict);
    EXPECT_EQ(answer.holder, "blue/1");
}

TEST_F(Transfer, AutomaticFailoverTakesFromTheDeadAndLeavesVacantRowsAlone) {
    auto red = std::make_unique<EngineProcess>("red", "3", venue_->order_port(), venue_->market_data_port(), rows_, true);
    red->start_trading();
    ASSERT_TRUE(eventually([&] { return red->ready(); }));
    ASSERT_EQ(blue_->keeper().become_standby().outcome, RoleOutcome::done);
    std::this_thread::sleep_for(std::chrono::milliseconds(700));
    EXPECT_FALSE(red->keeper().primary()) << "a row that was given back is not taken unasked";
    ASSERT_EQ(blue_->keeper().become_primary().outcome, RoleOutcome::done);
    blue_->end();
    EXPECT_TRUE(eventually([&] { return red->keeper().primary(); }));
    EXPECT_TRUE(trades(*red));
    expect_no_overlap();
}

}  // namespace
}  // namespace hft
