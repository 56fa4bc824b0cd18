// SPDX-License-Identifier: GPL-3.0-or-later
#pragma once

#include <atomic>
#include <condition_variable>
#include <functional>
#include <mutex>
#include <string>
#include <thread>

#include "core/clock.hpp"
#include "io/fd.hpp"

namespace hft {

// Brings what was written to the disk, at most once an interval and on a thread of its own: a disk that takes its time does not
// stop the market. After a power failure at most the last interval is missing.
class GroupSync {
public:
    using Failed = std::function<void(const std::string& why)>;
    GroupSync(Nanos interval, Failed failed);
    ~GroupSync();
    GroupSync(const GroupSync&) = delete;
    GroupSync& operator=(const GroupSync&) = delete;

    // The file to look after from now on; the one before is brought to the disk first. False: no descriptor left.
    [[nodiscard]] bool watch(int file);
    void written() noexcept { dirty_.store(true, std::memory_order_release); }
    [[nodiscard]] std::uint64_t count() const noexcept { return count_.load(); }

private:
    void run();
    void sync();

    Nanos interval_;
    Failed failed_;
    std::atomic<bool> dirty_{false};
    std::atomic<std::uint64_t> count_{0};
    std::mutex mutex_;
    std::condition_variable ended_;
    bool stop_ = false;
    Fd file_;
    std::thread thread_;
};

}  // namespace hft
