// SPDX-License-Identifier: GPL-3.0-or-later
#pragma once

#include <algorithm>
#include <atomic>
#include <condition_variable>
#include <cstdint>
#include <functional>
#include <map>
#include <mutex>
#include <optional>
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
    std::string build;  // version of this engine, as the giver of a transfer compares it
    std::uint32_t ttl_ms = 60'000;
    LeaseTimes times;
    Nanos beat = 200 * kMillisecond;
    Nanos drain = 2 * kSecond;
    Nanos fence_wait = 3 * kSecond;
    Nanos activate = 2 * kSecond;  // a taker that is not fenced by then gives the rows back
    bool automatic = false;        // take over from a holder that stands still, without being asked
};

// What the keeper needs from its surroundings.
struct LeaseKeeperPorts {
    std::function<void(const Command&)> command;                   // to the hot thread
    std::function<std::uint64_t(const std::string&)> venue_epoch;  // highest the venues told for a strategy
    std::function<bool()> journal_empty;                           // every fact is in the database
    // For at most so long facts stay in the journal; returns between two batches. 0: they flow again.
    std::function<void(Nanos at_most)> journal_rest;
    std::function<void(const char* level, const std::string& text, const std::string& strategy)> report;
};

enum class RoleOutcome : std::uint8_t { done, conflict, unavailable };
struct RoleAnswer {
    RoleOutcome outcome = RoleOutcome::done;
    std::string detail;
    std::string strategy;
    std::string holder;
};

struct ArmRequest {
    std::string id;
    std::vector<std::string> strategies;
    Nanos expires = 60 * kSecond;  // from then on the taker withdraws
};

struct TransferRequest {
    std::string id;
    std::vector<std::string> strategies;
    std::string to;  // name of the taker's engine
    // What the caller saw; where given, anything else is refused.
    std::string to_incarnation{};
    std::string to_build{};
    std::string holder{};  // of the giver, with its incarnation
    std::map<std::string, std::uint64_t> epochs{};
    Nanos take_back = 0;  // for so long the giver claims what the taker could not fence
    Nanos drain = 500 * kMillisecond;
    bool abandon = false;  // orders not answered in time: hand them over as unknown, instead of thawing and refusing
};

// What the venue answered to a fence without a successor. error: empty when every epoch below this one is refused from now on.
struct ShutOut {
    std::string strategy;
    std::uint64_t epoch = 0;
    std::string error;
};

// One step of a transfer, by this host's wall clock: for people and benches, nothing is decided by it.
struct TransferStep {
    std::string name;
    Nanos wall = 0;
};

// What this engine did in one transfer.
struct TransferRecord {
    std::string id;
    std::string part;     // giver or taker
    std::string outcome;  // armed, disarmed, under way, done, refused, in doubt, failed, taken back
    std::string detail;
    std::vector<std::string> strategies;
    std::vector<TransferStep> steps;
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

    // A strategy that comes or goes while the engine runs; index is its slot in the trading core. Its row is watched from
    // then on, and nothing is claimed. What is held, or armed for a transfer, stays. Blocking as the calls below.
    RoleAnswer add(std::size_t index, const LeasedStrategy& strategy);
    RoleAnswer remove(std::size_t index);

    // Blocking, for one caller at a time; a second gets a conflict.
    RoleAnswer become_primary();
    RoleAnswer become_standby();
    RoleAnswer clear_kill(const std::string& strategy = {});  // of all when none is named
    // The claim of single strategies: vacant, or held by one that stands still.
    RoleAnswer take_over(const std::vector<std::string>& strategies);
    // Whoever trades the strategies under a lower epoch is refused by their venues; nobody follows. For a holder that does not confirm a
    // kill: needs the kill switch latched here, and no database.
    std::vector<ShutOut> shut_out(const std::vector<std::string>& strategies);
    RoleAnswer arm(const ArmRequest& request);
    RoleAnswer disarm(const std::string& id);
    RoleAnswer transfer(const TransferRequest& request);
    // Newest last; the last 16.
    [[nodiscard]] std::vector<TransferRecord> transfers() const;
    // Not blocking: the row of the strategy, or every row, follows as soon as the database takes it.
    void latch_rows(const std::string& reason, const std::string& strategy = {});

    [[nodiscard]] std::vector<LeaseSnapshot> snapshot() const;
    [[nodiscard]] bool primary() const { return primary_.load(std::memory_order_relaxed); }
    [[nodiscard]] bool connected() const { return connected_.load(std::memory_order_relaxed); }
    // Every row was read at least once on the present connection.
    [[nodiscard]] bool rows_known() const { return rows_known_.load(std::memory_order_relaxed); }
    [[nodiscard]] bool rows_latched() const { return rows_latched_.load(std::memory_order_relaxed); }

private:
    struct Entry {
        LeasedStrategy strategy;
        LeaseMachine machine;
        bool fence_asked = false;
        RiskBudget budget{};  // as last read
        Nanos next_budget = 0;
        bool claiming = false;     // its fence is followed by the claim or the handover itself
        std::uint64_t freeze = 0;  // number of the freeze for a handover; 0: not frozen
        std::string transfer{};    // its id
        Nanos next_takeover = 0;
        std::uint64_t doubted = 0;  // epoch of a handover that did not stand
        bool reclaim = false;       // the row is ours, the venue refuses its epoch
    };
    using Work = std::function<RoleAnswer()>;
    // A taker that said it is ready.
    struct Armed {
        std::string id;
        std::vector<std::size_t> strategies;
        Nanos expires = 0;
        Nanos next_look = 0;
        Nanos next_beat = 0;
        bool fenced_ahead = false;
    };
    // A giver that looks whether the taker returns what it was handed.
    struct Given {
        std::string id;
        std::vector<std::size_t> strategies;
        Nanos until = 0;
        Nanos next_look = 0;
    };

    [[nodiscard]] static bool present(const Entry& entry) { return !entry.strategy.id.empty(); }
    [[nodiscard]] std::vector<std::size_t> all() const;
    RoleAnswer carry_out_add(std::size_t index, const LeasedStrategy& strategy);
    RoleAnswer carry_out_remove(std::size_t index);
    // Empty, or why not.
    std::string read_budget(Entry& entry);
    void follow_budget(Entry& entry, std::size_t index);
    void tick();
    void look(Entry& entry);
    void renew(Entry& entry);
    void follow_fence(Entry& entry, std::size_t index);
    void lose(Entry& entry, std::size_t index, const std::string& why);
    void publish();
    void latch_pending_rows();
    bool hot_loop_moves();
    RoleAnswer ask(const std::string& what, Work work);
    void serve();
    RoleAnswer claim_all();
    RoleAnswer claim_each(const std::vector<std::size_t>& strategies);
    RoleAnswer claim_one(std::size_t index);
    RoleAnswer claim_fenced(std::size_t index);
    void take(std::size_t index, const Position::State& position, bool keep_position);
    [[nodiscard]] bool fence_answered(std::size_t index);
    void take_over_alone();
    void claim_after_doubt();
    RoleAnswer release_all();
    RoleAnswer release_each(const std::vector<std::size_t>& strategies);
    void vacate(Entry& entry);
    RoleAnswer unkill_all(const std::string& strategy);
    RoleAnswer unkill(Entry& entry);
    void release(Entry& entry);
    // lease_transfer.cpp
    ShutOut carry_out_shut_out(const std::string& strategy);
    RoleAnswer carry_out_arm(const ArmRequest& request);
    RoleAnswer carry_out_disarm(const std::string& id);
    RoleAnswer carry_out_transfer(const TransferRequest& request);
    RoleAnswer check_transfer(const TransferRequest& request, std::vector<std::size_t>& indices, std::string& taker);
    [[nodiscard]] std::vector<HandoverItem> handover_of(const std::vector<std::size_t>& indices) const;
    RoleAnswer drain(const TransferRequest& request, const std::vector<std::size_t>& indices);
    RoleAnswer hand_over(const TransferRequest& request, const std::vector<std::size_t>& indices, const std::string& taker);
    RoleAnswer check_armed(const TransferRequest& request, const ArmedRead& armed, const Entry& entry, std::string& taker) const;
    // Empty, or why the taker does not seem to live.
    std::string await_armed_beat(const TransferRequest& request, const ArmedRead& first);
    [[nodiscard]] bool known_as_done(const TransferRequest& request);
    [[nodiscard]] bool unsettled(const Entry& entry);
    void give_back(const std::string& id, const std::vector<std::size_t>& strategies);
    void take_back();
    void freeze(std::size_t index);
    void settle_frozen(Entry& entry, std::size_t index);
    void watch_handover();
    void accept(const std::vector<HandedRow>& rows);
    void fence_ahead(const std::vector<HandedRow>& rows);
    void begin_trading(const std::vector<HandedRow>& rows);
    void thaw(Entry& entry, std::size_t index);
    void record(const std::string& id, const std::string& part, const std::string& outcome, const std::string& detail,
                const std::vector<std::size_t>& strategies);
    void step(const std::string& id, const std::string& name);
    [[nodiscard]] std::optional<std::size_t> index_of(const std::string& strategy) const;

    bool wait_until(const std::function<bool()>& condition, Nanos limit, Nanos pause = kMillisecond);
    [[nodiscard]] RoleAnswer unavailable(const std::string& detail) const;

    LeaseKeeperSettings settings_;
    std::vector<Entry> entries_;
    LeaseStore& store_;
    TradingCore& core_;
    LeaseKeeperPorts ports_;
    std::uint64_t session_ = 0;
    std::uint64_t last_turns_ = 0;
    Nanos next_tick_ = 0;
    bool transferring_ = false;
    bool draining_ = false;  // a dropped session is not fenced again while we give the lease back
    std::optional<Armed> armed_;
    std::optional<Given> given_;
    std::uint64_t next_freeze_ = 1;
    std::string last_store_error_;

    mutable std::mutex mutex_;
    std::condition_variable changed_;
    Work work_;         // empty: nothing asked
    std::string busy_;  // what is carried out at the moment
    bool answered_ = false;
    bool stopped_ = false;
    RoleAnswer answer_;
    std::map<std::string, std::string> kills_;  // rows not latched yet and why: tried at every beat
    bool kill_wake_ = false;
    std::vector<LeaseSnapshot> snapshots_;
    std::vector<TransferRecord> transfers_;
    std::mutex caller_;

    std::atomic<bool> primary_{false};
    std::atomic<bool> connected_{false};
    std::atomic<bool> rows_known_{false};
    std::atomic<bool> rows_latched_{false};
};

}  // namespace hft
