// SPDX-License-Identifier: GPL-3.0-or-later
#pragma once

#include <atomic>
#include <cstddef>
#include <variant>
#include <vector>

#include "core/gateway.hpp"
#include "core/hot_loop.hpp"
#include "core/spsc_ring.hpp"
#include "core/trading.hpp"

namespace hft {

// A ring with its storage, between two stages. The producer waits for room: what a socket brought or an order that is
// recorded already must not be dropped.
template <typename T>
class StageQueue {
public:
    explicit StageQueue(std::size_t capacity) : slots_(capacity), ring_(counters_, slots_.data(), slots_.size()) {}

    // Nothing is pushed any more once stop is set and the queue is full: its consumer may be gone.
    HFT_HOT void push(const T& value, const std::atomic<bool>& stop) noexcept {
        while (!ring_.push(value)) {
            if (stop.load(std::memory_order_relaxed)) return;
        }
    }
    [[nodiscard]] SpscRing<T>& ring() noexcept { return ring_; }

private:
    RingCounters counters_;
    std::vector<T> slots_;
    SpscRing<T> ring_;
};

// From the feed stage to trading. Answers and ticks lie apart, so that ticks go on while a full journal holds the answers up.
class EventQueue final : public VenueEvents {
public:
    EventQueue(std::size_t venues, const std::atomic<bool>& stop);

    HFT_HOT void on_tick(std::size_t venue, const Tick& tick, Nanos received) noexcept override;
    HFT_HOT void on_accepted(const Accepted& message) noexcept override { answer(message); }
    HFT_HOT void on_rejected(const Rejected& message) noexcept override { answer(message); }
    HFT_HOT void on_fill(const Fill& message) noexcept override { answer(message); }
    HFT_HOT void on_cancelled(const Cancelled& message) noexcept override { answer(message); }
    void on_cancel_rejected(const CancelRejected& message) noexcept override { answer(message); }
    void on_fence_cancelled(const FenceCancelled& message) noexcept override { answer(message); }
    void on_fence_ack(const FenceAck& message) noexcept override { answer(message); }
    void on_venue_up(std::size_t venue, Session session) noexcept override { answer(Up{venue, session}); }
    void on_venue_lost(std::size_t venue) noexcept override { answer(Lost{venue}); }
    void on_heartbeat_due(std::size_t venue) noexcept override { answer(Due{venue}); }

    // Feed stage: is there room for what one look at every order session can bring?
    [[nodiscard]] HFT_HOT bool room_for_answers() noexcept { return answers_.ring().free() >= answer_reserve_; }
    // Trading stage. One answer or one tick; false: there is none.
    [[nodiscard]] HFT_HOT bool deliver_answer(VenueEvents& events) noexcept;
    [[nodiscard]] HFT_HOT bool deliver_tick(VenueEvents& events) noexcept;
    // When the next tick was received; 0: there is none.
    [[nodiscard]] HFT_HOT Nanos next_tick_received() noexcept;

private:
    struct Up {
        std::size_t venue;
        Session session;
    };
    struct Lost {
        std::size_t venue;
    };
    struct Due {
        std::size_t venue;
    };
    using Answer = std::variant<Accepted, Rejected, Fill, Cancelled, CancelRejected, FenceCancelled, FenceAck, Up, Lost, Due>;
    struct TickEvent {
        Tick tick;
        std::size_t venue = 0;
        Nanos received = 0;
    };

    template <typename M>
    HFT_HOT void answer(const M& message) noexcept {
        answers_.push(Answer(message), stop_);
    }

    const std::atomic<bool>& stop_;
    std::size_t answer_reserve_;
    StageQueue<Answer> answers_;
    StageQueue<TickEvent> ticks_;
};

// From trading to the gateway stage.
class GatewayQueue final : public OrderGateway {
public:
    explicit GatewayQueue(const std::atomic<bool>& stop);

    void open(std::size_t venue, Session session) noexcept override { put(venue, Open{session}); }
    void close(std::size_t venue) noexcept override { put(venue, Close{}); }
    HFT_HOT void send(std::size_t venue, const NewOrder& order) noexcept override;
    HFT_HOT void send(std::size_t venue, const CancelOrder& cancel) noexcept override { put(venue, cancel); }
    void send(std::size_t venue, const Fence& fence) noexcept override { put(venue, fence); }
    void send(std::size_t venue, const Heartbeat& heartbeat) noexcept override { put(venue, heartbeat); }
    HFT_HOT bool flush(std::size_t venue) noexcept override;
    void flush_pending() noexcept override {}

    // Trading stage: orders from here on answer a tick that was received then; 0: none.
    HFT_HOT void answering(Nanos received) noexcept { received_ = received; }
    // Gateway stage. One message; false: there is none.
    [[nodiscard]] HFT_HOT bool deliver(OrderGateway& gateway, LatencyHistogram& tick_to_order) noexcept;

private:
    struct Open {
        Session session;
    };
    struct Close {};
    struct Flush {
        Nanos received;  // of the tick whose orders go out with it; 0: none
    };
    struct Message {
        std::size_t venue = 0;
        std::variant<NewOrder, CancelOrder, Fence, Heartbeat, Open, Close, Flush> what;
    };

    template <typename M>
    HFT_HOT void put(std::size_t venue, const M& what) noexcept {
        messages_.push(Message{venue, what}, stop_);
    }

    const std::atomic<bool>& stop_;
    StageQueue<Message> messages_;
    Nanos received_ = 0;
    bool ordered_ = false;  // since the last flush
};

// feed | strategy and risk | gateway: a thread each. Strategy and risk are one stage: a risk check on a position that another
// thread keeps would be a check on a position of some time ago.
class Pipeline {
public:
    Pipeline(Transport& transport, OrderGateway& gateway, std::size_t venues, WaitMode mode);

    // What the trading core is built with.
    [[nodiscard]] OrderGateway& gateway() noexcept { return out_; }

    // The stages' threads; each returns after its stop. They are stopped in this order, so that nothing waits for a queue that
    // nobody empties.
    void run_feed() noexcept;
    void run_trading(TradingCore& core) noexcept;
    void run_gateway(TradingCore& core) noexcept;
    void stop_feed() noexcept { stop_feed_ = true; }
    void stop_trading() noexcept { stop_trading_ = true; }
    void stop_gateway() noexcept { stop_gateway_ = true; }

private:
    HFT_HOT bool trade(TradingCore& core) noexcept;
    void rest() const noexcept;

    Transport& transport_;
    OrderGateway& gateway_;
    WaitMode mode_;
    std::atomic<bool> stop_feed_{false};
    std::atomic<bool> stop_trading_{false};
    std::atomic<bool> stop_gateway_{false};
    EventQueue in_;
    GatewayQueue out_;
};

}  // namespace hft
