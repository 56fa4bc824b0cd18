// SPDX-License-Identifier: GPL-3.0-or-later
#pragma once

#include <atomic>
#include <chrono>
#include <condition_variable>
#include <functional>
#include <map>
#include <mutex>
#include <string>
#include <vector>

#include "core/lease_store.hpp"

namespace hft::test {

// The functions of migrations 004, 006, 008 and 012 over rows in memory, shared by several engines. Faults are asked for by the test.
class MemoryRows {
public:
    struct Stored {
        LeaseRow row;
        Position::State position;
        RiskBudget budget;
        std::string transfer_id;
        std::string armed_id;
        std::string armed_taker;
        std::uint64_t armed_epoch = 0;
        std::string armed_build;
        std::uint64_t armed_beat = 0;
    };
    std::mutex mutex;
    std::map<std::string, Stored> rows;
    std::map<std::string, TransferRead> transfers;
    std::atomic<bool> no_budgets{false};  // they cannot be read
    std::atomic<bool> away{false};        // no connection
    std::atomic<bool> lose_reply{false};  // writes happen, nobody is told
    std::atomic<bool> fail_write{false};  // writes do not happen, and the server says so
    std::atomic<bool> lose_write{false};  // writes do not happen, and nobody is told
    std::string refuse_rehearsal;         // what the server says to a handover that is only tried
    std::condition_variable handed;
    std::uint64_t notifications = 0;
    std::function<void()> on_handover;     // called as a handover is sent: a fault from then on
    std::function<void()> on_settle;       // called as the giver asks whether it stands
    std::atomic<bool> lose_accept{false};  // the taker's claim does not happen, and nobody is told
};

class MemoryLeaseStore final : public LeaseStore {
public:
    explicit MemoryLeaseStore(MemoryRows& rows) : rows_(rows) {}

    std::uint64_t connect() override {
        if (rows_.away) {
            connected_ = false;
        } else if (!connected_) {
            connected_ = true;
            ++session_;
            const std::lock_guard lock(rows_.mutex);
            heard_ = rows_.notifications;
        }
        return session();
    }
    [[nodiscard]] std::uint64_t session() const override { return connected_ ? session_ : 0; }

    LeaseRead read(const std::string& strategy) override {
        LeaseRead out;
        if (!alive()) return out;
        const std::lock_guard lock(rows_.mutex);
        out.ok = true;
        const auto found = rows_.rows.find(strategy);
        out.found = found != rows_.rows.end();
        if (out.found) out.row = found->second.row;
        return out;
    }
    LeaseReply enroll(const std::string& strategy, std::uint32_t ttl_ms, const std::vector<std::string>&) override {
        if (!alive()) return {};
        const std::lock_guard lock(rows_.mutex);
        const auto [at, fresh] = rows_.rows.try_emplace(strategy);
        if (!fresh) return reply(LeaseOutcome::refused, {});
        at->second.row.ttl_ms = ttl_ms;
        return reply(LeaseOutcome::acknowledged, at->second.row);
    }
    LeaseReply claim(const std::string& strategy, const LeaseRow& seen, const std::string& holder, std::uint64_t epoch,
                     std::uint32_t ttl_ms, const std::vector<std::string>&) override {
        return change(strategy, [&](LeaseRow& row) {
            if (row.killed || row.holder != seen.holder || row.epoch != seen.epoch || row.beat != seen.beat) return false;
            row.holder = holder;
            row.epoch = epoch;
            row.ttl_ms = ttl_ms;
            return true;
        });
    }
    LeaseReply beat(const std::string& strategy, const std::string& holder, std::uint64_t epoch, std::uint64_t beat) override {
        return change(strategy,
                      [&](LeaseRow& row) { return !row.killed && row.holder == holder && row.epoch == epoch && row.beat == beat; });
    }
    LeaseReply release(const std::string& strategy, const std::string& holder, std::uint64_t epoch, std::uint64_t beat) override {
        return change(strategy, [&](LeaseRow& row) {
            if (row.holder != holder || row.epoch != epoch || row.beat != beat) return false;
            row.holder.clear();
            return true;
        });
    }
    LeaseReply kill(const std::string& strategy, const std::string& reason) override {
        return change(strategy, [&](LeaseRow& row) {
            row.killed = true;
            row.kill_reason = reason;
            return true;
        });
    }
    LeaseReply unkill(const std::string& strategy, std::uint64_t epoch, std::uint64_t beat) override {
        return change(strategy, [&](LeaseRow& row) {
            if (!row.killed || row.epoch != epoch || row.beat != beat) return false;
            row.killed = false;
            return true;
        });
    }
    LeaseReply arm(const std::string& id, const std::string& taker, const std::string& build,
                   const std::vector<std::string>& strategies) override {
        return write([&](LeaseReply& out) {
            if (rows_.transfers.count(id) != 0) {
                out.error = id + " was carried out already";
                return false;
            }
            for (const std::string& s : strategies) {
                const LeaseRow& row = rows_.rows[s].row;
                if (row.killed || row.holder.empty() || row.holder == taker) {
                    out.error = s + " cannot be armed";
                    return false;
                }
            }
            for (const std::string& s : strategies) {
                MemoryRows::Stored& stored = rows_.rows[s];
                stored.armed_id = id;
                stored.armed_taker = taker;
                stored.armed_epoch = stored.row.epoch;
                stored.armed_build = build;
                stored.armed_beat = 0;
            }
            return true;
        });
    }
    LeaseReply arm_beat(const std::string& id, const std::string& taker) override {
        return write([&](LeaseReply&) {
            for (auto& [name, stored] : rows_.rows) {
                if (stored.armed_id == id && stored.armed_taker == taker) ++stored.armed_beat;
            }
            return true;
        });
    }
    TransferRead transferred(const std::string& id) override {
        if (!alive()) return {};
        const std::lock_guard lock(rows_.mutex);
        const auto found = rows_.transfers.find(id);
        return found == rows_.transfers.end() ? TransferRead{true, false, {}, false} : found->second;
    }
    LeaseReply disarm(const std::string& id, const std::string& taker) override {
        return write([&](LeaseReply&) {
            for (auto& [name, stored] : rows_.rows) {
                if (stored.armed_id == id && stored.armed_taker == taker) stored.armed_id.clear();
            }
            return true;
        });
    }
    ArmedRead armed(const std::string& id) override {
        ArmedRead out;
        if (!alive()) return out;
        const std::lock_guard lock(rows_.mutex);
        out.ok = true;
        for (const auto& [name, stored] : rows_.rows) {
            if (stored.armed_id == id) {
                out.strategies.push_back({name, stored.armed_taker, stored.armed_epoch, stored.armed_build, stored.armed_beat});
            }
        }
        return out;
    }
    std::string rehearse(const std::string& id, const std::string& from, const std::string&,
                         const std::vector<HandoverItem>& items) override {
        if (!alive()) return "not connected";
        const std::lock_guard lock(rows_.mutex);
        if (!rows_.refuse_rehearsal.empty()) return rows_.refuse_rehearsal;
        if (rows_.transfers.count(id) != 0) return id + " was carried out already";
        for (const HandoverItem& item : items) {
            const LeaseRow& row = rows_.rows[item.strategy].row;
            if (row.holder != from || row.epoch != item.epoch || row.beat != item.beat || row.killed)
                return item.strategy + " moved or is killed";
        }
        return {};
    }
    HandoverReply transfer(const std::string& id, const std::string& from, const std::string& to,
                           const std::vector<HandoverItem>& items) override {
        HandoverReply reply;
        if (rows_.on_handover) rows_.on_handover();
        const LeaseReply written = write([&](LeaseReply& out) {
            if (rows_.transfers.count(id) != 0) {
                out.error = id + " was carried out already";
                return false;
            }
            for (const HandoverItem& item : items) {
                const MemoryRows::Stored& s = rows_.rows[item.strategy];
                const bool same = s.row.holder == from && s.row.epoch == item.epoch && s.row.beat == item.beat && !s.row.killed;
                if (same && s.armed_id == id && s.armed_taker == to && s.armed_epoch == item.epoch) continue;
                out.error = item.strategy + " moved, is killed or not armed";
                return false;
            }
            for (const HandoverItem& item : items) {
                MemoryRows::Stored& s = rows_.rows[item.strategy];
                s.row.holder = to;
                ++s.row.epoch;
                ++s.row.beat;
                s.transfer_id = id;
                s.armed_id.clear();
                s.position = item.state;
                reply.rows.push_back({item.strategy, s.row, item.state, false});
            }
            rows_.transfers[id] = {true, true, to, false};
            ++rows_.notifications;
            rows_.handed.notify_all();
            return true;
        });
        reply.outcome = written.outcome;
        reply.error = written.error;
        reply.sent = written.sent;
        if (reply.outcome != LeaseOutcome::acknowledged) reply.rows.clear();
        return reply;
    }
    LeaseReply settle(const std::string& id) override {
        if (rows_.on_settle) rows_.on_settle();
        LeaseReply out = write([&](LeaseReply&) { return rows_.transfers.count(id) != 0; });
        if (out.outcome == LeaseOutcome::failed && !rows_.fail_write) out.outcome = LeaseOutcome::refused;
        return out;
    }
    HandedRead handed(const std::string& id, const std::string& holder) override {
        HandedRead out;
        if (!alive()) return out;
        const std::lock_guard lock(rows_.mutex);
        out.ok = true;
        for (const auto& [name, s] : rows_.rows) {
            if (s.transfer_id == id && s.row.holder == holder) out.rows.push_back({name, s.row, s.position, false});
        }
        return out;
    }
    HandoverReply accept(const std::string& id, const std::string& holder, const std::vector<HandoverItem>& items) override {
        HandoverReply reply;
        if (rows_.lose_accept) {
            connected_ = false;
            return reply;
        }
        const LeaseReply written = write([&](LeaseReply&) {
            for (const HandoverItem& item : items) {
                MemoryRows::Stored& s = rows_.rows[item.strategy];
                if (s.row.killed || s.row.holder != holder || s.row.epoch != item.epoch || s.row.beat != item.beat || s.transfer_id != id)
                    continue;
                ++s.row.beat;
                reply.rows.push_back({item.strategy, s.row, s.position, false});
            }
            return true;
        });
        reply.outcome = written.outcome;
        reply.error = written.error;
        reply.sent = written.sent;
        if (reply.outcome != LeaseOutcome::acknowledged) reply.rows.clear();
        return reply;
    }
    HandoverReply give_back(const std::string& id, const std::string& holder, const std::vector<HandoverItem>& items) override {
        HandoverReply reply;
        const LeaseReply written = write([&](LeaseReply&) {
            for (const HandoverItem& item : items) {
                MemoryRows::Stored& s = rows_.rows[item.strategy];
                if (s.row.holder != holder || s.row.epoch != item.epoch || s.row.beat != item.beat || s.transfer_id != id) continue;
                s.row.holder.clear();
                ++s.row.beat;
                reply.rows.push_back({item.strategy, s.row, s.position, false});
            }
            rows_.transfers[id].returned = true;
            return true;
        });
        reply.outcome = written.outcome;
        reply.error = written.error;
        reply.sent = written.sent;
        if (reply.outcome != LeaseOutcome::acknowledged) reply.rows.clear();
        return reply;
    }
    HandedRead wait_handover(const std::string& id, const std::string& holder, Nanos limit) override {
        {
            // One that came while nobody waited is kept, as the connection to PostgreSQL keeps it.
            std::unique_lock lock(rows_.mutex);
            const auto told = [&] { return rows_.notifications != heard_; };
            if (!rows_.handed.wait_for(lock, std::chrono::nanoseconds(limit), told)) return {};
            heard_ = rows_.notifications;
        }
        HandedRead told = handed(id, holder);
        for (HandedRow& row : told.rows) row.told = true;
        return told;
    }
    BudgetRead budget(const std::string& strategy) override {
        if (!alive()) return {};
        const std::lock_guard lock(rows_.mutex);
        if (rows_.no_budgets) return {false, {}, "no table"};
        return {true, rows_.rows[strategy].budget, {}};
    }
    PositionRead position(const std::string& strategy, const std::string&) override {
        if (!alive()) return {};
        const std::lock_guard lock(rows_.mutex);
        return {true, rows_.rows[strategy].position};
    }

private:
    bool alive() {
        if (rows_.away) connected_ = false;
        return connected_;
    }
    static LeaseReply reply(LeaseOutcome outcome, const LeaseRow& row) {
        LeaseReply out;
        out.outcome = outcome;
        out.row = row;
        out.sent = boot_ns();
        return out;
    }
    // As PostgreSQL and the network may answer a write, by the faults asked for.
    template <typename F>
    LeaseReply write(F&& apply) {
        if (!alive()) return {};
        LeaseReply out = reply(LeaseOutcome::failed, {});
        const std::lock_guard lock(rows_.mutex);
        if (rows_.fail_write) {
            out.error = "asked to fail";
            return out;
        }
        const bool done = !rows_.lose_write && apply(out);
        if (rows_.lose_write || rows_.lose_reply) {
            connected_ = false;
            return {};
        }
        if (done) out.outcome = LeaseOutcome::acknowledged;
        return out;
    }
    template <typename F>
    LeaseReply change(const std::string& strategy, F&& apply) {
        if (!alive()) return {};
        const Nanos sent = boot_ns();
        const std::lock_guard lock(rows_.mutex);
        LeaseRow& row = rows_.rows[strategy].row;
        if (!apply(row)) return reply(LeaseOutcome::refused, {});
        ++row.beat;
        if (rows_.lose_reply) {
            connected_ = false;
            return {};
        }
        LeaseReply out = reply(LeaseOutcome::acknowledged, row);
        out.sent = sent;
        return out;
    }

    MemoryRows& rows_;
    bool connected_ = false;
    std::uint64_t session_ = 0;
    std::uint64_t heard_ = 0;
};

}  // namespace hft::test
