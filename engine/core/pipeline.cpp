// SPDX-License-Identifier: GPL-3.0-or-later
#include "core/pipeline.hpp"

#include <chrono>
#include <thread>
#include <type_traits>

namespace hft {

namespace {

// A look at an order session brings 64 KiB at most, and no answer is shorter than 32 bytes.
constexpr std::size_t kAnswersOfALook = 2048;
constexpr std::size_t kTicks = 8192;
constexpr std::size_t kMessages = 8192;
// Ticks between two looks at commands, kill switch and rights.
constexpr int kTicksOfATurn = 16;
constexpr std::chrono::microseconds kParkedRest{100};

template <typename... F>
struct Cases : F... {
    using F::operator()...;
};
template <typename... F>
Cases(F...) -> Cases<F...>;

}  // namespace

EventQueue::EventQueue(std::size_t venues, const std::atomic<bool>& stop)
    : stop_(stop), answer_reserve_((venues + 1) * kAnswersOfALook), answers_(4 * answer_reserve_), ticks_(kTicks) {}

void EventQueue::on_tick(std::size_t venue, const Tick& tick, Nanos received) noexcept {
    ticks_.push(TickEvent{tick, venue, received}, stop_);
}

bool EventQueue::deliver_answer(VenueEvents& events) noexcept {
    SpscRing<Answer>& ring = answers_.ring();
    if (ring.readable() == 0) return false;
    std::visit(Cases{
                   [&](const Accepted& m) { events.on_accepted(m); },
                   [&](const Rejected& m) { events.on_rejected(m); },
                   [&](const Fill& m) { events.on_fill(m); },
                   [&](const Cancelled& m) { events.on_cancelled(m); },
                   [&](const CancelRejected& m) { events.on_cancel_rejected(m); },
                   [&](const FenceCancelled& m) { events.on_fence_cancelled(m); },
                   [&](const FenceAck& m) { events.on_fence_ack(m); },
                   [&](const Up& m) { events.on_venue_up(m.venue, m.session); },
                   [&](const Lost& m) { events.on_venue_lost(m.venue); },
                   [&](const Due& m) { events.on_heartbeat_due(m.venue); },
               },
               ring.peek(0));
    ring.release(1);
    return true;
}

Nanos EventQueue::next_tick_received() noexcept { return ticks_.ring().readable() == 0 ? 0 : ticks_.ring().peek(0).received; }

bool EventQueue::deliver_tick(VenueEvents& events) noexcept {
    SpscRing<TickEvent>& ring = ticks_.ring();
    if (ring.readable() == 0) return false;
    const TickEvent& event = ring.peek(0);
    events.on_tick(event.venue, event.tick, event.received);
    ring.release(1);
    return true;
}

GatewayQueue::GatewayQueue(const std::atomic<bool>& stop) : stop_(stop), messages_(kMessages) {}

void GatewayQueue::send(std::size_t venue, const NewOrder& order) noexcept {
    ordered_ = true;
    put(venue, order);
}

bool GatewayQueue::flush(std::size_t venue) noexcept {
    put(venue, Flush{ordered_ ? received_ : 0});
    ordered_ = false;
    return false;
}

bool GatewayQueue::deliver(OrderGateway& gateway, LatencyHistogram& tick_to_order) noexcept {
    SpscRing<Message>& ring = messages_.ring();
    if (ring.readable() == 0) return false;
    const Message& message = ring.peek(0);
    const std::size_t venue = message.venue;
    std::visit(Cases{
                   [&](const Open& m) { gateway.open(venue, m.session); },
                   [&](const Close&) { gateway.close(venue); },
                   [&](const Flush& m) {
                       gateway.flush(venue);
                       if (m.received != 0) tick_to_order.observe(boot_ns() - m.received);
                   },
                   [&](const auto& m) { gateway.send(venue, m); },
               },
               message.what);
    ring.release(1);
    return true;
}

Pipeline::Pipeline(Transport& transport, OrderGateway& gateway, std::size_t venues, WaitMode mode)
    : transport_(transport), gateway_(gateway), mode_(mode), in_(venues, stop_feed_), out_(stop_trading_) {}

void Pipeline::rest() const noexcept {
    if (mode_ == WaitMode::park) std::this_thread::sleep_for(kParkedRest);
}

void Pipeline::run_feed() noexcept {
    const Nanos wait = mode_ == WaitMode::park ? kMillisecond : 0;
    while (!stop_feed_.load(std::memory_order_relaxed)) transport_.pump(in_, wait, in_.room_for_answers());
}

// Answers first: a strategy decides on what is known. False: there was nothing to do.
bool Pipeline::trade(TradingCore& core) noexcept {
    bool moved = false;
    core.housekeeping(boot_ns());
    for (int n = 0; n < kTicksOfATurn; ++n) {
        while (core.may_read_orders() && in_.deliver_answer(core)) moved = true;
        out_.answering(in_.next_tick_received());
        if (!in_.deliver_tick(core)) break;
        moved = true;
    }
    out_.answering(0);
    return moved;
}

void Pipeline::run_trading(TradingCore& core) noexcept {
    while (!stop_trading_.load(std::memory_order_relaxed)) {
        if (!trade(core)) rest();
    }
}

void Pipeline::run_gateway(TradingCore& core) noexcept {
    while (!stop_gateway_.load(std::memory_order_relaxed)) {
        bool moved = false;
        while (out_.deliver(gateway_, core.hot().tick_to_order)) moved = true;
        gateway_.flush_pending();
        if (!moved) rest();
    }
}

}  // namespace hft
