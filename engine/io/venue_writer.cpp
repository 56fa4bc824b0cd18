// SPDX-License-Identifier: GPL-3.0-or-later
#include "io/venue_writer.hpp"

#include <sys/socket.h>

#include <cerrno>
#include <cstring>

#include "io/wire.hpp"

namespace hft {

VenueWriter::VenueWriter(std::size_t venues) {
    for (std::size_t i = 0; i < venues; ++i) venues_.push_back(std::make_unique<Venue>());
}

void VenueWriter::open(std::size_t venue, Session session) noexcept {
    Venue& v = *venues_[venue];
    v.socket = Fd(session);
    v.filled = 0;
    v.broken = !v.socket;
}

void VenueWriter::close(std::size_t venue) noexcept { venues_[venue]->socket.reset(); }

// The reader of the same connection finds its end, and tells the loss.
void VenueWriter::give_up(Venue& venue) noexcept {
    venue.broken = true;
    venue.filled = 0;
    ::shutdown(venue.socket.get(), SHUT_RDWR);
}

template <typename M>
void VenueWriter::put(std::size_t venue, const M& message) noexcept {
    Venue& v = *venues_[venue];
    if (!v.socket || v.broken) return;
    if (v.out.size() - v.filled < wire::kMaxFrame) flush(venue);
    // 64 KiB unsent: the venue does not read.
    if (v.out.size() - v.filled < wire::kMaxFrame) return give_up(v);
    v.filled += wire::encode(message, v.out.data() + v.filled);
}

void VenueWriter::send(std::size_t venue, const NewOrder& order) noexcept { put(venue, order); }
void VenueWriter::send(std::size_t venue, const CancelOrder& cancel) noexcept { put(venue, cancel); }
void VenueWriter::send(std::size_t venue, const Fence& fence) noexcept { put(venue, fence); }
void VenueWriter::send(std::size_t venue, const Heartbeat& heartbeat) noexcept { put(venue, heartbeat); }

bool VenueWriter::flush(std::size_t venue) noexcept {
    Venue& v = *venues_[venue];
    if (!v.socket || v.filled == 0) return true;
    const ssize_t n = ::send(v.socket.get(), v.out.data(), v.filled, MSG_DONTWAIT | MSG_NOSIGNAL);
    if (n < 0) {
        if (errno != EAGAIN && errno != EWOULDBLOCK && errno != EINTR) give_up(v);
        return true;
    }
    v.filled -= static_cast<std::size_t>(n);
    if (v.filled != 0) std::memmove(v.out.data(), v.out.data() + n, v.filled);
    return true;
}

void VenueWriter::flush_pending() noexcept {
    for (std::size_t i = 0; i < venues_.size(); ++i) {
        if (venues_[i]->filled != 0) flush(i);
    }
}

}  // namespace hft
