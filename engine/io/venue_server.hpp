// SPDX-License-Identifier: GPL-3.0-or-later
#pragma once

#include <atomic>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "core/venue_core.hpp"
#include "io/fd.hpp"
#include "io/venue_log.hpp"

namespace hft {

struct VenueServerSetup {
    std::string name;
    FenceMode fence = FenceMode::enforce;
    GeneratorSetup generator;
    std::uint32_t ticks_per_s = 200;  // of each symbol
    std::vector<SymbolSetup> symbols;
    std::string order_address = "127.0.0.1";
    std::uint16_t order_port = 0;  // 0: any free one
    std::string market_data_address = "127.0.0.1";
    std::uint16_t market_data_port = 0;
    std::string log_path;
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
    template <typename M>
    void put(SessionId session, const M& message);

    void accept(int listener, bool orders);
    void read(Session& session);
    [[nodiscard]] bool handle(Session& session, const std::byte* data, std::size_t size);
    void ticks_due();
    void flush();
    void reap();

    VenueServerSetup setup_;
    Report report_;
    VenueLog log_;
    VenueCore core_;
    std::unique_ptr<TickGenerator> generator_;
    Fd order_listener_;
    Fd market_data_listener_;
    std::map<SessionId, std::unique_ptr<Session>> sessions_;
    SessionId next_session_ = 1;
    Nanos next_tick_ = 0;
    std::atomic<bool> reopen_{false};
};

}  // namespace hft
