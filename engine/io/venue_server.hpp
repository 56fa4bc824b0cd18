// SPDX-License-Identifier: GPL-3.0-or-later
#pragma once

#include <atomic>
#include <cstddef>
#include <cstdint>
#include <deque>
#include <functional>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "core/impairments.hpp"
#include "core/tick_generator.hpp"
#include "core/venue_core.hpp"
#include "io/fd.hpp"
#include "io/replay_feed.hpp"
#include "io/venue_history.hpp"
#include "io/venue_log.hpp"

namespace hft {

struct VenueServerSetup {
    std::string name;
    VenueRules rules;
    ReplaySetup replay;  // without a file: the generator
    GeneratorSetup generator;
    std::uint32_t ticks_per_s = 200;  // of each symbol
    std::vector<SymbolSetup> symbols;
    std::string order_address = "127.0.0.1";
    std::uint16_t order_port = 0;  // 0: any free one
    std::string market_data_address = "127.0.0.1";
    std::uint16_t market_data_port = 0;
    ImpairmentSetup impairments;
    std::string log_path;
    std::uint32_t log_sync_ms = 0;  // 0: the kernel's own time
    std::string version;
};

// Sockets, clock and log around the venue's core. One thread.
class VenueServer final : private VenueOutput {
public:
    using Report = std::function<void(const char* level, const std::string& text)>;
    VenueServer(VenueServerSetup setup, Report report);
    ~VenueServer() override;

    // Reads the log, opens the listeners. Empty, or what failed.
    [[nodiscard]] std::string open();
    void run(const std::atomic<bool>& stop);
    // One look at sockets and clock, waiting at most until the next tick is due.
    void turn();
    // After the log file was moved away: go on in a new one that begins with the whole state.
    void reopen_log() { reopen_.store(true); }

    [[nodiscard]] std::uint16_t order_port() const;
    [[nodiscard]] std::uint16_t market_data_port() const;

private:
    struct Session;

    void log(std::string_view json_line) override { log_.append(json_line); }
    void send(SessionId session, const LoginAck& message) override;
    void send(SessionId session, const EpochInfo& message) override;
    void send(SessionId session, const Accepted& message) override;
    void send(SessionId session, const Rejected& message) override;
    void send(SessionId session, const Fill& message) override;
    void send(SessionId session, const Cancelled& message) override;
    void send(SessionId session, const CancelRejected& message) override;
    void send(SessionId session, const FenceCancelled& message) override;
    void send(SessionId session, const FenceAck& message) override;
    void send(SessionId session, const DropCopy& message) override;
    void send(SessionId session, const DropCopyEnd& message) override;
    bool tell_history(const HistoryRequest& request) override;
    template <typename M>
    void put(SessionId session, const M& message);

    [[nodiscard]] Nanos wait_until(Nanos now) const;
    void accept(int listener, bool orders);
    void read(Session& session);
    void drop(Session& session, const std::string& why);
    // Frames whose delay is over.
    void take_in(Session& session, Nanos now);
    [[nodiscard]] bool handle(Session& session, const std::byte* data, std::size_t size);
    void watch_sessions(Nanos now);
    void impair(Nanos now);
    void feed_due();
    void tell(std::size_t budget);
    void rotate();
    void log_state(const char* event);
    [[nodiscard]] bool flush_log();
    void flush();
    void reap();

    VenueServerSetup setup_;
    Report report_;
    VenueLog log_;
    VenueCore core_;
    Impairments impairments_;
    std::unique_ptr<MarketFeed> feed_;
    std::deque<VenueHistory> histories_;
    Fd order_listener_;
    Fd market_data_listener_;
    std::map<SessionId, std::unique_ptr<Session>> sessions_;
    SessionId next_session_ = 1;
    Nanos next_disconnect_ = MarketFeed::kNever;
    std::uint64_t next_state_ = 0;  // size of the log at which a state record is due
    bool log_failed_ = false;
    std::atomic<bool> reopen_{false};
};

}  // namespace hft
