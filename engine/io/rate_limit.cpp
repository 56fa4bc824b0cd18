// SPDX-License-Identifier: GPL-3.0-or-later
#include "io/rate_limit.hpp"

#include <algorithm>

namespace hft {

bool RateLimit::take(const std::string& client, Nanos now) {
    const std::lock_guard lock(mutex_);
    const auto refilled = [&](const Bucket& bucket) {
        return std::min(burst_, bucket.left + rate_ * static_cast<double>(now - bucket.at) / static_cast<double>(kSecond));
    };
    auto found = buckets_.find(client);
    if (found == buckets_.end()) {
        if (buckets_.size() >= kMaxClients) {
            // Whoever has been quiet long enough to have a full bucket is as good as never seen.
            for (auto it = buckets_.begin(); it != buckets_.end();)
                it = refilled(it->second) >= burst_ ? buckets_.erase(it) : std::next(it);
            if (buckets_.size() >= kMaxClients) return false;
        }
        found = buckets_.emplace(client, Bucket{burst_, now}).first;
    }
    Bucket& bucket = found->second;
    bucket.left = refilled(bucket);
    bucket.at = now;
    if (bucket.left < 1.0) return false;
    bucket.left -= 1.0;
    return true;
}

std::size_t RateLimit::clients() const {
    const std::lock_guard lock(mutex_);
    return buckets_.size();
}

}  // namespace hft
