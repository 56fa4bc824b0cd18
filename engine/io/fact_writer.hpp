// SPDX-License-Identifier: GPL-3.0-or-later
#pragma once

#include <array>
#include <atomic>
#include <cstdint>
#include <functional>
#include <mutex>
#include <string>
#include <vector>

#include "core/fact.hpp"
#include "io/pg.hpp"

namespace hft {

struct ColdEvent {
    std::string kind;
    std::string strategy;
    std::string detail;
    std::uint64_t seq = 0;
    Nanos wall = 0;
};

// Takes facts from the ring into the database, in batches, each in one transaction. A batch leaves the ring only after its
// commit was acknowledged; every statement may be repeated without a second row.
class FactWriter {
public:
    using Report = std::function<void(const char* level, const std::string& text)>;
    enum Table : std::size_t { orders, fills, positions, events, kTables };

    FactWriter(const DatabaseConfig& config, const std::string& password, FactRing& ring, std::string holder, Report report);

    // Until stop is set and what was in the ring then is written, or the grace time is over.
    void run(const std::atomic<bool>& stop, Nanos grace);
    // Any thread: for at most so long nothing is written; returns between two batches, or once it waited kRestWait for one. 0: go on.
    void rest(Nanos at_most);
    // Any thread: an event of the control side.
    void event(const std::string& kind, const std::string& strategy, const std::string& detail);

    // A batch that a standby keeps waiting must not keep a transfer waiting.
    static constexpr Nanos kRestWait = 20 * kMillisecond;

    [[nodiscard]] bool connected() const noexcept { return connected_.load(std::memory_order_relaxed); }
    [[nodiscard]] bool empty() const noexcept { return depth() == 0; }
    [[nodiscard]] std::size_t depth() const noexcept { return ring_.size(); }
    // Age of the oldest record that waits; 0 when none does.
    [[nodiscard]] Nanos oldest_ns() const noexcept;
    [[nodiscard]] std::uint64_t rows(Table table) const noexcept { return rows_[table].load(std::memory_order_relaxed); }
    [[nodiscard]] std::uint64_t refused_positions() const noexcept { return refused_.load(std::memory_order_relaxed); }

private:
    // Empty, or why the batch was not written.
    std::string write(std::size_t count, const std::vector<ColdEvent>& cold);

    PgConnection connection_;
    FactRing& ring_;
    std::string holder_;
    Report report_;
    std::atomic<bool> connected_{false};
    std::atomic<Nanos> waiting_since_{0};
    std::atomic<Nanos> rest_until_{0};
    std::atomic<bool> writing_{false};
    std::array<std::atomic<std::uint64_t>, kTables> rows_{};
    std::atomic<std::uint64_t> refused_{0};
    std::mutex mutex_;
    std::vector<ColdEvent> cold_;
    std::uint64_t next_cold_ = 1ULL << 62;  // apart from the sequence of the hot thread
};

}  // namespace hft
