// SPDX-License-Identifier: GPL-3.0-or-later
#include "io/pg_lease_store.hpp"

#include <algorithm>
#include <nlohmann/json.hpp>
#include <utility>

namespace hft {

namespace {

const char* const kColumns = "coalesce(holder, ''), epoch, beat, ttl_ms, killed, coalesce(kill_reason, '')";

using Cells = std::vector<std::optional<std::string>>;

LeaseRow row_of(const Cells& cells, std::size_t first = 0) {
    LeaseRow row;
    row.holder = *cells[first];
    row.epoch = std::stoull(*cells[first + 1]);
    row.beat = std::stoull(*cells[first + 2]);
    row.ttl_ms = static_cast<std::uint32_t>(std::stoul(*cells[first + 3]));
    row.killed = *cells[first + 4] == "t";
    row.kill_reason = *cells[first + 5];
    return row;
}

// Six cells of a position; nulls where a strategy never had one.
Position::State position_of(const Cells& cells, std::size_t first) {
    Position::State state;
    if (!cells[first]) return state;
    state.quantity = std::stoll(*cells[first]);
    state.average_price = std::stod(*cells[first + 1]);
    state.realised_pnl = std::stod(*cells[first + 2]);
    state.day = std::stoll(*cells[first + 3]);
    state.day_start_pnl = std::stod(*cells[first + 4]);
    state.last_fill_id = std::stoull(*cells[first + 5]);
    return state;
}

std::string handover_json(const std::vector<HandoverItem>& items, bool with_state) {
    nlohmann::json list = nlohmann::json::array();
    for (const HandoverItem& item : items) {
        nlohmann::json json = {{"strategy", item.strategy}, {"epoch", item.epoch}, {"beat", item.beat}, {"symbol", item.symbol}};
        if (with_state) {
            json["quantity"] = item.state.quantity;
            json["average_price"] = item.state.average_price;
            json["realised"] = item.state.realised_pnl;
            json["day"] = item.state.day;
            json["day_start"] = item.state.day_start_pnl;
            json["fill_id"] = item.state.last_fill_id;
            json["ns"] = wall_ns();
        }
        list.push_back(std::move(json));
    }
    return list.dump();
}

// Names are checked by the configuration: no quote, comma or brace in them.
std::string text_array(const std::vector<std::string>& names) {
    std::string text = "{";
    for (const std::string& name : names) text += (text.size() > 1 ? "," : "") + name;
    return text + "}";
}

}  // namespace

PgLeaseStore::PgLeaseStore(const DatabaseConfig& config, const std::string& password, Nanos limit, Report report)
    : connection_(config, password, "hft_system lease"), limit_(limit), report_(std::move(report)) {}

std::string PgLeaseStore::host() const {
    const std::lock_guard lock(mutex_);
    return host_;
}

std::uint64_t PgLeaseStore::connect() {
    if (connection_.connected()) return session_;
    if (boot_ns() < next_attempt_) return 0;
    std::string error = connection_.connect();
    if (!error.empty()) {
        if (error != last_error_) report_("warning", "lease: no writable database: " + error);
        last_error_ = std::move(error);
        backoff_ = std::clamp<Nanos>(2 * backoff_, 100 * kMillisecond, kSecond);
        next_attempt_ = boot_ns() + backoff_;
        return 0;
    }
    last_error_.clear();
    backoff_ = 0;
    ++session_;
    report_("info", "lease: connected to " + connection_.host());
    const std::lock_guard lock(mutex_);
    host_ = connection_.host();
    return session_;
}

LeaseRead PgLeaseStore::read(const std::string& strategy) {
    const PgReply reply =
        connection_.query(std::string("SELECT ") + kColumns + " FROM public.engine_lease WHERE strategy = $1", {strategy}, limit_);
    LeaseRead read;
    read.ok = reply.outcome == PgOutcome::done;
    if (!read.ok && reply.error != last_error_) {
        report_("warning", "lease row of " + strategy + " not read: " + reply.error);
        last_error_ = reply.error;
    }
    if (read.ok && !reply.rows.empty()) {
        read.found = true;
        read.row = row_of(reply.rows[0]);
    }
    return read;
}

// One write: when it left, and how it ended. A function that compares and finds nothing returns no row.
PgReply PgLeaseStore::ask(const std::string& sql, const std::vector<PgValue>& values, LeaseReply& lease) {
    lease.sent = boot_ns();
    PgReply reply = connection_.query(sql, values, limit_);
    lease.error = reply.error;
    switch (reply.outcome) {
        case PgOutcome::unknown:
            lease.outcome = LeaseOutcome::unknown;
            break;
        case PgOutcome::failed:
            lease.outcome = LeaseOutcome::failed;
            break;
        case PgOutcome::done:
            lease.outcome = reply.rows.empty() ? LeaseOutcome::refused : LeaseOutcome::acknowledged;
            break;
    }
    if (lease.outcome == LeaseOutcome::unknown) report_("warning", "lease write of unknown outcome: " + lease.error);
    return reply;
}

LeaseReply PgLeaseStore::write(const std::string& call, const std::vector<PgValue>& values) {
    LeaseReply lease;
    const PgReply reply = ask(std::string("SELECT ") + kColumns + " FROM public." + call, values, lease);
    if (lease.outcome == LeaseOutcome::acknowledged) lease.row = row_of(reply.rows[0]);
    return lease;
}

LeaseReply PgLeaseStore::arm(const std::string& id, const std::string& taker, const std::string& build,
                             const std::vector<std::string>& strategies) {
    LeaseReply lease;
    if (listening_ != session_) {
        if (connection_.query("LISTEN lease_transfer", {}, limit_).outcome != PgOutcome::done) return lease;
        listening_ = session_;
    }
    // A server plans what a function does when it is called first in a session: here, where nobody waits. No row has epoch 0 and a holder.
    accept(id, taker, {{strategies.front(), {}, 0, 0, {}}});
    ask("SELECT strategy FROM public.lease_arm($1, $2, $3, $4)", {id, taker, build, text_array(strategies)}, lease);
    return lease;
}

LeaseReply PgLeaseStore::arm_beat(const std::string& id, const std::string& taker) {
    LeaseReply lease;
    ask("SELECT public.lease_arm_beat($1, $2)", {id, taker}, lease);
    return lease;
}

LeaseReply PgLeaseStore::disarm(const std::string& id, const std::string& taker) {
    LeaseReply lease;
    ask("SELECT public.lease_disarm($1, $2)", {id, taker}, lease);
    return lease;
}

ArmedRead PgLeaseStore::armed(const std::string& id) {
    const PgReply reply =
        connection_.query("SELECT strategy, taker, epoch, build, beat FROM public.engine_arm WHERE transfer_id = $1", {id}, limit_);
    ArmedRead read;
    read.ok = reply.outcome == PgOutcome::done;
    for (const Cells& cells : reply.rows) {
        read.strategies.push_back({*cells[0], *cells[1], std::stoull(*cells[2]), *cells[3], std::stoull(*cells[4])});
    }
    return read;
}

TransferRead PgLeaseStore::transferred(const std::string& id) {
    const PgReply reply = connection_.query("SELECT taker, returned FROM public.engine_transfer WHERE id = $1", {id}, limit_);
    TransferRead read;
    read.ok = reply.outcome == PgOutcome::done;
    read.found = read.ok && !reply.rows.empty();
    if (!read.found) return read;
    read.taker = *reply.rows[0][0];
    read.returned = *reply.rows[0][1] == "t";
    return read;
}

HandoverReply PgLeaseStore::handover(const std::string& sql, const std::vector<PgValue>& values, bool with_position) {
    LeaseReply lease;
    const PgReply reply = ask(sql, values, lease);
    HandoverReply handover{lease.outcome, {}, lease.sent, lease.error};
    if (lease.outcome != LeaseOutcome::acknowledged) return handover;
    for (const Cells& cells : reply.rows) {
        handover.rows.push_back({*cells[0], row_of(cells, 1), with_position ? position_of(cells, 7) : Position::State{}, false});
    }
    return handover;
}

std::string PgLeaseStore::rehearse(const std::string& id, const std::string& from, const std::string& to,
                                   const std::vector<HandoverItem>& items) {
    const PgReply begun = connection_.query("BEGIN", {}, limit_);
    if (begun.outcome != PgOutcome::done) return begun.error;
    const HandoverReply handed = transfer(id, from, to, items);
    const PgReply undone = connection_.query("ROLLBACK", {}, limit_);
    // Whatever follows on this connection must not be part of it.
    if (undone.outcome != PgOutcome::done) {
        connection_.drop();
        return undone.error;
    }
    return handed.outcome == LeaseOutcome::acknowledged ? "" : handed.error.empty() ? "it names no row" : handed.error;
}

HandoverReply PgLeaseStore::transfer(const std::string& id, const std::string& from, const std::string& to,
                                     const std::vector<HandoverItem>& items) {
    return handover(std::string("SELECT strategy, ") + kColumns + " FROM public.lease_hand_over($1, $2, $3, $4::jsonb, false)",
                    {id, from, to, handover_json(items, true)}, false);
}

LeaseReply PgLeaseStore::settle(const std::string& id) {
    LeaseReply lease;
    ask("SELECT public.lease_settle($1)", {id}, lease);
    return lease;
}

HandedRead PgLeaseStore::handed(const std::string& id, const std::string& holder) {
    // A connection that was made anew does not listen any more; the regular look finds the rows all the same.
    // A row that was claimed since, under a higher epoch, was not handed over (where the giver's version writes the record).
    const PgReply reply = connection_.query(std::string("SELECT strategy, ") + kColumns +
                                                " FROM public.engine_lease AS l WHERE transfer_id = $1 AND holder = $2 AND NOT EXISTS "
                                                "(SELECT FROM public.engine_transfer AS t, "
                                                "jsonb_to_recordset(t.rows) AS r(strategy text, epoch bigint) WHERE t.id = $1 AND "
                                                "r.strategy = l.strategy AND r.epoch <> l.epoch)",
                                            {id, holder}, limit_);
    HandedRead read;
    read.ok = reply.outcome == PgOutcome::done;
    for (const Cells& cells : reply.rows) read.rows.push_back({*cells[0], row_of(cells, 1), {}, false});
    return read;
}

HandoverReply PgLeaseStore::accept(const std::string& id, const std::string& holder, const std::vector<HandoverItem>& items) {
    return handover(
        "SELECT (lease).strategy, coalesce((lease).holder, ''), (lease).epoch, (lease).beat, (lease).ttl_ms, (lease).killed, "
        "coalesce((lease).kill_reason, ''), quantity, average_price, realised_pnl_usd, pnl_day, pnl_day_start_usd, last_fill_id "
        "FROM public.lease_accept($1, $2, $3::jsonb)",
        {id, holder, handover_json(items, false)}, true);
}

HandoverReply PgLeaseStore::give_back(const std::string& id, const std::string& holder, const std::vector<HandoverItem>& items) {
    return handover(std::string("SELECT strategy, ") + kColumns + " FROM public.lease_return($1, $2, $3::jsonb)",
                    {id, holder, handover_json(items, false)}, false);
}

HandedRead PgLeaseStore::wait_handover(const std::string& id, const std::string& holder, Nanos limit) {
    HandedRead read;
    for (const std::string& told : connection_.wait_notifications(limit)) {
        const nlohmann::json handed = nlohmann::json::parse(told, nullptr, false);
        if (!handed.is_object() || handed.value("id", "") != id || handed.value("to", "") != holder) continue;
        read.ok = true;
        for (const nlohmann::json& row : handed.value("rows", nlohmann::json::array())) {
            HandedRow& one = read.rows.emplace_back();
            one.strategy = row.value("strategy", "");
            one.row.holder = holder;
            one.row.epoch = row.value("epoch", std::uint64_t{0});
            one.row.beat = row.value("beat", std::uint64_t{0});
            one.told = row.contains("fill_id");
            one.state.last_fill_id = row.value("fill_id", std::uint64_t{0});
        }
        // The first says most.
        break;
    }
    return read;
}

LeaseReply PgLeaseStore::enroll(const std::string& strategy, std::uint32_t ttl_ms, const std::vector<std::string>& venues) {
    return write("lease_register($1, $2, $3)", {strategy, std::to_string(ttl_ms), text_array(venues)});
}

LeaseReply PgLeaseStore::claim(const std::string& strategy, const LeaseRow& seen, const std::string& holder, std::uint64_t epoch,
                               std::uint32_t ttl_ms, const std::vector<std::string>& venues) {
    return write("lease_claim($1, $2, $3, $4, $5, $6, $7, $8)",
                 {strategy, seen.holder.empty() ? PgValue{} : PgValue{seen.holder}, std::to_string(seen.epoch), std::to_string(seen.beat),
                  holder, std::to_string(epoch), std::to_string(ttl_ms), text_array(venues)});
}

LeaseReply PgLeaseStore::beat(const std::string& strategy, const std::string& holder, std::uint64_t epoch, std::uint64_t beat) {
    return write("lease_beat($1, $2, $3, $4)", {strategy, holder, std::to_string(epoch), std::to_string(beat)});
}

LeaseReply PgLeaseStore::release(const std::string& strategy, const std::string& holder, std::uint64_t epoch, std::uint64_t beat) {
    return write("lease_release($1, $2, $3, $4)", {strategy, holder, std::to_string(epoch), std::to_string(beat)});
}

LeaseReply PgLeaseStore::kill(const std::string& strategy, const std::string& reason) {
    return write("lease_kill($1, $2)", {strategy, reason});
}

LeaseReply PgLeaseStore::unkill(const std::string& strategy, std::uint64_t epoch, std::uint64_t beat) {
    return write("lease_unkill($1, $2, $3)", {strategy, std::to_string(epoch), std::to_string(beat)});
}

PositionRead PgLeaseStore::position(const std::string& strategy, const std::string& symbol) {
    const PgReply reply = connection_.query(
        "SELECT (quantity * 1000000)::bigint, average_price, realised_pnl_usd, pnl_day - date '1970-01-01', pnl_day_start_usd, "
        "last_fill_id "
        "FROM public.positions WHERE strategy = $1 AND symbol = $2",
        {strategy, symbol}, limit_);
    PositionRead read;
    read.ok = reply.outcome == PgOutcome::done;
    if (!read.ok || reply.rows.empty()) return read;
    read.state = position_of(reply.rows[0], 0);
    return read;
}

BudgetRead PgLeaseStore::budget(const std::string& strategy) {
    const PgReply reply = connection_.query(
        "SELECT (least(max_position, 9e12) * 1000000)::bigint, max_notional_usd, daily_loss_usd, max_order_rate_per_s, max_open_orders "
        "FROM public.risk_budget WHERE strategy = $1",
        {strategy}, limit_);
    BudgetRead read;
    read.ok = reply.outcome == PgOutcome::done;
    read.error = reply.error;
    if (!read.ok || reply.rows.empty()) return read;
    const auto& cells = reply.rows[0];
    if (cells[0]) read.budget.max_position = std::stoll(*cells[0]);
    if (cells[1]) read.budget.max_notional = std::stod(*cells[1]);
    if (cells[2]) read.budget.daily_loss_usd = std::stod(*cells[2]);
    if (cells[3]) read.budget.max_order_rate_per_s = static_cast<std::uint32_t>(std::stoul(*cells[3]));
    if (cells[4]) read.budget.max_open_orders = static_cast<std::uint32_t>(std::stoul(*cells[4]));
    return read;
}

}  // namespace hft
