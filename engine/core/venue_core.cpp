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

VenueCore::VenueCore(const VenueName& name, FenceMode mode, std::vector<SymbolSetup> symbols, VenueOutput& output)
    : name_(name), mode_(mode), output_(output) {
    for (SymbolSetup& setup : symbols) {
        Market market;
        market.step = std::max<Price>(1, from_double(setup.price_step));
        const std::string symbol = setup.name;
        market.setup = std::move(setup);
        markets_.emplace(symbol, std::move(market));
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

void VenueCore::restore_position(const StrategyName& strategy, Quantity position, std::uint64_t last_fill_id) {
    StrategyState& s = state(strategy);
    s.position = position;
    // Fills of an older log file cannot be told any more.
    if (s.fills.empty()) s.forgotten_fill = last_fill_id;
}

void VenueCore::restore_accepted(const VenueOrder& order, std::uint64_t venue_tick) {
    restore_epoch(order.order.strategy, order.account, order.order.epoch, order.holder);
    StrategyState& s = state(order.order.strategy);
    if (order.order.epoch == s.epoch) s.last_seq = std::max(s.last_seq, order.order.seq);
    orders_[order.id] = order;
    restore_counters(order.id, 0, venue_tick);
}

void VenueCore::restore_fill(const Fill& fill) {
    keep_fill(fill);
    restore_counters(0, fill.fill_id, 0);
    const auto order = orders_.find(fill.venue_order_id);
    if (order == orders_.end()) return;
    order->second.cumulative = fill.cumulative;
    if (order->second.leaves() <= 0) orders_.erase(order);
}

void VenueCore::restore_cancelled(std::uint64_t order_id) { orders_.erase(order_id); }

void VenueCore::restore_counters(std::uint64_t order_id, std::uint64_t fill_id, std::uint64_t tick) {
    next_order_id_ = std::max(next_order_id_, order_id + 1);
    next_fill_id_ = std::max(next_fill_id_, fill_id + 1);
    tick_base_ = std::max(tick_base_, tick);
}

void VenueCore::restored(Nanos now, std::string_view version) {
    if (tick_base_ != 0) tick_base_ = (tick_base_ / kTickGap + 1) * kTickGap;
    log_state("start", now, version);
    // Their sessions died with the last process.
    for (auto& [id, order] : orders_) {
        state(order.order.strategy).ended.push_back(describe(order, now));
        JsonLine line = order_line("cancelled", now, order);
        line.add("reason", to_text(CancelReason::disconnected)).add("cumulative", order.cumulative);
        add_order(line, order.order);
        output_.log(line.str());
    }
    orders_.clear();
}

void VenueCore::log_state(std::string_view event, Nanos now, std::string_view version) {
    std::uint64_t tick = tick_base_;
    for (const auto& [symbol, market] : markets_) tick = std::max(tick, market.tick);
    JsonLine line;
    line.add("t", now)
        .add("ev", event)
        .add("venue", name_.view())
        .add("version", version)
        .add("fence", mode_ == FenceMode::enforce ? "enforce" : "observe")
        .add("tick_base", tick)
        .add("last_order_id", next_order_id_ - 1)
        .add("last_fill_id", next_fill_id_ - 1);
    std::string list = "[";
    for (const auto& [name, s] : strategies_) {
        if (list.size() > 1) list += ',';
        list += JsonLine()
                    .add("strategy", name)
                    .add("account", s.account.view())
                    .add("epoch", s.epoch)
                    .add("holder", s.holder.view())
                    .add("position", s.position)
                    .str();
    }
    line.raw("strategies", list + "]");
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
    output_.send(session, LoginAck{name_, 0, true});
}

void VenueCore::on_disconnect(SessionId session, Nanos now) {
    const auto found = sessions_.find(session);
    if (found == sessions_.end()) return;
    output_.log(JsonLine().add("t", now).add("ev", "logout").add("session", session).add("holder", found->second.holder.view()).str());
    sessions_.erase(found);
    std::vector<std::uint64_t> gone;
    for (const auto& [id, order] : orders_) {
        if (order.session == session) gone.push_back(id);
    }
    for (const std::uint64_t id : gone) {
        VenueOrder& order = orders_.at(id);
        state(order.order.strategy).ended.push_back(describe(order, now));
        cancel(order, CancelReason::disconnected, now);
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
    if (reason == RejectReason::foreign_account || (stale && mode_ == FenceMode::enforce)) return reject(session, order, reason, now);
    if (!stale) {
        if (order.epoch > s.epoch) s.last_seq = 0;
        s.epoch = order.epoch;
        s.holder = from.holder;
        if (order.seq <= s.last_seq) return reject(session, order, RejectReason::duplicate_seq, now);
        s.last_seq = order.seq;
    }
    // An order never meets another of its own account.
    const auto resting = market->book.best(opposite(order.side), [&](std::uint64_t id) { return orders_.at(id).account != from.account; });
    if (resting && (order.side == Side::buy ? order.price >= resting->price : order.price <= resting->price)) {
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

void VenueCore::match(Market& market, VenueOrder& incoming, Nanos now) {
    const NewOrder order = incoming.order;
    const std::uint64_t id = incoming.id;
    const auto crosses = [&](Price other) { return order.side == Side::buy ? order.price >= other : order.price <= other; };
    while (incoming.leaves() > 0) {
        const auto resting = market.book.best(opposite(order.side));
        if (!resting || !crosses(resting->price)) break;
        const Price quote = order.side == Side::buy ? market.ask : market.bid;
        const bool quote_better = quote > 0 && (order.side == Side::buy ? quote < resting->price : quote > resting->price);
        if (quote_better) break;
        VenueOrder& other = orders_.at(resting->order_id);
        const Quantity quantity = std::min(incoming.leaves(), other.leaves());
        fill(other, resting->price, quantity, now, market.tick);
        const bool whole = incoming.leaves() == quantity;
        fill(incoming, resting->price, quantity, now, market.tick);
        if (whole) return;
    }
    const Price quote = order.side == Side::buy ? market.ask : market.bid;
    if (quote > 0 && crosses(quote)) return fill(incoming, quote, incoming.leaves(), now, market.tick);
    market.book.add(order.side, order.price, id);
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
    message.recovered = true;
    keep_fill(message);
    if (order.leaves() <= 0) end(order.id);
}

void VenueCore::keep_fill(const Fill& fill) {
    StrategyState& s = state(fill.strategy);
    s.position += signed_quantity(fill.side, fill.quantity);
    s.fills.push_back(fill);
    if (s.fills.size() > kFillsKept) {
        s.forgotten_fill = s.fills.front().fill_id;
        s.fills.pop_front();
    }
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
    const bool refused = reason == RejectReason::foreign_account || (reason != RejectReason::none && mode_ == FenceMode::enforce);
    FenceAck ack;
    ack.strategy = fence.strategy;
    ack.epoch = fence.epoch;
    ack.granted = !refused;
    ack.reason = refused ? reason : RejectReason::none;
    ack.venue_ns = now;
    if (!refused) {
        std::vector<std::uint64_t> lower;
        if (mode_ == FenceMode::enforce) {
            for (const auto& [id, order] : orders_) {
                if (order.order.strategy == fence.strategy && order.order.epoch < fence.epoch) lower.push_back(id);
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
                        .add("cancelled", static_cast<std::uint64_t>(lower.size()))
                        .add("last_fill_id", fence.last_fill_id)
                        .str());
        DropCopy told;
        told.kind = DropCopyKind::fence;
        told.strategy = fence.strategy;
        told.holder = from.holder;
        told.epoch = fence.epoch;
        told.venue_ns = now;
        copy(from.account, told);
        for (const Fill& fill : s.fills) {
            if (fill.fill_id > fence.last_fill_id) output_.send(session, fill);
        }
        for (const FenceCancelled& ended : s.ended) output_.send(session, ended);
        s.ended.clear();
        for (const std::uint64_t id : lower) {
            VenueOrder& order = orders_.at(id);
            output_.send(session, describe(order, now));
            cancel(order, CancelReason::fenced, now);
        }
        ack.cancelled = static_cast<std::uint32_t>(lower.size());
        ack.complete = fence.last_fill_id >= s.forgotten_fill;
        ack.position = s.position;
    } else {
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
    }
    ack.highest = s.epoch;
    output_.send(session, ack);
}

void VenueCore::on_drop_copy_request(SessionId session, const DropCopyRequest& request, Nanos now) {
    output_.send(session, DropCopyEnd{request.strategy, 0, false, now});
}

// ---- market -----------------------------------------------------------------------------------------------------------

void VenueCore::on_step(const TickGenerator::Step& step) {
    Market* m = market(step.tick.symbol);
    if (m == nullptr) return;
    m->bid = step.tick.bid;
    m->ask = step.tick.ask;
    m->tick = step.tick.number;
    const Nanos now = step.tick.venue_ns;
    // The quote ran into resting orders: they trade whole, at their own price.
    while (const auto best = m->book.best(Side::buy)) {
        if (best->price < m->ask) break;
        VenueOrder& order = orders_.at(best->order_id);
        fill(order, best->price, order.leaves(), now, m->tick);
    }
    while (const auto best = m->book.best(Side::sell)) {
        if (best->price > m->bid) break;
        VenueOrder& order = orders_.at(best->order_id);
        fill(order, best->price, order.leaves(), now, m->tick);
    }
    if (!step.trade) return;
    // Somebody's market order takes what is better than the quote or as good, in price-time order.
    Quantity left = step.trade->quantity;
    const Side resting_side = opposite(step.trade->side);
    while (left > 0) {
        const auto best = m->book.best(resting_side);
        if (!best) break;
        const bool reachable = resting_side == Side::sell ? best->price <= m->ask : best->price >= m->bid;
        if (!reachable) break;
        VenueOrder& order = orders_.at(best->order_id);
        const Quantity quantity = std::min(left, order.leaves());
        left -= quantity;
        fill(order, best->price, quantity, now, m->tick);
    }
}

}  // namespace hft
