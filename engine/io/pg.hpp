// SPDX-License-Identifier: GPL-3.0-or-later
#pragma once

#include <libpq-fe.h>

#include <cstdint>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "core/clock.hpp"
#include "io/engine_config.hpp"

namespace hft {

// done: the server's answer, without a notice. failed: the server says it did nothing. unknown: the connection or the deadline
// ended first, or a notice came with the answer (a commit that was not replicated is told by a warning alone).
enum class PgOutcome { done, failed, unknown };

struct PgReply {
    PgOutcome outcome = PgOutcome::unknown;
    std::vector<std::vector<std::optional<std::string>>> rows;
    std::string error;
};

using PgValue = std::optional<std::string>;

// One connection to the database that takes writes. A statement that was sent is never cancelled: at its deadline the
// connection is dropped.
class PgConnection {
public:
    PgConnection(const DatabaseConfig& config, std::string password, std::string application);

    // Asks all hosts at once; the first that takes writes wins. The one whose answer never came wins only where no other does: a
    // former primary that is cut off from its standbys takes writes and acknowledges none. Empty, or why none did.
    [[nodiscard]] std::string connect();
    [[nodiscard]] bool connected() const noexcept { return connection_ != nullptr; }
    [[nodiscard]] const std::string& host() const noexcept { return host_; }
    void drop() noexcept { connection_.reset(); }

    // Waits at most limit for notifications on the channels this connection listens to, and eats them: what each one says. Those
    // that came with an earlier answer count.
    std::vector<std::string> wait_notifications(Nanos limit);

    // A statement with parameters is parsed and planned once in a session: the second time it costs the server less, and the wait.
    PgReply query(const std::string& sql, const std::vector<PgValue>& values, Nanos limit);

private:
    struct Finish {
        void operator()(PGconn* connection) const noexcept { PQfinish(connection); }
    };
    using Handle = std::unique_ptr<PGconn, Finish>;

    [[nodiscard]] Handle start(const std::string& host) const;
    PgReply lost(const std::string& why);
    // What the server says to what was sent last.
    PgReply receive(Nanos end, Nanos limit);

    DatabaseConfig config_;
    std::string password_;
    std::string application_;
    Handle connection_;
    std::string host_;
    std::string hung_host_;
    bool noticed_ = false;
    // Names in this session, by the text.
    std::map<std::string, std::string> prepared_;
    std::uint64_t next_name_ = 0;
};

}  // namespace hft
