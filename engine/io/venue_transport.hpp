// SPDX-License-Identifier: GPL-3.0-or-later
#pragma once

#include <array>
#include <atomic>
#include <cstddef>
#include <memory>
#include <span>
#include <vector>

#include "core/gateway.hpp"
#include "io/arrival.hpp"
#include "io/fd.hpp"

namespace hft {

// What comes in from the venues, read by one thread alone. A connected and logged-in pair of sockets is given by hand_over() from
// the thread that connects; the order session's other end, a duplicate, goes with on_venue_up to whoever writes.
class VenueTransport final : public Transport {
public:
    explicit VenueTransport(std::size_t venues);
    ~VenueTransport() override;

    void pump(VenueEvents& events, Nanos max_wait, bool may_read_orders) noexcept override;

    // Any thread. Of the last heartbeat; 0 before the first.
    [[nodiscard]] Nanos round_trip(std::size_t venue) const noexcept;
    // Any thread. True when the venue wants a new pair of sockets.
    [[nodiscard]] bool wants_session(std::size_t venue) const noexcept;
    void hand_over(std::size_t venue, Fd orders, Fd market_data, Nanos heartbeat) noexcept;
    // Any thread. Ends the wait of a parked pump() at once.
    void wake() noexcept;

    // Hands one whole frame of an order session to events. False: not understood. Needs no socket: benches and fuzzing use it too.
    [[nodiscard]] static bool dispatch_order(std::span<const std::byte> frame, VenueEvents& events, Nanos received) noexcept;

private:
    static constexpr std::size_t kReceive = 64 * 1024;

    struct Buffer {
        std::array<std::byte, kReceive> bytes;
        std::size_t filled = 0;
    };
    struct Venue {
        Fd orders;
        Fd market_data;
        Buffer orders_in;
        Buffer market_data_in;
        Arrivals arrivals;
        Nanos heartbeat = 0;  // between two; 0: none
        Nanos next_heartbeat = 0;
        std::atomic<Nanos> round_trip{0};
        bool up = false;
        // Sockets on their way in; -1 when there are none.
        std::atomic<int> next_orders{-1};
        std::atomic<int> next_market_data{-1};
        std::atomic<Nanos> next_session_heartbeat{0};
        std::atomic<bool> wanted{true};
    };

    void beat(std::size_t venue, VenueEvents& events) noexcept;
    void take_over(std::size_t index, VenueEvents& events) noexcept;
    void lose(std::size_t index, VenueEvents& events) noexcept;
    template <typename F>
    [[nodiscard]] bool receive(int fd, Buffer& buffer, F&& each) noexcept;
    [[nodiscard]] bool receive_ticks(std::size_t index, VenueEvents& events) noexcept;
    template <typename F>
    [[nodiscard]] static bool take(ssize_t n, Buffer& buffer, F&& each) noexcept;

    std::vector<std::unique_ptr<Venue>> venues_;
    Fd epoll_;
    Fd wake_;
};

}  // namespace hft
