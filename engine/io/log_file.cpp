// SPDX-License-Identifier: GPL-3.0-or-later
#include "io/log_file.hpp"

#include <fcntl.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>
#include <utility>

namespace hft {

std::string LogFile::open(const std::string& path, mode_t mode) {
    {
        const std::lock_guard lock(mutex_);
        path_ = path;
        mode_ = mode;
    }
    return reopen();
}

std::string LogFile::reopen() {
    const std::lock_guard lock(mutex_);
    if (path_.empty()) return {};
    Fd file(::open(path_.c_str(), O_WRONLY | O_APPEND | O_CREAT | O_CLOEXEC, mode_));
    if (!file) return path_ + ": " + std::strerror(errno);
    fd_ = std::move(file);
    return {};
}

std::string LogFile::append(const std::string& line) {
    const std::lock_guard lock(mutex_);
    if (!fd_) return {};
    // One write a line: readers never see two that are mixed.
    const ssize_t written = ::write(fd_.get(), line.data(), line.size());
    if (written == static_cast<ssize_t>(line.size())) return {};
    return path_ + ": " + (written < 0 ? std::strerror(errno) : "only a part of the line was written");
}

}  // namespace hft
