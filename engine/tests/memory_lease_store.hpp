// SPDX-License-Identifier: GPL-3.0-or-later
#pragma once

#include <atomic>
#include <map>
#include <mutex>
#include <string>
#include <vector>

#include "core/lease_store.hpp"

namespace hft::test {

// The functions of migration 004 over rows in memory, shared by several engines. Faults are asked for by the test.
class MemoryRows {
public:
    struct Stored {
        LeaseRow row;
        Position::State position;
    };
    std::mutex mutex;
    std::map<std::string, Stored> rows;
    std::atomic<bool> away{false};        // no connection
    std::atomic<bool> lose_reply{false};  // writes happen, nobody is told
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
};

}  // namespace hft::test
