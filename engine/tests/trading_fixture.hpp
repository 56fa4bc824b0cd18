// SPDX-License-Identifier: GPL-3.0-or-later
#pragma once

#include <cstdlib>
#include <memory>
#include <optional>
#include <utility>
#include <vector>

#include "core/trading.hpp"
#include "tests/strategies.hpp"

namespace hft::test {

// Keeps what the core sends; no allocation once reserved.
class RecordingGateway final : public OrderGateway {
public:
    RecordingGateway() {
        orders.reserve(200'000);
        cancels.reserve(200'000);
        fences.reserve(16);
    }
    void open(std::size_t, Session) noexcept override {}
    void close(std::size_t) noexcept override {}
    void send(std::size_t, const NewOrder& order) noexcept override { orders.push_back(order); }
    void send(std::size_t, const CancelOrder& cancel) noexcept override { cancels.push_back(cancel); }
    void send(std::size_t, const Fence& fence) noexcept override { fences.push_back(fence); }
    void send(std::size_t, const Heartbeat&) noexcept override {}
    bool flush(std::size_t) noexcept override {
        ++flushes;
        return true;
    }
    void flush_pending() noexcept override {}

    std::vector<NewOrder> orders;
    std::vector<CancelOrder> cancels;
    std::vector<Fence> fences;
    std::size_t flushes = 0;
};

// One market maker that quotes at every tick, on one venue.
struct Trader {
    explicit Trader(std::size_t capacity = 65'536) : fact_slots(capacity), command_slots(64) {
        facts.emplace(fact_counters, fact_slots.data(), fact_slots.size());
        commands.emplace(command_counters, command_slots.data(), command_slots.size());
        StrategySetup setup;
        setup.name = StrategyName("mm");
        setup.symbol = SymbolName("BTC-USD");
        setup.limits.max_position = from_double(10);
        setup.limits.max_notional = 1e6;
        setup.limits.max_order_rate_per_s = 1'000'000;
        setup.limits.max_open_orders = 8;
        setup.limits.daily_loss_usd = 1000;
        setup.limits.price_collar_pct = 5;
        setup.strategy = make_strategy("market_maker", {{"spread_bps", 10.0}, {"size", 0.1}, {"requote_ticks", 1}, {"skew_bps", 0.0}});
        std::vector<StrategySetup> setups;
        setups.push_back(std::move(setup));
        core = std::make_unique<TradingCore>(std::move(setups), std::vector<VenueName>{VenueName("paper")}, HolderName("blue/1"), gateway,
                                             *facts, *commands);
    }

    void command(Command::Kind kind, std::uint64_t epoch = 0, const Position::State& position = {}) {
        Command c;
        c.kind = kind;
        c.epoch = epoch;
        c.position = position;
        must(commands->push(c));
    }
    static void must(bool ok) {
        if (!ok) std::abort();
    }
    void turn() { core->housekeeping(boot_ns()); }
    // Everything an order needs.
    void grant(std::uint64_t epoch = 5) {
        core->on_venue_up(0, kNoSession);
        command(Command::Kind::start);
        command(Command::Kind::enable);
        command(Command::Kind::take, epoch);
        turn();
        core->view(0).right_until = boot_ns() + 3600 * kSecond;
        FenceAck ack;
        ack.strategy = StrategyName("mm");
        ack.epoch = epoch;
        ack.highest = epoch;
        ack.granted = true;
        core->on_fence_ack(ack);
        turn();
    }
    void tick(double mid = 100) {
        Tick t;
        t.symbol = SymbolName("BTC-USD");
        t.number = ++tick_number;
        t.bid = from_double(mid - 0.5);
        t.ask = from_double(mid + 0.5);
        t.venue_ns = wall_ns();
        core->on_tick(0, t, boot_ns());
    }
    void accept(const NewOrder& order) {
        Accepted m;
        m.strategy = order.strategy;
        m.epoch = order.epoch;
        m.seq = order.seq;
        m.venue_order_id = 1000 + order.seq;
        m.sent_ns = order.sent_ns;
        m.venue_ns = wall_ns();
        core->on_accepted(m);
    }
    void fill(const NewOrder& order, Quantity quantity, Quantity cumulative, std::uint64_t fill_id) {
        Fill m;
        m.strategy = order.strategy;
        m.symbol = order.symbol;
        m.holder = HolderName("blue/1");
        m.epoch = order.epoch;
        m.seq = order.seq;
        m.venue_order_id = 1000 + order.seq;
        m.fill_id = fill_id;
        m.side = order.side;
        m.order_price = order.price;
        m.order_quantity = order.quantity;
        m.cumulative = cumulative;
        m.price = order.price;
        m.quantity = quantity;
        m.sent_ns = order.sent_ns;
        m.venue_ns = wall_ns();
        core->on_fill(m);
    }
    void cancelled(const CancelOrder& cancel) {
        Cancelled m;
        m.strategy = cancel.strategy;
        m.epoch = cancel.epoch;
        m.seq = cancel.seq;
        core->on_cancelled(m);
    }

    RecordingGateway gateway;
    RingCounters fact_counters;
    std::vector<Fact> fact_slots;
    std::optional<FactRing> facts;
    RingCounters command_counters;
    std::vector<Command> command_slots;
    std::optional<CommandRing> commands;
    std::unique_ptr<TradingCore> core;
    std::uint64_t tick_number = 0;
};

}  // namespace hft::test
