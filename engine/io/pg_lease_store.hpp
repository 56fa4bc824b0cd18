// SPDX-License-Identifier: GPL-3.0-or-later
#pragma once

#include <atomic>
#include <functional>
#include <mutex>
#include <string>
#include <vector>

#include "core/lease_store.hpp"
#include "io/pg.hpp"

namespace hft {

// The lease rows in PostgreSQL (migrations 004, 006 and 008), on one connection of their own, one round trip a call.
class PgLeaseStore final : public LeaseStore {
public:
    using Report = std::function<void(const char* level, const std::string& text)>;
    PgLeaseStore(const DatabaseConfig& config, const std::string& password, Nanos limit, Report report);

    std::uint64_t connect() override;
    [[nodiscard]] std::uint64_t session() const override { return connection_.connected() ? session_ : 0; }
    LeaseRead read(const std::string& strategy) override;
    LeaseReply enroll(const std::string& strategy, std::uint32_t ttl_ms, const std::vector<std::string>& venues) override;
    LeaseReply claim(const std::string& strategy, const LeaseRow& seen, const std::string& holder, std::uint64_t epoch,
                     std::uint32_t ttl_ms, const std::vector<std::string>& venues) override;
    LeaseReply beat(const std::string& strategy, const std::string& holder, std::uint64_t epoch, std::uint64_t beat) override;
    LeaseReply release(const std::string& strategy, const std::string& holder, std::uint64_t epoch, std::uint64_t beat) override;
    LeaseReply kill(const std::string& strategy, const std::string& reason) override;
    LeaseReply unkill(const std::string& strategy, std::uint64_t epoch, std::uint64_t beat) override;
    LeaseReply arm(const std::string& id, const std::string& taker, const std::string& build,
                   const std::vector<std::string>& strategies) override;
    LeaseReply arm_beat(const std::string& id, const std::string& taker) override;
    LeaseReply disarm(const std::string& id, const std::string& taker) override;
    ArmedRead armed(const std::string& id) override;
    std::string rehearse(const std::string& id, const std::string& from, const std::string& to,
                         const std::vector<HandoverItem>& items) override;
    HandoverReply transfer(const std::string& id, const std::string& from, const std::string& to,
                           const std::vector<HandoverItem>& items) override;
    LeaseReply settle(const std::string& id) override;
    HandedRead handed(const std::string& id, const std::string& holder) override;
    HandoverReply accept(const std::string& id, const std::string& holder, const std::vector<HandoverItem>& items) override;
    HandedRead wait_handover(const std::string& id, const std::string& holder, Nanos limit) override;
    HandoverReply give_back(const std::string& id, const std::string& holder, const std::vector<HandoverItem>& items) override;
    TransferRead transferred(const std::string& id) override;
    PositionRead position(const std::string& strategy, const std::string& symbol) override;
    BudgetRead budget(const std::string& strategy) override;

    // Any thread: the host of the last connection, empty before the first.
    [[nodiscard]] std::string host() const;

private:
    PgReply ask(const std::string& sql, const std::vector<PgValue>& values, LeaseReply& lease);
    LeaseReply write(const std::string& call, const std::vector<PgValue>& values);
    HandoverReply handover(const std::string& sql, const std::vector<PgValue>& values, bool with_position);

    PgConnection connection_;
    Nanos limit_;
    Report report_;
    std::uint64_t session_ = 0;
    std::uint64_t listening_ = 0;  // session that listens for handovers
    Nanos next_attempt_ = 0;
    Nanos backoff_ = 0;
    std::string last_error_;
    mutable std::mutex mutex_;
    std::string host_;
};

}  // namespace hft
