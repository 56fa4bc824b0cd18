// SPDX-License-Identifier: GPL-3.0-or-later
#pragma once

// A FIX 4.4 session by QuickFIX. Its headers are C++14 (dynamic exception specifications), so this one is too, and no type of
// QuickFIX stands here.
#include <cstdint>
#include <memory>
#include <string>

namespace hft {
namespace bench {

struct FixQuote {
    std::string symbol;
    std::uint64_t number;
    double bid, ask, bid_quantity, ask_quantity;
    std::int64_t venue_ns;
};
struct FixOrder {
    std::string strategy, symbol;
    std::uint64_t epoch, seq, tick;
    int leg;
    bool buy;
    double price, quantity;
    std::int64_t sent_ns;
};
struct FixCancel {
    std::string strategy;
    std::uint64_t epoch, seq;
};
// ExecutionReport; type is ExecType: 0 new, 4 cancelled, 8 rejected, F trade.
struct FixReport {
    char type;
    std::string strategy, symbol;
    std::uint64_t epoch, seq, order_id, exec_id;
    bool buy;
    double price, quantity, cumulative, last_price, last_quantity;
    std::int64_t venue_ns;
};

class FixEvents {
public:
    virtual ~FixEvents() = default;
    virtual void on_logon() = 0;
    virtual void on_quote(const FixQuote& quote) = 0;
    virtual void on_order(const FixOrder& order) = 0;
    virtual void on_cancel(const FixCancel& cancel) = 0;
    virtual void on_report(const FixReport& report) = 0;
};

// How the peer is kept fair: it runs on the caller's thread by poll(), as our hot loop does, so no message waits for a thread to
// wake; MemoryStore and no log; no data dictionary, no validation and no stored copies; TCP_NODELAY; standard messages with the
// fewest fields that carry what our frames carry (Quote, NewOrderSingle, OrderCancelRequest, ExecutionReport).
class FixLink {
public:
    enum class Side { venue, engine };
    FixLink(Side side, int port, FixEvents& events);
    ~FixLink();

    void poll();
    void send(const FixQuote& quote);
    void send(const FixOrder& order);
    void send(const FixCancel& cancel);
    void send(const FixReport& report);

private:
    class Impl;
    std::unique_ptr<Impl> impl_;
};

}  // namespace bench
}  // namespace hft
