// SPDX-License-Identifier: GPL-3.0-or-later
#pragma once

#include <sys/types.h>

#include <mutex>
#include <string>

#include "io/fd.hpp"

namespace hft {

// A file to which several threads append whole lines.
class LogFile {
public:
    // Empty, or what failed. mode: of the file where it is new.
    [[nodiscard]] std::string open(const std::string& path, mode_t mode);
    // For logrotate: the file that has the name now. Empty, or what failed; then the one of before stays.
    std::string reopen();
    // Empty, or what failed. Before open() it goes nowhere.
    std::string append(const std::string& line);

private:
    std::mutex mutex_;
    std::string path_;
    mode_t mode_ = 0;
    Fd fd_;
};

}  // namespace hft
