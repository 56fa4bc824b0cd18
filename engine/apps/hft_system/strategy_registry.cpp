// SPDX-License-Identifier: GPL-3.0-or-later
#include "apps/hft_system/strategy_registry.hpp"

#include <algorithm>
#include <utility>

#include "apps/hft_system/api/hot_thread.hpp"
#include "io/strategy_library.hpp"

namespace hft {

namespace {

using Json = nlohmann::json;
using Outcome = StrategyAnswer::Outcome;

constexpr const char* kStuck = "the hot loop did not take the change within a second";

// On one line: it becomes the detail of a problem document.
StrategySetup setup_of(const StrategyConfig& strategy, std::size_t venue, std::unique_ptr<Strategy> made) {
    StrategySetup setup;
    setup.name = StrategyName(strategy.id);
    setup.symbol = SymbolName(strategy.symbol);
    setup.venue = venue;
    setup.limits = strategy.limits;
    setup.paper = strategy.paper_trading;
    setup.strategy = std::move(made);
    return setup;
}

}  // namespace

StrategyRegistry::StrategyRegistry(const EngineConfig& config, std::function<void(const Command&)> command)
    : config_(config), around_(config.strategy_surroundings()), command_(std::move(command)) {}

LeasedStrategy StrategyRegistry::leased(const StrategyConfig& strategy) const {
    const std::size_t venue = config_.venue_index(strategy.venue);
    return {strategy.id, strategy.symbol, venue, {strategy.venue}, config_.venues[venue].fence == "epoch"};
}

std::unique_ptr<Strategy> StrategyRegistry::make(const StrategyConfig& strategy, std::string& error) const {
    const auto library = StrategyLibrary::open(around_.directories, strategy.type, error);
    return library ? library->create(strategy.parameters, error) : nullptr;
}

std::string StrategyRegistry::make_configured(std::vector<StrategySetup>& setups, std::vector<LeasedStrategy>& leases) {
    for (const StrategyConfig& strategy : config_.strategies) {
        std::string error;
        auto made = make(strategy, error);
        if (!made) return "strategy " + strategy.id + ": " + error;
        leases.push_back(leased(strategy));
        setups.push_back(setup_of(strategy, leases.back().venue, std::move(made)));
        put(std::make_shared<const LoadedStrategy>(LoadedStrategy{setups.size() - 1, strategy}));
    }
    return {};
}

void StrategyRegistry::connect(TradingCore& core, LeaseKeeper& keeper) {
    core_ = &core;
    keeper_ = &keeper;
}

LoadedStrategies StrategyRegistry::list() const {
    const std::lock_guard lock(mutex_);
    return loaded_;
}

std::shared_ptr<const LoadedStrategy> StrategyRegistry::find(const std::string& id) const {
    const std::lock_guard lock(mutex_);
    const auto found = std::find_if(loaded_.begin(), loaded_.end(), [&](const auto& s) { return s->config.id == id; });
    return found == loaded_.end() ? nullptr : *found;
}

void StrategyRegistry::put(std::shared_ptr<const LoadedStrategy> strategy) {
    const std::lock_guard lock(mutex_);
    const auto found = std::find_if(loaded_.begin(), loaded_.end(), [&](const auto& s) { return s->config.id == strategy->config.id; });
    if (found != loaded_.end()) {
        *found = std::move(strategy);
    } else {
        loaded_.push_back(std::move(strategy));
    }
}

void StrategyRegistry::erase(const std::string& id) {
    const std::lock_guard lock(mutex_);
    loaded_.erase(std::remove_if(loaded_.begin(), loaded_.end(), [&](const auto& s) { return s->config.id == id; }), loaded_.end());
}

void StrategyRegistry::send(Command::Kind kind, std::size_t index) {
    Command command;
    command.kind = kind;
    command.strategy = index;
    command_(command);
}

StrategyAnswer StrategyRegistry::load(const Json& json) {
    const std::lock_guard one(changing_);
    ConfigErrors errors;
    StrategyConfig strategy = read_strategy(json, "", around_, errors);
    if (!errors.empty()) return {Outcome::invalid, errors.one_line()};
    if (find(strategy.id)) return {Outcome::conflict, "strategy \"" + strategy.id + "\" is loaded already; DELETE it first"};
    std::string error;
    auto made = make(strategy, error);
    if (!made) return {Outcome::invalid, "/type: " + error};
    const LeasedStrategy lease = leased(strategy);
    const std::size_t index = core_->stage(setup_of(strategy, lease.venue, std::move(made)));
    if (index == kMaxStrategies) return {Outcome::conflict, "all " + std::to_string(kMaxStrategies) + " strategies are loaded"};
    tickets_[index] = 0;
    send(Command::Kind::load, index);
    // Not seen within a second: the slot stays taken, because the command may still be carried out.
    if (!soon([&] { return core_->view(index).loaded.load(std::memory_order_acquire); })) return {Outcome::unavailable, kStuck};
    const RoleAnswer entered = keeper_->add(index, lease);
    if (entered.outcome != RoleOutcome::done) {
        send(Command::Kind::unload, index);
        if (soon([&] { return !core_->view(index).loaded.load(std::memory_order_acquire); })) core_->discard(index);
        return {entered.outcome == RoleOutcome::conflict ? Outcome::conflict : Outcome::unavailable, entered.detail};
    }
    put(std::make_shared<const LoadedStrategy>(LoadedStrategy{index, std::move(strategy)}));
    return {};
}

StrategyAnswer StrategyRegistry::unload(const std::string& id) {
    const std::lock_guard one(changing_);
    const auto strategy = find(id);
    if (!strategy) return {Outcome::unknown, "no strategy \"" + id + "\""};
    const std::size_t index = strategy->index;
    StrategyView& view = core_->view(index);
    if (view.open_orders.load() != 0) return {Outcome::conflict, "strategy \"" + id + "\" has open orders; stop it first"};
    if (view.position.load() != 0) return {Outcome::conflict, "strategy \"" + id + "\" holds a position; flatten it first"};
    // First the lease: what has none cannot begin to trade while it is taken out.
    const RoleAnswer left = keeper_->remove(index);
    if (left.outcome != RoleOutcome::done)
        return {left.outcome == RoleOutcome::conflict ? Outcome::conflict : Outcome::unavailable, left.detail};
    send(Command::Kind::unload, index);
    if (!soon([&] { return !view.loaded.load(std::memory_order_acquire); })) {
        static_cast<void>(keeper_->add(index, leased(strategy->config)));
        return {Outcome::conflict, "strategy \"" + id + "\" still has an order or a position, or the hot loop stands still"};
    }
    erase(id);
    core_->discard(index);
    return {};
}

StrategyAnswer StrategyRegistry::configure(const std::string& id, const Json& changes) {
    const std::lock_guard one(changing_);
    const auto strategy = find(id);
    if (!strategy) return {Outcome::unknown, "no strategy \"" + id + "\""};
    ConfigErrors errors;
    const ConfigObject known(&changes, "", {"paper_trading", "limits", "parameters"}, errors);
    Json wanted = strategy->config.json();
    wanted.merge_patch(changes);
    StrategyConfig changed;
    if (errors.empty()) changed = read_strategy(wanted, "", around_, errors);
    if (!errors.empty()) return {Outcome::invalid, errors.one_line()};

    StrategyView& view = core_->view(strategy->index);
    std::uint32_t& ticket = tickets_[strategy->index];
    // An earlier change that was given up here may still be carried out, and needs what lies ready for it.
    if (view.configured.load(std::memory_order_acquire) != ticket) return {Outcome::unavailable, kStuck};
    Command command;
    command.kind = Command::Kind::configure;
    command.strategy = strategy->index;
    command.limits = changed.limits;
    command.paper = changed.paper_trading;
    command.parameters = changed.parameters != strategy->config.parameters;
    if (command.parameters) {
        std::string error;
        auto made = make(changed, error);
        if (!made) return {Outcome::invalid, "/parameters: " + error};
        core_->stage_parameters(strategy->index, std::move(made));
    }
    command.ticket = ++ticket;
    command_(command);
    if (!soon([&] { return view.configured.load(std::memory_order_acquire) == ticket; })) return {Outcome::unavailable, kStuck};
    core_->discard_parameters(strategy->index);
    put(std::make_shared<const LoadedStrategy>(LoadedStrategy{strategy->index, std::move(changed)}));
    return {};
}

}  // namespace hft
