// SPDX-License-Identifier: GPL-3.0-or-later
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <utility>

#include "core/clock.hpp"

namespace hft {

struct LeaseRow {
    std::string holder;  // empty: vacant
    std::uint64_t epoch = 0;
    std::uint64_t beat = 0;
    std::uint32_t ttl_ms = 0;
    bool killed = false;
    std::string kill_reason;
};

// acknowledged: the row as written came back without a notice. refused: the comparison failed. failed: the server said it did
// nothing. unknown: nobody said anything we may believe; the write may stand or not.
enum class LeaseOutcome : std::uint8_t { acknowledged, refused, failed, unknown };

struct LeaseTimes {
    Nanos ttl = 60'000 * kMillisecond;
    Nanos margin = 500 * kMillisecond;
    Nanos suspect = 1'000 * kMillisecond;
};

enum class LeaseState : std::uint8_t { standby, fencing, holding };
enum class Claimable : std::uint8_t { yes, held, killed, undecided };

// The rules of one strategy's lease, without clock, socket or thread: time is an argument, every reply an event.
class LeaseMachine {
public:
    LeaseMachine(std::string self, LeaseTimes times) : self_(std::move(self)), times_(times) {}

    // A new session to the database: what stood still before was seen by another pair of eyes.
    void on_connected() noexcept { stood_still_since_.reset(); }
    // A read is never a right. It can only take one away.
    void on_read(const LeaseRow& row, Nanos now);

    [[nodiscard]] Claimable claimable(Nanos now) const noexcept;
    // Epoch for the next claim: above the row, above what the venues have seen, above every one tried here.
    [[nodiscard]] std::uint64_t next_epoch(std::uint64_t venue_highest) const noexcept;

    void on_claim(LeaseOutcome outcome, const LeaseRow& row, std::uint64_t epoch, Nanos sent, Nanos now);
    void on_fenced() noexcept;
    // The session to the venue was lost: under the same epoch, but fenced anew before the next order.
    void on_fence_lost() noexcept;
    void on_beat(LeaseOutcome outcome, const LeaseRow& row, Nanos sent, Nanos now);
    void on_release(LeaseOutcome outcome, const LeaseRow& row, Nanos now);
    // Giver: from here until an acknowledged beat of ours the row may be the taker's already. Called before the request leaves.
    void on_transfer_sent() noexcept { in_doubt_ = true; }
    void on_transfer(LeaseOutcome outcome, const LeaseRow& row, Nanos now);
    // Taker: its first beat in a row that was handed to it.
    void on_accept(LeaseOutcome outcome, const LeaseRow& row, Nanos sent, Nanos now);
    // The venue refused our epoch, or we gave up by our own will.
    void give_up() noexcept;

    [[nodiscard]] LeaseState state() const noexcept { return state_; }
    [[nodiscard]] bool held() const noexcept { return state_ != LeaseState::standby; }
    [[nodiscard]] std::uint64_t epoch() const noexcept { return epoch_; }
    // Orders only before this instant; 0 without a right.
    [[nodiscard]] Nanos right_until() const noexcept { return state_ == LeaseState::holding ? deadline_ : 0; }
    // The same without regard to the fence: the hot thread, which knows its sessions, adds that.
    [[nodiscard]] Nanos deadline() const noexcept { return held() ? deadline_ : 0; }
    // A handover was sent and nobody knows yet whether it stands: what was frozen for it stays frozen.
    [[nodiscard]] bool in_doubt() const noexcept { return in_doubt_; }
    [[nodiscard]] const std::optional<LeaseRow>& row() const noexcept { return row_; }
    [[nodiscard]] const std::string& self() const noexcept { return self_; }

private:
    void see(const LeaseRow& row, Nanos now);

    std::string self_;
    LeaseTimes times_;
    LeaseState state_ = LeaseState::standby;
    std::optional<LeaseRow> row_;
    std::optional<Nanos> stood_still_since_;
    std::uint64_t epoch_ = 0;  // of the lease we hold
    std::uint64_t tried_ = 0;  // highest epoch ever asked for
    Nanos deadline_ = 0;
    bool in_doubt_ = false;
};

}  // namespace hft
