// SPDX-License-Identifier: GPL-3.0-or-later
#include "core/impairments.hpp"

#include <algorithm>
#include <cmath>

namespace hft {

Impairments::Impairments(const ImpairmentSetup& setup) noexcept
    : setup_(setup), delays_(setup.seed), rejects_(setup.seed + 1), disconnects_(setup.seed + 2) {}

Nanos Impairments::delay() noexcept {
    const auto jitter = static_cast<Nanos>(delays_.uniform() * 1000.0 * setup_.jitter_us);
    return static_cast<Nanos>(setup_.latency_us) * 1000 + jitter;
}

bool Impairments::reject() noexcept { return setup_.reject_rate > 0 && rejects_.uniform() < setup_.reject_rate; }

Nanos Impairments::until_disconnect() noexcept {
    const double minutes = -std::log(1.0 - disconnects_.uniform()) / setup_.disconnect_per_min;
    // A rate near 0 must not leave the range of the clock.
    return static_cast<Nanos>(std::min(minutes, 1e6) * 60.0 * static_cast<double>(kSecond));
}

std::size_t Impairments::victim(std::size_t count) noexcept { return static_cast<std::size_t>(disconnects_.next() % count); }

}  // namespace hft
