// SPDX-License-Identifier: GPL-3.0-or-later
// A strategy to copy: buys when the mid has fallen since the last bar, sells when it has risen, one order at a time.
#include "hft_strategy.hpp"

namespace {

class MeanReversion {
public:
    // The parameters with their defaults, and how they are read: each names its range.
    struct Settings {
        std::uint32_t bar_ticks = 50;
        double entry_bps = 2.0;
        double size = 0.01;
        double price_step = 0.01;
    };
    static Settings read(hft::strategy::Parameters& p) {
        Settings s;
        s.bar_ticks = p.integer("bar_ticks", s.bar_ticks, 1, 1'000'000);
        s.entry_bps = p.number("entry_bps", s.entry_bps, 0, 10'000, true);
        s.size = p.number("size", s.size, 0, 1e9, true);
        s.price_step = p.number("price_step", s.price_step, 1e-6, 1e6);
        return s;
    }
    // What only the limits can tell. May be left out.
    static void check(const Settings& s, const hft_limits& limits, hft::strategy::Parameters& p) {
        if (limits.max_position > 0 && hft::strategy::scaled(s.size) > limits.max_position)
            p.fault("size", "expected a number <= limits/max_position");
    }

    MeanReversion(const Settings& settings, const hft_host& host) : settings_(settings), host_(host) {}

    // The same decision on every engine that saw the same ticks: only ticks, position() and max_position() go into it.
    void on_tick(const hft_tick& tick) noexcept {
        if (tick.number % settings_.bar_ticks != 0) return;
        const double mid = (static_cast<double>(tick.bid) + static_cast<double>(tick.ask)) / 2.0;
        const std::uint64_t bar = tick.number / settings_.bar_ticks;
        const bool in_a_row = bar == last_bar_ + 1;
        const double change_bps = in_a_row ? (mid / last_mid_ - 1.0) * 1e4 : 0.0;
        last_bar_ = bar;
        last_mid_ = mid;
        host_.cancel_all(host_.context);
        const std::int64_t size = hft::strategy::scaled(settings_.size);
        const std::int64_t step = hft::strategy::scaled(settings_.price_step);
        // A leg is the number of an order within its tick: another one for every order that one tick may cause.
        if (change_bps < -settings_.entry_bps) host_.place(host_.context, 0, HFT_BUY, tick.ask / step * step, size);
        if (change_bps > settings_.entry_bps) host_.place(host_.context, 1, HFT_SELL, (tick.bid + step - 1) / step * step, size);
    }

private:
    Settings settings_;
    const hft_host& host_;
    std::uint64_t last_bar_ = 0;
    double last_mid_ = 0;
};

}  // namespace

HFT_EXPORT_STRATEGY(MeanReversion)
