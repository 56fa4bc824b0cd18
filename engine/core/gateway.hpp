// SPDX-License-Identifier: GPL-3.0-or-later
#pragma once

#include <cstddef>

#include "core/messages.hpp"

namespace hft {

// One connection to a venue, as its transport calls it: told by on_venue_up, owned from there by the gateway.
using Session = int;
inline constexpr Session kNoSession = -1;

// Towards the venues. venue is the index in the configuration. Nothing here blocks: what the socket does not take at once
// waits in a buffer, and a venue whose buffer is full is reported lost.
class OrderGateway {
public:
    virtual ~OrderGateway() = default;
    virtual void open(std::size_t venue, Session session) noexcept = 0;
    virtual void close(std::size_t venue) noexcept = 0;
    virtual void send(std::size_t venue, const NewOrder& order) noexcept = 0;
    virtual void send(std::size_t venue, const CancelOrder& cancel) noexcept = 0;
    virtual void send(std::size_t venue, const Fence& fence) noexcept = 0;
    virtual void send(std::size_t venue, const Heartbeat& heartbeat) noexcept = 0;
    // True: the socket was asked. False: another stage will ask it, and tells then how long a tick took to its order.
    virtual bool flush(std::size_t venue) noexcept = 0;
    // Asks again where a socket did not take all.
    virtual void flush_pending() noexcept = 0;
};

// From the venues, to the thread that trades.
class VenueEvents {
public:
    virtual ~VenueEvents() = default;
    virtual void on_tick(std::size_t venue, const Tick& tick, Nanos received) noexcept = 0;
    virtual void on_accepted(const Accepted& message) noexcept = 0;
    virtual void on_rejected(const Rejected& message) noexcept = 0;
    virtual void on_fill(const Fill& message) noexcept = 0;
    virtual void on_cancelled(const Cancelled& message) noexcept = 0;
    virtual void on_cancel_rejected(const CancelRejected& message) noexcept = 0;
    virtual void on_fence_cancelled(const FenceCancelled& message) noexcept = 0;
    virtual void on_fence_ack(const FenceAck& message) noexcept = 0;
    // The session is to be handed to the gateway, or closed.
    virtual void on_venue_up(std::size_t venue, Session session) noexcept = 0;
    virtual void on_venue_lost(std::size_t venue) noexcept = 0;
    // The thread that trades sends the heartbeats, so that a venue notices when it hangs.
    virtual void on_heartbeat_due(std::size_t venue) noexcept = 0;
};

// Moves bytes from sockets to VenueEvents.
class Transport {
public:
    virtual ~Transport() = default;
    // One look at every socket; waits at most max_wait for the first byte. may_read_orders is the brake of a full journal.
    virtual void pump(VenueEvents& events, Nanos max_wait, bool may_read_orders) noexcept = 0;
};

}  // namespace hft
