// SPDX-License-Identifier: GPL-3.0-or-later
#include "io/fact_writer.hpp"

#include <algorithm>
#include <chrono>
#include <map>
#include <nlohmann/json.hpp>
#include <thread>
#include <tuple>
#include <utility>

#include "core/risk.hpp"

namespace hft {

namespace {

using Json = nlohmann::json;

constexpr std::size_t kBatch = 1000;
constexpr std::size_t kColdKept = 10'000;
// Between two attempts to connect: short, because a primary that moves is away for less than a second.
constexpr Nanos kShortestPause = 50 * kMillisecond;
constexpr Nanos kLongestPause = 400 * kMillisecond;
// Long: a batch that waits for a standby is dropped only when the database is surely gone.
constexpr Nanos kStatementLimit = 10 * kSecond;

const char* const kOrders = R"(
INSERT INTO public.orders AS o (time, strategy, epoch, engine, seq, sent_ns, venue, symbol, side, price, quantity, filled_quantity,
                                status, reason, intent_tick, intent_leg, venue_order_id, venue_ns)
SELECT timestamptz 'epoch' + r.sent_ns / 1000 * interval '1 microsecond', r.strategy, r.epoch, r.engine, r.seq, r.sent_ns, r.venue,
       r.symbol, r.side, r.price / 1000000, r.quantity / 1000000, r.filled / 1000000, r.status, r.reason, r.tick, r.leg, r.order_id, r.venue_ns
FROM jsonb_to_recordset($1::jsonb) AS r(strategy text, epoch bigint, engine text, seq bigint, sent_ns bigint, venue text, symbol text,
     side text, price numeric, quantity numeric, filled numeric, status text, reason text, tick bigint, leg smallint, order_id bigint, venue_ns bigint)
ON CONFLICT (strategy, epoch, engine, seq, time) DO UPDATE
SET status = CASE WHEN order_status_rank(excluded.status) > order_status_rank(o.status) THEN excluded.status ELSE o.status END,
    reason = coalesce(excluded.reason, o.reason),
    filled_quantity = greatest(o.filled_quantity, excluded.filled_quantity),
    venue_order_id = coalesce(o.venue_order_id, excluded.venue_order_id),
    venue_ns = coalesce(excluded.venue_ns, o.venue_ns)
WHERE order_status_rank(excluded.status) > order_status_rank(o.status) OR excluded.filled_quantity > o.filled_quantity
)";

const char* const kFills = R"(
INSERT INTO public.fills (time, venue, fill_id, strategy, epoch, engine, seq, venue_order_id, symbol, side, price, quantity, venue_ns, recovered)
SELECT timestamptz 'epoch' + r.venue_ns / 1000 * interval '1 microsecond', r.venue, r.fill_id, r.strategy, r.epoch, r.engine, r.seq,
       r.order_id, r.symbol, r.side, r.price / 1000000, r.quantity / 1000000, r.venue_ns, r.recovered
FROM jsonb_to_recordset($1::jsonb) AS r(venue text, fill_id bigint, strategy text, epoch bigint, engine text, seq bigint, order_id bigint,
     symbol text, side text, price numeric, quantity numeric, venue_ns bigint, recovered boolean)
ON CONFLICT (venue, fill_id, time) DO NOTHING
)";

const char* const kEvents = R"(
INSERT INTO public.events (time, engine, seq, kind, strategy, detail)
SELECT timestamptz 'epoch' + r.ns / 1000 * interval '1 microsecond', r.engine, r.seq, r.kind, r.strategy, r.detail
FROM jsonb_to_recordset($1::jsonb) AS r(ns bigint, engine text, seq bigint, kind text, strategy text, detail text)
ON CONFLICT (engine, seq, time) DO NOTHING
)";

const char* const kPositions = R"(
SELECT public.position_write(r.strategy, r.symbol, r.epoch, r.engine, r.quantity / 1000000, r.average_price, r.realised,
                             date '1970-01-01' + r.day, r.day_start, r.fill_id,
                             timestamptz 'epoch' + r.ns / 1000 * interval '1 microsecond')
FROM jsonb_to_recordset($1::jsonb) AS r(strategy text, symbol text, epoch bigint, engine text, quantity numeric,
     average_price double precision, realised double precision, day integer, day_start double precision, fill_id bigint, ns bigint)
)";

Json optional_id(std::uint64_t id) { return id == 0 ? Json(nullptr) : Json(id); }
Json optional_ns(Nanos ns) { return ns == 0 ? Json(nullptr) : Json(ns); }

Json order_json(const Fact& f) {
    const bool rejected = f.status == OrderStatus::rejected;
    return {{"strategy", f.strategy.view()},
            {"epoch", f.epoch},
            {"engine", f.engine.view()},
            {"seq", f.seq},
            {"sent_ns", f.sent_ns},
            {"venue", f.venue.view()},
            {"symbol", f.symbol.view()},
            {"side", to_text(f.side)},
            {"price", f.price},
            {"quantity", f.quantity},
            {"filled", f.cumulative},
            {"status", to_text(f.status)},
            {"reason", rejected ? Json(to_text(static_cast<RejectReason>(f.reason))) : Json(nullptr)},
            {"tick", f.intent.tick},
            {"leg", f.intent.leg},
            {"order_id", optional_id(f.venue_order_id)},
            {"venue_ns", optional_ns(f.venue_ns)}};
}

Json fill_json(const Fact& f) {
    return {{"venue", f.venue.view()},   {"fill_id", f.fill_id}, {"strategy", f.strategy.view()}, {"epoch", f.epoch},
            {"engine", f.engine.view()}, {"seq", f.seq},         {"order_id", f.venue_order_id},  {"symbol", f.symbol.view()},
            {"side", to_text(f.side)},   {"price", f.price},     {"quantity", f.quantity},        {"venue_ns", f.venue_ns},
            {"recovered", f.recovered}};
}

Json event_json(const Fact& f) {
    std::string detail = "epoch " + std::to_string(f.epoch);
    if (f.event == EventKind::reconciled)
        detail += ": position " + std::to_string(to_double(f.before)) + " here, " + std::to_string(to_double(f.quantity)) + " at the venue";
    if (f.event == EventKind::strategy_halted) detail += std::string(": ") + to_text(static_cast<RiskCheck>(f.reason));
    if (f.event == EventKind::paper_order) {
        detail += std::string(": ") + to_text(f.side) + " " + std::to_string(to_double(f.quantity)) + " at " +
                  std::to_string(to_double(f.price)) + ", tick " + std::to_string(f.intent.tick) + " leg " + std::to_string(f.intent.leg);
    }
    return {{"ns", f.venue_ns},         {"engine", f.engine.view()},     {"seq", f.seq},
            {"kind", to_text(f.event)}, {"strategy", f.strategy.view()}, {"detail", detail}};
}

Json position_json(const Fact& f) {
    return {{"strategy", f.strategy.view()},
            {"symbol", f.symbol.view()},
            {"epoch", f.epoch},
            {"engine", f.engine.view()},
            {"quantity", f.quantity},
            {"average_price", f.average_price},
            {"realised", f.realised_pnl},
            {"day", f.day},
            {"day_start", f.day_start_pnl},
            {"fill_id", f.fill_id},
            {"ns", f.venue_ns}};
}

}  // namespace

FactWriter::FactWriter(const DatabaseConfig& config, const std::string& password, FactRing& ring, std::string holder, Report report)
    : connection_(config, password, "hft_system facts"), ring_(ring), holder_(std::move(holder)), report_(std::move(report)) {}

void FactWriter::event(const std::string& kind, const std::string& strategy, const std::string& detail) {
    const std::lock_guard lock(mutex_);
    if (cold_.size() >= kColdKept) cold_.erase(cold_.begin());  // it stands in the log all the same
    cold_.push_back({kind, strategy, detail, next_cold_++, wall_ns()});
}

Nanos FactWriter::oldest_ns() const noexcept {
    const Nanos since = waiting_since_.load(std::memory_order_relaxed);
    return since == 0 || empty() ? 0 : boot_ns() - since;
}

void FactWriter::rest(Nanos at_most) {
    rest_until_ = at_most == 0 ? 0 : boot_ns() + at_most;
    if (at_most == 0) return;
    for (const Nanos end = boot_ns() + kRestWait; writing_ && boot_ns() < end;) std::this_thread::sleep_for(std::chrono::microseconds(100));
}

void FactWriter::run(const std::atomic<bool>& stop, Nanos grace) {
    Nanos stop_at = 0;
    Nanos backoff = 0;
    std::string last_error;
    for (;;) {
        if (stop.load(std::memory_order_relaxed)) {
            if (stop_at == 0) stop_at = boot_ns() + grace;
            if (boot_ns() >= stop_at) return;
        }
        const std::size_t count = std::min(ring_.readable(), kBatch);
        std::vector<ColdEvent> cold;
        {
            const std::lock_guard lock(mutex_);
            cold = cold_;
        }
        if (count == 0 && cold.empty()) {
            if (stop_at != 0) return;
            waiting_since_ = 0;
        } else if (waiting_since_.load() == 0) {
            waiting_since_ = boot_ns();
        }
        std::string error;
        if (!connection_.connected()) error = connection_.connect();
        connected_ = connection_.connected();
        // Raised before the look at the rest: whoever asks for one either finds this batch under way or has it wait.
        writing_ = true;
        const bool rests = boot_ns() < rest_until_ && stop_at == 0;
        if (error.empty() && !rests && (count != 0 || !cold.empty())) {
            error = write(count, cold);
            if (error.empty()) {
                ring_.release(count);
                waiting_since_ = 0;
                const std::lock_guard lock(mutex_);
                cold_.erase(cold_.begin(), std::find_if(cold_.begin(), cold_.end(),
                                                        [&](const ColdEvent& e) { return cold.empty() || e.seq > cold.back().seq; }));
            } else {
                connection_.drop();
                connected_ = false;
            }
        }
        writing_ = false;
        if (!error.empty()) {
            if (error != last_error) report_("warning", "facts wait for the database: " + error);
            backoff = std::clamp<Nanos>(2 * backoff, kShortestPause, kLongestPause);
        } else {
            if (!last_error.empty()) report_("info", "facts flow into the database again, on " + connection_.host());
            backoff = 0;
        }
        last_error = error;
        // Gathers a batch; also the pace of a thread with nothing to do.
        const Nanos pause = backoff != 0 ? backoff : (count == kBatch ? 0 : 10 * kMillisecond);
        for (Nanos end = boot_ns() + pause; boot_ns() < end && !(stop.load() && stop_at == 0);) {
            std::this_thread::sleep_for(std::chrono::milliseconds(5));
        }
    }
}

std::string FactWriter::write(std::size_t count, const std::vector<ColdEvent>& cold) {
    // One statement must not name a row twice: of the reports on one order the furthest is kept.
    std::map<std::tuple<std::string_view, std::uint64_t, std::string_view, std::uint64_t>, Fact> latest;
    std::map<std::tuple<std::string_view, std::string_view, std::uint64_t>, const Fact*> last_position;
    std::map<std::pair<std::string_view, std::uint64_t>, const Fact*> by_fill;
    Json event_rows = Json::array();
    for (std::size_t i = 0; i < count; ++i) {
        const Fact& f = ring_.peek(i);
        switch (f.kind) {
            case FactKind::order: {
                Fact& kept = latest.try_emplace({f.strategy.view(), f.epoch, f.engine.view(), f.seq}, f).first->second;
                const Quantity cumulative = std::max(kept.cumulative, f.cumulative);
                if (rank(f.status) > rank(kept.status)) kept = f;
                kept.cumulative = cumulative;
                break;
            }
            case FactKind::fill:
                by_fill.try_emplace({f.venue.view(), f.fill_id}, &f);
                break;
            case FactKind::position:
                last_position[{f.strategy.view(), f.symbol.view(), f.epoch}] = &f;
                break;
            case FactKind::event:
                event_rows.push_back(event_json(f));
                break;
        }
    }
    for (const ColdEvent& e : cold) {
        event_rows.push_back({{"ns", e.wall},
                              {"engine", holder_},
                              {"seq", e.seq},
                              {"kind", e.kind},
                              {"strategy", e.strategy.empty() ? Json(nullptr) : Json(e.strategy)},
                              {"detail", e.detail}});
    }
    Json order_rows = Json::array();
    for (const auto& [key, fact] : latest) order_rows.push_back(order_json(fact));
    Json fill_rows = Json::array();
    for (const auto& [id, fact] : by_fill) fill_rows.push_back(fill_json(*fact));
    Json position_rows = Json::array();
    for (const auto& [key, fact] : last_position) position_rows.push_back(position_json(*fact));

    std::uint64_t refused = 0;
    const auto run = [&](const char* sql, const Json& rows) -> std::string {
        if (rows.empty()) return {};
        const PgReply reply = connection_.query(sql, {rows.dump(-1, ' ', false, Json::error_handler_t::replace)}, kStatementLimit);
        if (reply.outcome != PgOutcome::done) return reply.error.empty() ? "no answer" : reply.error;
        for (const auto& cells : reply.rows) refused += cells[0] == "f" ? 1 : 0;
        return {};
    };
    const auto bare = [&](const char* sql) -> std::string {
        const PgReply reply = connection_.query(sql, {}, kStatementLimit);
        return reply.outcome == PgOutcome::done ? "" : (reply.error.empty() ? "no answer" : reply.error);
    };
    std::string error = bare("BEGIN");
    if (error.empty()) error = run(kOrders, order_rows);
    if (error.empty()) error = run(kFills, fill_rows);
    if (error.empty()) error = run(kEvents, event_rows);
    // Last: it holds the lease row shared until the commit.
    if (error.empty()) error = run(kPositions, position_rows);
    if (error.empty()) error = bare("COMMIT");
    if (!error.empty()) return error;
    rows_[orders] += order_rows.size();
    rows_[fills] += fill_rows.size();
    rows_[events] += event_rows.size();
    rows_[positions] += position_rows.size() - refused;
    refused_ += refused;
    return {};
}

}  // namespace hft
