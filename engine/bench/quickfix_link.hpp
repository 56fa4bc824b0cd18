// SPDX-License-Identifier: GPL-3.0-or-later
#pragma once

#include <stdexcept>

#include "bench/fix_link.hpp"
#include "bench/wire_venue.hpp"
#include "core/gateway.hpp"
#include "core/trading.hpp"

namespace hft::bench {

// Our messages as FIX and back, on the venue's side.
class FixVenueLink final : public VenueLink, private FixEvents {
public:
    explicit FixVenueLink(int port) : link_(FixLink::Side::venue, port, *this) {}

    [[nodiscard]] bool connected() const override { return logged_on_; }
    void pump(VenueCore& core, Stopwatch& stopwatch) override {
        core_ = &core;
        stopwatch_ = &stopwatch;
        link_.poll();
    }
    void send_tick(const Tick& t) override {
        link_.send(FixQuote{t.symbol.str(), t.number, to_double(t.bid), to_double(t.ask), to_double(t.bid_quantity),
                            to_double(t.ask_quantity), t.venue_ns});
    }
    void flush() override {}

    // Logon is the protocol's own, and a refused cancel changes nothing.
    using VenueLink::send;
    void send(SessionId, const Accepted& m) override {
        FixReport report = of('0', m);
        report.order_id = m.venue_order_id;
        link_.send(report);
    }
    void send(SessionId, const Rejected& m) override { link_.send(of('8', m)); }
    void send(SessionId, const Fill& m) override {
        FixReport report = of('F', m);
        report.symbol = m.symbol.str();
        report.order_id = m.venue_order_id;
        report.exec_id = m.fill_id;
        report.buy = m.side == hft::Side::buy;
        report.price = to_double(m.order_price);
        report.quantity = to_double(m.order_quantity);
        report.cumulative = to_double(m.cumulative);
        report.last_price = to_double(m.price);
        report.last_quantity = to_double(m.quantity);
        link_.send(report);
    }
    void send(SessionId, const Cancelled& m) override {
        FixReport report = of('4', m);
        report.order_id = m.venue_order_id;
        link_.send(report);
    }

private:
    template <typename M>
    static FixReport of(char type, const M& m) {
        FixReport report{};
        report.type = type;
        report.strategy = m.strategy.str();
        report.epoch = m.epoch;
        report.seq = m.seq;
        report.venue_ns = m.venue_ns;
        return report;
    }
    void on_logon() override {
        core_->on_login(1, Login{EngineName("bench"), Incarnation("1")}, wall_ns());
        logged_on_ = true;
    }
    void on_order(const FixOrder& o) override {
        stopwatch_->order_seen(o.tick);
        NewOrder order;
        order.strategy = StrategyName(o.strategy);
        order.symbol = SymbolName(o.symbol);
        order.epoch = o.epoch;
        order.seq = o.seq;
        order.intent = Intent{o.tick, static_cast<std::uint8_t>(o.leg)};
        order.side = o.buy ? hft::Side::buy : hft::Side::sell;
        order.price = from_double(o.price);
        order.quantity = from_double(o.quantity);
        order.sent_ns = o.sent_ns;
        core_->on_order(1, order, wall_ns());
    }
    void on_cancel(const FixCancel& c) override { core_->on_cancel(1, CancelOrder{StrategyName(c.strategy), c.epoch, c.seq}, wall_ns()); }
    void on_quote(const FixQuote&) override { throw std::runtime_error("a quote from the engine"); }
    void on_report(const FixReport&) override { throw std::runtime_error("a report from the engine"); }

    VenueCore* core_ = nullptr;
    Stopwatch* stopwatch_ = nullptr;
    bool logged_on_ = false;
    FixLink link_;
};

// And on the engine's: the same trading core behind another gateway.
class FixEngineLink final : public EngineLink, private OrderGateway, private FixEvents {
public:
    explicit FixEngineLink(int port) : link_(FixLink::Side::engine, port, *this) {}

    OrderGateway& gateway() override { return *this; }
    void turn(TradingCore& core) override {
        core_ = &core;
        core.housekeeping(boot_ns());
        link_.poll();
    }

private:
    void open(std::size_t, Session) noexcept override {}
    void close(std::size_t) noexcept override {}
    void send(std::size_t, const NewOrder& o) noexcept override {
        link_.send(FixOrder{o.strategy.str(), o.symbol.str(), o.epoch, o.seq, o.intent.tick, o.intent.leg, o.side == hft::Side::buy,
                            to_double(o.price), to_double(o.quantity), o.sent_ns});
    }
    void send(std::size_t, const CancelOrder& c) noexcept override { link_.send(FixCancel{c.strategy.str(), c.epoch, c.seq}); }
    void send(std::size_t, const Fence&) noexcept override {}
    void send(std::size_t, const Heartbeat&) noexcept override {}
    bool flush(std::size_t) noexcept override { return true; }
    void flush_pending() noexcept override {}

    void on_logon() override { core_->on_venue_up(0, hft::kNoSession); }
    void on_quote(const FixQuote& q) override {
        Tick tick;
        tick.symbol = SymbolName(q.symbol);
        tick.number = q.number;
        tick.bid = from_double(q.bid);
        tick.ask = from_double(q.ask);
        tick.bid_quantity = from_double(q.bid_quantity);
        tick.ask_quantity = from_double(q.ask_quantity);
        tick.venue_ns = q.venue_ns;
        core_->on_tick(0, tick, boot_ns());
    }
    void on_report(const FixReport& r) override {
        switch (r.type) {
            case '0': {
                Accepted m = of<Accepted>(r);
                m.venue_order_id = r.order_id;
                return core_->on_accepted(m);
            }
            case '8':
                return core_->on_rejected(of<Rejected>(r));
            case '4':
                return core_->on_cancelled(of<Cancelled>(r));
            default: {
                Fill m = of<Fill>(r);
                m.symbol = SymbolName(r.symbol);
                m.holder = HolderName("bench/1");
                m.venue_order_id = r.order_id;
                m.fill_id = r.exec_id;
                m.side = r.buy ? hft::Side::buy : hft::Side::sell;
                m.order_price = from_double(r.price);
                m.order_quantity = from_double(r.quantity);
                m.cumulative = from_double(r.cumulative);
                m.price = from_double(r.last_price);
                m.quantity = from_double(r.last_quantity);
                return core_->on_fill(m);
            }
        }
    }
    template <typename M>
    static M of(const FixReport& r) {
        M m;
        m.strategy = StrategyName(r.strategy);
        m.epoch = r.epoch;
        m.seq = r.seq;
        m.venue_ns = r.venue_ns;
        return m;
    }
    void on_order(const FixOrder&) override { throw std::runtime_error("an order from the venue"); }
    void on_cancel(const FixCancel&) override { throw std::runtime_error("a cancel from the venue"); }

    TradingCore* core_ = nullptr;
    FixLink link_;
};

}  // namespace hft::bench
