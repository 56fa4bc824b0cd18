// SPDX-License-Identifier: GPL-3.0-or-later
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "core/lease.hpp"
#include "core/position.hpp"
#include "core/risk.hpp"

namespace hft {

struct LeaseReply {
    LeaseOutcome outcome = LeaseOutcome::unknown;
    LeaseRow row;
    Nanos sent = 0;  // when the request left, by CLOCK_BOOTTIME
    std::string error;
};

struct LeaseRead {
    bool ok = false;
    bool found = false;
    LeaseRow row;
};

struct PositionRead {
    bool ok = false;
    Position::State state;
};

// One row of a handover, as its writer saw it.
struct HandoverItem {
    std::string strategy;
    std::string symbol;
    std::uint64_t epoch = 0;
    std::uint64_t beat = 0;
    Position::State state;  // giver: what it hands over
};

struct HandedRow {
    std::string strategy;
    LeaseRow row;
    Position::State state;  // of a notification: last_fill_id alone
    bool told = false;      // by the notification, so with last_fill_id
};

// The rows that changed hands or were accepted; empty unless acknowledged.
struct HandoverReply {
    LeaseOutcome outcome = LeaseOutcome::unknown;
    std::vector<HandedRow> rows;
    Nanos sent = 0;
    std::string error;
};

struct ArmedStrategy {
    std::string strategy;
    std::string taker;
    std::uint64_t epoch = 0;
    std::string build;
    std::uint64_t beat = 0;  // rises while the taker lives
};

struct ArmedRead {
    bool ok = false;
    std::vector<ArmedStrategy> strategies;
};

// What the handover itself wrote down.
struct TransferRead {
    bool ok = false;
    bool found = false;
    std::string taker;
    bool returned = false;  // the taker could not fence and gave the rows back
};

struct HandedRead {
    bool ok = false;
    std::vector<HandedRow> rows;
};

struct BudgetRead {
    bool ok = false;
    RiskBudget budget;
    std::string error;
};

// The rows, wherever they are. Calls may block up to their own deadline, and never cancel a write that was sent.
class LeaseStore {
public:
    virtual ~LeaseStore() = default;
    // 0: not connected. Otherwise a number that rises with each new connection.
    virtual std::uint64_t connect() = 0;
    [[nodiscard]] virtual std::uint64_t session() const = 0;
    virtual LeaseRead read(const std::string& strategy) = 0;
    virtual LeaseReply enroll(const std::string& strategy, std::uint32_t ttl_ms, const std::vector<std::string>& venues) = 0;
    virtual LeaseReply claim(const std::string& strategy, const LeaseRow& seen, const std::string& holder, std::uint64_t epoch,
                             std::uint32_t ttl_ms, const std::vector<std::string>& venues) = 0;
    virtual LeaseReply beat(const std::string& strategy, const std::string& holder, std::uint64_t epoch, std::uint64_t beat) = 0;
    virtual LeaseReply release(const std::string& strategy, const std::string& holder, std::uint64_t epoch, std::uint64_t beat) = 0;
    virtual LeaseReply kill(const std::string& strategy, const std::string& reason) = 0;
    virtual LeaseReply unkill(const std::string& strategy, std::uint64_t epoch, std::uint64_t beat) = 0;
    // Taker: says it is ready, and listens from here on. All strategies or none.
    virtual LeaseReply arm(const std::string& id, const std::string& taker, const std::string& build,
                           const std::vector<std::string>& strategies) = 0;
    // Not waited for by a standby: only says that the taker lives.
    virtual LeaseReply arm_beat(const std::string& id, const std::string& taker) = 0;
    virtual LeaseReply disarm(const std::string& id, const std::string& taker) = 0;
    virtual ArmedRead armed(const std::string& id) = 0;
    // Giver: the same transfer, done and undone. Why it would be refused; empty when it would not.
    virtual std::string rehearse(const std::string& id, const std::string& from, const std::string& to,
                                 const std::vector<HandoverItem>& items) = 0;
    // Giver: one transaction for all items. Acknowledged here means that it stands on this server and the taker was told; settled() says
    // whether it outlives the server. The taker's accept(), behind it in the log, says so too.
    virtual HandoverReply transfer(const std::string& id, const std::string& from, const std::string& to,
                                   const std::vector<HandoverItem>& items) = 0;
    // Giver: waits until a standby has the handover. acknowledged: it stands for good; refused: this server knows of none.
    virtual LeaseReply settle(const std::string& id) = 0;
    // Taker: which rows were handed over. A read, so only a hint; accept() gives the right.
    virtual HandedRead handed(const std::string& id, const std::string& holder) = 0;
    virtual HandoverReply accept(const std::string& id, const std::string& holder, const std::vector<HandoverItem>& items) = 0;
    // Waits at most limit for the notification of that handover: the rows as it told them, or none. A hint too.
    virtual HandedRead wait_handover(const std::string& id, const std::string& holder, Nanos limit) = 0;
    // Taker that could not fence: vacant rows, and a mark that the giver may take them back.
    virtual HandoverReply give_back(const std::string& id, const std::string& holder, const std::vector<HandoverItem>& items) = 0;
    virtual TransferRead transferred(const std::string& id) = 0;
    virtual PositionRead position(const std::string& strategy, const std::string& symbol) = 0;
    // Without a row: nothing is limited.
    virtual BudgetRead budget(const std::string& strategy) = 0;
};

}  // namespace hft
