// SPDX-License-Identifier: GPL-3.0-or-later
#include "io/log.hpp"

#include <fcntl.h>

#include <array>
#include <cerrno>
#include <cstdio>
#include <cstring>

#include "core/clock.hpp"
#include "core/json_line.hpp"
#include "core/utc.hpp"

namespace hft {

namespace {

std::string iso_time(Nanos wall) {
    std::array<char, 16> fraction{};
    std::snprintf(fraction.data(), fraction.size(), ".%06dZ", static_cast<int>(wall % kSecond / 1000));
    return utc("%Y-%m-%dT%H:%M:%S", static_cast<std::time_t>(wall / kSecond)) + fraction.data();
}

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

Fd open_file(const std::string& path) { return Fd(::open(path.c_str(), O_WRONLY | O_APPEND | O_CREAT | O_CLOEXEC, 0640)); }

// A log that cannot be written must not stop what it reports on.
void put(int fd, const std::string& line) {
    if (fd >= 0 && ::write(fd, line.data(), line.size()) < 0) errno = 0;
}

}  // namespace

LogLevel log_level(std::string_view name) noexcept {
    if (name == "error") return LogLevel::error;
    return name == "warning" ? LogLevel::warning : LogLevel::info;
}

std::string Log::open(const std::string& directory) {
    const std::lock_guard lock(mutex_);
    directory_ = directory;
    for (const auto& [file, name] : {std::pair{&system_, "/system.log"}, std::pair{&errors_, "/errors.log"}}) {
        *file = open_file(directory_ + name);
        if (!*file) return directory_ + name + ": " + std::strerror(errno);
    }
    return {};
}

void Log::reopen() {
    const std::lock_guard lock(mutex_);
    if (directory_.empty()) return;
    if (Fd file = open_file(directory_ + "/system.log")) system_ = std::move(file);
    if (Fd file = open_file(directory_ + "/errors.log")) errors_ = std::move(file);
}

void Log::write(LogLevel level, std::string_view text, std::string_view strategy) {
    JsonLine json;
    json.add("time", iso_time(wall_ns())).add("level", name_of(level)).add("component", component_);
    if (!strategy.empty()) json.add("strategy", strategy);
    json.add("message", text);
    const std::string line = json.str() + "\n";
    const std::lock_guard lock(mutex_);
    put(STDOUT_FILENO, line);
    put(system_.get(), line);
    if (level != LogLevel::info) put(errors_.get(), line);
}

}  // namespace hft
