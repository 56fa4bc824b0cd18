// SPDX-License-Identifier: GPL-3.0-or-later
#include "io/pg_lease_store.hpp"

#include <algorithm>
#include <utility>

namespace hft {

namespace {

const char* const kColumns = "coalesce(holder, ''), epoch, beat, ttl_ms, killed, coalesce(kill_reason, '')";

LeaseRow row_of(const std::vector<std::optional<std::string>>& cells) {
    LeaseRow row;
    row.holder = *cells[0];
    row.epoch = std::stoull(*cells[1]);
    row.beat = std::stoull(*cells[2]);
    row.ttl_ms = static_cast<std::uint32_t>(std::stoul(*cells[3]));
    row.killed = *cells[4] == "t";
    row.kill_reason = *cells[5];
    return row;
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

LeaseReply PgLeaseStore::write(const std::string& call, const std::vector<PgValue>& values) {
    LeaseReply lease;
    lease.sent = boot_ns();
    const PgReply reply = connection_.query(std::string("SELECT ") + kColumns + " FROM public." + call, values, limit_);
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
            if (!reply.rows.empty()) lease.row = row_of(reply.rows[0]);
            break;
    }
    if (lease.outcome == LeaseOutcome::unknown) report_("warning", "lease write of unknown outcome: " + lease.error);
    return lease;
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
    const auto& cells = reply.rows[0];
    read.state.quantity = std::stoll(*cells[0]);
    read.state.average_price = std::stod(*cells[1]);
    read.state.realised_pnl = std::stod(*cells[2]);
    read.state.day = std::stoll(*cells[3]);
    read.state.day_start_pnl = std::stod(*cells[4]);
    read.state.last_fill_id = std::stoull(*cells[5]);
    return read;
}

}  // namespace hft
