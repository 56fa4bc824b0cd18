// SPDX-License-Identifier: GPL-3.0-or-later
// The two sides of a transfer. The giver: freeze, drain, hand over. The taker: arm, claim, fence.
#include <algorithm>
#include <chrono>
#include <thread>
#include <utility>

#include "core/lease_keeper.hpp"

namespace hft {

namespace {

constexpr std::size_t kRecords = 16;
constexpr Nanos kLook = 2 * kMillisecond;
// Inside a transfer every look costs trading time.
constexpr Nanos kBrief = 20'000;
// How old the last sign of life of a taker may be at the handover, and how often it gives one.
constexpr Nanos kArmedAge = kSecond;
constexpr Nanos kArmedBeat = 300 * kMillisecond;
constexpr Nanos kArmedLook = 10 * kMillisecond;
// A giver that has handed over leaves the log to the taker's claim for so long: nobody trades until that is through.
constexpr Nanos kSettlePause = 10 * kMillisecond;

std::string engine_of(const std::string& holder) { return holder.substr(0, holder.find('/')); }

}  // namespace

RoleAnswer LeaseKeeper::arm(const ArmRequest& request) {
    return ask("arm for transfer " + request.id, [this, request] { return carry_out_arm(request); });
}
RoleAnswer LeaseKeeper::disarm(const std::string& id) {
    return ask("disarm of transfer " + id, [this, id] { return carry_out_disarm(id); });
}
RoleAnswer LeaseKeeper::transfer(const TransferRequest& request) {
    return ask("transfer " + request.id, [this, request] {
        transferring_ = true;
        RoleAnswer answer = carry_out_transfer(request);
        ports_.journal_rest(0);
        transferring_ = false;
        return answer;
    });
}

std::vector<TransferRecord> LeaseKeeper::transfers() const {
    const std::lock_guard lock(mutex_);
    return transfers_;
}

void LeaseKeeper::record(const std::string& id, const std::string& part, const std::string& outcome, const std::string& detail,
                         const std::vector<std::size_t>& strategies) {
    {
        const std::lock_guard lock(mutex_);
        auto found =
            std::find_if(transfers_.begin(), transfers_.end(), [&](const TransferRecord& r) { return r.id == id && r.part == part; });
        if (found == transfers_.end()) {
            if (transfers_.size() == kRecords) transfers_.erase(transfers_.begin());
            TransferRecord fresh;
            fresh.id = id;
            fresh.part = part;
            for (const std::size_t i : strategies) fresh.strategies.push_back(entries_[i].strategy.id);
            found = transfers_.insert(transfers_.end(), std::move(fresh));
        }
        found->outcome = outcome;
        found->detail = detail;
        found->steps.push_back({outcome, wall_ns()});
    }
    const bool good = outcome == "armed" || outcome == "disarmed" || outcome == "under way" || outcome == "done" || outcome == "taken back";
    ports_.report(good ? "info" : "error", "transfer " + id + ", " + part + ": " + outcome + (detail.empty() ? "" : ": " + detail), "");
}

void LeaseKeeper::step(const std::string& id, const std::string& name) {
    const std::lock_guard lock(mutex_);
    for (TransferRecord& r : transfers_) {
        if (r.id == id && (r.outcome == "under way" || r.outcome == "armed")) r.steps.push_back({name, wall_ns()});
    }
}

// ---- taker ------------------------------------------------------------------------------------------------------------

RoleAnswer LeaseKeeper::carry_out_arm(const ArmRequest& request) {
    if (core_.hot().killed.load()) return {RoleOutcome::conflict, "the kill switch is latched", {}, {}};
    if (armed_ && armed_->id != request.id) {
        const Nanos left = std::max<Nanos>(armed_->expires - boot_ns(), 0);
        return {RoleOutcome::conflict,
                "armed for transfer " + armed_->id + " already, for " + std::to_string(left / kSecond) +
                    " s yet: repeat that transfer under its id, or abort it",
                {},
                {}};
    }
    Armed armed;
    armed.id = request.id;
    armed.expires = boot_ns() + request.expires;
    for (const std::string& strategy : request.strategies) {
        const std::optional<std::size_t> index = index_of(strategy);
        if (!index) return {RoleOutcome::conflict, "no strategy " + strategy + " here", strategy, {}};
        const Entry& entry = entries_[*index];
        if (entry.machine.held()) return {RoleOutcome::conflict, "strategy " + strategy + " is held here", strategy, settings_.holder};
        if (!core_.venue_up(entry.strategy.venue)) {
            return {RoleOutcome::unavailable,
                    "no session to venue " + entry.strategy.venues.front() + " of strategy " + strategy,
                    strategy,
                    {}};
        }
        armed.strategies.push_back(*index);
        // Now, while nothing waits for it: behind the handover every round trip is trading time.
        if (store_.session() == 0) continue;
        if (const std::string error = read_budget(entries_[*index]); !error.empty()) return unavailable(error);
    }
    if (store_.session() == 0) return unavailable("no connection to a writable database");
    const LeaseReply reply = store_.arm(request.id, settings_.holder, settings_.build, request.strategies);
    if (reply.outcome == LeaseOutcome::failed || reply.outcome == LeaseOutcome::refused) {
        return {RoleOutcome::conflict, reply.error, {}, {}};
    }
    // Of unknown outcome it may stand, so a handover may come.
    armed_ = armed;
    if (reply.outcome == LeaseOutcome::unknown) return unavailable("arm has an unknown outcome: " + reply.error);
    record(request.id, "taker", "armed", "", armed.strategies);
    return {};
}

RoleAnswer LeaseKeeper::carry_out_disarm(const std::string& id) {
    if (!armed_ || armed_->id != id) return {RoleOutcome::conflict, "not armed for transfer " + id, {}, {}};
    if (store_.session() == 0) return unavailable("no connection to a writable database: still armed");
    const LeaseReply reply = store_.disarm(id, settings_.holder);
    if (reply.outcome != LeaseOutcome::acknowledged) return unavailable("still armed: " + reply.error);
    // The handover may have come just before.
    const HandedRead handed = store_.handed(id, settings_.holder);
    if (handed.ok && !handed.rows.empty()) {
        accept(handed.rows);
        return {RoleOutcome::conflict, "transfer " + id + " was carried out already", {}, settings_.holder};
    }
    record(id, "taker", "disarmed", "", armed_->strategies);
    armed_.reset();
    return {};
}

// One look for the handover that this engine is armed for; waits briefly for the notification.
void LeaseKeeper::watch_handover() {
    if (store_.session() == 0) {
        std::this_thread::sleep_for(std::chrono::nanoseconds(kLook));
    } else {
        HandedRead handed = store_.wait_handover(armed_->id, settings_.holder, kLook);
        if (handed.rows.empty()) handed = store_.handed(armed_->id, settings_.holder);
        if (handed.ok && !handed.rows.empty()) return accept(handed.rows);
        if (boot_ns() >= armed_->next_beat) {
            armed_->next_beat = boot_ns() + kArmedBeat;
            store_.arm_beat(armed_->id, settings_.holder);
        }
    }
    const bool over = boot_ns() >= armed_->expires || core_.hot().killed.load();
    if (over && boot_ns() >= armed_->next_look) {
        armed_->next_look = boot_ns() + settings_.beat;
        carry_out_disarm(armed_->id);
    }
}

// What was read is only a hint: the right comes with the acknowledged beat.
void LeaseKeeper::accept(const std::vector<HandedRow>& rows) {
    const std::string id = armed_->id;
    step(id, "woken");
    std::vector<HandoverItem> items;
    for (const HandedRow& handed : rows) {
        const std::optional<std::size_t> index = index_of(handed.strategy);
        if (!index || handed.row.killed) continue;
        items.push_back({handed.strategy, entries_[*index].strategy.symbol, handed.row.epoch, handed.row.beat, {}});
    }
    fence_ahead(rows);
    if (items.empty()) {
        record(id, "taker", "refused", "the rows are killed", armed_->strategies);
        armed_.reset();
        return;
    }
    const HandoverReply reply = store_.accept(id, settings_.holder, items);
    // Unknown, failed or moved: the next look reads the rows anew.
    if (reply.outcome != LeaseOutcome::acknowledged) return;
    const Nanos replied = boot_ns();
    for (const HandedRow& held : reply.rows) {
        entries_[*index_of(held.strategy)].machine.on_accept(LeaseOutcome::acknowledged, held.row, reply.sent, replied);
    }
    step(id, "claimed");
    begin_trading(reply.rows);
    armed_.reset();
    publish();
}

// A fence gives no right and takes a round trip: on its way while the claim is. Only where the notification told up to which fill the
// state goes that was handed over.
void LeaseKeeper::fence_ahead(const std::vector<HandedRow>& rows) {
    if (std::exchange(armed_->fenced_ahead, true)) return;
    for (const HandedRow& handed : rows) {
        const std::optional<std::size_t> index = index_of(handed.strategy);
        if (!index || !handed.told || !entries_[*index].strategy.fenced) continue;
        Command command;
        command.kind = Command::Kind::fence_ahead;
        command.strategy = *index;
        command.epoch = handed.row.epoch;
        command.position.last_fill_id = handed.state.last_fill_id;
        ports_.command(command);
    }
}

void LeaseKeeper::begin_trading(const std::vector<HandedRow>& rows) {
    const std::string id = armed_->id;
    std::vector<std::size_t> indices;
    for (const HandedRow& held : rows) {
        const std::size_t i = *index_of(held.strategy);
        indices.push_back(i);
        entries_[i].claiming = true;
        entries_[i].fence_asked = false;
        entries_[i].next_budget = 0;  // looked at again once it trades
        core_.view(i).fence.store(FenceState::none);
        core_.view(i).fence_epoch.store(0);
        take(i, held.state, false);
    }
    const bool answered =
        wait_until([&] { return std::all_of(indices.begin(), indices.end(), [&](std::size_t i) { return fence_answered(i); }); },
                   settings_.activate, kBrief);
    step(id, "fenced");
    std::string failed;
    for (const std::size_t i : indices) {
        Entry& entry = entries_[i];
        entry.claiming = false;
        const bool granted = core_.view(i).fence_epoch.load() == entry.machine.epoch() &&
                             core_.view(i).fence.load(std::memory_order_acquire) == FenceState::granted;
        if (!entry.machine.held() || !granted) failed += (failed.empty() ? "" : ", ") + entry.strategy.id;
    }
    if (!failed.empty()) {
        // All or none: a transfer that leaves half of its strategies on either side can neither be repeated nor taken back as one.
        give_back(id, indices);
        return record(id, "taker", "failed",
                      (answered ? "the venue refused the fence of " : "the venue did not answer the fence of ") + failed, indices);
    }
    for (const std::size_t i : indices) {
        Entry& entry = entries_[i];
        entry.machine.on_fenced();
        ports_.report("info", "lease taken over by transfer " + id + ", epoch " + std::to_string(entry.machine.epoch()), entry.strategy.id);
    }
    record(id, "taker", "done", "", indices);
}

// A taker that cannot trade. Vacant, and marked: the giver is warm and may take the rows back, which a stop must not lead to.
void LeaseKeeper::give_back(const std::string& id, const std::vector<std::size_t>& strategies) {
    std::vector<HandoverItem> items;
    for (const std::size_t i : strategies) {
        Entry& entry = entries_[i];
        core_.view(i).right_until.store(0, std::memory_order_release);
        Command command;
        command.kind = Command::Kind::drop;
        command.strategy = i;
        ports_.command(command);
        if (!entry.machine.held() || !entry.machine.row()) continue;
        items.push_back({entry.strategy.id, entry.strategy.symbol, entry.machine.epoch(), entry.machine.row()->beat, {}});
    }
    const HandoverReply reply = store_.give_back(id, settings_.holder, items);
    const Nanos now = boot_ns();
    for (const HandoverItem& item : items) {
        const auto row =
            std::find_if(reply.rows.begin(), reply.rows.end(), [&](const HandedRow& r) { return r.strategy == item.strategy; });
        const bool returned = row != reply.rows.end();
        entries_[*index_of(item.strategy)].machine.on_release(returned ? LeaseOutcome::acknowledged : reply.outcome,
                                                              returned ? row->row : LeaseRow{}, now);
        if (!returned) {
            ports_.report("warning", "the return is not acknowledged; the row becomes claimable once it stood still: " + reply.error,
                          item.strategy);
        }
    }
}

// ---- giver ------------------------------------------------------------------------------------------------------------

RoleAnswer LeaseKeeper::carry_out_transfer(const TransferRequest& request) {
    if (known_as_done(request)) return {};
    std::vector<std::size_t> indices;
    std::string taker;
    RoleAnswer answer = check_transfer(request, indices, taker);
    if (answer.outcome != RoleOutcome::done) return answer;
    given_.reset();
    // While everything trades: a batch that writes positions holds their lease rows until a standby has it, and the handover would wait.
    ports_.journal_rest(2 * request.drain + kSettlePause);
    record(request.id, "giver", "under way", "to " + taker, indices);
    for (const std::size_t i : indices) {
        entries_[i].transfer = request.id;
        freeze(i);
    }
    answer = drain(request, indices);
    if (answer.outcome != RoleOutcome::done) {
        // Nothing was sent to the database: thawing is safe.
        for (const std::size_t i : indices) thaw(entries_[i], i);
        record(request.id, "giver", "refused", answer.detail, indices);
        return answer;
    }
    step(request.id, "drained");
    return hand_over(request, indices, taker);
}

RoleAnswer LeaseKeeper::check_transfer(const TransferRequest& request, std::vector<std::size_t>& indices, std::string& taker) {
    if (core_.hot().killed.load()) return {RoleOutcome::conflict, "the kill switch is latched", {}, {}};
    if (!request.holder.empty() && request.holder != settings_.holder) {
        return {RoleOutcome::conflict, "expected holder " + request.holder + ", this engine is " + settings_.holder, {}, settings_.holder};
    }
    if (store_.session() == 0) return unavailable("no connection to a writable database");
    const ArmedRead armed = store_.armed(request.id);
    if (!armed.ok) return unavailable("the database did not say who is armed");
    for (const std::string& strategy : request.strategies) {
        const std::optional<std::size_t> index = index_of(strategy);
        if (!index) return {RoleOutcome::conflict, "no strategy " + strategy + " here", strategy, {}};
        const Entry& entry = entries_[*index];
        if (entry.machine.state() != LeaseState::holding || entry.freeze != 0) {
            const auto& row = entry.machine.row();
            const std::string why = entry.freeze != 0 ? " is frozen for transfer " + entry.transfer : " is not held and fenced here";
            return {RoleOutcome::conflict, "strategy " + strategy + why, strategy, row ? row->holder : ""};
        }
        const auto expected = request.epochs.find(strategy);
        if (expected != request.epochs.end() && expected->second != entry.machine.epoch()) {
            return {RoleOutcome::conflict,
                    "strategy " + strategy + " is held under epoch " + std::to_string(entry.machine.epoch()) + ", expected " +
                        std::to_string(expected->second),
                    strategy, settings_.holder};
        }
        if (RoleAnswer answer = check_armed(request, armed, entry, taker); answer.outcome != RoleOutcome::done) return answer;
        indices.push_back(*index);
    }
    if (indices.empty()) return {RoleOutcome::conflict, "no strategy to transfer", {}, {}};
    const std::string silent = await_armed_beat(request, armed);
    if (!silent.empty()) return {RoleOutcome::conflict, silent, {}, settings_.holder};
    // While everything trades: what the database would refuse is found before the freeze, and the server has planned every statement.
    const std::string wrong = store_.rehearse(request.id, settings_.holder, taker, handover_of(indices));
    return wrong.empty() ? RoleAnswer{}
                         : RoleAnswer{RoleOutcome::conflict, "the database would refuse the handover: " + wrong, {}, settings_.holder};
}

// Without the final states: those are the hot thread's until it has drained.
std::vector<HandoverItem> LeaseKeeper::handover_of(const std::vector<std::size_t>& indices) const {
    std::vector<HandoverItem> items;
    for (const std::size_t i : indices) {
        const Entry& entry = entries_[i];
        items.push_back({entry.strategy.id, entry.strategy.symbol, entry.machine.epoch(), entry.machine.row()->beat, {}});
    }
    return items;
}

RoleAnswer LeaseKeeper::check_armed(const TransferRequest& request, const ArmedRead& armed, const Entry& entry, std::string& taker) const {
    const std::string& strategy = entry.strategy.id;
    const auto refused = [&](const std::string& why) { return RoleAnswer{RoleOutcome::conflict, why, strategy, settings_.holder}; };
    const auto ready =
        std::find_if(armed.strategies.begin(), armed.strategies.end(), [&](const ArmedStrategy& a) { return a.strategy == strategy; });
    if (ready == armed.strategies.end() || engine_of(ready->taker) != request.to || ready->epoch != entry.machine.epoch() ||
        (!taker.empty() && ready->taker != taker)) {
        return refused(request.to + " is not armed for strategy " + strategy + " under transfer " + request.id);
    }
    if (!request.to_incarnation.empty() && ready->taker != request.to + "/" + request.to_incarnation) {
        return refused("armed is " + ready->taker + ", expected incarnation " + request.to_incarnation + ": it was restarted");
    }
    if (!request.to_build.empty() && ready->build != request.to_build) {
        return refused(request.to + " runs build " + ready->build + ", expected " + request.to_build);
    }
    taker = ready->taker;
    return {};
}

// Seen by this host's own clock: the armed rows beat, so their taker is neither gone nor frozen.
std::string LeaseKeeper::await_armed_beat(const TransferRequest& request, const ArmedRead& first) {
    const auto beat_of = [](const ArmedRead& read, const std::string& strategy) {
        const auto at =
            std::find_if(read.strategies.begin(), read.strategies.end(), [&](const ArmedStrategy& a) { return a.strategy == strategy; });
        return at == read.strategies.end() ? 0 : at->beat;
    };
    const std::string& strategy = request.strategies.front();
    const std::uint64_t seen = beat_of(first, strategy);
    const bool lives = wait_until(
        [&] {
            const ArmedRead now = store_.armed(request.id);
            return now.ok && beat_of(now, strategy) > seen;
        },
        kArmedAge, kArmedLook);
    return lives ? ""
                 : request.to + " gave no sign of life for transfer " + request.id + " within " + std::to_string(kArmedAge / kMillisecond) +
                       " ms";
}

// A request that comes again: what was done stays done. The database knows it too after a restart.
bool LeaseKeeper::known_as_done(const TransferRequest& request) {
    {
        const std::lock_guard lock(mutex_);
        for (const TransferRecord& r : transfers_) {
            if (r.id == request.id && r.part == "giver" && r.outcome == "done") return true;
        }
    }
    if (store_.session() == 0) return false;
    const TransferRead written = store_.transferred(request.id);
    // Returned rows were taken back, or are vacant: that transfer is over, and not done.
    if (!written.found || written.returned || store_.settle(request.id).outcome != LeaseOutcome::acknowledged) return false;
    std::vector<std::size_t> indices;
    for (const std::string& strategy : request.strategies) {
        if (const auto index = index_of(strategy)) indices.push_back(*index);
    }
    record(request.id, "giver", "done", "carried out before, to " + written.taker, indices);
    return true;
}

void LeaseKeeper::freeze(std::size_t index) {
    Entry& entry = entries_[index];
    entry.freeze = next_freeze_++;
    Command command;
    command.kind = Command::Kind::freeze;
    command.strategy = index;
    command.freeze = entry.freeze;
    ports_.command(command);
}

void LeaseKeeper::thaw(Entry& entry, std::size_t index) {
    entry.freeze = 0;
    Command command;
    command.kind = Command::Kind::thaw;
    command.strategy = index;
    ports_.command(command);
}

RoleAnswer LeaseKeeper::drain(const TransferRequest& request, const std::vector<std::size_t>& indices) {
    const auto drained = [&](std::size_t i) { return core_.view(i).drained.load(std::memory_order_acquire) == entries_[i].freeze; };
    const auto all_drained = [&] { return std::all_of(indices.begin(), indices.end(), drained); };
    const auto lost = [&] {
        return !std::all_of(indices.begin(), indices.end(), [&](std::size_t i) { return entries_[i].machine.held(); });
    };
    wait_until([&] { return all_drained() || lost(); }, request.drain, kBrief);
    if (lost()) return {RoleOutcome::conflict, "the lease was lost while draining", {}, {}};
    if (all_drained()) return {};
    for (const std::size_t i : indices) {
        if (drained(i)) continue;
        const std::string& id = entries_[i].strategy.id;
        const std::string open = std::to_string(core_.view(i).open_orders.load()) + " orders of strategy " + id + " not answered within " +
                                 std::to_string(request.drain / kMillisecond) + " ms";
        if (!request.abandon) return {RoleOutcome::conflict, open + ": thawed", id, settings_.holder};
        // Only a fence can tell the taker what became of them.
        if (!entries_[i].strategy.fenced)
            return {RoleOutcome::conflict, open + ", and its venue has no fence: thawed", id, settings_.holder};
        ports_.report("warning", open + ": handed over as unknown", id);
        Command command;
        command.kind = Command::Kind::abandon;
        command.strategy = i;
        ports_.command(command);
    }
    if (wait_until(all_drained, request.drain, kBrief)) return {};
    return {RoleOutcome::unavailable, "the hot loop does not answer", {}, {}};
}

RoleAnswer LeaseKeeper::hand_over(const TransferRequest& request, const std::vector<std::size_t>& indices, const std::string& taker) {
    std::vector<HandoverItem> items = handover_of(indices);
    for (std::size_t n = 0; n < indices.size(); ++n) {
        items[n].state = core_.view(indices[n]).final_state.position;
        entries_[indices[n]].machine.on_transfer_sent();
    }
    const HandoverReply reply = store_.transfer(request.id, settings_.holder, taker, items);
    if (reply.outcome == LeaseOutcome::acknowledged) {
        step(request.id, "committed");
        std::this_thread::sleep_for(std::chrono::nanoseconds(kSettlePause));
    }
    // The taker is at work already. This engine gives up only what cannot come back: until then it is in doubt.
    const LeaseReply settled = reply.outcome == LeaseOutcome::acknowledged ? store_.settle(request.id) : LeaseReply{};
    const Nanos replied = boot_ns();
    if (settled.outcome == LeaseOutcome::acknowledged) {
        step(request.id, "settled");
        for (const HandedRow& handed : reply.rows) {
            const std::size_t i = *index_of(handed.strategy);
            Entry& entry = entries_[i];
            const std::uint64_t epoch = entry.machine.epoch();
            entry.machine.on_transfer(LeaseOutcome::acknowledged, handed.row, replied);
            entry.freeze = 0;
            core_.view(i).right_until.store(0, std::memory_order_release);
            Command command;
            command.kind = Command::Kind::drop;
            command.strategy = i;
            ports_.command(command);
            ports_.report("info", "lease handed to " + taker + ", epoch " + std::to_string(epoch) + " ended", handed.strategy);
        }
        record(request.id, "giver", "done", "", indices);
        if (request.take_back > 0) given_ = Given{request.id, indices, replied + request.take_back, 0};
        return {};
    }
    // Frozen until a beat of ours is acknowledged, or the row names the taker: settle_frozen() at every look.
    const std::string& error = reply.outcome == LeaseOutcome::acknowledged ? settled.error : reply.error;
    record(request.id, "giver", "in doubt", error, indices);
    if (reply.outcome == LeaseOutcome::unknown || reply.outcome == LeaseOutcome::acknowledged) {
        return unavailable("the handover has an unknown outcome; frozen until the rows tell: " + error);
    }
    return {RoleOutcome::conflict, "the database refused the handover: " + reply.error, {}, settings_.holder};
}

// The taker returned what it could not fence: this engine is warm, so it claims again.
void LeaseKeeper::take_back() {
    if (!given_) return;
    const Nanos now = boot_ns();
    if (now >= given_->until || core_.hot().killed.load()) return given_.reset();
    if (now < given_->next_look || store_.session() == 0) return;
    given_->next_look = now + settings_.beat;
    const TransferRead written = store_.transferred(given_->id);
    if (!written.ok || !written.returned) return;
    const Given given = *given_;
    std::vector<std::size_t> vacant;
    for (const std::size_t i : given.strategies) {
        look(entries_[i]);
        const auto& row = entries_[i].machine.row();
        if (present(entries_[i]) && row && row->holder.empty()) vacant.push_back(i);
    }
    const RoleAnswer answer = claim_each(vacant);
    // Not yet (the venue, the database): again at the next look, until the time is over.
    if (answer.outcome == RoleOutcome::unavailable) return;
    record(given.id, "giver", answer.outcome == RoleOutcome::done ? "taken back" : "failed",
           answer.outcome == RoleOutcome::done ? written.taker + " could not fence" : answer.detail, given.strategies);
    given_.reset();
    publish();
}

// A handover that no standby has yet can be seen and be gone after a promotion: in doubt, nothing is given up for it.
bool LeaseKeeper::unsettled(const Entry& entry) {
    if (!entry.machine.in_doubt()) return false;
    const LeaseOutcome settled = store_.settle(entry.transfer).outcome;
    return settled != LeaseOutcome::acknowledged && settled != LeaseOutcome::refused;
}

// Once nobody is at work: what is frozen either trades on here, or belongs to the taker.
void LeaseKeeper::settle_frozen(Entry& entry, std::size_t index) {
    if (entry.freeze == 0 || transferring_) return;
    if (entry.machine.held() && entry.machine.in_doubt()) return;
    if (entry.machine.held()) {
        thaw(entry, index);
        entry.doubted = entry.machine.epoch();
        record(entry.transfer, "giver", "refused", "thawed after a beat of our own", {index});
        return;
    }
    entry.freeze = 0;
    const auto& row = entry.machine.row();
    const bool handed = row && !row->holder.empty() && row->holder != settings_.holder;
    record(entry.transfer, "giver", handed ? "done" : "failed", "the row names " + (handed ? row->holder : std::string("nobody")), {index});
}

}  // namespace hft
