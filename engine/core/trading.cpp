// SPDX-License-Identifier: GPL-3.0-or-later
#include "core/trading.hpp"

#include <algorithm>
#include <limits>
#include <utility>

namespace hft {

namespace {

template <typename T>
void put(std::atomic<T>& target, T value) noexcept {
    target.store(value, std::memory_order_relaxed);
}

// The leg of orders that close a position: no strategy may use it, or a flatten and its order would be one intent.
constexpr std::uint8_t kFlattenLeg = 255;
// A closing order that did not fill by then is priced anew.
constexpr std::uint64_t kFlattenTicks = 10;

// Counters have one writer: no locked instruction is needed.
void bump(std::atomic<std::uint64_t>& counter) noexcept {
    counter.store(counter.load(std::memory_order_relaxed) + 1, std::memory_order_relaxed);
}

}  // namespace

class TradingCore::Slot final : public OrderActions {
public:
    // A fence that was sent before the lease it belongs to: the venue's answer is kept until the lease is ours.
    struct Ahead {
        enum class State : std::uint8_t { none, asked, answered };
        State state = State::none;
        bool held = false;   // the lease is ours, the answer is not here yet
        bool fills = false;  // there was more than the state that was handed over
        std::uint64_t last_fill_id = 0;
        FenceAck ack;
    };

    explicit Slot(TradingCore& core) : core(core) {}

    // Control thread, before the hot thread sees the slot: nothing of an earlier strategy stays.
    void fill(StrategySetup setup) {
        name = setup.name;
        symbol = setup.symbol;
        venue = setup.venue;
        risk = RiskGate(setup.limits);
        paper = setup.paper;
        strategy = std::move(setup.strategy);
        book = Position();
        volatility = EwmaVolatility();
        orders = OrderTable();
        open_buy = open_sell = 0;
        reference = 0;
        tick_number = epoch = 0;
        freeze = 0;
        abandoned = 0;
        running = active = frozen = flattening = may_place = sent_in_tick = false;
        flatten_tick = 0;
        halted = RiskCheck::none;
        ahead = {};
        taken = true;
    }

    bool place(std::uint8_t leg, Side side, Price price, Quantity quantity) noexcept override {
        return leg != kFlattenLeg && core.place(*this, leg, side, price, quantity);
    }
    void cancel_all() noexcept override { core.cancel_all(*this); }
    [[nodiscard]] Quantity position() const noexcept override { return book.state().quantity; }
    [[nodiscard]] Quantity max_position() const noexcept override { return risk.limits().max_position; }
    [[nodiscard]] std::uint32_t open_orders() const noexcept override { return orders.size(); }

    TradingCore& core;
    StrategyName name;
    SymbolName symbol;
    std::size_t venue = 0;
    RiskGate risk;
    std::unique_ptr<Strategy> strategy;
    std::unique_ptr<Strategy> staged;  // becomes strategy at configure, and what was lies here then
    Position book;
    EwmaVolatility volatility;
    OrderTable orders;
    Quantity open_buy = 0;
    Quantity open_sell = 0;
    Price reference = 0;
    std::uint64_t tick_number = 0;
    std::uint64_t epoch = 0;
    bool running = false;
    bool active = false;     // fenced under epoch
    bool shuts_out = false;  // epoch is no right of ours
    Ahead ahead;
    std::uint64_t freeze = 0;  // number of the last freeze
    bool frozen = false;       // being handed over
    bool flattening = false;
    std::uint64_t flatten_tick = 0;  // of the last closing order
    std::uint32_t abandoned = 0;
    bool may_place = false;  // inside on_tick, with every grant
    bool sent_in_tick = false;
    bool paper = false;
    bool taken = false;  // control's word: staged or loaded
    RiskCheck halted = RiskCheck::none;
    StrategyView view;

    [[nodiscard]] Quantity& open(Side side) noexcept { return side == Side::buy ? open_buy : open_sell; }
};

TradingCore::TradingCore(std::vector<StrategySetup> strategies, std::vector<VenueName> venues, const HolderName& holder,
                         OrderGateway& gateway, FactRing& facts, CommandRing& commands)
    : venues_(std::move(venues)),
      venue_up_(std::make_unique<std::atomic<bool>[]>(venues_.size())),
      holder_(holder),
      gateway_(gateway),
      facts_(facts),
      commands_(commands) {
    slots_.reserve(kMaxStrategies);
    for (std::size_t i = 0; i < kMaxStrategies; ++i) slots_.push_back(std::make_unique<Slot>(*this));
    for (StrategySetup& setup : strategies) {
        if (const std::size_t i = stage(std::move(setup)); i < kMaxStrategies) load(*slots_[i]);
    }
}

TradingCore::~TradingCore() = default;

StrategyView& TradingCore::view(std::size_t strategy) noexcept { return slots_[strategy]->view; }

std::size_t TradingCore::stage(StrategySetup setup) {
    for (std::size_t i = 0; i < slots_.size(); ++i) {
        if (slots_[i]->taken) continue;
        slots_[i]->fill(std::move(setup));
        return i;
    }
    return kMaxStrategies;
}

void TradingCore::stage_parameters(std::size_t strategy, std::unique_ptr<Strategy> made) { slots_[strategy]->staged = std::move(made); }

void TradingCore::discard_parameters(std::size_t strategy) { slots_[strategy]->staged.reset(); }

void TradingCore::discard(std::size_t strategy) {
    Slot& slot = *slots_[strategy];
    if (slot.view.loaded.load(std::memory_order_acquire)) return;
    slot.strategy.reset();
    slot.staged.reset();
    slot.taken = false;
}

TradingCore::Slot* TradingCore::find(const StrategyName& name) noexcept {
    for (Slot* slot : live()) {
        if (slot->name == name) return slot;
    }
    return nullptr;
}

void TradingCore::count(RiskCheck check) noexcept { bump(hot_.risk_failures[static_cast<std::size_t>(check)]); }

// Every grant an order needs besides its own limits.
RiskCheck TradingCore::gate(const Slot& slot, Nanos now) noexcept {
    if (hot_.killed.load(std::memory_order_acquire) || slot.view.killed.load(std::memory_order_acquire)) return RiskCheck::killswitch;
    // Closing a position is asked for by a person, whether the strategy runs or not.
    const bool wanted = slot.flattening || (hot_.enabled.load(std::memory_order_relaxed) && slot.running);
    if (!wanted) return RiskCheck::not_enabled;
    if (!slot.active || slot.frozen || now >= slot.view.right_until.load(std::memory_order_acquire)) return RiskCheck::lease;
    if (!venue_up(slot.venue)) return RiskCheck::venue;
    if (facts_.free() < kOrderReserve) return RiskCheck::queue;
    return RiskCheck::none;
}

void TradingCore::housekeeping(Nanos now) noexcept {
    put(hot_.turns, hot_.turns.load(std::memory_order_relaxed) + 1);
    for (std::size_t n = commands_.readable(); n > 0; --n) {
        apply(commands_.peek(0));
        commands_.release(1);
    }
    put(hot_.queue_full, facts_.free() < kOrderReserve);
    for (Slot* const at : live()) {
        Slot& slot = *at;
        const bool may = gate(slot, now) == RiskCheck::none;
        // A grant that ended takes the open orders with it, also one that was placed since the last look.
        if (!may && slot.orders.size() != 0) {
            cancel_all(slot);
            gateway_.flush(slot.venue);
        }
        publish(slot);
        slot.view.open_orders_copy.answer(slot.orders);
        if (slot.frozen) tell_drained(slot);
    }
    gateway_.flush_pending();
}

void TradingCore::on_tick(std::size_t venue, const Tick& tick, Nanos received) noexcept {
    for (Slot* const at : live()) {
        Slot& slot = *at;
        if (slot.venue != venue || slot.symbol != tick.symbol) continue;
        slot.reference = (tick.bid + tick.ask) / 2;
        slot.book.mark(slot.reference, tick.venue_ns);
        slot.volatility.observe(slot.reference, tick.venue_ns);
        slot.tick_number = tick.number;
        slot.sent_in_tick = false;
        const RiskCheck check = gate(slot, boot_ns());
        if (check != RiskCheck::none) {
            if (check == RiskCheck::queue) count(check);
            slot.strategy->on_tick(tick, slot);  // sees the tick, but place() says no
            continue;
        }
        if (slot.flattening) {
            flatten(slot, tick);
            continue;
        }
        if (slot.book.daily_pnl() <= -slot.risk.limits().daily_loss_usd) {
            count(RiskCheck::daily_loss);
            halt(slot, RiskCheck::daily_loss);
            slot.strategy->on_tick(tick, slot);
            continue;
        }
        slot.may_place = true;
        slot.strategy->on_tick(tick, slot);
        slot.may_place = false;
        const bool asked = gateway_.flush(slot.venue);
        if (slot.sent_in_tick && asked) hot_.tick_to_order.observe(boot_ns() - received);
    }
}

bool TradingCore::place(Slot& slot, std::uint8_t leg, Side side, Price price, Quantity quantity) noexcept {
    if (!slot.may_place) return false;
    const Nanos now = boot_ns();
    RiskCheck check = gate(slot, now);
    if (check == RiskCheck::none) {
        const RiskView view{slot.book.state().quantity, slot.open_buy,  slot.open_sell,
                            slot.orders.size(),         slot.reference, slot.flattening ? 0 : slot.book.daily_pnl()};
        check = slot.risk.check(view, side, price, quantity, now);
    }
    if (check != RiskCheck::none) {
        count(check);
        return false;
    }
    if (slot.paper && !slot.flattening) {
        place_on_paper(slot, leg, side, price, quantity, now);
        return true;
    }
    OpenOrder* order = slot.orders.add(next_seq_);
    if (order == nullptr) {
        count(RiskCheck::open_orders);
        return false;
    }
    ++next_seq_;
    order->epoch = slot.epoch;
    order->intent = Intent{slot.tick_number, leg};
    order->side = side;
    order->price = price;
    order->quantity = quantity;
    order->sent_ns = wall_ns();
    slot.open(side) += quantity;
    slot.risk.sent(now);
    bump(slot.view.orders[static_cast<std::size_t>(OrderStatus::sent)]);
    // The record stands before the order leaves: after a crash nothing is at the venue that the journal does not know.
    record_order(slot, *order, 0);
    NewOrder message;
    message.strategy = slot.name;
    message.symbol = slot.symbol;
    message.epoch = order->epoch;
    message.seq = order->seq;
    message.intent = order->intent;
    message.side = side;
    message.price = price;
    message.quantity = quantity;
    message.sent_ns = order->sent_ns;
    gateway_.send(slot.venue, message);
    slot.sent_in_tick = true;
    return true;
}

// All of an order but the sending: it counts against the rate, and nothing of it is ever open.
void TradingCore::place_on_paper(Slot& slot, std::uint8_t leg, Side side, Price price, Quantity quantity, Nanos now) noexcept {
    slot.risk.sent(now);
    bump(slot.view.paper_orders);
    Fact fact = event_of(slot, EventKind::paper_order);
    fact.intent = Intent{slot.tick_number, leg};
    fact.side = side;
    fact.price = price;
    fact.quantity = quantity;
    push(fact);
}

void TradingCore::cancel_all(Slot& slot) noexcept {
    if (!venue_up(slot.venue)) return;
    slot.orders.each([&](OpenOrder& order) {
        if (order.cancel_asked) return;
        order.cancel_asked = true;
        CancelOrder message;
        message.strategy = slot.name;
        message.epoch = order.epoch;
        message.seq = order.seq;
        gateway_.send(slot.venue, message);
    });
}

void TradingCore::on_accepted(const Accepted& message) noexcept {
    Slot* slot = find(message.strategy);
    if (slot == nullptr) return;
    OpenOrder* order = slot->orders.find(message.seq, message.epoch);
    if (order == nullptr) return;
    order->venue_order_id = message.venue_order_id;
    order->venue_ns = message.venue_ns;
    if (order->status == OrderStatus::sent) order->status = OrderStatus::accepted;
    bump(slot->view.orders[static_cast<std::size_t>(OrderStatus::accepted)]);
    if (message.epoch > slot->view.accepted_epoch.load(std::memory_order_relaxed)) {
        put(slot->view.accepted_first, message.venue_ns);
        put(slot->view.accepted_epoch, message.epoch);
    }
    put(slot->view.accepted_last, message.venue_ns);
    record_order(*slot, *order, 0);
}

void TradingCore::on_rejected(const Rejected& message) noexcept {
    Slot* slot = find(message.strategy);
    if (slot == nullptr) return;
    // Somebody else holds a higher epoch: whatever the lease said, we are not the one.
    if (message.reason == RejectReason::stale_epoch || message.reason == RejectReason::foreign_incarnation) {
        if (message.epoch == slot->epoch) {
            slot->active = false;
            put(slot->view.refused_epoch, message.epoch);
        }
    }
    OpenOrder* order = slot->orders.find(message.seq, message.epoch);
    if (order == nullptr) return;
    order->status = OrderStatus::rejected;
    order->venue_ns = message.venue_ns;
    bump(slot->view.orders[static_cast<std::size_t>(OrderStatus::rejected)]);
    record_order(*slot, *order, static_cast<std::uint8_t>(message.reason));
    slot->open(order->side) -= order->leaves();
    slot->orders.remove(*order);
}

void TradingCore::on_fill(const Fill& message) noexcept {
    Slot* slot = find(message.strategy);
    if (slot == nullptr) return;
    Fact fact;
    fact.kind = FactKind::fill;
    fact.strategy = slot->name;
    fact.symbol = message.symbol;
    fact.venue = venues_[slot->venue];
    fact.engine = message.holder;
    fact.epoch = message.epoch;
    fact.seq = message.seq;
    fact.venue_order_id = message.venue_order_id;
    fact.fill_id = message.fill_id;
    fact.side = message.side;
    fact.price = message.price;
    fact.quantity = message.quantity;
    fact.venue_ns = message.venue_ns;
    fact.recovered = message.recovered;
    push(fact);

    // The order as the fill tells it: right for our own and for one that another engine sent.
    OrderStatus status = message.cumulative >= message.order_quantity ? OrderStatus::filled : OrderStatus::partially_filled;
    fact.kind = FactKind::order;
    fact.status = status;
    fact.price = message.order_price;
    fact.quantity = message.order_quantity;
    fact.cumulative = message.cumulative;
    fact.intent = message.intent;
    fact.sent_ns = message.sent_ns;
    push(fact);

    bump(slot->view.fills);
    bump(slot->view.orders[static_cast<std::size_t>(status)]);
    if (OpenOrder* order = slot->orders.find(message.seq, message.epoch); order != nullptr) {
        slot->open(order->side) -= message.cumulative - order->cumulative;
        order->cumulative = message.cumulative;
        order->status = status;
        if (order->leaves() <= 0) slot->orders.remove(*order);
    }
    // Ours is not yet the position that it belongs to: the fence of the take tells it again.
    if (slot->ahead.state == Slot::Ahead::State::asked && !slot->ahead.held) {
        slot->ahead.fills = true;
        return;
    }
    // What the restored position already holds is told again by a fence: booked once.
    if (message.fill_id > slot->book.state().last_fill_id) {
        slot->book.book(message.side, message.price, message.quantity, message.fill_id);
        if (message.received != 0) hot_.position_update.observe(boot_ns() - message.received);
        record_position(*slot, message.venue_ns);
        slot->strategy->on_fill(message, slot->book.state().quantity);
    }
}

void TradingCore::on_cancelled(const Cancelled& message) noexcept {
    Slot* slot = find(message.strategy);
    if (slot == nullptr) return;
    OpenOrder* order = slot->orders.find(message.seq, message.epoch);
    if (order == nullptr) return;
    order->status = OrderStatus::cancelled;
    order->venue_ns = message.venue_ns;
    bump(slot->view.orders[static_cast<std::size_t>(OrderStatus::cancelled)]);
    record_order(*slot, *order, 0);
    slot->open(order->side) -= order->leaves();
    slot->orders.remove(*order);
}

// The order was gone before the cancel came: its fill or cancel is on the way or was here. Nothing to do.
void TradingCore::on_cancel_rejected(const CancelRejected& message) noexcept { (void)message; }

void TradingCore::on_fence_cancelled(const FenceCancelled& message) noexcept {
    Slot* slot = find(message.strategy);
    if (slot == nullptr) return;
    Fact fact;
    fact.kind = FactKind::order;
    fact.status = OrderStatus::cancelled;
    fact.recovered = true;
    fact.strategy = slot->name;
    fact.symbol = message.symbol;
    fact.venue = venues_[slot->venue];
    fact.engine = message.holder;
    fact.epoch = message.epoch;
    fact.seq = message.seq;
    fact.venue_order_id = message.venue_order_id;
    fact.intent = message.intent;
    fact.side = message.side;
    fact.price = message.price;
    fact.quantity = message.quantity;
    fact.cumulative = message.cumulative;
    fact.sent_ns = message.sent_ns;
    fact.venue_ns = message.venue_ns;
    push(fact);
}

void TradingCore::on_fence_ack(const FenceAck& message) noexcept {
    Slot* slot = find(message.strategy);
    if (slot == nullptr || message.epoch != slot->epoch) return;
    if (slot->ahead.state == Slot::Ahead::State::asked) {
        slot->ahead.ack = message;
        slot->ahead.state = Slot::Ahead::State::answered;
        if (slot->ahead.held) answer_ahead(*slot);
        return;
    }
    settle_fence(*slot, message);
}

void TradingCore::settle_fence(Slot& slot, const FenceAck& message) noexcept {
    put(slot.view.fence_highest, message.highest);
    put(slot.view.fence_epoch, message.epoch);
    if (message.granted && !slot.shuts_out) {
        compare(slot, message);
        slot.active = true;
        record_event(slot, EventKind::fenced, 0, message.position);
        record_position(slot, message.venue_ns);
    }
    // Last: who waits for it finds the rest in place.
    slot.view.fence.store(message.granted ? FenceState::granted : FenceState::refused, std::memory_order_release);
}

void TradingCore::fence_ahead(Slot& slot, const Command& command) noexcept {
    if (slot.active) return;
    slot.epoch = command.epoch;
    slot.shuts_out = false;
    slot.ahead = {};
    slot.ahead.state = Slot::Ahead::State::asked;
    slot.ahead.last_fill_id = command.position.last_fill_id;
    send_fence(slot);
}

// The lease is ours, and the venue has told how things stand. Where nothing happened behind the state that was handed over, its answer
// is that of a fence sent now; in every other case one is sent now, and tells the rest.
void TradingCore::answer_ahead(Slot& slot) noexcept {
    const Slot::Ahead ahead = std::exchange(slot.ahead, {});
    const Position::State& state = slot.book.state();
    if (ahead.ack.granted && !ahead.fills && ahead.ack.cancelled == 0 && ahead.last_fill_id == state.last_fill_id &&
        ahead.ack.position == state.quantity) {
        return settle_fence(slot, ahead.ack);
    }
    send_fence(slot);
}

void TradingCore::take(Slot& slot, const Command& command) noexcept {
    const bool asked = slot.ahead.state != Slot::Ahead::State::none && slot.epoch == command.epoch;
    slot.epoch = command.epoch;
    slot.active = false;
    slot.shuts_out = false;
    slot.frozen = false;
    if (!command.keep_position) {
        slot.book.restore(command.position);
        slot.risk.grant(command.budget);
    }
    if (!command.fence) {
        slot.active = true;
        put(slot.view.fence_epoch, command.epoch);
        slot.view.fence.store(FenceState::granted, std::memory_order_release);
        return;
    }
    slot.view.fence.store(FenceState::pending, std::memory_order_release);
    slot.ahead.held = asked;
    if (!asked) {
        slot.ahead = {};
        send_fence(slot);
    } else if (slot.ahead.state == Slot::Ahead::State::answered) {
        answer_ahead(slot);
    }
}

// The venue answers in the order it was asked in: what is here and not yet answered was sent after the fence. So both sides
// speak of the same moment, whether the strategy trades meanwhile or not. The venue is right; whether to trade on is not ours to say.
void TradingCore::compare(Slot& slot, const FenceAck& venue) noexcept {
    const Quantity before = slot.book.state().quantity;
    std::uint32_t open = 0;
    slot.orders.each([&](const OpenOrder& order) { open += order.status != OrderStatus::sent ? 1 : 0; });
    ReconcileView& view = slot.view.reconcile;
    put(view.position_here, before);
    put(view.position_venue, venue.position);
    put(view.open_orders_here, open);
    put(view.open_orders_venue, venue.open_orders);
    if (before != venue.position || open != venue.open_orders) {
        bump(view.differences);
        if (before != venue.position) slot.book.adopt(venue.position);
        record_event(slot, EventKind::reconciled, before, venue.position);
        if (block_on_difference_) {
            count(RiskCheck::reconcile);
            halt(slot, RiskCheck::reconcile);
        }
    }
    view.done.store(view.done.load(std::memory_order_relaxed) + 1, std::memory_order_release);
}

void TradingCore::send_fence(const Slot& slot) noexcept {
    Fence message;
    message.strategy = slot.name;
    message.epoch = slot.epoch;
    // Whoever claims next asks for the fills that its position lacks.
    message.last_fill_id = slot.shuts_out                                  ? std::numeric_limits<std::uint64_t>::max()
                           : slot.ahead.state == Slot::Ahead::State::asked ? slot.ahead.last_fill_id
                                                                           : slot.book.state().last_fill_id;
    gateway_.send(slot.venue, message);
    gateway_.flush(slot.venue);
}

void TradingCore::on_venue_up(std::size_t venue, Session session) noexcept {
    gateway_.open(venue, session);
    put(venue_up_[venue], true);
}

void TradingCore::on_heartbeat_due(std::size_t venue) noexcept {
    gateway_.send(venue, Heartbeat{boot_ns()});
    gateway_.flush(venue);
}

void TradingCore::on_venue_lost(std::size_t venue) noexcept {
    gateway_.close(venue);
    put(venue_up_[venue], false);
    for (Slot* const at : live()) {
        Slot& slot = *at;
        if (slot.venue != venue) continue;
        // The venue cancels on disconnect; what filled before is told by the fence of the next session.
        slot.orders.each([&](OpenOrder& order) {
            order.status = OrderStatus::unknown;
            bump(slot.view.orders[static_cast<std::size_t>(OrderStatus::unknown)]);
            record_order(slot, order, 0);
            slot.orders.remove(order);
        });
        slot.open_buy = 0;
        slot.open_sell = 0;
        slot.active = false;
        slot.ahead = {};
        slot.view.fence.store(FenceState::none, std::memory_order_release);
        record_event(slot, EventKind::venue_lost, 0, 0);
    }
}

void TradingCore::apply(const Command& command) noexcept {
    switch (command.kind) {
        case Command::Kind::enable:
            put(hot_.enabled, true);
            return;
        case Command::Kind::disable:
            put(hot_.enabled, false);
            return;
        default:
            break;
    }
    if (command.strategy >= slots_.size()) return;
    Slot& slot = *slots_[command.strategy];
    if (command.kind == Command::Kind::load) return load(slot);
    if (!slot.view.loaded.load(std::memory_order_relaxed)) return;
    switch (command.kind) {
        case Command::Kind::unload:
            unload(slot);
            return;
        case Command::Kind::configure:
            configure(slot, command);
            return;
        case Command::Kind::budget:
            slot.risk.grant(command.budget);
            return;
        case Command::Kind::start:
            slot.running = true;
            slot.halted = RiskCheck::none;
            return;
        case Command::Kind::stop:
            slot.running = false;
            slot.flattening = false;
            return;
        case Command::Kind::flatten:
            slot.running = false;
            slot.flattening = true;
            slot.flatten_tick = 0;
            cancel_all(slot);
            gateway_.flush(slot.venue);
            return;
        case Command::Kind::freeze:
            slot.frozen = true;
            slot.freeze = command.freeze;
            slot.abandoned = 0;
            return;
        case Command::Kind::reconcile:
            // Under the epoch we hold the venue shuts nobody out: it only tells how things stand.
            if (slot.active) send_fence(slot);
            return;
        case Command::Kind::shut_out:
            if (slot.active) return;
            slot.epoch = command.epoch;
            slot.ahead = {};
            slot.shuts_out = true;
            slot.view.fence.store(FenceState::pending, std::memory_order_release);
            send_fence(slot);
            return;
        case Command::Kind::thaw:
            slot.frozen = false;
            return;
        case Command::Kind::abandon:
            abandon(slot);
            return;
        case Command::Kind::take:
            take(slot, command);
            return;
        case Command::Kind::fence_ahead:
            fence_ahead(slot, command);
            return;
        case Command::Kind::drop:
            drop(slot);
            return;
        default:
            return;
    }
}

// The venue's session must stand: what a lost one left open is unknown, not drained.
void TradingCore::tell_drained(Slot& slot) noexcept {
    if (!slot.active || !venue_up(slot.venue) || slot.orders.size() != 0 ||
        slot.view.drained.load(std::memory_order_relaxed) == slot.freeze) {
        return;
    }
    slot.view.final_state = {slot.book.state(), slot.abandoned};
    slot.view.drained.store(slot.freeze, std::memory_order_release);
}

// The orders stay with the venue; whoever fences next learns what they did.
void TradingCore::abandon(Slot& slot) noexcept {
    slot.orders.each([&](OpenOrder& order) {
        order.status = OrderStatus::unknown;
        bump(slot.view.orders[static_cast<std::size_t>(OrderStatus::unknown)]);
        record_order(slot, order, 0);
        slot.orders.remove(order);
        ++slot.abandoned;
    });
    slot.open_buy = 0;
    slot.open_sell = 0;
    slot.view.final_state = {slot.book.state(), slot.abandoned};
    slot.view.drained.store(slot.freeze, std::memory_order_release);
}

void TradingCore::drop(Slot& slot) noexcept {
    slot.active = false;
    slot.ahead = {};
    slot.frozen = false;
    slot.flattening = false;
    slot.view.fence.store(FenceState::none, std::memory_order_release);
    cancel_all(slot);
    gateway_.flush(slot.venue);
}

void TradingCore::load(Slot& slot) noexcept {
    if (slot.view.loaded.load(std::memory_order_relaxed) || live_count_ == live_.size()) return;
    live_[live_count_++] = &slot;
    StrategyView& view = slot.view;
    put(view.right_until, Nanos{0});
    put(view.refused_epoch, std::uint64_t{0});
    put(view.killed, false);
    put(view.fence, FenceState::none);
    put(view.fence_epoch, std::uint64_t{0});
    put(view.fence_highest, std::uint64_t{0});
    put(view.fills, std::uint64_t{0});
    put(view.paper_orders, std::uint64_t{0});
    put(view.configured, std::uint32_t{0});
    put(view.drained, std::uint64_t{0});
    put(view.accepted_epoch, std::uint64_t{0});
    put(view.accepted_first, Nanos{0});
    put(view.accepted_last, Nanos{0});
    for (auto& count : view.orders) put(count, std::uint64_t{0});
    publish(slot);
    view.loaded.store(true, std::memory_order_release);
}

// Control asked whether it may go; the last word is here, where orders and position are.
void TradingCore::unload(Slot& slot) noexcept {
    if (slot.active || slot.orders.size() != 0 || slot.book.state().quantity != 0) return;
    const auto end = live_.begin() + static_cast<std::ptrdiff_t>(live_count_);
    const auto found = std::find(live_.begin(), end, &slot);
    if (found == end) return;
    *found = live_[--live_count_];
    slot.view.loaded.store(false, std::memory_order_release);
}

void TradingCore::configure(Slot& slot, const Command& command) noexcept {
    slot.risk.configure(command.limits);
    // Paper or real is never half: what is open at the venue goes first.
    if (command.paper && !slot.paper) {
        cancel_all(slot);
        gateway_.flush(slot.venue);
    }
    slot.paper = command.paper;
    if (command.parameters && slot.staged) std::swap(slot.strategy, slot.staged);
    publish(slot);
    slot.view.configured.store(command.ticket, std::memory_order_release);
}

// One closing order at a time, at the price that the market pays now; the limits hold, but for the daily loss: it is no
// reason to keep a position.
void TradingCore::flatten(Slot& slot, const Tick& tick) noexcept {
    const Quantity position = slot.book.state().quantity;
    if (slot.orders.size() != 0) {
        if (tick.number >= slot.flatten_tick + kFlattenTicks) cancel_all(slot);
    } else if (position == 0) {
        slot.flattening = false;
        record_event(slot, EventKind::flattened, 0, 0);
    } else {
        const Side side = position > 0 ? Side::sell : Side::buy;
        const Quantity size = position > 0 ? position : -position;
        const Quantity limit = slot.risk.limits().max_position;
        slot.flatten_tick = tick.number;
        slot.may_place = true;
        place(slot, kFlattenLeg, side, side == Side::sell ? tick.bid : tick.ask, size < limit ? size : limit);
        slot.may_place = false;
    }
    gateway_.flush(slot.venue);
}

void TradingCore::halt(Slot& slot, RiskCheck reason) noexcept {
    slot.running = false;
    slot.halted = reason;
    record_event(slot, EventKind::strategy_halted, 0, 0);
    cancel_all(slot);
    gateway_.flush(slot.venue);
}

void TradingCore::publish(Slot& slot) noexcept {
    StrategyView& view = slot.view;
    const Position::State& state = slot.book.state();
    put(view.epoch, slot.epoch);
    put(view.active, slot.active);
    put(view.running, slot.running);
    put(view.frozen, slot.frozen);
    put(view.flattening, slot.flattening);
    put(view.halted, slot.halted);
    put(view.open_orders, slot.orders.size());
    put(view.position, state.quantity);
    put(view.average_price, state.average_price);
    put(view.realised_pnl, state.realised_pnl);
    put(view.daily_pnl, slot.book.daily_pnl());
    put(view.value_at_risk, slot.volatility.value_at_risk(slot.reference, state.quantity));
    put(view.paper, slot.paper);
    put(view.max_position, slot.risk.limits().max_position);
    put(view.max_notional, slot.risk.limits().max_notional);
    put(view.daily_loss, slot.risk.limits().daily_loss_usd);
}

void TradingCore::record_order(const Slot& slot, const OpenOrder& order, std::uint8_t reason) noexcept {
    Fact fact;
    fact.kind = FactKind::order;
    fact.status = order.status;
    fact.reason = reason;
    fact.strategy = slot.name;
    fact.symbol = slot.symbol;
    fact.venue = venues_[slot.venue];
    fact.engine = holder_;
    fact.epoch = order.epoch;
    fact.seq = order.seq;
    fact.venue_order_id = order.venue_order_id;
    fact.intent = order.intent;
    fact.side = order.side;
    fact.price = order.price;
    fact.quantity = order.quantity;
    fact.cumulative = order.cumulative;
    fact.sent_ns = order.sent_ns;
    fact.venue_ns = order.venue_ns;
    push(fact);
}

void TradingCore::record_position(const Slot& slot, Nanos when) noexcept {
    const Position::State& state = slot.book.state();
    Fact fact;
    fact.kind = FactKind::position;
    fact.strategy = slot.name;
    fact.symbol = slot.symbol;
    fact.engine = holder_;
    fact.epoch = slot.epoch;
    fact.quantity = state.quantity;
    fact.average_price = state.average_price;
    fact.realised_pnl = state.realised_pnl;
    fact.day = state.day;
    fact.day_start_pnl = state.day_start_pnl;
    fact.fill_id = state.last_fill_id;
    fact.venue_ns = when;
    push(fact);
}

Fact TradingCore::event_of(const Slot& slot, EventKind kind) noexcept {
    Fact fact;
    fact.kind = FactKind::event;
    fact.event = kind;
    fact.reason = static_cast<std::uint8_t>(slot.halted);
    fact.strategy = slot.name;
    fact.engine = holder_;
    fact.epoch = slot.epoch;
    fact.seq = next_seq_++;
    fact.venue_ns = wall_ns();
    return fact;
}

void TradingCore::record_event(const Slot& slot, EventKind kind, Quantity before, Quantity after) noexcept {
    Fact fact = event_of(slot, kind);
    fact.before = before;
    fact.quantity = after;
    push(fact);
}

// The reserves make a full ring impossible here; if it happened all the same, trading must not go on as if nothing were.
void TradingCore::push(const Fact& fact) noexcept {
    if (!facts_.push(fact)) hot_.killed.store(true, std::memory_order_release);
}

}  // namespace hft
