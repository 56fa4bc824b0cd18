// SPDX-License-Identifier: GPL-3.0-or-later
#pragma once

#include <algorithm>
#include <atomic>
#include <condition_variable>
#include <cstdint>
#include <functional>
#include <mutex>
#include <string>
#include <vector>

#include "core/lease.hpp"
#include "core/lease_store.hpp"
#include "core/trading.hpp"

namespace hft {

struct LeasedStrategy {
    std::string id;
    std::string symbol;
    std::size_t venue = 0;
    std::vector<std::string> venues;
    bool fenced = true;  // false: the venue has no fence, so the old right is waited out
};

struct LeaseKeeperSettings {
    std::string holder;
    std::uint32_t ttl_ms = 60'000;
    LeaseTimes times;
    Nanos beat = 200 * kMillisecond;
    Nanos drain = 2 * kSecond;
    Nanos fence_wait = 3 * kSecond;
};

// What the keeper needs from its surroundings.
struct LeaseKeeperPorts {
    std::function<void(const Command&)> command;                   // to the hot thread
    std::function<std::uint64_t(const std::string&)> venue_epoch;  // highest the venues told for a strategy
    std::function<bool()> journal_empty;                           // every fact is in the database
    std::function<void(const char* level, const std::string& text, const std::string& strategy)> report;
};

enum class RoleOutcome : std::uint8_t { done, conflict, unavailable };
struct RoleAnswer {
    RoleOutcome outcome = RoleOutcome::done;
    std::string detail;
    std::string strategy;
    std::string holder;
};

struct LeaseSnapshot {
    std::string holder;
    std::uint64_t epoch = 0;
    bool killed = false;
    bool known = false;
    LeaseState state = LeaseState::standby;
    Nanos right_until = 0;
};

// Keeps the rows of this engine's strategies: renews what is held, watches what is not, carries out a change of role.
// One thread calls run(); the others ask and wait.
class LeaseKeeper {
public:
    LeaseKeeper(LeaseKeeperSettings settings, std::vector<LeasedStrategy> strategies, LeaseStore& store, TradingCore& core,
                LeaseKeeperPorts ports);

    void run(const std::atomic<bool>& stop);

    // Blocking, for one caller at a time; a second gets a conflict.
    RoleAnswer become_primary();
    RoleAnswer become_standby();
    RoleAnswer clear_kill();
    // Not blocking: the rows follow as soon as the database takes them.
    void latch_rows(const std::string& reason);

    [[nodiscard]] std::vector<LeaseSnapshot> snapshot() const;
    [[nodiscard]] bool primary() const { return primary_.load(std::memory_order_relaxed); }
    [[nodiscard]] bool connected() const { return connected_.load(std::memory_order_relaxed); }
    // Every row was read at least once on the present connection.
    [[nodiscard]] bool rows_known() const { return rows_known_.load(std::memory_order_relaxed); }
    [[nodiscard]] bool rows_latched() const { return rows_latched_.load(std::memory_order_relaxed); }

private:
    enum class Want : std::uint8_t { none, primary, standby, clear_kill };
    struct Entry {
        LeasedStrategy strategy;
        LeaseMachine machine;
        bool enrolled = false;
        bool fence_asked = false;
    };

    void tick();
    void look(Entry& entry);
    void renew(Entry& entry);
    void follow_fence(Entry& entry, std::size_t index);
    void lose(Entry& entry, std::size_t index, const std::string& why);
    void publish();
    void latch_pending_rows();
    bool hot_loop_moves();
    RoleAnswer ask(Want want);
    RoleAnswer carry_out(Want want);
    RoleAnswer claim_all();
    RoleAnswer claim_one(std::size_t index);
    RoleAnswer release_all();
    RoleAnswer unkill_all();
    RoleAnswer unkill(Entry& entry);
    void release(Entry& entry);
    bool wait_until(const std::function<bool()>& condition, Nanos limit);
    [[nodiscard]] RoleAnswer unavailable(const std::string& detail) const;

    LeaseKeeperSettings settings_;
    std::vector<Entry> entries_;
    LeaseStore& store_;
    TradingCore& core_;
    LeaseKeeperPorts ports_;
    std::uint64_t session_ = 0;
    std::uint64_t last_turns_ = 0;
    std::size_t claiming_ = SIZE_MAX;  // its fence is followed by the claim itself
    Nanos next_tick_ = 0;
    bool draining_ = false;  // a dropped session is not fenced again while we give the lease back
    std::string last_store_error_;

    mutable std::mutex mutex_;
    std::condition_variable changed_;
    Want want_ = Want::none;
    bool answered_ = false;
    bool stopped_ = false;
    RoleAnswer answer_;
    std::string kill_reason_;
    bool kill_pending_ = false;  // rows not latched yet: tried at every beat
    bool kill_wake_ = false;
    std::vector<LeaseSnapshot> snapshots_;
    std::mutex caller_;

    std::atomic<bool> primary_{false};
    std::atomic<bool> connected_{false};
    std::atomic<bool> rows_known_{false};
    std::atomic<bool> rows_latched_{false};
};

}  // namespace hft
