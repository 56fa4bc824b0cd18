// SPDX-License-Identifier: GPL-3.0-or-later
#include "core/lease.hpp"

#include <algorithm>

namespace hft {

void LeaseMachine::see(const LeaseRow& row, Nanos now) {
    const bool moved = !row_ || row_->epoch != row.epoch || row_->beat != row.beat || row_->holder != row.holder;
    if (moved || !stood_still_since_) stood_still_since_ = now;
    row_ = row;
}

void LeaseMachine::on_read(const LeaseRow& row, Nanos now) {
    see(row, now);
    if (!held()) return;
    // A row behind ours comes from a server that fell behind: it says nothing about us.
    const bool taken = row.epoch > epoch_ || (row.epoch == epoch_ && row.holder != self_);
    if (taken || (row.epoch == epoch_ && row.killed)) give_up();
}

Claimable LeaseMachine::claimable(Nanos now) const noexcept {
    if (!row_ || !stood_still_since_) return Claimable::undecided;
    if (row_->killed) return Claimable::killed;
    if (row_->holder.empty() || row_->holder == self_) return Claimable::yes;
    return now - *stood_still_since_ >= times_.suspect ? Claimable::yes : Claimable::held;
}

std::uint64_t LeaseMachine::next_epoch(std::uint64_t venue_highest) const noexcept {
    const std::uint64_t seen = row_ ? row_->epoch : 0;
    return 1 + std::max({seen, venue_highest, tried_});
}

void LeaseMachine::on_claim(LeaseOutcome outcome, const LeaseRow& row, std::uint64_t epoch, Nanos sent, Nanos now) {
    tried_ = std::max(tried_, epoch);
    if (outcome != LeaseOutcome::acknowledged) {
        give_up();
        return;
    }
    see(row, now);
    epoch_ = epoch;
    deadline_ = sent + times_.ttl - times_.margin;
    state_ = LeaseState::fencing;
}

void LeaseMachine::on_fenced() noexcept {
    if (state_ == LeaseState::fencing) state_ = LeaseState::holding;
}

void LeaseMachine::on_fence_lost() noexcept {
    if (state_ == LeaseState::holding) state_ = LeaseState::fencing;
}

void LeaseMachine::on_beat(LeaseOutcome outcome, const LeaseRow& row, Nanos sent, Nanos now) {
    if (!held()) return;
    switch (outcome) {
        case LeaseOutcome::acknowledged:
            see(row, now);
            deadline_ = std::max(deadline_, sent + times_.ttl - times_.margin);
            // The beat moved the row: the handover that compares with the beat before can never succeed any more.
            in_doubt_ = false;
            return;
        case LeaseOutcome::refused:
            // Either somebody took the row, or a beat of ours of unknown outcome stands. The next read tells which;
            // until then nothing is gained and nothing lost.
        case LeaseOutcome::failed:
        case LeaseOutcome::unknown:
            return;
    }
}

void LeaseMachine::on_release(LeaseOutcome outcome, const LeaseRow& row, Nanos now) {
    if (outcome == LeaseOutcome::acknowledged) see(row, now);
    give_up();
}

void LeaseMachine::on_transfer(LeaseOutcome outcome, const LeaseRow& row, Nanos now) {
    // Everything but the acknowledgement leaves the doubt: even "refused" may answer a repeated request whose first try stands.
    if (outcome != LeaseOutcome::acknowledged) return;
    see(row, now);
    give_up();
}

void LeaseMachine::on_accept(LeaseOutcome outcome, const LeaseRow& row, Nanos sent, Nanos now) {
    if (outcome != LeaseOutcome::acknowledged) return;
    see(row, now);
    epoch_ = row.epoch;
    tried_ = std::max(tried_, row.epoch);
    deadline_ = sent + times_.ttl - times_.margin;
    state_ = LeaseState::fencing;
}

void LeaseMachine::give_up() noexcept {
    state_ = LeaseState::standby;
    deadline_ = 0;
    in_doubt_ = false;
}

}  // namespace hft
