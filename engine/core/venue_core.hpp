// SPDX-License-Identifier: GPL-3.0-or-later
#pragma once

#include <cstdint>
#include <map>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

#include "core/book.hpp"
#include "core/market_feed.hpp"
#include "core/messages.hpp"
#include "core/tick_generator.hpp"

namespace hft {

using SessionId = std::uint64_t;

// What a session is to be told out of the venue's log: for a fence the fills alone, as Fill, else everything as DropCopy.
struct HistoryRequest {
    enum class Kind : std::uint8_t { fence, drop_copy } kind = Kind::drop_copy;
    SessionId session = 0;
    DropCopyRequest from;
    std::uint64_t fence_epoch = 0;
    std::uint32_t cancelled = 0;  // by that fence
};

// Where the venue's words go. A line is in the log before any answer that rests on it leaves.
class VenueOutput {
public:
    virtual ~VenueOutput() = default;
    virtual void log(std::string_view json_line) = 0;
    virtual void send(SessionId session, const LoginAck& message) = 0;
    virtual void send(SessionId session, const EpochInfo& message) = 0;
    virtual void send(SessionId session, const Accepted& message) = 0;
    virtual void send(SessionId session, const Rejected& message) = 0;
    virtual void send(SessionId session, const Fill& message) = 0;
    virtual void send(SessionId session, const Cancelled& message) = 0;
    virtual void send(SessionId session, const CancelRejected& message) = 0;
    virtual void send(SessionId session, const FenceCancelled& message) = 0;
    virtual void send(SessionId session, const FenceAck& message) = 0;
    virtual void send(SessionId session, const DropCopy& message) = 0;
    virtual void send(SessionId session, const DropCopyEnd& message) = 0;
    // Sends what the log holds, then calls VenueCore::on_history_told; at once or, when it is long, over many turns. False: there
    // is no log to tell from.
    [[nodiscard]] virtual bool tell_history(const HistoryRequest&) { return false; }
};

enum class FenceMode : std::uint8_t { enforce, observe };
// When an order would meet another of its own account: the incoming one is refused, or the resting one cancelled.
enum class SelfMatch : std::uint8_t { cancel_newest, cancel_oldest };

struct VenueRules {
    FenceMode fence = FenceMode::enforce;
    SelfMatch self_match = SelfMatch::cancel_newest;
    bool cancel_on_disconnect = true;
    std::uint32_t heartbeat_timeout_ms = 0;  // a session silent for longer is ended and its orders cancelled; 0: never
};

struct VenueOrder {
    std::uint64_t id = 0;
    SessionId session = 0;
    HolderName holder;
    AccountName account;
    NewOrder order;
    Quantity cumulative = 0;
    [[nodiscard]] Quantity leaves() const noexcept { return order.quantity - cumulative; }
};

// The exchange without sockets and files: fence, epochs, matching. Its log rebuilds it.
class VenueCore {
public:
    VenueCore(const VenueName& name, FenceMode mode, const std::vector<SymbolSetup>& symbols, VenueOutput& output)
        : VenueCore(name, VenueRules{mode}, symbols, output) {}
    VenueCore(const VenueName& name, const VenueRules& rules, const std::vector<SymbolSetup>& symbols, VenueOutput& output);

    // Rebuilding, before the first session: one call a record of the log, in order, then restored().
    void restore_epoch(const StrategyName& strategy, const AccountName& account, std::uint64_t epoch, const HolderName& holder);
    void restore_strategy(const StrategyName& strategy, std::uint64_t last_seq, Quantity position, std::uint64_t last_fill_id);
    void restore_open(const VenueOrder& order);
    void restore_ended(const FenceCancelled& order);
    void restore_accepted(const VenueOrder& order, std::uint64_t venue_tick, bool stale);
    void restore_fill(const Fill& fill);
    void restore_cancelled(std::uint64_t order_id, bool unasked, Nanos when);
    void restore_counters(std::uint64_t order_id, std::uint64_t fill_id, std::uint64_t tick);
    // Writes the start record. Orders that were open when the log ended are cancelled, or rest again where a disconnect cancels
    // nothing. Tick numbers are never reused.
    void restored(Nanos now, std::string_view version);
    // The whole of what must survive: the first record of a log file, and one every now and then, where reading begins.
    void log_state(std::string_view event, Nanos now, std::string_view version);
    [[nodiscard]] std::uint64_t tick_base() const noexcept { return tick_base_; }

    void on_login(SessionId session, const Login& login, Nanos now);
    void on_order(SessionId session, const NewOrder& order, Nanos now);
    void on_cancel(SessionId session, const CancelOrder& cancel, Nanos now);
    void on_fence(SessionId session, const Fence& fence, Nanos now);
    void on_drop_copy_request(SessionId session, const DropCopyRequest& request, Nanos now);
    void on_history_told(const HistoryRequest& request, std::uint64_t told, bool complete, Nanos now);
    // Refuses an order that the venue has nothing against, as an impairment.
    void refuse(SessionId session, const NewOrder& order, Nanos now);
    void on_disconnect(SessionId session, Nanos now, CancelReason reason = CancelReason::disconnected);
    void on_step(const MarketStep& step);

    [[nodiscard]] std::uint64_t highest_epoch(const StrategyName& strategy) const;
    [[nodiscard]] std::size_t open_orders() const noexcept { return orders_.size(); }

private:
    struct Market {
        SymbolSetup setup;
        Price step = 1;
        Book book;
        Price bid = 0;
        Price ask = 0;
        // What is left of the quote until the next tick.
        Quantity bid_left = 0;
        Quantity ask_left = 0;
        std::uint64_t tick = 0;
    };
    struct Session {
        HolderName holder;
        AccountName account;
        SessionKind kind = SessionKind::order_entry;
    };
    struct StrategyState {
        StrategyName name;
        AccountName account;  // of who used it first; nobody else may
        std::uint64_t epoch = 0;
        HolderName holder;
        std::uint64_t last_seq = 0;  // under epoch
        Quantity position = 0;
        std::uint64_t last_fill_id = 0;
        // Cancelled without their engine asking; told at every fence until an order shows that the fence was heard.
        std::vector<FenceCancelled> ended;
    };

    StrategyState& state(const StrategyName& name);
    Market* market(const SymbolName& symbol);
    [[nodiscard]] static RejectReason refusal(const StrategyState& strategy, const Session& session, std::uint64_t epoch);
    void reject(SessionId session, const NewOrder& order, RejectReason reason, Nanos now);
    void fill(VenueOrder& order, Price price, Quantity quantity, Nanos now, std::uint64_t tick);
    void count_fill(const Fill& fill);
    [[nodiscard]] bool meets_own_account(const Market& market, const NewOrder& order, const AccountName& account) const;
    void end(std::uint64_t order_id);
    void copy(const AccountName& account, const DropCopy& message);
    void cancel(VenueOrder& order, CancelReason reason, Nanos now);
    void match(Market& market, VenueOrder& incoming, Nanos now);
    void match_quote(Market& market, Side resting, Nanos now);
    void match_trade(Market& market, const Trade& trade, Nanos now);
    [[nodiscard]] static FenceCancelled describe(const VenueOrder& order, Nanos now);

    VenueName name_;
    VenueRules rules_;
    VenueOutput& output_;
    std::map<std::string, Market, std::less<>> markets_;
    std::map<std::string, StrategyState, std::less<>> strategies_;
    std::unordered_map<SessionId, Session> sessions_;
    std::map<std::uint64_t, VenueOrder> orders_;
    std::uint64_t next_order_id_ = 1;
    std::uint64_t next_fill_id_ = 1;
    std::uint64_t tick_base_ = 0;
};

}  // namespace hft
