// SPDX-License-Identifier: GPL-3.0-or-later
#include <array>
#include <cstddef>

#include "hft_strategy.hpp"

namespace {

using hft::strategy::Parameters;
using hft::strategy::scaled;

// Follows the trend: a bar closes at every bar_ticks-th tick of the venue, and the return over the last lookback_bars bars
// decides. Above entry_bps it wants to be long, below -entry_bps short, within exit_bps flat, in between as it is.
// The state is the mids of the last bars and nothing else, so an engine that has seen lookback_bars bars in a row
// decides as one that has run for a week does. A missed bar starts the window anew.
class Momentum {
public:
    static constexpr std::uint32_t kMostBars = 256;
    struct Settings {
        std::uint32_t bar_ticks = 20;
        std::uint32_t lookback_bars = 10;
        double entry_bps = 1.0;
        double exit_bps = 0.2;
        double size = 0.05;      // of one order
        double cross_bps = 2.0;  // how far beyond the opposite quote its limit may lie
        double price_step = 0.01;
    };

    static Settings read(Parameters& p) {
        Settings s;
        s.bar_ticks = p.integer("bar_ticks", s.bar_ticks, 1, 1'000'000);
        s.lookback_bars = p.integer("lookback_bars", s.lookback_bars, 1, kMostBars - 1);
        s.entry_bps = p.number("entry_bps", s.entry_bps, 0, 10'000, true);
        s.exit_bps = p.number("exit_bps", s.exit_bps, 0, 10'000);
        s.size = p.number("size", s.size, 0, 1e9, true);
        s.cross_bps = p.number("cross_bps", s.cross_bps, 0, 1000);
        s.price_step = p.number("price_step", s.price_step, 1e-6, 1e6);
        if (s.exit_bps >= s.entry_bps) p.fault("exit_bps", "expected a number below entry_bps");
        return s;
    }
    static void check(const Settings& s, const hft_limits& limits, Parameters& p) {
        if (limits.max_position > 0 && scaled(s.size) > limits.max_position)
            p.fault("size", "expected a number <= limits/max_position, or no order ever passes");
    }

    Momentum(const Settings& settings, const hft_host& host)
        : settings_(settings), host_(host), size_(scaled(settings.size)), step_(scaled(settings.price_step)) {}

    void on_tick(const hft_tick& tick) noexcept {
        if (tick.number % settings_.bar_ticks != 0) return;
        const std::uint64_t bar = tick.number / settings_.bar_ticks;
        if (bar != last_bar_ + 1) bars_ = 0;
        last_bar_ = bar;
        const double mid = (static_cast<double>(tick.bid) + static_cast<double>(tick.ask)) / 2.0;
        mids_[bar % kMostBars] = mid;
        if (bars_ <= settings_.lookback_bars) ++bars_;
        if (bars_ <= settings_.lookback_bars) return;
        decide(tick, (mid / mids_[(bar - settings_.lookback_bars) % kMostBars] - 1.0) * 1e4);
    }

private:
    void decide(const hft_tick& tick, double trend_bps) noexcept {
        host_.cancel_all(host_.context);
        const std::int64_t position = host_.position(host_.context);
        const std::int64_t most = host_.max_position(host_.context);
        std::int64_t wanted = position;
        if (trend_bps > settings_.entry_bps) wanted = most;
        if (trend_bps < -settings_.entry_bps) wanted = -most;
        if (std::fabs(trend_bps) <= settings_.exit_bps) wanted = 0;
        const std::int64_t missing = wanted - position;
        if (missing > 0) buy(tick, std::min(missing, size_));
        if (missing < 0) sell(tick, std::min(-missing, size_));
    }
    void buy(const hft_tick& tick, std::int64_t quantity) noexcept {
        const double limit = static_cast<double>(tick.ask) * (1.0 + settings_.cross_bps / 1e4);
        host_.place(host_.context, 0, HFT_BUY, static_cast<std::int64_t>(limit) / step_ * step_, quantity);
    }
    void sell(const hft_tick& tick, std::int64_t quantity) noexcept {
        const double limit = static_cast<double>(tick.bid) * (1.0 - settings_.cross_bps / 1e4);
        host_.place(host_.context, 1, HFT_SELL, (static_cast<std::int64_t>(limit) + step_ - 1) / step_ * step_, quantity);
    }

    Settings settings_;
    const hft_host& host_;
    std::int64_t size_;
    std::int64_t step_;
    std::array<double, kMostBars> mids_{};
    std::uint64_t last_bar_ = 0;
    std::uint32_t bars_ = 0;  // in a row, at most lookback_bars + 1
};

}  // namespace

HFT_EXPORT_STRATEGY(Momentum)
