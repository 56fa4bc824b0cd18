// SPDX-License-Identifier: GPL-3.0-or-later
#include "io/group_sync.hpp"

#include <fcntl.h>
#include <unistd.h>

#include <cerrno>
#include <chrono>
#include <cstring>
#include <utility>

namespace hft {

GroupSync::GroupSync(Nanos interval, Failed failed) : interval_(interval), failed_(std::move(failed)), thread_([this] { run(); }) {}

GroupSync::~GroupSync() {
    {
        const std::lock_guard lock(mutex_);
        stop_ = true;
    }
    ended_.notify_one();
    thread_.join();
}

bool GroupSync::watch(int file) {
    Fd copy(::fcntl(file, F_DUPFD_CLOEXEC, 0));
    if (!copy) return false;
    const std::lock_guard lock(mutex_);
    sync();
    file_ = std::move(copy);
    return true;
}

void GroupSync::run() {
    std::unique_lock lock(mutex_);
    while (!stop_) {
        ended_.wait_for(lock, std::chrono::nanoseconds(interval_), [this] { return stop_; });
        sync();
    }
}

void GroupSync::sync() {
    if (!file_ || !dirty_.exchange(false, std::memory_order_acquire)) return;
    if (::fdatasync(file_.get()) == 0) {
        ++count_;
    } else {
        failed_(std::strerror(errno));
    }
}

}  // namespace hft
