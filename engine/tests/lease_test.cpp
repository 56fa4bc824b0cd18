// SPDX-License-Identifier: GPL-3.0-or-later
#include "core/lease.hpp"

#include <gtest/gtest.h>

namespace hft {
namespace {

constexpr const char* kSelf = "blue/1111";
constexpr const char* kOther = "green/2222";
constexpr LeaseTimes kTimes{10 * kSecond, kSecond, 2 * kSecond};

LeaseRow row(const std::string& holder, std::uint64_t epoch, std::uint64_t beat, bool killed = false) {
    LeaseRow r;
    r.holder = holder;
    r.epoch = epoch;
    r.beat = beat;
    r.killed = killed;
    return r;
}

LeaseMachine machine() { return LeaseMachine(kSelf, kTimes); }

// Claimed and fenced at epoch 5, claim sent at 100 s.
LeaseMachine holding() {
    LeaseMachine m = machine();
    m.on_connected();
    m.on_read(row("", 4, 7), 99 * kSecond);
    m.on_claim(LeaseOutcome::acknowledged, row(kSelf, 5, 8), 5, 100 * kSecond, 101 * kSecond);
    m.on_fenced();
    return m;
}

TEST(Lease, StartsStandbyWhateverTheRowSays) {
    LeaseMachine m = machine();
    m.on_connected();
    m.on_read(row(kSelf, 9, 3), kSecond);
    EXPECT_EQ(m.state(), LeaseState::standby);
    EXPECT_EQ(m.right_until(), 0);
}

TEST(Lease, ReadGivesNoRight) {
    LeaseMachine m = holding();
    const Nanos before = m.right_until();
    m.on_read(row(kSelf, 5, 9), 105 * kSecond);
    EXPECT_EQ(m.right_until(), before);
}

TEST(Lease, RightCountsFromSendingTheClaim) { EXPECT_EQ(holding().right_until(), 109 * kSecond); }

TEST(Lease, RightCountsFromSendingTheBeat) {
    LeaseMachine m = holding();
    m.on_beat(LeaseOutcome::acknowledged, row(kSelf, 5, 9), 103 * kSecond, 108 * kSecond);
    EXPECT_EQ(m.right_until(), 112 * kSecond);
}

TEST(Lease, NoRightBeforeTheFence) {
    LeaseMachine m = machine();
    m.on_connected();
    m.on_read(row("", 4, 7), 99 * kSecond);
    m.on_claim(LeaseOutcome::acknowledged, row(kSelf, 5, 8), 5, 100 * kSecond, 101 * kSecond);
    EXPECT_EQ(m.state(), LeaseState::fencing);
    EXPECT_EQ(m.right_until(), 0);
}

TEST(Lease, LostVenueSessionSuspendsTheRightUntilFencedAgain) {
    LeaseMachine m = holding();
    m.on_fence_lost();
    EXPECT_EQ(m.right_until(), 0);
    m.on_fenced();
    EXPECT_EQ(m.right_until(), 109 * kSecond);
}

TEST(Lease, UnknownOutcomeOfAClaimGivesNoRight) {
    for (const LeaseOutcome outcome : {LeaseOutcome::unknown, LeaseOutcome::failed, LeaseOutcome::refused}) {
        LeaseMachine m = machine();
        m.on_connected();
        m.on_read(row("", 4, 7), 99 * kSecond);
        m.on_claim(outcome, {}, 5, 100 * kSecond, 101 * kSecond);
        EXPECT_EQ(m.state(), LeaseState::standby);
        EXPECT_EQ(m.right_until(), 0);
    }
}

TEST(Lease, UnknownOutcomeOfABeatAddsNothingAndTakesNothing) {
    for (const LeaseOutcome outcome : {LeaseOutcome::unknown, LeaseOutcome::failed, LeaseOutcome::refused}) {
        LeaseMachine m = holding();
        m.on_beat(outcome, {}, 105 * kSecond, 106 * kSecond);
        EXPECT_EQ(m.right_until(), 109 * kSecond);
        EXPECT_TRUE(m.held());
    }
}

TEST(Lease, EpochRisesAboveRowVenueAndOwnAttempts) {
    LeaseMachine m = machine();
    m.on_connected();
    m.on_read(row("", 4, 7), kSecond);
    EXPECT_EQ(m.next_epoch(0), 5U);
    EXPECT_EQ(m.next_epoch(11), 12U);
    m.on_claim(LeaseOutcome::unknown, {}, 20, 2 * kSecond, 3 * kSecond);
    EXPECT_EQ(m.next_epoch(0), 21U);
}

TEST(Lease, VacantRowMayBeClaimedAtOnceAHeldOneNot) {
    LeaseMachine m = machine();
    EXPECT_EQ(m.claimable(0), Claimable::undecided);
    m.on_connected();
    m.on_read(row("", 4, 7), kSecond);
    EXPECT_EQ(m.claimable(kSecond), Claimable::yes);
    m.on_read(row(kOther, 5, 8), kSecond);
    EXPECT_EQ(m.claimable(kSecond), Claimable::held);
}

TEST(Lease, SuspicionNeedsStandstillByTheOwnClock) {
    LeaseMachine m = machine();
    m.on_connected();
    m.on_read(row(kOther, 5, 8), 10 * kSecond);
    m.on_read(row(kOther, 5, 8), 11 * kSecond);
    EXPECT_EQ(m.claimable(11 * kSecond), Claimable::held);
    m.on_read(row(kOther, 5, 9), 12 * kSecond - 1);
    EXPECT_EQ(m.claimable(13 * kSecond), Claimable::held);
    EXPECT_EQ(m.claimable(14 * kSecond), Claimable::yes);
}

TEST(Lease, SuspicionBeginsAnewAfterAReconnect) {
    LeaseMachine m = machine();
    m.on_connected();
    m.on_read(row(kOther, 5, 8), 10 * kSecond);
    m.on_connected();
    EXPECT_EQ(m.claimable(60 * kSecond), Claimable::undecided);
    m.on_read(row(kOther, 5, 8), 60 * kSecond);
    EXPECT_EQ(m.claimable(61 * kSecond), Claimable::held);
    EXPECT_EQ(m.claimable(62 * kSecond), Claimable::yes);
}

TEST(Lease, KilledRowIsNotClaimable) {
    LeaseMachine m = machine();
    m.on_connected();
    m.on_read(row("", 5, 8, true), kSecond);
    EXPECT_EQ(m.claimable(100 * kSecond), Claimable::killed);
}

TEST(Lease, AReadTakesTheRightAway) {
    LeaseMachine taken = holding();
    taken.on_read(row(kOther, 6, 9), 102 * kSecond);
    EXPECT_EQ(taken.state(), LeaseState::standby);
    LeaseMachine vacated = holding();
    vacated.on_read(row("", 5, 9), 102 * kSecond);
    EXPECT_EQ(vacated.state(), LeaseState::standby);
    LeaseMachine killed = holding();
    killed.on_read(row(kSelf, 5, 9, true), 102 * kSecond);
    EXPECT_EQ(killed.state(), LeaseState::standby);
    EXPECT_EQ(killed.right_until(), 0);
}

TEST(Lease, AServerThatFellBehindSaysNothing) {
    LeaseMachine m = holding();
    m.on_read(row("", 4, 7), 102 * kSecond);
    EXPECT_EQ(m.state(), LeaseState::holding);
}

TEST(Lease, ReleaseEndsTheRightWhateverItsOutcome) {
    for (const LeaseOutcome outcome : {LeaseOutcome::acknowledged, LeaseOutcome::unknown, LeaseOutcome::refused}) {
        LeaseMachine m = holding();
        m.on_release(outcome, row("", 5, 9), 102 * kSecond);
        EXPECT_EQ(m.state(), LeaseState::standby);
        EXPECT_EQ(m.right_until(), 0);
    }
}

TEST(Lease, AHandoverLeavesDoubtUntilABeatOfOurOwnIsAcknowledged) {
    for (const LeaseOutcome outcome : {LeaseOutcome::unknown, LeaseOutcome::failed, LeaseOutcome::refused}) {
        LeaseMachine m = holding();
        m.on_transfer_sent();
        m.on_transfer(outcome, {}, 103 * kSecond);
        EXPECT_TRUE(m.held());
        EXPECT_TRUE(m.in_doubt());
        m.on_read(row(kSelf, 5, 8), 104 * kSecond);
        EXPECT_TRUE(m.in_doubt()) << "a read gives nothing back";
        m.on_beat(LeaseOutcome::unknown, {}, 104 * kSecond, 105 * kSecond);
        EXPECT_TRUE(m.in_doubt());
        m.on_beat(LeaseOutcome::acknowledged, row(kSelf, 5, 9), 105 * kSecond, 106 * kSecond);
        EXPECT_FALSE(m.in_doubt());
    }
}

TEST(Lease, AnAcknowledgedHandoverEndsTheRight) {
    LeaseMachine m = holding();
    m.on_transfer_sent();
    m.on_transfer(LeaseOutcome::acknowledged, row(kOther, 6, 9), 103 * kSecond);
    EXPECT_EQ(m.state(), LeaseState::standby);
    EXPECT_EQ(m.right_until(), 0);
    EXPECT_FALSE(m.in_doubt());
}

TEST(Lease, AReadThatNamesTheTakerEndsTheDoubtAndTheRight) {
    LeaseMachine m = holding();
    m.on_transfer_sent();
    m.on_read(row(kOther, 6, 9), 103 * kSecond);
    EXPECT_EQ(m.state(), LeaseState::standby);
    EXPECT_FALSE(m.in_doubt());
}

TEST(Lease, TheTakersRightCountsFromSendingItsFirstBeatAndWaitsForTheFence) {
    LeaseMachine m = machine();
    m.on_connected();
    m.on_read(row(kSelf, 6, 9), 99 * kSecond);
    EXPECT_EQ(m.state(), LeaseState::standby) << "that the row names us is no right";
    for (const LeaseOutcome outcome : {LeaseOutcome::unknown, LeaseOutcome::failed, LeaseOutcome::refused}) {
        m.on_accept(outcome, row(kSelf, 6, 10), 100 * kSecond, 101 * kSecond);
        EXPECT_EQ(m.state(), LeaseState::standby);
        EXPECT_EQ(m.deadline(), 0);
    }
    m.on_accept(LeaseOutcome::acknowledged, row(kSelf, 6, 10), 100 * kSecond, 101 * kSecond);
    EXPECT_EQ(m.right_until(), 0);
    EXPECT_EQ(m.deadline(), 109 * kSecond);
    m.on_fenced();
    EXPECT_EQ(m.right_until(), 109 * kSecond);
    EXPECT_EQ(m.next_epoch(0), 7U);
}

TEST(Lease, ALateBeatAfterGivingUpGivesNothing) {
    LeaseMachine m = holding();
    m.give_up();
    m.on_beat(LeaseOutcome::acknowledged, row(kSelf, 5, 9), 103 * kSecond, 104 * kSecond);
    EXPECT_EQ(m.right_until(), 0);
}

}  // namespace
}  // namespace hft
