// SPDX-License-Identifier: GPL-3.0-or-later
#pragma once

#include <array>
#include <cstdlib>
#include <cstring>
#include <span>

#include "core/gateway.hpp"
#include "io/venue_transport.hpp"
#include "io/wire.hpp"

namespace hft::bench {

// Frames one behind the other, as a socket buffer holds them.
class FrameBuffer {
public:
    template <typename M>
    void put(const M& message) noexcept {
        if (bytes_.size() - filled_ < wire::kMaxFrame) std::abort();
        filled_ += wire::encode(message, bytes_.data() + filled_);
    }
    template <typename F>
    void take_all(F&& each) noexcept {
        std::size_t done = 0;
        while (done < filled_) {
            const wire::Frame frame = wire::next_frame(std::span(bytes_.data() + done, filled_ - done));
            if (frame.state != wire::FrameState::whole) std::abort();
            each(frame);
            done += frame.bytes.size();
        }
        filled_ = 0;
    }
    [[nodiscard]] bool empty() const noexcept { return filled_ == 0; }

private:
    std::array<std::byte, 256 * 1024> bytes_{};
    std::size_t filled_ = 0;
};

// The gateway with a buffer in the place of the socket, and behind it a venue that only answers: it accepts, fills some in part
// and cancels what it is asked to. It allocates nothing, so what is counted is the engine's.
class ScriptedVenue final : public OrderGateway {
public:
    void open(std::size_t, Session) noexcept override {}
    void close(std::size_t) noexcept override {}
    void send(std::size_t, const NewOrder& order) noexcept override { to_venue_.put(order); }
    void send(std::size_t, const CancelOrder& cancel) noexcept override { to_venue_.put(cancel); }
    void send(std::size_t, const Fence& fence) noexcept override { to_venue_.put(fence); }
    void send(std::size_t, const Heartbeat&) noexcept override {}
    bool flush(std::size_t) noexcept override {
        flushed_ = boot_ns();
        return true;
    }
    void flush_pending() noexcept override {}

    [[nodiscard]] bool has_orders() const noexcept { return !to_venue_.empty(); }
    [[nodiscard]] Nanos flushed() const noexcept { return flushed_; }

    // The venue's turn: reads what was sent, writes the answers.
    void answer() noexcept {
        to_venue_.take_all([this](const wire::Frame& frame) {
            if (frame.type == wire::Type::new_order) {
                accept(*wire::decode<NewOrder>(frame.bytes));
            } else if (frame.type == wire::Type::cancel_order) {
                cancel(*wire::decode<CancelOrder>(frame.bytes));
            } else {
                fence(*wire::decode<Fence>(frame.bytes));
            }
        });
    }
    // The engine's turn: hears the answers.
    void deliver(VenueEvents& events) noexcept {
        to_engine_.take_all([&](const wire::Frame& frame) {
            if (!VenueTransport::dispatch_order(frame.bytes, events, boot_ns())) std::abort();
        });
    }

private:
    void accept(const NewOrder& order) noexcept {
        Accepted m;
        m.strategy = order.strategy;
        m.epoch = order.epoch;
        m.seq = order.seq;
        m.venue_order_id = ++orders_;
        m.intent = order.intent;
        m.sent_ns = order.sent_ns;
        m.venue_ns = order.sent_ns;
        to_engine_.put(m);
        if (orders_ % 8 > 1) return;
        // Of eight orders a buy and a sell are filled by half: the position stays where it is.
        Fill f;
        f.strategy = order.strategy;
        f.symbol = order.symbol;
        f.holder = HolderName("bench/1");
        f.epoch = order.epoch;
        f.seq = order.seq;
        f.venue_order_id = orders_;
        f.fill_id = ++fills_;
        f.intent = order.intent;
        f.side = order.side;
        f.order_price = order.price;
        f.order_quantity = order.quantity;
        f.cumulative = order.quantity / 2;
        f.price = order.price;
        f.quantity = order.quantity / 2;
        f.sent_ns = order.sent_ns;
        f.venue_ns = order.sent_ns;
        to_engine_.put(f);
    }
    void cancel(const CancelOrder& cancel) noexcept {
        Cancelled m;
        m.strategy = cancel.strategy;
        m.epoch = cancel.epoch;
        m.seq = cancel.seq;
        to_engine_.put(m);
    }
    void fence(const Fence& fence) noexcept {
        FenceAck m;
        m.strategy = fence.strategy;
        m.epoch = fence.epoch;
        m.highest = fence.epoch;
        m.granted = true;
        m.complete = true;
        to_engine_.put(m);
    }

    FrameBuffer to_venue_;
    FrameBuffer to_engine_;
    Nanos flushed_ = 0;
    std::uint64_t orders_ = 0;
    std::uint64_t fills_ = 0;
};

}  // namespace hft::bench
