// SPDX-License-Identifier: GPL-3.0-or-later
#pragma once

#include <string>
#include <string_view>

#include "io/log_file.hpp"

namespace hft {

enum class LogLevel { info, warning, error };

// JSON lines to standard output and to <dir>/system.log; warnings and errors also to <dir>/errors.log. Cold threads only.
class Log {
public:
    explicit Log(std::string component) : component_(std::move(component)) {}
    // Empty, or what failed. Before it, lines go to standard output alone.
    [[nodiscard]] std::string open(const std::string& directory);
    // For logrotate: the files of the moment, by name.
    void reopen();
    void write(LogLevel level, std::string_view text, std::string_view strategy = {});

private:
    std::string component_;
    LogFile system_;
    LogFile errors_;
};

LogLevel log_level(std::string_view name) noexcept;

}  // namespace hft
