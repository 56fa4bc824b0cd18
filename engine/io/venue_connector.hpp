// SPDX-License-Identifier: GPL-3.0-or-later
#pragma once

#include <atomic>
#include <cstdint>
#include <functional>
#include <map>
#include <mutex>
#include <string>
#include <vector>

#include "core/messages.hpp"
#include "io/venue_transport.hpp"

namespace hft {

struct VenueAddress {
    std::string name;
    std::string host;
    std::uint16_t order_port = 0;
    std::uint16_t market_data_port = 0;
    std::string account = "main";
    Nanos heartbeat = 500 * kMillisecond;  // between two; 0: none
};

// Makes sessions to the venues: resolves, connects, logs in, and hands the sockets to the hot thread. Tries again for ever.
class VenueConnector {
public:
    using Report = std::function<void(const char* level, const std::string& text)>;
    // login: its account is that of each venue.
    VenueConnector(std::vector<VenueAddress> venues, Login login, Nanos user_timeout, VenueTransport& transport, Report report);

    void run(const std::atomic<bool>& stop);
    // The highest epoch any venue told for the strategy at login.
    [[nodiscard]] std::uint64_t highest_epoch(const std::string& strategy) const;

private:
    // Empty when the session stands, else why not.
    std::string connect(std::size_t index);
    [[nodiscard]] std::string log_in(int fd, const VenueAddress& venue);

    std::vector<VenueAddress> venues_;
    Login login_;
    Nanos user_timeout_;
    VenueTransport& transport_;
    Report report_;
    mutable std::mutex mutex_;
    std::map<std::string, std::uint64_t> epochs_;
};

}  // namespace hft
