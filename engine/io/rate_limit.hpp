// SPDX-License-Identifier: GPL-3.0-or-later
#pragma once

#include <cstddef>
#include <cstdint>
#include <mutex>
#include <string>
#include <unordered_map>

#include "core/clock.hpp"

namespace hft {

// A token bucket for each client address: a burst of two seconds' worth, then so many a second. Its memory is bounded.
class RateLimit {
public:
    static constexpr std::size_t kMaxClients = 4096;

    explicit RateLimit(std::uint32_t per_second) : rate_(per_second), burst_(2.0 * per_second) {}

    // Takes one; false when the client has none left.
    [[nodiscard]] bool take(const std::string& client, Nanos now);
    [[nodiscard]] std::size_t clients() const;

private:
    struct Bucket {
        double left;
        Nanos at;
    };
    double rate_;
    double burst_;
    mutable std::mutex mutex_;
    std::unordered_map<std::string, Bucket> buckets_;
};

}  // namespace hft
