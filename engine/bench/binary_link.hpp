// SPDX-License-Identifier: GPL-3.0-or-later
#pragma once

#include <sys/socket.h>

#include <array>
#include <stdexcept>
#include <thread>

#include "bench/wire_venue.hpp"
#include "core/hot_loop.hpp"
#include "io/tcp.hpp"
#include "io/venue_connector.hpp"
#include "io/venue_transport.hpp"
#include "io/venue_writer.hpp"
#include "io/wire.hpp"

namespace hft::bench {

// Our frames on two TCP connections.
class BinaryVenueLink final : public VenueLink {
public:
    BinaryVenueLink() : order_listener_(listener()), tick_listener_(listener()) {}

    [[nodiscard]] std::uint16_t order_port() const { return tcp_port(order_listener_.get()); }
    [[nodiscard]] std::uint16_t tick_port() const { return tcp_port(tick_listener_.get()); }
    [[nodiscard]] bool connected() const override { return static_cast<bool>(orders_) && static_cast<bool>(ticks_); }

    void pump(VenueCore& core, Stopwatch& stopwatch) override {
        if (!orders_) orders_ = tcp_accept(order_listener_.get()).fd;
        if (!ticks_) ticks_ = tcp_accept(tick_listener_.get()).fd;
        if (!orders_) return;
        const ssize_t n = ::recv(orders_.get(), in_.data() + filled_, in_.size() - filled_, MSG_DONTWAIT);
        if (n <= 0) return;
        filled_ += static_cast<std::size_t>(n);
        std::size_t done = 0;
        for (;;) {
            const wire::Frame frame = wire::next_frame(std::span(in_.data() + done, filled_ - done));
            if (frame.state != wire::FrameState::whole) break;
            done += frame.bytes.size();
            handle(frame, core, stopwatch);
        }
        filled_ -= done;
        std::memmove(in_.data(), in_.data() + done, filled_);
        flush();
    }
    void send_tick(const Tick& tick) override {
        std::array<std::byte, wire::kMaxFrame> frame{};
        write(ticks_.get(), frame.data(), wire::encode(tick, frame.data()));
    }
    void flush() override {
        if (out_filled_ != 0) write(orders_.get(), out_.data(), out_filled_);
        out_filled_ = 0;
    }

    using VenueLink::send;
    void send(SessionId, const LoginAck& m) override { put(m); }
    void send(SessionId, const EpochInfo& m) override { put(m); }
    void send(SessionId, const Accepted& m) override { put(m); }
    void send(SessionId, const Rejected& m) override { put(m); }
    void send(SessionId, const Fill& m) override { put(m); }
    void send(SessionId, const Cancelled& m) override { put(m); }
    void send(SessionId, const CancelRejected& m) override { put(m); }

private:
    static Fd listener() {
        TcpResult result = tcp_listen("127.0.0.1", 0);
        if (!result.error.empty()) throw std::runtime_error(result.error);
        return std::move(result.fd);
    }
    static void write(int fd, const std::byte* bytes, std::size_t size) {
        if (::send(fd, bytes, size, MSG_NOSIGNAL) != static_cast<ssize_t>(size)) throw std::runtime_error("the engine does not read");
    }
    template <typename M>
    void put(const M& message) {
        if (out_.size() - out_filled_ < wire::kMaxFrame) flush();
        out_filled_ += wire::encode(message, out_.data() + out_filled_);
    }
    static void handle(const wire::Frame& frame, VenueCore& core, Stopwatch& stopwatch) {
        switch (frame.type) {
            case wire::Type::login:
                return core.on_login(1, wire::decode<Login>(frame.bytes).value(), wall_ns());
            case wire::Type::new_order: {
                const NewOrder order = wire::decode<NewOrder>(frame.bytes).value();
                stopwatch.order_seen(order.intent.tick);
                return core.on_order(1, order, wall_ns());
            }
            case wire::Type::cancel_order:
                return core.on_cancel(1, wire::decode<CancelOrder>(frame.bytes).value(), wall_ns());
            case wire::Type::heartbeat:
                return;
            default:
                throw std::runtime_error("a frame the bench does not know");
        }
    }

    Fd order_listener_;
    Fd tick_listener_;
    Fd orders_;
    Fd ticks_;
    std::array<std::byte, 64 * 1024> in_{};
    std::size_t filled_ = 0;
    std::array<std::byte, 64 * 1024> out_{};
    std::size_t out_filled_ = 0;
};

// The transport and the hot loop as released.
class BinaryEngineLink final : public EngineLink {
public:
    explicit BinaryEngineLink(const BinaryVenueLink& venue)
        : transport_(1),
          writer_(1),
          connector_({{"paper", "127.0.0.1", venue.order_port(), venue.tick_port()}}, Login{EngineName("bench"), Incarnation("1")}, kSecond,
                     transport_, [](const char*, const std::string&) {}),
          thread_([this] { connector_.run(stop_); }) {}
    ~BinaryEngineLink() override { stop_connecting(); }

    OrderGateway& gateway() override { return writer_; }
    void turn(TradingCore& core) override {
        if (thread_.joinable() && core.venue_up(0)) stop_connecting();
        if (!loop_) loop_ = std::make_unique<HotLoop>(core, transport_, WaitMode::spin);
        loop_->turn();
    }

private:
    void stop_connecting() {
        stop_ = true;
        if (thread_.joinable()) thread_.join();
    }
    VenueTransport transport_;
    VenueWriter writer_;
    VenueConnector connector_;
    std::unique_ptr<HotLoop> loop_;
    std::atomic<bool> stop_{false};
    std::thread thread_;
};

}  // namespace hft::bench
