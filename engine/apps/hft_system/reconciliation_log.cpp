// SPDX-License-Identifier: GPL-3.0-or-later
#include "apps/hft_system/reconciliation_log.hpp"

#include <cerrno>
#include <cstring>
#include <fstream>
#include <utility>

#include "core/utc.hpp"

namespace hft {

ReconciliationLog::ReconciliationLog(std::string directory, Report report) : directory_(std::move(directory)), report_(std::move(report)) {}

nlohmann::json ReconciliationLog::json(const std::string& strategy, const ReconcileView& view) {
    const Quantity here = view.position_here.load();
    const Quantity venue = view.position_venue.load();
    const std::uint32_t open_here = view.open_orders_here.load();
    const std::uint32_t open_venue = view.open_orders_venue.load();
    return {{"strategy", strategy},
            {"equal", here == venue && open_here == open_venue},
            {"position", {{"here", to_double(here)}, {"venue", to_double(venue)}}},
            {"open_orders", {{"here", open_here}, {"venue", open_venue}}}};
}

void ReconciliationLog::watch(const StrategyRegistry& strategies, TradingCore& core) {
    for (const auto& strategy : strategies.list()) {
        const ReconcileView& view = core.view(strategy->index).reconcile;
        const std::uint64_t done = view.done.load(std::memory_order_acquire);
        if (std::exchange(seen_[strategy->index], done) == done || done == 0) continue;
        nlohmann::json line = json(strategy->config.id, view);
        line["time"] = utc("%Y-%m-%dT%H:%M:%SZ");
        if (!line["equal"].get<bool>()) {
            report_("differs from the venue: position " + line["position"].dump() + ", open orders " + line["open_orders"].dump() +
                        "; the venue's position is taken over",
                    strategy->config.id);
        }
        write(line);
    }
}

void ReconciliationLog::write(const nlohmann::json& line) {
    const std::string path = directory_ + "/reconciliation_" + utc("%Y-%m-%d") + ".log";
    std::ofstream out(path, std::ios::app);
    out << line.dump() << '\n';
    out.flush();
    if (!out) report_("cannot write " + path + ": " + std::strerror(errno), "");
}

}  // namespace hft
