// SPDX-License-Identifier: GPL-3.0-or-later
#pragma once

#include <atomic>
#include <cstdint>
#include <functional>
#include <string>

#include "apps/hft_system/api/tokens.hpp"
#include "io/http_server.hpp"
#include "io/log.hpp"
#include "io/log_file.hpp"
#include "io/rate_limit.hpp"

namespace hft {

// Who asked the control API for what, and what became of it: <log_dir>/audit.log, a line of JSON for each call of a scope that changes
// something, done or refused, and for each that was refused for its token. Never a token, nor the body of who has none.
class AuditLog {
public:
    // Of each token, and of all callers without one together: so that a scan does not fill the disk. The next line tells how many are left
    // out.
    static constexpr std::uint32_t kRefusalsPerSecond = 2;

    using Report = std::function<void(LogLevel level, const std::string& text)>;
    // engine: its name and incarnation. report: is told when calls are not recorded any more, and when they are again.
    AuditLog(const Tokens& tokens, std::string engine, Report report);
    // Empty, or what failed.
    [[nodiscard]] std::string open(const std::string& directory);
    // For logrotate.
    void reopen();
    // Any thread but the hot one.
    void write(const HttpRequest& request, const HttpResponse& response);

private:
    void tell(const std::string& error);

    const Tokens& tokens_;
    std::string engine_;
    Report report_;
    LogFile file_;
    RateLimit refusals_{kRefusalsPerSecond};
    std::atomic<std::uint64_t> left_out_{0};
    std::atomic<bool> failing_{false};
};

}  // namespace hft
