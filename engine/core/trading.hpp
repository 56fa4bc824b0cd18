// SPDX-License-Identifier: GPL-3.0-or-later
#pragma once

#include <array>
#include <atomic>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>
#include <vector>

#include "core/fact.hpp"
#include "core/gateway.hpp"
#include "core/histogram.hpp"
#include "core/open_orders.hpp"
#include "core/order_table.hpp"
#include "core/position.hpp"
#include "core/risk.hpp"
#include "core/strategy.hpp"
#include "core/volatility.hpp"

namespace hft {

// Slots are made at the start: loading a strategy allocates nothing on the hot thread.
inline constexpr std::size_t kMaxStrategies = 64;

struct StrategySetup {
    StrategyName name;
    SymbolName symbol;
    std::size_t venue = 0;
    RiskLimits limits;
    bool paper = false;  // every check, every count, no order
    std::unique_ptr<Strategy> strategy;
};

enum class FenceState : std::uint8_t { none, pending, granted, refused };

// From control to the hot thread.
struct Command {
    enum class Kind : std::uint8_t {
        start,
        stop,
        enable,
        disable,
        take,
        drop,
        freeze,
        thaw,
        abandon,
        load,
        unload,
        configure,
        budget,
        flatten,
        reconcile,
        fence_ahead,
        shut_out
    };
    Kind kind = Kind::stop;
    std::size_t strategy = 0;
    // take: the lease of this epoch is ours; fence, book what we missed, then trade. fence_ahead: the fence of a take that is expected
    // (position.last_fill_id: what it will bring), so that the venue's answer is here when the lease is. shut_out: the venue is to refuse
    // every lower one. Nobody gets a right by these two.
    std::uint64_t epoch = 0;
    std::uint64_t freeze = 0;    // number of this freeze, never used twice
    bool fence = true;           // false: the venue has none, and the control side has waited for the old right to end
    bool keep_position = false;  // after a lost session: ours is newer than the database's
    Position::State position;
    RiskBudget budget;  // take, budget: what moves with the lease
    // configure: in place of what was; the strategy too when stage_parameters() was called before.
    RiskLimits limits;
    bool paper = false;
    bool parameters = false;
    std::uint32_t ticket = 0;  // told back when carried out
};
using CommandRing = SpscRing<Command>;

// What a frozen strategy ends with: no order open, nothing unanswered. Written before StrategyView::drained says so.
struct FinalState {
    Position::State position;
    std::uint32_t unknown_orders = 0;  // given up by abandon: the venue's fence tells what became of them
};

// The last comparison with the venue: at each fence, and when asked for.
struct ReconcileView {
    std::atomic<std::uint64_t> done{0};  // how many so far; written last
    std::atomic<Quantity> position_here{0};
    std::atomic<Quantity> position_venue{0};
    std::atomic<std::uint32_t> open_orders_here{0};
    std::atomic<std::uint32_t> open_orders_venue{0};
    std::atomic<std::uint64_t> differences{0};  // comparisons that found one
};

// What other threads may see of a strategy. Written by the hot thread, except right_until.
struct StrategyView {
    std::atomic<bool> loaded{false};
    std::atomic<std::uint32_t> configured{0};  // ticket of the last configure carried out
    std::atomic<bool> paper{false};
    std::atomic<std::uint64_t> paper_orders{0};
    std::atomic<double> value_at_risk{0};
    std::atomic<Quantity> max_position{0};  // in force, as are the next two
    std::atomic<double> max_notional{0};
    std::atomic<double> daily_loss{0};
    std::atomic<Nanos> right_until{0};  // by the lease: no order at or after this time (CLOCK_BOOTTIME)
    std::atomic<std::uint64_t> epoch{0};
    std::atomic<bool> active{false};
    std::atomic<bool> running{false};
    std::atomic<bool> flattening{false};    // its position is being closed
    std::atomic<bool> frozen{false};        // for a transfer: no new order
    std::atomic<std::uint64_t> drained{0};  // number of the last freeze that ended with nothing open
    ReconcileView reconcile;
    FinalState final_state;           // of that freeze
    std::atomic<bool> killed{false};  // the kill switch of this strategy alone; latched by control
    std::atomic<RiskCheck> halted{RiskCheck::none};
    std::atomic<FenceState> fence{FenceState::none};
    std::atomic<std::uint64_t> fence_epoch{0};  // what fence answers
    std::atomic<std::uint64_t> fence_highest{0};
    std::atomic<std::uint64_t> refused_epoch{0};  // the last one of ours that the venue refused an order for
    // Orders that the venue accepted, by its own clock: when the first under the newest epoch, when the last.
    std::atomic<std::uint64_t> accepted_epoch{0};
    std::atomic<Nanos> accepted_first{0};
    std::atomic<Nanos> accepted_last{0};
    std::atomic<std::uint32_t> open_orders{0};
    OpenOrdersCopy open_orders_copy;
    std::atomic<Quantity> position{0};
    std::atomic<double> average_price{0};
    std::atomic<double> realised_pnl{0};
    std::atomic<double> daily_pnl{0};
    std::atomic<std::uint64_t> fills{0};
    std::array<std::atomic<std::uint64_t>, 7> orders{};  // by OrderStatus reached
};

struct HotView {
    std::atomic<std::uint64_t> turns{0};
    std::atomic<bool> killed{false};  // latched by control, obeyed within one turn
    std::atomic<bool> enabled{false};
    std::atomic<bool> queue_full{false};
    std::array<std::atomic<std::uint64_t>, kRiskChecks> risk_failures{};
    LatencyHistogram tick_to_order;
    LatencyHistogram position_update;  // from a fill read to its position in place
};

// Feed, strategy, risk, gateway on one thread. Knows no socket and no clock but those given.
class TradingCore final : public VenueEvents {
public:
    TradingCore(std::vector<StrategySetup> strategies, std::vector<VenueName> venues, const HolderName& holder, OrderGateway& gateway,
                FactRing& facts, CommandRing& commands);
    ~TradingCore() override;
    TradingCore(const TradingCore&) = delete;
    TradingCore& operator=(const TradingCore&) = delete;

    // Between two looks at the sockets: commands, kill switch, rights that ended.
    HFT_HOT void housekeeping(Nanos now) noexcept;
    [[nodiscard]] HFT_HOT bool may_read_orders() noexcept { return facts_.free() >= kReadReserve; }

    HFT_HOT void on_tick(std::size_t venue, const Tick& tick, Nanos received) noexcept override;
    HFT_HOT void on_accepted(const Accepted& message) noexcept override;
    HFT_HOT void on_rejected(const Rejected& message) noexcept override;
    HFT_HOT void on_fill(const Fill& message) noexcept override;
    HFT_HOT void on_cancelled(const Cancelled& message) noexcept override;
    void on_cancel_rejected(const CancelRejected& message) noexcept override;
    void on_fence_cancelled(const FenceCancelled& message) noexcept override;
    void on_fence_ack(const FenceAck& message) noexcept override;
    void on_venue_up(std::size_t venue, Session session) noexcept override;
    void on_venue_lost(std::size_t venue) noexcept override;
    void on_heartbeat_due(std::size_t venue) noexcept override;

    // Control side, one caller at a time. A slot is filled here, and the hot thread looks at it from Command::load on.
    // kMaxStrategies: none is free.
    [[nodiscard]] std::size_t stage(StrategySetup setup);
    // New parameters for a loaded strategy: the old one is ended by discard_parameters() once the ticket is told back.
    void stage_parameters(std::size_t strategy, std::unique_ptr<Strategy> made);
    void discard_parameters(std::size_t strategy);
    // After unload was carried out (view().loaded is false): ends the strategy, and the slot is free.
    void discard(std::size_t strategy);

    // Before the threads start. False: a difference to the venue is taken over and counted, and trading goes on.
    void block_on_difference(bool block) noexcept { block_on_difference_ = block; }
    [[nodiscard]] StrategyView& view(std::size_t strategy) noexcept;
    [[nodiscard]] HotView& hot() noexcept { return hot_; }
    [[nodiscard]] bool venue_up(std::size_t venue) const noexcept { return venue_up_[venue].load(std::memory_order_relaxed); }

    // Room that is kept for answers to what is already sent: below the first no order goes out, below the second the
    // answers stay in the socket. So a record is never dropped.
    static constexpr std::size_t kOrderReserve = 8192;
    static constexpr std::size_t kReadReserve = 4096;

private:
    class Slot;

    [[nodiscard]] HFT_HOT RiskCheck gate(const Slot& slot, Nanos now) noexcept;
    HFT_HOT bool place(Slot& slot, std::uint8_t leg, Side side, Price price, Quantity quantity) noexcept;
    HFT_HOT void cancel_all(Slot& slot) noexcept;
    HFT_HOT void count(RiskCheck check) noexcept;
    HFT_HOT void publish(Slot& slot) noexcept;
    HFT_HOT void record_order(const Slot& slot, const OpenOrder& order, std::uint8_t reason) noexcept;
    HFT_HOT void record_position(const Slot& slot, Nanos when) noexcept;
    void record_event(const Slot& slot, EventKind kind, Quantity before, Quantity after) noexcept;
    HFT_HOT void push(const Fact& fact) noexcept;
    void apply(const Command& command) noexcept;
    void halt(Slot& slot, RiskCheck reason) noexcept;
    void drop(Slot& slot) noexcept;
    void flatten(Slot& slot, const Tick& tick) noexcept;
    void compare(Slot& slot, const FenceAck& venue) noexcept;
    void send_fence(const Slot& slot) noexcept;
    void take(Slot& slot, const Command& command) noexcept;
    void fence_ahead(Slot& slot, const Command& command) noexcept;
    void answer_ahead(Slot& slot) noexcept;
    void settle_fence(Slot& slot, const FenceAck& message) noexcept;
    void tell_drained(Slot& slot) noexcept;
    void abandon(Slot& slot) noexcept;
    void load(Slot& slot) noexcept;
    void unload(Slot& slot) noexcept;
    void configure(Slot& slot, const Command& command) noexcept;
    HFT_HOT void place_on_paper(Slot& slot, std::uint8_t leg, Side side, Price price, Quantity quantity, Nanos now) noexcept;
    [[nodiscard]] Fact event_of(const Slot& slot, EventKind kind) noexcept;
    [[nodiscard]] std::span<Slot* const> live() const noexcept { return {live_.data(), live_count_}; }
    [[nodiscard]] HFT_HOT Slot* find(const StrategyName& name) noexcept;

    std::vector<std::unique_ptr<Slot>> slots_;  // kMaxStrategies of them
    std::array<Slot*, kMaxStrategies> live_{};  // the hot thread's own list
    std::size_t live_count_ = 0;
    std::vector<VenueName> venues_;
    std::unique_ptr<std::atomic<bool>[]> venue_up_;
    HolderName holder_;
    OrderGateway& gateway_;
    FactRing& facts_;
    CommandRing& commands_;
    HotView hot_;
    std::uint64_t next_seq_ = 1;
    bool block_on_difference_ = true;
};

}  // namespace hft
