// SPDX-License-Identifier: GPL-3.0-or-later
// A fence without a successor: the last means against a holder that trades on and does not answer.
#include "core/lease_keeper.hpp"

#include <algorithm>

#include "core/clock.hpp"

namespace hft {

std::vector<ShutOut> LeaseKeeper::shut_out(const std::vector<std::string>& strategies) {
    std::vector<ShutOut> told;
    const RoleAnswer answer = ask("the fence of a kill", [&] {
        for (const std::string& strategy : strategies) told.push_back(carry_out_shut_out(strategy));
        return RoleAnswer{};
    });
    if (answer.outcome == RoleOutcome::done) return told;
    told.clear();
    for (const std::string& strategy : strategies) told.push_back({strategy, 0, answer.detail});
    return told;
}

ShutOut LeaseKeeper::carry_out_shut_out(const std::string& strategy) {
    ShutOut told{strategy, 0, {}};
    const auto refused = [&](const std::string& why) {
        told.error = why;
        return told;
    };
    const std::optional<std::size_t> index = index_of(strategy);
    if (!index) return refused("no strategy " + strategy + " here");
    Entry& entry = entries_[*index];
    StrategyView& view = core_.view(*index);
    if (!core_.hot().killed.load() && !view.killed.load()) return refused("the kill switch is not latched here: latch it first");
    if (entry.machine.held()) return refused("held here: its own kill switch has stopped it");
    if (!entry.strategy.fenced) return refused("venue " + entry.strategy.venues.front() + " has no fence");
    if (!core_.venue_up(entry.strategy.venue)) return refused("no session to venue " + entry.strategy.venues.front());
    const auto& row = entry.machine.row();
    told.epoch = std::max(ports_.venue_epoch(strategy), row ? row->epoch : 0) + 1;
    for (int attempt = 0; attempt < 3; ++attempt) {
        view.fence.store(FenceState::none);
        view.fence_epoch.store(0);
        Command command;
        command.kind = Command::Kind::shut_out;
        command.strategy = *index;
        command.epoch = told.epoch;
        ports_.command(command);
        FenceState state = FenceState::none;
        const bool answered = wait_until(
            [&] {
                state = view.fence.load(std::memory_order_acquire);
                return view.fence_epoch.load() == told.epoch && (state == FenceState::granted || state == FenceState::refused);
            },
            settings_.fence_wait);
        if (!answered) return refused("venue " + entry.strategy.venues.front() + " did not answer the fence");
        if (state == FenceState::granted) {
            ports_.report("warning", "shut out at the venue: every epoch below " + std::to_string(told.epoch), strategy);
            return told;
        }
        // Somebody went on meanwhile.
        told.epoch = std::max(told.epoch, view.fence_highest.load()) + 1;
    }
    return refused("the venue's epoch kept moving");
}

}  // namespace hft
