// SPDX-License-Identifier: GPL-3.0-or-later
#include "io/log.hpp"

#include <unistd.h>

#include <cerrno>

#include "core/clock.hpp"
#include "core/json_line.hpp"
#include "core/utc.hpp"

namespace hft {

namespace {

const char* name_of(LogLevel level) {
    switch (level) {
        case LogLevel::info:
            return "info";
        case LogLevel::warning:
            return "warning";
        case LogLevel::error:
            return "error";
    }
    return "info";
}

}  // namespace

LogLevel log_level(std::string_view name) noexcept {
    if (name == "error") return LogLevel::error;
    return name == "warning" ? LogLevel::warning : LogLevel::info;
}

std::string Log::open(const std::string& directory) {
    constexpr mode_t kMode = 0640;
    std::string error = system_.open(directory + "/system.log", kMode);
    return error.empty() ? errors_.open(directory + "/errors.log", kMode) : error;
}

void Log::reopen() {
    system_.reopen();
    errors_.reopen();
}

// A log that cannot be written must not stop what it reports on.
void Log::write(LogLevel level, std::string_view text, std::string_view strategy) {
    JsonLine json;
    json.add("time", utc_micros(wall_ns())).add("level", name_of(level)).add("component", component_);
    if (!strategy.empty()) json.add("strategy", strategy);
    json.add("message", text);
    const std::string line = json.str() + "\n";
    if (::write(STDOUT_FILENO, line.data(), line.size()) < 0) errno = 0;
    system_.append(line);
    if (level != LogLevel::info) errors_.append(line);
}

}  // namespace hft
