// SPDX-License-Identifier: GPL-3.0-or-later
#include "core/lease_keeper.hpp"

#include <chrono>
#include <thread>
#include <utility>

namespace hft {

namespace {

// A holder looks this often whether its budget changed.
constexpr Nanos kBudgetLook = 5 * kSecond;

std::string epoch_text(std::uint64_t epoch) { return "epoch " + std::to_string(epoch); }

}  // namespace

LeaseKeeper::LeaseKeeper(LeaseKeeperSettings settings, std::vector<LeasedStrategy> strategies, LeaseStore& store, TradingCore& core,
                         LeaseKeeperPorts ports)
    : settings_(std::move(settings)), store_(store), core_(core), ports_(std::move(ports)), snapshots_(strategies.size()) {
    entries_.reserve(kMaxStrategies);
    for (LeasedStrategy& strategy : strategies) {
        entries_.push_back(Entry{std::move(strategy), LeaseMachine(settings_.holder, settings_.times)});
    }
}

void LeaseKeeper::run(const std::atomic<bool>& stop) {
    while (!stop.load(std::memory_order_relaxed)) {
        tick();
        if (armed_) {
            watch_handover();
        } else {
            std::unique_lock lock(mutex_);
            const auto pause = std::chrono::nanoseconds(std::max<Nanos>(next_tick_ - boot_ns(), kMillisecond));
            changed_.wait_for(lock, pause, [&] { return (work_ && !answered_) || kill_wake_ || stop.load(); });
            kill_wake_ = false;
        }
        latch_pending_rows();
        serve();
        take_back();
        claim_after_doubt();
        if (settings_.automatic) take_over_alone();
    }
    if (armed_) carry_out_disarm(armed_->id);
    const std::lock_guard lock(mutex_);
    stopped_ = true;
    changed_.notify_all();
}

void LeaseKeeper::serve() {
    Work work;
    {
        const std::lock_guard lock(mutex_);
        if (!answered_) work = work_;
    }
    if (!work) return;
    RoleAnswer answer = work();
    publish();
    const std::lock_guard lock(mutex_);
    answer_ = std::move(answer);
    answered_ = true;
    changed_.notify_all();
}

// One look at everything; at most once a beat.
void LeaseKeeper::tick() {
    const Nanos now = boot_ns();
    if (now < next_tick_) return;
    next_tick_ = now + settings_.beat;
    const std::uint64_t session = store_.connect();
    connected_ = session != 0;
    if (session == 0) {
        rows_known_ = false;
    } else if (session != session_) {
        session_ = session;
        for (Entry& entry : entries_) entry.machine.on_connected();
    }
    const bool moves = hot_loop_moves();
    for (std::size_t i = 0; i < entries_.size(); ++i) {
        Entry& entry = entries_[i];
        if (!present(entry)) continue;
        // Of an earlier epoch it may come when the row has told the same long ago, and the next epoch is ours already.
        if (entry.machine.held() && core_.view(i).refused_epoch.load() == entry.machine.epoch()) {
            lose(entry, i, "the venue refused " + epoch_text(entry.machine.epoch()));
        }
        const bool was_held = entry.machine.held();
        if (session != 0 && store_.session() == session_) {
            if (was_held && moves) {
                renew(entry);
            } else {
                look(entry);
            }
        }
        if (was_held && !entry.machine.held()) {
            const auto& row = entry.machine.row();
            lose(entry, i,
                 row && row->killed ? "the row is killed: " + row->kill_reason
                                    : "the row is held by " + (row ? row->holder : std::string("nobody")));
        }
        settle_frozen(entry, i);
        follow_fence(entry, i);
        follow_budget(entry, i);
    }
    if (session != 0 && store_.session() == session_) {
        bool known = true;
        for (const Entry& entry : entries_) known = known && (!present(entry) || entry.machine.row().has_value());
        rows_known_ = known;
    }
    connected_ = store_.session() != 0;
    latch_pending_rows();
    publish();
}

bool LeaseKeeper::hot_loop_moves() {
    const std::uint64_t turns = core_.hot().turns.load(std::memory_order_relaxed);
    return std::exchange(last_turns_, turns) != turns;
}

void LeaseKeeper::look(Entry& entry) {
    if (unsettled(entry)) return;
    LeaseRead read = store_.read(entry.strategy.id);
    if (!read.ok) return;
    if (!read.found) {
        const LeaseReply reply = store_.enroll(entry.strategy.id, settings_.ttl_ms, entry.strategy.venues);
        if (reply.outcome == LeaseOutcome::failed && reply.error != last_store_error_) {
            last_store_error_ = reply.error;
            ports_.report("warning", "lease row could not be made: " + reply.error, entry.strategy.id);
        }
        read = store_.read(entry.strategy.id);
        if (!read.ok || !read.found) return;
    }
    entry.machine.on_read(read.row, boot_ns());
}

void LeaseKeeper::renew(Entry& entry) {
    const auto& row = entry.machine.row();
    if (!row) return look(entry);
    const LeaseReply reply = store_.beat(entry.strategy.id, settings_.holder, entry.machine.epoch(), row->beat);
    entry.machine.on_beat(reply.outcome, reply.row, reply.sent, boot_ns());
    if (reply.outcome == LeaseOutcome::acknowledged) {
        last_store_error_.clear();
        return;
    }
    if (reply.outcome == LeaseOutcome::failed && reply.error != last_store_error_) {
        last_store_error_ = reply.error;
        ports_.report("warning", "beat not taken: " + reply.error, entry.strategy.id);
    }
    // The row says whether it was taken from us, or which beat the next comparison needs. It gives no right.
    if (store_.connect() == 0) return;
    if (store_.session() != session_) {
        session_ = store_.session();
        for (Entry& other : entries_) other.machine.on_connected();
    }
    look(entry);
}

// A session to the venue that was lost and came back: fence again under the epoch we hold.
void LeaseKeeper::follow_fence(Entry& entry, std::size_t index) {
    if (!entry.machine.held() || draining_ || entry.claiming) return;
    StrategyView& view = core_.view(index);
    const FenceState state = view.fence.load(std::memory_order_acquire);
    if (state == FenceState::granted && view.fence_epoch.load() == entry.machine.epoch()) {
        if (entry.machine.state() == LeaseState::fencing && entry.fence_asked) {
            ports_.report("info", "fenced again after a lost venue session, " + epoch_text(entry.machine.epoch()), entry.strategy.id);
        }
        entry.machine.on_fenced();
        entry.fence_asked = false;
        return;
    }
    if (state == FenceState::refused) return lose(entry, index, "the venue refused the fence of " + epoch_text(entry.machine.epoch()));
    entry.machine.on_fence_lost();
    if (state == FenceState::none && core_.venue_up(entry.strategy.venue)) {
        take(index, {}, true);
        entry.fence_asked = true;
    }
}

// To the hot thread: the lease is ours under this epoch; fence, book what was missed, trade. The right is published before,
// so that the first tick behind the fence may already trade.
void LeaseKeeper::take(std::size_t index, const Position::State& position, bool keep_position) {
    const Entry& entry = entries_[index];
    if (entry.claiming) core_.view(index).right_until.store(entry.machine.deadline(), std::memory_order_release);
    Command command;
    command.kind = Command::Kind::take;
    command.strategy = index;
    command.epoch = entry.machine.epoch();
    command.fence = entry.strategy.fenced;
    command.keep_position = keep_position;
    command.position = position;
    command.budget = entry.budget;
    ports_.command(command);
}

bool LeaseKeeper::fence_answered(std::size_t index) {
    const StrategyView& view = core_.view(index);
    const LeaseMachine& machine = entries_[index].machine;
    return !machine.held() ||
           (view.fence_epoch.load() == machine.epoch() && view.fence.load(std::memory_order_acquire) != FenceState::pending);
}

void LeaseKeeper::lose(Entry& entry, std::size_t index, const std::string& why) {
    entry.reclaim = entry.doubted != 0 && entry.doubted == entry.machine.epoch();
    entry.machine.give_up();
    core_.view(index).right_until.store(0, std::memory_order_release);
    Command command;
    command.kind = Command::Kind::drop;
    command.strategy = index;
    ports_.command(command);
    ports_.report("error", "lease lost: " + why, entry.strategy.id);
}

void LeaseKeeper::publish() {
    bool primary = false;
    const std::lock_guard lock(mutex_);
    snapshots_.resize(entries_.size());
    for (std::size_t i = 0; i < entries_.size(); ++i) {
        const LeaseMachine& machine = entries_[i].machine;
        if (!present(entries_[i])) {
            snapshots_[i] = {};
            continue;
        }
        // Behind a claim or a handover the hot thread waits for the fence by itself and may trade with the next tick.
        core_.view(i).right_until.store(entries_[i].claiming ? machine.deadline() : machine.right_until(), std::memory_order_release);
        primary = primary || machine.state() == LeaseState::holding;
        LeaseSnapshot& snapshot = snapshots_[i];
        snapshot.known = machine.row().has_value();
        if (snapshot.known) {
            snapshot.holder = machine.row()->holder;
            snapshot.epoch = machine.row()->epoch;
            snapshot.killed = machine.row()->killed;
        }
        snapshot.state = machine.state();
        snapshot.right_until = machine.right_until();
    }
    primary_ = primary;
}

std::vector<LeaseSnapshot> LeaseKeeper::snapshot() const {
    const std::lock_guard lock(mutex_);
    return snapshots_;
}

// Beats go on while something is waited for.
bool LeaseKeeper::wait_until(const std::function<bool()>& condition, Nanos limit, Nanos pause) {
    const Nanos end = boot_ns() + limit;
    while (!condition()) {
        if (boot_ns() >= end) return false;
        std::this_thread::sleep_for(std::chrono::nanoseconds(pause));
        tick();
    }
    return true;
}

RoleAnswer LeaseKeeper::unavailable(const std::string& detail) const { return {RoleOutcome::unavailable, detail, {}, {}}; }

RoleAnswer LeaseKeeper::ask(const std::string& what, Work work) {
    const std::unique_lock one(caller_, std::try_to_lock);
    std::unique_lock lock(mutex_);
    if (!one.owns_lock()) return {RoleOutcome::conflict, (busy_.empty() ? "another change of role" : busy_) + " is under way", {}, {}};
    if (stopped_) return unavailable("the engine is stopping");
    work_ = std::move(work);
    busy_ = what;
    answered_ = false;
    changed_.notify_all();
    changed_.wait(lock, [&] { return answered_ || stopped_; });
    work_ = nullptr;
    busy_.clear();
    return answered_ ? answer_ : unavailable("the engine is stopping");
}

RoleAnswer LeaseKeeper::become_primary() {
    return ask("the claim of all strategies", [this] { return claim_all(); });
}
RoleAnswer LeaseKeeper::become_standby() {
    return ask("the release of all strategies", [this] { return release_all(); });
}
RoleAnswer LeaseKeeper::clear_kill(const std::string& strategy) {
    return ask("the end of a kill", [this, strategy] { return unkill_all(strategy); });
}
RoleAnswer LeaseKeeper::take_over(const std::vector<std::string>& strategies) {
    return ask("a takeover", [this, strategies]() -> RoleAnswer {
        std::vector<std::size_t> indices;
        for (const std::string& strategy : strategies) {
            const std::optional<std::size_t> index = index_of(strategy);
            if (!index) return {RoleOutcome::conflict, "no strategy " + strategy + " here", strategy, {}};
            indices.push_back(*index);
        }
        return claim_each(indices);
    });
}

void LeaseKeeper::latch_rows(const std::string& reason, const std::string& strategy) {
    const std::lock_guard lock(mutex_);
    for (const Entry& entry : entries_) {
        if (strategy.empty() || entry.strategy.id == strategy) kills_[entry.strategy.id] = reason;
    }
    kill_wake_ = true;
    rows_latched_ = false;
    changed_.notify_all();
}

void LeaseKeeper::latch_pending_rows() {
    std::map<std::string, std::string> kills;
    {
        const std::lock_guard lock(mutex_);
        kills = kills_;
    }
    if (kills.empty() || store_.session() == 0) return;
    for (std::size_t i = 0; i < entries_.size(); ++i) {
        Entry& entry = entries_[i];
        if (!present(entry)) continue;
        const auto kill = kills.find(entry.strategy.id);
        if (kill == kills.end()) continue;
        const LeaseReply reply = store_.kill(entry.strategy.id, kill->second);
        if (reply.outcome != LeaseOutcome::acknowledged) return;
        const bool held = entry.machine.held();
        entry.machine.on_read(reply.row, boot_ns());
        if (held) lose(entry, i, "the row is killed: " + kill->second);
        const std::lock_guard lock(mutex_);
        kills_.erase(entry.strategy.id);
        rows_latched_ = kills_.empty();
    }
}

std::optional<std::size_t> LeaseKeeper::index_of(const std::string& strategy) const {
    for (std::size_t i = 0; i < entries_.size(); ++i) {
        if (entries_[i].strategy.id == strategy) return i;
    }
    return std::nullopt;
}

std::vector<std::size_t> LeaseKeeper::all() const {
    std::vector<std::size_t> indices;
    for (std::size_t i = 0; i < entries_.size(); ++i) {
        if (present(entries_[i])) indices.push_back(i);
    }
    return indices;
}

RoleAnswer LeaseKeeper::add(std::size_t index, const LeasedStrategy& strategy) {
    return ask("the load of strategy " + strategy.id, [this, index, strategy] { return carry_out_add(index, strategy); });
}
RoleAnswer LeaseKeeper::remove(std::size_t index) {
    return ask("the removal of a strategy", [this, index] { return carry_out_remove(index); });
}

RoleAnswer LeaseKeeper::carry_out_add(std::size_t index, const LeasedStrategy& strategy) {
    if (index >= kMaxStrategies || (index < entries_.size() && present(entries_[index])) || index_of(strategy.id)) {
        return {RoleOutcome::conflict, "strategy " + strategy.id + " or its slot is taken", strategy.id, {}};
    }
    while (entries_.size() <= index) entries_.push_back(Entry{LeasedStrategy{}, LeaseMachine(settings_.holder, settings_.times)});
    entries_[index] = Entry{strategy, LeaseMachine(settings_.holder, settings_.times)};
    next_tick_ = 0;
    tick();
    // A kill of this engine holds for what comes later too.
    const std::lock_guard lock(mutex_);
    // What joins a latched engine is latched too.
    if (core_.hot().killed.load()) kills_[strategy.id] = "the kill switch of the engine is latched";
    return {};
}

RoleAnswer LeaseKeeper::carry_out_remove(std::size_t index) {
    if (index >= entries_.size() || !present(entries_[index])) return {};
    Entry& entry = entries_[index];
    const std::string id = entry.strategy.id;
    if (entry.machine.held()) {
        return {RoleOutcome::conflict, "strategy " + id + " holds its lease; give it back first: PUT config role=standby, or a transfer",
                id, settings_.holder};
    }
    if (armed_ && std::find(armed_->strategies.begin(), armed_->strategies.end(), index) != armed_->strategies.end()) {
        return {RoleOutcome::conflict, "strategy " + id + " is armed for transfer " + armed_->id, id, {}};
    }
    core_.view(index).right_until.store(0, std::memory_order_release);
    entry = Entry{LeasedStrategy{}, LeaseMachine(settings_.holder, settings_.times)};
    return {};
}

std::string LeaseKeeper::read_budget(Entry& entry) {
    const BudgetRead read = store_.budget(entry.strategy.id);
    if (!read.ok) return "the risk budget of strategy " + entry.strategy.id + " cannot be read: " + read.error;
    entry.budget = read.budget;
    entry.next_budget = boot_ns() + kBudgetLook;
    return {};
}

// A budget that was moved to another strategy must not go on being used here.
void LeaseKeeper::follow_budget(Entry& entry, std::size_t index) {
    if (!entry.machine.held() || entry.claiming || boot_ns() < entry.next_budget || store_.session() == 0) return;
    const RiskBudget before = entry.budget;
    if (!read_budget(entry).empty() || entry.budget == before) return;
    Command command;
    command.kind = Command::Kind::budget;
    command.strategy = index;
    command.budget = entry.budget;
    ports_.command(command);
    ports_.report("info", "the risk budget changed", entry.strategy.id);
}

RoleAnswer LeaseKeeper::claim_all() { return claim_each(all()); }

RoleAnswer LeaseKeeper::claim_each(const std::vector<std::size_t>& strategies) {
    if (core_.hot().killed.load()) return {RoleOutcome::conflict, "the kill switch is latched", {}, {}};
    // What an earlier life of this engine left in the journal belongs into the state that is claimed now.
    if (!primary() && !wait_until(ports_.journal_empty, 5 * kSecond)) {
        return unavailable("facts of an earlier run are not in the database yet");
    }
    std::vector<std::size_t> claimed;
    for (const std::size_t i : strategies) {
        if (entries_[i].machine.state() == LeaseState::holding) continue;
        RoleAnswer answer = claim_one(i);
        if (answer.outcome == RoleOutcome::done) {
            claimed.push_back(i);
            continue;
        }
        // All or none: what was held before stays.
        release_each(claimed);
        answer.strategy = entries_[i].strategy.id;
        return answer;
    }
    return {};
}

RoleAnswer LeaseKeeper::claim_one(std::size_t index) {
    entries_[index].claiming = true;
    RoleAnswer answer = claim_fenced(index);
    entries_[index].claiming = false;
    return answer;
}

// failover: automatic. A vacant row was given back on purpose: nobody takes it unasked.
void LeaseKeeper::take_over_alone() {
    if (core_.hot().killed.load() || armed_) return;
    for (std::size_t i = 0; i < entries_.size(); ++i) {
        Entry& entry = entries_[i];
        if (!present(entry)) continue;
        const auto& row = entry.machine.row();
        const Nanos now = boot_ns();
        if (entry.machine.held() || !row || row->holder.empty() || now < entry.next_takeover) continue;
        if (entry.machine.claimable(now) != Claimable::yes || !core_.venue_up(entry.strategy.venue)) continue;
        entry.next_takeover = now + settings_.times.suspect;
        ports_.report("warning", "automatic takeover: " + row->holder + " stands still at " + epoch_text(row->epoch), entry.strategy.id);
        const RoleAnswer answer = claim_each({i});
        if (answer.outcome != RoleOutcome::done) ports_.report("warning", "automatic takeover failed: " + answer.detail, entry.strategy.id);
        publish();
    }
}

// A taker fences ahead of its claim. Where both were lost with their server, the row is the giver's again, and its epoch is too low.
void LeaseKeeper::claim_after_doubt() {
    for (std::size_t i = 0; i < entries_.size(); ++i) {
        Entry& entry = entries_[i];
        const Nanos now = boot_ns();
        if (!entry.reclaim || now < entry.next_takeover) continue;
        const auto& row = entry.machine.row();
        const bool ours = present(entry) && !entry.machine.held() && row && row->holder == settings_.holder && !row->killed;
        entry.next_takeover = now + settings_.beat;
        const RoleAnswer answer = ours ? claim_each({i}) : RoleAnswer{};
        // The venue or the database is away: again at the next beat.
        entry.reclaim = answer.outcome == RoleOutcome::unavailable;
        if (answer.outcome != RoleOutcome::done)
            ports_.report("warning", "claim after a doubt failed: " + answer.detail, entry.strategy.id);
        publish();
    }
}

RoleAnswer LeaseKeeper::claim_fenced(std::size_t index) {
    Entry& entry = entries_[index];
    const std::string& id = entry.strategy.id;
    if (!core_.venue_up(entry.strategy.venue))
        return unavailable("no session to venue " + entry.strategy.venues.front() + " of strategy " + id);
    StrategyView& view = core_.view(index);
    std::uint64_t venue_highest = ports_.venue_epoch(id);
    std::uint32_t old_ttl_ms = settings_.ttl_ms;
    for (int attempt = 0; attempt < 3; ++attempt) {
        if (store_.session() == 0) return unavailable("no connection to a writable database");
        // Decide: free, or held by one that moves, or by one that stood still for suspect_ms.
        Claimable claimable = Claimable::undecided;
        const auto decided = [&] {
            claimable = entry.machine.claimable(boot_ns());
            return claimable == Claimable::yes || claimable == Claimable::killed;
        };
        const std::uint64_t beat_seen = entry.machine.row() ? entry.machine.row()->beat : 0;
        const auto moved = [&] { return entry.machine.row() && entry.machine.row()->beat != beat_seen; };
        wait_until([&] { return decided() || moved(); }, settings_.times.suspect + 5 * settings_.beat);
        if (!entry.machine.row()) return unavailable("the lease row of strategy " + id + " cannot be read");
        const LeaseRow seen = *entry.machine.row();
        if (claimable == Claimable::killed)
            return {RoleOutcome::conflict, "the lease row of strategy " + id + " is killed: " + seen.kill_reason, id, seen.holder};
        if (claimable != Claimable::yes) {
            return {RoleOutcome::conflict, "strategy " + id + " is held by " + seen.holder + " (" + epoch_text(seen.epoch) + ")", id,
                    seen.holder};
        }
        old_ttl_ms = std::max(old_ttl_ms, seen.ttl_ms);
        const std::uint64_t epoch = entry.machine.next_epoch(venue_highest);
        const LeaseReply reply = store_.claim(id, seen, settings_.holder, epoch, settings_.ttl_ms, entry.strategy.venues);
        const Nanos replied = boot_ns();
        entry.machine.on_claim(reply.outcome, reply.row, epoch, reply.sent, replied);
        if (reply.outcome == LeaseOutcome::failed) return unavailable("claim of strategy " + id + " failed: " + reply.error);
        if (reply.outcome == LeaseOutcome::unknown)
            return unavailable("claim of strategy " + id + " has an unknown outcome: " + reply.error);
        if (reply.outcome == LeaseOutcome::refused) {
            look(entry);
            continue;
        }
        const PositionRead position = store_.position(id, entry.strategy.symbol);
        if (!position.ok) {
            release(entry);
            return unavailable("the position of strategy " + id + " cannot be read");
        }
        if (const std::string error = read_budget(entry); !error.empty()) {
            release(entry);
            return unavailable(error);
        }
        if (!entry.strategy.fenced) {
            // Nothing shuts an old holder out but its own clock, and the row does not tell all: a vacant one may have been emptied
            // after commits were lost, and our own may come from a claim whose answer never came.
            wait_until([] { return false; }, static_cast<Nanos>(old_ttl_ms) * kMillisecond + settings_.times.margin);
            if (!entry.machine.held()) return unavailable("the lease of strategy " + id + " was lost while the old right ran out");
        }
        view.fence.store(FenceState::none);
        view.fence_epoch.store(0);
        entry.fence_asked = false;
        take(index, position.state, false);
        const bool answered = wait_until([&] { return fence_answered(index); }, settings_.fence_wait);
        if (answered && entry.machine.held() && view.fence.load(std::memory_order_acquire) == FenceState::granted) {
            entry.machine.on_fenced();
            ports_.report("info",
                          "lease held and fenced, " + epoch_text(epoch) + ", taken from " + (seen.holder.empty() ? "nobody" : seen.holder),
                          id);
            return {};
        }
        venue_highest = std::max(venue_highest, view.fence_highest.load());
        release(entry);
        if (!answered) return unavailable("venue " + entry.strategy.venues.front() + " did not answer the fence of strategy " + id);
    }
    return {RoleOutcome::conflict, "the lease row of strategy " + id + " kept moving", id,
            entry.machine.row() ? entry.machine.row()->holder : ""};
}

void LeaseKeeper::release(Entry& entry) {
    const std::size_t index = static_cast<std::size_t>(&entry - entries_.data());
    core_.view(index).right_until.store(0, std::memory_order_release);
    Command command;
    command.kind = Command::Kind::drop;
    command.strategy = index;
    ports_.command(command);
    if (!entry.machine.held() || !entry.machine.row()) return;
    const LeaseReply reply = store_.release(entry.strategy.id, settings_.holder, entry.machine.epoch(), entry.machine.row()->beat);
    if (reply.outcome != LeaseOutcome::acknowledged) {
        ports_.report("warning", "release not acknowledged; the row becomes claimable once it stood still: " + reply.error,
                      entry.strategy.id);
    }
    entry.machine.on_release(reply.outcome, reply.row, boot_ns());
}

RoleAnswer LeaseKeeper::release_all() {
    RoleAnswer answer = release_each(all());
    for (const std::size_t i : all()) vacate(entries_[i]);
    return answer;
}

// A row that still names us although we gave it up (a kill that was cleared since): nobody trades under it, and to others it looks held.
void LeaseKeeper::vacate(Entry& entry) {
    const auto& row = entry.machine.row();
    if (entry.machine.held() || !row || row->holder != settings_.holder) return;
    const LeaseReply reply = store_.release(entry.strategy.id, settings_.holder, row->epoch, row->beat);
    if (reply.outcome == LeaseOutcome::acknowledged) entry.machine.on_read(reply.row, boot_ns());
}

RoleAnswer LeaseKeeper::release_each(const std::vector<std::size_t>& strategies) {
    bool any = false;
    for (const std::size_t i : strategies) {
        if (!entries_[i].machine.held()) continue;
        any = true;
        // No new order from here on; the hot thread cancels what is open.
        core_.view(i).right_until.store(0, std::memory_order_release);
        entries_[i].machine.on_fence_lost();
        Command command;
        command.kind = Command::Kind::drop;
        command.strategy = i;
        ports_.command(command);
    }
    if (!any) return {};
    draining_ = true;
    // Two turns of the hot loop: an order that passed the gate just before is counted as open by then.
    const std::uint64_t turns = core_.hot().turns.load();
    wait_until([&] { return core_.hot().turns.load() >= turns + 2; }, settings_.drain);
    const bool drained = wait_until(
        [&] {
            return std::all_of(strategies.begin(), strategies.end(), [&](std::size_t i) { return core_.view(i).open_orders.load() == 0; });
        },
        settings_.drain);
    if (!drained) ports_.report("warning", "orders still open after the drain time: the next holder's fence ends them", "");
    if (!wait_until(ports_.journal_empty, settings_.drain)) ports_.report("warning", "the journal is not empty at release", "");
    draining_ = false;
    RoleAnswer answer;
    for (const std::size_t i : strategies) {
        Entry& entry = entries_[i];
        if (!entry.machine.held()) continue;
        const std::string id = entry.strategy.id;
        const std::uint64_t epoch = entry.machine.epoch();
        release(entry);
        const auto& row = entry.machine.row();
        if (row && row->holder.empty()) {
            ports_.report("info", "lease released, " + epoch_text(epoch), id);
        } else {
            answer = {RoleOutcome::unavailable, "standby, but the row of strategy " + id + " could not be made vacant", id,
                      settings_.holder};
        }
    }
    return answer;
}

RoleAnswer LeaseKeeper::unkill_all(const std::string& strategy) {
    if (store_.session() == 0) return unavailable("no connection to a writable database: the rows cannot be cleared");
    for (Entry& entry : entries_) {
        if (!present(entry)) continue;
        if (!strategy.empty() && entry.strategy.id != strategy) continue;
        // What could not be cleared is still latched here, so its row must come to say so too: it stays pending.
        if (RoleAnswer answer = unkill(entry); answer.outcome != RoleOutcome::done) return answer;
        const std::lock_guard lock(mutex_);
        kills_.erase(entry.strategy.id);
    }
    rows_latched_ = false;
    return {};
}

RoleAnswer LeaseKeeper::unkill(Entry& entry) {
    std::string why;
    // The row moves under us when all engines are cleared at once: what another one has cleared is cleared.
    for (int attempt = 0; attempt < 5; ++attempt) {
        look(entry);
        const auto& row = entry.machine.row();
        if (!row) return unavailable("the lease row of strategy " + entry.strategy.id + " cannot be read");
        if (!row->killed) return {};
        const LeaseReply reply = store_.unkill(entry.strategy.id, row->epoch, row->beat);
        if (reply.outcome == LeaseOutcome::acknowledged) {
            entry.machine.on_read(reply.row, boot_ns());
            return {};
        }
        why = reply.error;
        if (reply.outcome != LeaseOutcome::refused) break;
    }
    return unavailable("the row of strategy " + entry.strategy.id + " could not be cleared: " + (why.empty() ? "it keeps moving" : why));
}

}  // namespace hft
