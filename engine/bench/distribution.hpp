// SPDX-License-Identifier: GPL-3.0-or-later
#pragma once

#include <algorithm>
#include <cstddef>
#include <nlohmann/json.hpp>
#include <vector>

#include "core/clock.hpp"

namespace hft::bench {

// Every sample is kept, so that percentiles are exact (nearest rank). No allocation while it is filled.
class Distribution {
public:
    explicit Distribution(std::size_t capacity) { samples_.reserve(capacity); }

    void add(Nanos sample) noexcept {
        if (samples_.size() < samples_.capacity()) samples_.push_back(sample);
    }
    void add(const Distribution& other) {
        samples_.insert(samples_.end(), other.samples_.begin(), other.samples_.end());
        sorted_ = false;
    }
    [[nodiscard]] std::size_t size() const noexcept { return samples_.size(); }
    // permille of 1000 is the maximum; 0 of an empty one.
    [[nodiscard]] Nanos at(std::size_t permille) {
        if (samples_.empty()) return 0;
        if (!sorted_) std::sort(samples_.begin(), samples_.end());
        sorted_ = true;
        const std::size_t rank = (samples_.size() * permille + 999) / 1000;
        return samples_[rank == 0 ? 0 : rank - 1];
    }
    [[nodiscard]] nlohmann::json json() {
        nlohmann::json out = {{"n", size()}, {"p50", at(500)}, {"p99", at(990)}, {"max", at(1000)}};
        if (size() >= 10'000) out["p99.9"] = at(999);
        return out;
    }

private:
    std::vector<Nanos> samples_;
    bool sorted_ = false;
};

}  // namespace hft::bench
