// SPDX-License-Identifier: GPL-3.0-or-later
#include "io/venue_transport.hpp"

#include <fcntl.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/socket.h>

#include <cerrno>
#include <cstring>
#include <span>
#include <utility>

#include "core/clock.hpp"
#include "io/wire.hpp"

namespace hft {

VenueTransport::VenueTransport(std::size_t venues)
    : epoll_(::epoll_create1(EPOLL_CLOEXEC)), wake_(::eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK)) {
    // By the edge: each write wakes once, and nobody needs to read.
    epoll_event event{};
    event.events = EPOLLIN | EPOLLET;
    ::epoll_ctl(epoll_.get(), EPOLL_CTL_ADD, wake_.get(), &event);
    for (std::size_t i = 0; i < venues; ++i) venues_.push_back(std::make_unique<Venue>());
}

VenueTransport::~VenueTransport() {
    for (const auto& venue : venues_) {
        const Fd orders(venue->next_orders.load());
        const Fd market_data(venue->next_market_data.load());
    }
}

void VenueTransport::wake() noexcept { ::eventfd_write(wake_.get(), 1); }

bool VenueTransport::wants_session(std::size_t venue) const noexcept { return venues_[venue]->wanted.load(std::memory_order_acquire); }

Nanos VenueTransport::round_trip(std::size_t venue) const noexcept { return venues_[venue]->round_trip.load(std::memory_order_relaxed); }

void VenueTransport::hand_over(std::size_t venue, Fd orders, Fd market_data, Nanos heartbeat) noexcept {
    Arrivals::ask(market_data.get());
    Venue& v = *venues_[venue];
    v.next_session_heartbeat.store(heartbeat, std::memory_order_relaxed);
    v.wanted.store(false, std::memory_order_relaxed);
    v.next_market_data.store(market_data.release(), std::memory_order_relaxed);
    v.next_orders.store(orders.release(), std::memory_order_release);
}

void VenueTransport::take_over(std::size_t index, VenueEvents& events) noexcept {
    Venue& v = *venues_[index];
    const int orders = v.next_orders.exchange(-1, std::memory_order_acquire);
    if (orders < 0) return;
    v.orders = Fd(orders);
    v.market_data = Fd(v.next_market_data.exchange(-1));
    v.orders_in.filled = 0;
    v.market_data_in.filled = 0;
    v.arrivals = {};
    v.heartbeat = v.next_session_heartbeat.load(std::memory_order_relaxed);
    v.next_heartbeat = 0;
    v.round_trip.store(0, std::memory_order_relaxed);
    v.up = true;
    for (const int fd : {v.orders.get(), v.market_data.get()}) {
        epoll_event event{};
        event.events = EPOLLIN;
        event.data.fd = fd;
        ::epoll_ctl(epoll_.get(), EPOLL_CTL_ADD, fd, &event);
    }
    events.on_venue_up(index, ::fcntl(v.orders.get(), F_DUPFD_CLOEXEC, 0));
}

void VenueTransport::lose(std::size_t index, VenueEvents& events) noexcept {
    Venue& v = *venues_[index];
    v.up = false;
    // Two descriptors hold the connection: closing one of them would tell the venue nothing.
    ::shutdown(v.orders.get(), SHUT_RDWR);
    v.orders.reset();
    v.market_data.reset();
    events.on_venue_lost(index);
    v.wanted.store(true, std::memory_order_release);
}

void VenueTransport::pump(VenueEvents& events, Nanos max_wait, bool may_read_orders) noexcept {
    for (std::size_t i = 0; i < venues_.size(); ++i) take_over(i, events);
    if (max_wait > 0) {
        std::array<epoll_event, 8> ready{};
        ::epoll_wait(epoll_.get(), ready.data(), static_cast<int>(ready.size()), static_cast<int>(max_wait / kMillisecond));
    }
    for (std::size_t i = 0; i < venues_.size(); ++i) {
        Venue& v = *venues_[i];
        if (!v.up) continue;
        if (v.heartbeat > 0) beat(i, events);
        bool alive = true;
        // Answers first: a strategy decides on what is known.
        if (may_read_orders) {
            const Nanos received = boot_ns();
            alive = receive(v.orders.get(), v.orders_in, [&](std::span<const std::byte> frame) {
                if (wire::next_frame(frame).type != wire::Type::heartbeat_ack) return dispatch_order(frame, events, received);
                const auto answer = wire::decode<HeartbeatAck>(frame);
                if (answer) v.round_trip.store(boot_ns() - answer->sent_ns, std::memory_order_relaxed);
                return answer.has_value();
            });
        }
        if (!alive || !receive_ticks(i, events)) lose(i, events);
    }
}

// Reads once what is there and hands on every whole frame. False: closed, broken or not understood.
template <typename F>
bool VenueTransport::receive(int fd, Buffer& buffer, F&& each) noexcept {
    return take(::recv(fd, buffer.bytes.data() + buffer.filled, buffer.bytes.size() - buffer.filled, MSG_DONTWAIT), buffer, each);
}

bool VenueTransport::receive_ticks(std::size_t index, VenueEvents& events) noexcept {
    Venue& v = *venues_[index];
    Buffer& in = v.market_data_in;
    const ssize_t n = v.arrivals.read(v.market_data.get(), in.bytes.data() + in.filled, in.bytes.size() - in.filled);
    // Ticks alone come here, so all frames are as long as one and the last whole one is found at once.
    const std::size_t whole = (in.filled + static_cast<std::size_t>(n > 0 ? n : 0)) / wire::frame_size<Tick>();
    Nanos last = 0;
    if (whole != 0) {
        const auto tick = wire::decode<Tick>(std::span(in.bytes.data() + (whole - 1) * wire::frame_size<Tick>(), wire::frame_size<Tick>()));
        if (tick) last = tick->venue_ns;
    }
    return take(n, in, [&](std::span<const std::byte> frame) {
        const auto tick = wire::decode<Tick>(frame);
        if (!tick) return false;
        events.on_tick(index, *tick, v.arrivals.of(tick->venue_ns, last));
        return true;
    });
}

// What a read brought: n as the kernel said it.
template <typename F>
bool VenueTransport::take(ssize_t n, Buffer& buffer, F&& each) noexcept {
    if (n == 0) return false;
    if (n < 0) return errno == EAGAIN || errno == EWOULDBLOCK || errno == EINTR;
    buffer.filled += static_cast<std::size_t>(n);
    std::size_t done = 0;
    for (;;) {
        const wire::Frame frame = wire::next_frame(std::span(buffer.bytes.data() + done, buffer.filled - done));
        if (frame.state == wire::FrameState::broken) return false;
        if (frame.state == wire::FrameState::partial) break;
        if (!each(frame.bytes)) return false;
        done += frame.bytes.size();
    }
    if (done != 0) {
        buffer.filled -= done;
        std::memmove(buffer.bytes.data(), buffer.bytes.data() + done, buffer.filled);
    }
    return true;
}

bool VenueTransport::dispatch_order(std::span<const std::byte> frame, VenueEvents& events, Nanos received) noexcept {
    const auto hand = [&](auto decoded, auto method) {
        if (!decoded) return false;
        (events.*method)(*decoded);
        return true;
    };
    switch (wire::next_frame(frame).type) {
        case wire::Type::accepted:
            return hand(wire::decode<Accepted>(frame), &VenueEvents::on_accepted);
        case wire::Type::rejected:
            return hand(wire::decode<Rejected>(frame), &VenueEvents::on_rejected);
        case wire::Type::fill: {
            auto fill = wire::decode<Fill>(frame);
            if (fill) fill->received = received;
            return hand(fill, &VenueEvents::on_fill);
        }
        case wire::Type::cancelled:
            return hand(wire::decode<Cancelled>(frame), &VenueEvents::on_cancelled);
        case wire::Type::cancel_rejected:
            return hand(wire::decode<CancelRejected>(frame), &VenueEvents::on_cancel_rejected);
        case wire::Type::fence_cancelled:
            return hand(wire::decode<FenceCancelled>(frame), &VenueEvents::on_fence_cancelled);
        case wire::Type::fence_ack:
            return hand(wire::decode<FenceAck>(frame), &VenueEvents::on_fence_ack);
        default:
            return false;
    }
}

void VenueTransport::beat(std::size_t venue, VenueEvents& events) noexcept {
    Venue& v = *venues_[venue];
    const Nanos now = boot_ns();
    if (now < v.next_heartbeat) return;
    v.next_heartbeat = now + v.heartbeat;
    events.on_heartbeat_due(venue);
}

}  // namespace hft
