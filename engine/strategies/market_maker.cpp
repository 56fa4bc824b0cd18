// SPDX-License-Identifier: GPL-3.0-or-later
#include "hft_strategy.hpp"

namespace {

using hft::strategy::Parameters;
using hft::strategy::scaled;

// Quotes both sides around the venue's mid and replaces them every requote_ticks-th tick of the venue. It keeps nothing
// between ticks, so two engines that see the same tick form the same intents.
class MarketMaker {
public:
    struct Settings {
        double spread_bps = 4.0;  // between its own bid and ask
        double size = 0.05;       // of each quote
        std::uint32_t requote_ticks = 10;
        double skew_bps = 2.0;     // both quotes move this far against a full position
        double price_step = 0.01;  // the venue refuses prices off its step
    };

    static Settings read(Parameters& p) {
        Settings s;
        s.spread_bps = p.number("spread_bps", s.spread_bps, 0, 1000, true);
        s.size = p.number("size", s.size, 0, 1e9, true);
        s.requote_ticks = p.integer("requote_ticks", s.requote_ticks, 1, 1'000'000);
        s.skew_bps = p.number("skew_bps", s.skew_bps, 0, 1000);
        s.price_step = p.number("price_step", s.price_step, 1e-6, 1e6);
        return s;
    }
    static void check(const Settings& s, const hft_limits& limits, Parameters& p) {
        if (limits.max_position > 0 && scaled(s.size) > limits.max_position)
            p.fault("size", "expected a number <= limits/max_position, or no quote ever passes");
    }

    MarketMaker(const Settings& settings, const hft_host& host)
        : settings_(settings), host_(host), size_(scaled(settings.size)), step_(scaled(settings.price_step)) {}

    void on_tick(const hft_tick& tick) noexcept {
        if (tick.number % settings_.requote_ticks != 0) return;
        host_.cancel_all(host_.context);
        const double mid = (static_cast<double>(tick.bid) + static_cast<double>(tick.ask)) / 2.0;
        const std::int64_t position = host_.position(host_.context);
        const std::int64_t most = host_.max_position(host_.context);
        if (most <= 0) return;  // a budget of nothing
        const double fullness = static_cast<double>(position) / static_cast<double>(most);
        const double centre = mid * (1.0 - fullness * settings_.skew_bps / 1e4);
        const double half = mid * settings_.spread_bps / 2e4;
        const std::int64_t bid = static_cast<std::int64_t>(centre - half) / step_ * step_;
        const std::int64_t ask = (static_cast<std::int64_t>(centre + half) + step_ - 1) / step_ * step_;
        if (position + size_ <= most) host_.place(host_.context, 0, HFT_BUY, bid, size_);
        if (position - size_ >= -most) host_.place(host_.context, 1, HFT_SELL, ask, size_);
    }

private:
    Settings settings_;
    const hft_host& host_;
    std::int64_t size_;
    std::int64_t step_;
};

}  // namespace

HFT_EXPORT_STRATEGY(MarketMaker)
