// SPDX-License-Identifier: GPL-3.0-or-later
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "core/lease.hpp"
#include "core/position.hpp"

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
    virtual PositionRead position(const std::string& strategy, const std::string& symbol) = 0;
};

}  // namespace hft
