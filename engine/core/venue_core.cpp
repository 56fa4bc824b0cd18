// SPDX-License-Identifier: GPL-3.0-or-later
#include "core/venue_core.hpp"

#include <algorithm>
#include <utility>

#include "core/amount.hpp"
#include "core/json_line.hpp"

namespace hft {

namespace {

// Ticks an engine may have seen after the last one the log knows, at any configurable rate.
constexpr std::uint64_t kTickGap = 1'000'000;

HolderName holder_of(const Login& login) {
    return HolderName(std::string(login.engine.view()) + "/" + std::string(login.incarnation.view()));
}

JsonLine order_line(const char* event, Nanos now, const VenueOrder& o) {
    JsonLine line;
    line.add("t", now)
        .add("ev", event)
        .add("strategy", o.order.strategy.view())
        .add("epoch", o.order.epoch)
        .add("seq", o.order.seq)
        .add("holder", o.holder.view())
        .add("account", o.account.view())
        .add("order_id", o.id);
    return line;
}

void add_order(JsonLine& line, const NewOrder& order) {
    line.add("symbol", order.symbol.view())
        .add("side", to_text(order.side))
        .add("price", order.price)
        .add("qty", order.quantity)
        .add("tick", order.intent.tick)
        .add("leg", static_cast<int>(order.intent.leg))
        .add("sent_ns", order.sent_ns);
}

// Of an order that is open or has ended, for a state record.
JsonLine state_line(const HolderName& holder, const AccountName& account, std::uint64_t id, Quantity cumulative) {
    JsonLine line;
    line.add("holder", holder.view()).add("account", account.view()).add("order_id", id).add("cumulative", cumulative);
    return line;
}

std::string lines_of(const std::map<std::uint64_t, VenueOrder>& orders) {
    std::string list = "[";
    for (const auto& [id, o] : orders) {
        JsonLine line = state_line(o.holder, o.account, id, o.cumulative);
        line.add("strategy", o.order.strategy.view()).add("epoch", o.order.epoch).add("seq", o.order.seq);
        add_order(line, o.order);
        list += (list.size() > 1 ? "," : "") + line.str();
    }
    return list + "]";
}

std::string lines_of(const std::vector<FenceCancelled>& ended) {
    std::string list = "[";
    for (const FenceCancelled& e : ended) {
        JsonLine line = state_line(e.holder, {}, e.venue_order_id, e.cumulative);
        NewOrder order{e.strategy, e.symbol, e.epoch, e.seq, e.intent, e.side, e.price, e.quantity, e.sent_ns};
        line.add("strategy", e.strategy.view()).add("epoch", e.epoch).add("seq", e.seq).add("t", e.venue_ns);
        add_order(line, order);
        list += (list.size() > 1 ? "," : "") + line.str();
    }
    return list + "]";
}

DropCopy copy_of(DropCopyKind kind, const VenueOrder& order, Nanos now) {
    DropCopy copy;
    copy.kind = kind;
    copy.strategy = order.order.strategy;
    copy.symbol = order.order.symbol;
    copy.holder = order.holder;
    copy.epoch = order.order.epoch;
    copy.seq = order.order.seq;
    copy.venue_order_id = order.id;
    copy.intent = order.order.intent;
    copy.side = order.order.side;
    copy.order_price = order.order.price;
    copy.order_quantity = order.order.quantity;
    copy.cumulative = order.cumulative;
    copy.sent_ns = order.order.sent_ns;
    copy.venue_ns = now;
    return copy;
}

}  // namespace

VenueCore::VenueCore(const VenueName& name, const VenueRules& rules, const std::vector<SymbolSetup>& symbols, VenueOutput& output)
    : name_(name), rules_(rules), output_(output) {
    for (const SymbolSetup& setup : symbols) {
        Market market;
        market.setup = setup;
        market.step = std::max<Price>(1, from_double(setup.price_step));
        markets_.emplace(setup.name, std::move(market));
    }
}

VenueCore::StrategyState& VenueCore::state(const StrategyName& name) {
    StrategyState& state = strategies_[std::string(name.view())];
    if (state.name.empty()) state.name = name;
    return state;
}

VenueCore::Market* VenueCore::market(const SymbolName& symbol) {
    const auto found = markets_.find(symbol.view());
    return found == markets_.end() ? nullptr : &found->second;
}

std::uint64_t VenueCore::highest_epoch(const StrategyName& strategy) const {
    const auto found = strategies_.find(strategy.view());
    return found == strategies_.end() ? 0 : found->second.epoch;
}

// ---- rebuilding -------------------------------------------------------------------------------------------------------

void VenueCore::restore_epoch(const StrategyName& strategy, const AccountName& account, std::uint64_t epoch, const HolderName& holder) {
    StrategyState& s = state(strategy);
    if (s.account.empty()) s.account = account;
    if (epoch < s.epoch) return;
    if (epoch > s.epoch) s.last_seq = 0;
    s.epoch = epoch;
    s.holder = holder;
}

void VenueCore::restore_strategy(const StrategyName& strategy, std::uint64_t last_seq, Quantity position, std::uint64_t last_fill_id) {
    StrategyState& s = state(strategy);
    s.last_seq = last_seq;
    s.position = position;
    s.last_fill_id = last_fill_id;
}

void VenueCore::restore_open(const VenueOrder& order) { orders_[order.id] = order; }

void VenueCore::restore_ended(const FenceCancelled& order) { state(order.strategy).ended.push_back(order); }

void VenueCore::restore_accepted(const VenueOrder& order, std::uint64_t venue_tick, bool stale) {
    restore_epoch(order.order.strategy, order.account, order.order.epoch, order.holder);
    StrategyState& s = state(order.order.strategy);
    if (!stale) {
        s.last_seq = std::max(s.last_seq, order.order.seq);
        s.ended.clear();
    }
    orders_[order.id] = order;
    restore_counters(order.id, 0, venue_tick);
}

void VenueCore::restore_fill(const Fill& fill) {
    count_fill(fill);
    restore_counters(0, fill.fill_id, 0);
    const auto order = orders_.find(fill.venue_order_id);
    if (order == orders_.end()) return;
    order->second.cumulative = fill.cumulative;
    if (order->second.leaves() <= 0) orders_.erase(order);
}

void VenueCore::restore_cancelled(std::uint64_t order_id, bool unasked, Nanos when) {
    const auto order = orders_.find(order_id);
    if (order == orders_.end()) return;
    if (unasked) restore_ended(describe(order->second, when));
    orders_.erase(order);
}

void VenueCore::restore_counters(std::uint64_t order_id, std::uint64_t fill_id, std::uint64_t tick) {
    next_order_id_ = std::max(next_order_id_, order_id + 1);
    next_fill_id_ = std::max(next_fill_id_, fill_id + 1);
    tick_base_ = std::max(tick_base_, tick);
}

void VenueCore::restored(Nanos now, std::string_view version) {
    if (tick_base_ != 0) tick_base_ = (tick_base_ / kTickGap + 1) * kTickGap;
    log_state("start", now, version);
    std::vector<std::uint64_t> gone;
    for (auto& [id, order] : orders_) {
        Market* m = market(order.order.symbol);
        // Their sessions died with the last process. Ids rise with time, so priority is kept.
        if (rules_.cancel_on_disconnect || m == nullptr) {
            gone.push_back(id);
        } else {
            m->book.add(order.order.side, order.order.price, id);
        }
    }
    for (const std::uint64_t id : gone) cancel(orders_.at(id), CancelReason::disconnected, now);
}

void VenueCore::log_state(std::string_view event, Nanos now, std::string_view version) {
    std::uint64_t tick = tick_base_;
    for (const auto& [symbol, market] : markets_) tick = std::max(tick, market.tick);
    JsonLine line;
    line.add("t", now)
        .add("ev", event)
        .add("venue", name_.view())
        .add("version", version)
        .add("fence", rules_.fence == FenceMode::enforce ? "enforce" : "observe")
        .add("tick_base", tick)
        .add("last_order_id", next_order_id_ - 1)
        .add("last_fill_id", next_fill_id_ - 1);
    std::string list = "[";
    for (const auto& [name, s] : strategies_) {
        if (list.size() > 1) list += ',';
        list += JsonLine()
                    .add("strategy", s.name.view())
                    .add("account", s.account.view())
                    .add("epoch", s.epoch)
                    .add("holder", s.holder.view())
                    .add("last_seq", s.last_seq)
                    .add("position", s.position)
                    .add("last_fill_id", s.last_fill_id)
                    .raw("ended", lines_of(s.ended))
                    .str();
    }
    line.raw("strategies", list + "]").raw("orders", lines_of(orders_));
    output_.log(line.str());
}

// ---- sessions ---------------------------------------------------------------------------------------------------------

void VenueCore::on_login(SessionId session, const Login& login, Nanos now) {
    const Session& opened = sessions_[session] = Session{holder_of(login), login.account, login.kind};
    output_.log(JsonLine()
                    .add("t", now)
                    .add("ev", "login")
                    .add("session", session)
                    .add("holder", opened.holder.view())
                    .add("account", opened.account.view())
                    .add("kind", login.kind == SessionKind::drop_copy ? "drop_copy" : "order_entry")
                    .str());
    for (const auto& [name, s] : strategies_) {
        if (s.account == login.account || s.account.empty()) output_.send(session, EpochInfo{s.name, s.epoch});
    }
    output_.send(session, LoginAck{name_, rules_.heartbeat_timeout_ms, rules_.cancel_on_disconnect});
}

void VenueCore::on_disconnect(SessionId session, Nanos now, CancelReason reason) {
    const auto found = sessions_.find(session);
    if (found == sessions_.end()) return;
    output_.log(JsonLine()
                    .add("t", now)
                    .add("ev", "logout")
                    .add("session", session)
                    .add("holder", found->second.holder.view())
                    .add("reason", to_text(reason))
                    .str());
    sessions_.erase(found);
    if (!rules_.cancel_on_disconnect && reason == CancelReason::disconnected) return;
    std::vector<std::uint64_t> gone;
    for (const auto& [id, order] : orders_) {
        if (order.session == session) gone.push_back(id);
    }
    for (const std::uint64_t id : gone) {
        cancel(orders_.at(id), reason, now);
    }
}

// ---- orders -----------------------------------------------------------------------------------------------------------

void VenueCore::reject(SessionId session, const NewOrder& order, RejectReason reason, Nanos now) {
    VenueOrder refused;
    const auto found = sessions_.find(session);
    if (found != sessions_.end()) {
        refused.holder = found->second.holder;
        refused.account = found->second.account;
    }
    refused.order = order;
    JsonLine line = order_line("rejected", now, refused);
    line.add("reason", to_text(reason)).add("highest", highest_epoch(order.strategy));
    add_order(line, order);
    output_.log(line.str());
    output_.send(session, Rejected{order.strategy, order.epoch, order.seq, order.intent, reason, order.sent_ns, now});
}

// Why a session may not act for the strategy under this epoch.
RejectReason VenueCore::refusal(const StrategyState& strategy, const Session& session, std::uint64_t epoch) {
    if (strategy.account != session.account) return RejectReason::foreign_account;
    if (epoch < strategy.epoch) return RejectReason::stale_epoch;
    if (epoch == strategy.epoch && !strategy.holder.empty() && strategy.holder != session.holder) return RejectReason::foreign_incarnation;
    return RejectReason::none;
}

void VenueCore::refuse(SessionId session, const NewOrder& order, Nanos now) { reject(session, order, RejectReason::impaired, now); }

void VenueCore::on_order(SessionId session, const NewOrder& order, Nanos now) {
    const auto found = sessions_.find(session);
    if (found == sessions_.end()) return reject(session, order, RejectReason::not_logged_in, now);
    const Session& from = found->second;
    Market* market = this->market(order.symbol);
    if (market == nullptr) return reject(session, order, RejectReason::unknown_symbol, now);
    if (order.price <= 0 || order.price > kMaxAmount || order.price % market->step != 0)
        return reject(session, order, RejectReason::bad_price, now);
    if (order.quantity <= 0 || order.quantity > kMaxAmount) return reject(session, order, RejectReason::bad_quantity, now);
    if (order.strategy.empty()) return reject(session, order, RejectReason::unknown_order, now);

    StrategyState& s = state(order.strategy);
    if (s.account.empty()) s.account = from.account;
    const RejectReason reason = refusal(s, from, order.epoch);
    const bool stale = reason != RejectReason::none;
    if (reason == RejectReason::foreign_account || (stale && rules_.fence == FenceMode::enforce))
        return reject(session, order, reason, now);
    if (!stale) {
        if (order.epoch > s.epoch) s.last_seq = 0;
        s.epoch = order.epoch;
        s.holder = from.holder;
        if (order.seq <= s.last_seq) return reject(session, order, RejectReason::duplicate_seq, now);
        s.last_seq = order.seq;
        s.ended.clear();
    }
    if (rules_.self_match == SelfMatch::cancel_newest && meets_own_account(*market, order, from.account)) {
        return reject(session, order, RejectReason::self_match, now);
    }

    VenueOrder accepted;
    accepted.id = next_order_id_++;
    accepted.session = session;
    accepted.holder = from.holder;
    accepted.account = from.account;
    accepted.order = order;
    JsonLine line = order_line("accepted", now, accepted);
    add_order(line, order);
    line.add("venue_tick", market->tick).add("stale", stale);
    output_.log(line.str());
    output_.send(session, Accepted{order.strategy, order.epoch, order.seq, accepted.id, order.intent, order.sent_ns, now});
    copy(accepted.account, copy_of(DropCopyKind::accepted, accepted, now));
    VenueOrder& live = orders_.emplace(accepted.id, accepted).first->second;
    match(*market, live, now);
}

// Whether the order, matched now, would come to one of its own account.
bool VenueCore::meets_own_account(const Market& market, const NewOrder& order, const AccountName& account) const {
    const bool buy = order.side == Side::buy;
    const Price quote = buy ? market.ask : market.bid;
    Quantity quoted = buy ? market.ask_left : market.bid_left;
    Quantity left = order.quantity;
    bool meets = false;
    market.book.each(opposite(order.side), [&](const Book::Best& resting) {
        if (buy ? resting.price > order.price : resting.price < order.price) return false;
        if (quote > 0 && (buy ? quote < resting.price : quote > resting.price)) left -= std::exchange(quoted, 0);
        if (left <= 0) return false;
        const VenueOrder& other = orders_.at(resting.order_id);
        meets = other.account == account;
        left -= other.leaves();
        return !meets && left > 0;
    });
    return meets;
}

// Best price first, at one price resting orders before the quote; what is left rests.
void VenueCore::match(Market& market, VenueOrder& incoming, Nanos now) {
    const Side side = incoming.order.side;
    const Price limit = incoming.order.price;
    const bool buy = side == Side::buy;
    const auto crosses = [&](Price other) { return buy ? limit >= other : limit <= other; };
    const Price quote = buy ? market.ask : market.bid;
    Quantity& quoted = buy ? market.ask_left : market.bid_left;
    for (;;) {
        const auto resting = market.book.best(opposite(side));
        const bool meets = resting && crosses(resting->price);
        const bool quote_first = !meets || (buy ? quote < resting->price : quote > resting->price);
        if (quote > 0 && quoted > 0 && crosses(quote) && quote_first) {
            const Quantity quantity = std::min(incoming.leaves(), quoted);
            const bool whole = incoming.leaves() == quantity;
            quoted -= quantity;
            fill(incoming, quote, quantity, now, market.tick);
            if (whole) return;
            continue;
        }
        if (!meets) break;
        VenueOrder& other = orders_.at(resting->order_id);
        if (other.account == incoming.account) {
            cancel(other, CancelReason::self_match, now);
            continue;
        }
        const Quantity quantity = std::min(incoming.leaves(), other.leaves());
        const bool whole = incoming.leaves() == quantity;
        fill(other, resting->price, quantity, now, market.tick);
        fill(incoming, resting->price, quantity, now, market.tick);
        if (whole) return;
    }
    market.book.add(side, limit, incoming.id);
}

void VenueCore::fill(VenueOrder& order, Price price, Quantity quantity, Nanos now, std::uint64_t tick) {
    order.cumulative += quantity;
    Fill message;
    message.strategy = order.order.strategy;
    message.symbol = order.order.symbol;
    message.holder = order.holder;
    message.epoch = order.order.epoch;
    message.seq = order.order.seq;
    message.venue_order_id = order.id;
    message.fill_id = next_fill_id_++;
    message.intent = order.order.intent;
    message.side = order.order.side;
    message.order_price = order.order.price;
    message.order_quantity = order.order.quantity;
    message.cumulative = order.cumulative;
    message.price = price;
    message.quantity = quantity;
    message.sent_ns = order.order.sent_ns;
    message.venue_ns = now;
    JsonLine line = order_line("fill", now, order);
    line.add("fill_id", message.fill_id)
        .add("fill_price", price)
        .add("fill_qty", quantity)
        .add("cumulative", order.cumulative)
        .add("venue_tick", tick);
    add_order(line, order.order);
    output_.log(line.str());
    output_.send(order.session, message);
    DropCopy told = copy_of(DropCopyKind::fill, order, now);
    told.fill_id = message.fill_id;
    told.price = price;
    told.quantity = quantity;
    copy(order.account, told);
    count_fill(message);
    if (order.leaves() <= 0) end(order.id);
}

void VenueCore::count_fill(const Fill& fill) {
    StrategyState& s = state(fill.strategy);
    s.position += signed_quantity(fill.side, fill.quantity);
    s.last_fill_id = fill.fill_id;
}

void VenueCore::end(std::uint64_t order_id) {
    const auto found = orders_.find(order_id);
    if (found == orders_.end()) return;
    const NewOrder& order = found->second.order;
    if (Market* m = market(order.symbol); m != nullptr) m->book.remove(order.side, order.price, order_id);
    orders_.erase(found);
}

// To whom listens for the account.
void VenueCore::copy(const AccountName& account, const DropCopy& message) {
    for (const auto& [id, session] : sessions_) {
        if (session.kind == SessionKind::drop_copy && session.account == account) output_.send(id, message);
    }
}

void VenueCore::cancel(VenueOrder& order, CancelReason reason, Nanos now) {
    if (is_unasked(reason)) state(order.order.strategy).ended.push_back(describe(order, now));
    JsonLine line = order_line("cancelled", now, order);
    line.add("reason", to_text(reason)).add("cumulative", order.cumulative);
    add_order(line, order.order);
    output_.log(line.str());
    DropCopy told = copy_of(DropCopyKind::cancelled, order, now);
    told.reason = reason;
    copy(order.account, told);
    output_.send(order.session, Cancelled{order.order.strategy, order.order.epoch, order.order.seq, order.id, reason, order.cumulative,
                                          order.leaves(), now});
    end(order.id);
}

void VenueCore::on_cancel(SessionId session, const CancelOrder& cancel, Nanos now) {
    for (auto& [id, order] : orders_) {
        if (order.session == session && order.order.strategy == cancel.strategy && order.order.epoch == cancel.epoch &&
            order.order.seq == cancel.seq) {
            return this->cancel(order, CancelReason::requested, now);
        }
    }
    output_.log(JsonLine()
                    .add("t", now)
                    .add("ev", "cancel_rejected")
                    .add("strategy", cancel.strategy.view())
                    .add("epoch", cancel.epoch)
                    .add("seq", cancel.seq)
                    .str());
    output_.send(session, CancelRejected{cancel.strategy, cancel.epoch, cancel.seq, RejectReason::unknown_order, now});
}

// ---- fence ------------------------------------------------------------------------------------------------------------

FenceCancelled VenueCore::describe(const VenueOrder& order, Nanos now) {
    FenceCancelled message;
    message.strategy = order.order.strategy;
    message.symbol = order.order.symbol;
    message.holder = order.holder;
    message.epoch = order.order.epoch;
    message.seq = order.order.seq;
    message.venue_order_id = order.id;
    message.intent = order.order.intent;
    message.side = order.order.side;
    message.price = order.order.price;
    message.quantity = order.order.quantity;
    message.cumulative = order.cumulative;
    message.sent_ns = order.order.sent_ns;
    message.venue_ns = now;
    return message;
}

void VenueCore::on_fence(SessionId session, const Fence& fence, Nanos now) {
    const auto found = sessions_.find(session);
    if (found == sessions_.end() || fence.strategy.empty()) return;
    const Session& from = found->second;
    StrategyState& s = state(fence.strategy);
    if (s.account.empty()) s.account = from.account;
    const RejectReason reason = refusal(s, from, fence.epoch);
    const bool refused = reason == RejectReason::foreign_account || (reason != RejectReason::none && rules_.fence == FenceMode::enforce);
    if (!refused) {
        // After a fence the strategy's open orders are those of this session alone: what another session of the same engine left
        // behind goes too.
        std::vector<std::uint64_t> others;
        if (rules_.fence == FenceMode::enforce) {
            for (const auto& [id, order] : orders_) {
                if (order.order.strategy == fence.strategy && order.session != session) others.push_back(id);
            }
        }
        if (fence.epoch > s.epoch) s.last_seq = 0;
        if (fence.epoch >= s.epoch) {
            s.epoch = fence.epoch;
            s.holder = from.holder;
        }
        output_.log(JsonLine()
                        .add("t", now)
                        .add("ev", "fence")
                        .add("strategy", fence.strategy.view())
                        .add("epoch", fence.epoch)
                        .add("holder", from.holder.view())
                        .add("account", from.account.view())
                        .add("cancelled", static_cast<std::uint64_t>(others.size()))
                        .add("last_fill_id", fence.last_fill_id)
                        .str());
        DropCopy told;
        told.kind = DropCopyKind::fence;
        told.strategy = fence.strategy;
        told.holder = from.holder;
        told.epoch = fence.epoch;
        told.venue_ns = now;
        copy(from.account, told);
        for (const std::uint64_t id : others) cancel(orders_.at(id), CancelReason::fenced, now);
        HistoryRequest history;
        history.kind = HistoryRequest::Kind::fence;
        history.session = session;
        history.from = {fence.strategy, 0, 0, fence.last_fill_id};
        history.fence_epoch = fence.epoch;
        history.cancelled = static_cast<std::uint32_t>(others.size());
        if (!output_.tell_history(history)) on_history_told(history, 0, false, now);
        return;
    }
    output_.log(JsonLine()
                    .add("t", now)
                    .add("ev", "fence_refused")
                    .add("strategy", fence.strategy.view())
                    .add("epoch", fence.epoch)
                    .add("holder", from.holder.view())
                    .add("account", from.account.view())
                    .add("highest", s.epoch)
                    .add("reason", to_text(reason))
                    .str());
    FenceAck ack;
    ack.strategy = fence.strategy;
    ack.epoch = fence.epoch;
    ack.highest = s.epoch;
    ack.reason = reason;
    ack.venue_ns = now;
    output_.send(session, ack);
}

// The answer to a fence, or the end of a drop copy, as things stand when all before it is told.
void VenueCore::on_history_told(const HistoryRequest& request, std::uint64_t told, bool complete, Nanos now) {
    if (request.kind == HistoryRequest::Kind::drop_copy) {
        return output_.send(request.session, DropCopyEnd{request.from.strategy, told, complete, now});
    }
    const auto found = sessions_.find(request.session);
    if (found == sessions_.end()) return;
    const StrategyState& s = state(request.from.strategy);
    FenceAck ack;
    ack.strategy = request.from.strategy;
    ack.epoch = request.fence_epoch;
    ack.highest = s.epoch;
    ack.complete = complete;
    ack.cancelled = request.cancelled;
    ack.position = s.position;
    for (const auto& [id, order] : orders_) {
        if (order.order.strategy == ack.strategy && order.session == request.session) ++ack.open_orders;
    }
    ack.venue_ns = now;
    // Another fence may have been granted while this one's history was told.
    const RejectReason overtaken = refusal(s, found->second, request.fence_epoch);
    ack.granted = overtaken == RejectReason::none || rules_.fence == FenceMode::observe;
    if (!ack.granted) ack.reason = overtaken;
    for (const FenceCancelled& ended : s.ended) output_.send(request.session, ended);
    output_.send(request.session, ack);
}

void VenueCore::on_drop_copy_request(SessionId session, const DropCopyRequest& request, Nanos now) {
    const auto found = sessions_.find(session);
    if (found == sessions_.end()) return;
    const auto known = strategies_.find(request.strategy.view());
    // Nothing is told of a strategy of another account, nor that there is one.
    if (known == strategies_.end() || known->second.account != found->second.account) {
        return output_.send(session, DropCopyEnd{request.strategy, 0, true, now});
    }
    HistoryRequest history;
    history.session = session;
    history.from = request;
    if (!output_.tell_history(history)) on_history_told(history, 0, false, now);
}

// ---- market -----------------------------------------------------------------------------------------------------------

void VenueCore::on_step(const MarketStep& step) {
    Market* m = market(step.tick.symbol);
    if (m == nullptr) return;
    m->bid = step.tick.bid;
    m->ask = step.tick.ask;
    m->bid_left = step.tick.bid_quantity;
    m->ask_left = step.tick.ask_quantity;
    m->tick = step.tick.number;
    match_quote(*m, Side::buy, step.tick.venue_ns);
    match_quote(*m, Side::sell, step.tick.venue_ns);
    if (step.trade) match_trade(*m, *step.trade, step.tick.venue_ns);
}

// The quote ran into resting orders: they trade at their own price, as far as the quote reaches.
void VenueCore::match_quote(Market& market, Side resting, Nanos now) {
    Quantity& quoted = resting == Side::buy ? market.ask_left : market.bid_left;
    while (quoted > 0) {
        const auto best = market.book.best(resting);
        if (!best || (resting == Side::buy ? best->price < market.ask : best->price > market.bid)) return;
        VenueOrder& order = orders_.at(best->order_id);
        const Quantity quantity = std::min(quoted, order.leaves());
        quoted -= quantity;
        fill(order, best->price, quantity, now, market.tick);
    }
}

// Somebody's market order takes what is better than the quote or as good, in price-time order, then the quote.
void VenueCore::match_trade(Market& market, const Trade& trade, Nanos now) {
    Quantity left = trade.quantity;
    const Side resting = opposite(trade.side);
    while (left > 0) {
        const auto best = market.book.best(resting);
        if (!best || (resting == Side::sell ? best->price > market.ask : best->price < market.bid)) break;
        VenueOrder& order = orders_.at(best->order_id);
        const Quantity quantity = std::min(left, order.leaves());
        left -= quantity;
        fill(order, best->price, quantity, now, market.tick);
    }
    Quantity& quoted = resting == Side::sell ? market.ask_left : market.bid_left;
    quoted -= std::min(quoted, left);
}

}  // namespace hft
