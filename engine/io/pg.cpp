// SPDX-License-Identifier: GPL-3.0-or-later
#include "io/pg.hpp"

#include <poll.h>

#include <algorithm>
#include <string_view>
#include <utility>

namespace hft {

namespace {

void on_notice(void* flag, const PGresult*) { *static_cast<bool*>(flag) = true; }

std::string one_line(const char* text) {
    std::string line = text == nullptr ? "" : text;
    std::replace(line.begin(), line.end(), '\n', ' ');
    while (!line.empty() && line.back() == ' ') line.pop_back();
    return line;
}

// "cached plan must not change result type"
constexpr std::string_view kFeatureNotSupported = "0A000";

int poll_ms(Nanos left) { return static_cast<int>(std::clamp<Nanos>(left / kMillisecond + 1, 0, 1000)); }

struct Clear {
    void operator()(PGresult* result) const noexcept { PQclear(result); }
};
using Result = std::unique_ptr<PGresult, Clear>;

}  // namespace

PgConnection::PgConnection(const DatabaseConfig& config, std::string password, std::string application)
    : config_(config), password_(std::move(password)), application_(std::move(application)) {}

PgConnection::Handle PgConnection::start(const std::string& host) const {
    const std::string port = std::to_string(config_.port);
    // lock_timeout ends only the wait for a lock, before anything is written: without it every attempt during a hanging commit
    // would leave one more server process waiting behind it.
    const char* const options = "-c lock_timeout=500 -c synchronous_commit=on -c client_min_messages=notice";
    const char* const keywords[] = {"host",
                                    "port",
                                    "dbname",
                                    "user",
                                    "password",
                                    "sslmode",
                                    "application_name",
                                    "options",
                                    "target_session_attrs",
                                    "tcp_user_timeout",
                                    "keepalives_idle",
                                    nullptr};
    const char* const values[] = {host.c_str(),
                                  port.c_str(),
                                  config_.name.c_str(),
                                  config_.user.c_str(),
                                  password_.c_str(),
                                  config_.sslmode.c_str(),
                                  application_.c_str(),
                                  options,
                                  "read-write",
                                  "5000",
                                  "5",
                                  nullptr};
    return Handle(PQconnectStartParams(keywords, values, 0));
}

std::string PgConnection::connect() {
    connection_.reset();
    struct Attempt {
        std::string host;
        Handle handle;
        PostgresPollingStatusType wants = PGRES_POLLING_WRITING;
    };
    std::vector<Attempt> attempts;
    for (const std::string& host : config_.hosts) attempts.push_back({host, start(host), PGRES_POLLING_WRITING});
    const Nanos end = boot_ns() + static_cast<Nanos>(config_.connect_timeout_ms) * kMillisecond;
    std::string errors;
    Handle last_resort;
    const auto take = [&](Handle handle, const std::string& host) {
        connection_ = std::move(handle);
        prepared_.clear();
        host_ = host;
        PQsetnonblocking(connection_.get(), 1);
        PQsetNoticeReceiver(connection_.get(), on_notice, &noticed_);
        return std::string();
    };
    const auto give_up = [&](Attempt& attempt, const std::string& why) {
        errors += (errors.empty() ? "" : "; ") + attempt.host + ": " + why;
        attempt.handle.reset();
    };
    for (;;) {
        std::vector<pollfd> waiting;
        std::vector<Attempt*> owners;
        for (Attempt& attempt : attempts) {
            if (!attempt.handle) continue;
            if (PQstatus(attempt.handle.get()) == CONNECTION_BAD || PQsocket(attempt.handle.get()) < 0) {
                give_up(attempt, one_line(PQerrorMessage(attempt.handle.get())));
                continue;
            }
            const short events = attempt.wants == PGRES_POLLING_READING ? POLLIN : POLLOUT;
            waiting.push_back({PQsocket(attempt.handle.get()), events, 0});
            owners.push_back(&attempt);
        }
        const Nanos left = end - boot_ns();
        if (last_resort && (owners.empty() || left <= 0)) return take(std::move(last_resort), hung_host_);
        if (owners.empty()) return errors;
        if (left <= 0) {
            for (Attempt* attempt : owners) give_up(*attempt, "no answer in " + std::to_string(config_.connect_timeout_ms) + " ms");
            return errors;
        }
        ::poll(waiting.data(), waiting.size(), poll_ms(left));
        for (std::size_t i = 0; i < owners.size(); ++i) {
            if (waiting[i].revents == 0) continue;
            Attempt& attempt = *owners[i];
            attempt.wants = PQconnectPoll(attempt.handle.get());
            if (attempt.wants == PGRES_POLLING_FAILED) {
                give_up(attempt, one_line(PQerrorMessage(attempt.handle.get())));
            } else if (attempt.wants == PGRES_POLLING_OK) {
                if (attempt.host != hung_host_) return take(std::move(attempt.handle), attempt.host);
                last_resort = std::move(attempt.handle);
            }
        }
    }
}

PgReply PgConnection::lost(const std::string& why) {
    connection_.reset();
    PgReply reply;
    reply.error = why;
    return reply;
}

std::vector<std::string> PgConnection::wait_notifications(Nanos limit) {
    struct Free {
        void operator()(PGnotify* notification) const noexcept { PQfreemem(notification); }
    };
    const Nanos end = boot_ns() + limit;
    while (connection_) {
        PGconn* c = connection_.get();
        if (PQconsumeInput(c) != 1) {
            connection_.reset();
            return {};
        }
        std::vector<std::string> told;
        while (const std::unique_ptr<PGnotify, Free> notification{PQnotifies(c)}) told.emplace_back(notification->extra);
        const Nanos left = end - boot_ns();
        if (!told.empty() || left <= 0) return told;
        pollfd waiting{PQsocket(c), POLLIN, 0};
        const timespec pause{static_cast<time_t>(left / kSecond), static_cast<long>(left % kSecond)};
        ::ppoll(&waiting, 1, &pause, nullptr);
    }
    return {};
}

PgReply PgConnection::query(const std::string& sql, const std::vector<PgValue>& values, Nanos limit) {
    if (!connection_) return lost("not connected");
    PGconn* c = connection_.get();
    std::vector<const char*> texts;
    for (const PgValue& value : values) texts.push_back(value ? value->c_str() : nullptr);
    const Nanos end = boot_ns() + limit;
    const int count = static_cast<int>(texts.size());
    int sent = 0;
    if (values.empty()) {
        sent = PQsendQueryParams(c, sql.c_str(), 0, nullptr, nullptr, nullptr, nullptr, 0);
    } else {
        auto known = prepared_.find(sql);
        if (known == prepared_.end()) {
            const std::string name = "hft_" + std::to_string(next_name_++);
            if (PQsendPrepare(c, name.c_str(), sql.c_str(), 0, nullptr) != 1) return lost(one_line(PQerrorMessage(c)));
            PgReply made = receive(end, limit);
            if (made.outcome != PgOutcome::done) return made;
            known = prepared_.emplace(sql, name).first;
        }
        sent = PQsendQueryPrepared(c, known->second.c_str(), count, texts.data(), nullptr, nullptr, 0);
    }
    if (sent != 1) return lost(one_line(PQerrorMessage(c)));
    return receive(end, limit);
}

PgReply PgConnection::receive(Nanos end, Nanos limit) {
    PGconn* c = connection_.get();
    noticed_ = false;
    PgReply reply;
    bool answered = false;
    for (;;) {
        const int unsent = PQflush(c);
        if (unsent < 0) return lost(one_line(PQerrorMessage(c)));
        if (unsent == 0 && PQisBusy(c) == 0) {
            const Result result(PQgetResult(c));
            if (!result) break;
            answered = true;
            const ExecStatusType status = PQresultStatus(result.get());
            if (status != PGRES_TUPLES_OK && status != PGRES_COMMAND_OK) {
                reply.outcome = PgOutcome::failed;
                reply.error = one_line(PQresultErrorMessage(result.get()));
                // A migration changed what a statement returns: it is prepared anew.
                const char* const state = PQresultErrorField(result.get(), PG_DIAG_SQLSTATE);
                if (state != nullptr && std::string_view(state) == kFeatureNotSupported) prepared_.clear();
                if (PQstatus(c) == CONNECTION_BAD) return lost(reply.error);
                continue;
            }
            reply.outcome = PgOutcome::done;
            for (int row = 0; row < PQntuples(result.get()); ++row) {
                auto& cells = reply.rows.emplace_back();
                for (int column = 0; column < PQnfields(result.get()); ++column) {
                    if (PQgetisnull(result.get(), row, column) != 0) {
                        cells.emplace_back();
                    } else {
                        cells.emplace_back(PQgetvalue(result.get(), row, column));
                    }
                }
            }
            continue;
        }
        const Nanos left = end - boot_ns();
        if (left <= 0) {
            hung_host_ = host_;
            return lost("no answer in " + std::to_string(limit / kMillisecond) + " ms, connection dropped");
        }
        pollfd waiting{PQsocket(c), static_cast<short>(unsent > 0 ? POLLIN | POLLOUT : POLLIN), 0};
        ::poll(&waiting, 1, poll_ms(left));
        if (waiting.revents != 0 && PQconsumeInput(c) != 1) return lost(one_line(PQerrorMessage(c)));
    }
    if (!answered) return lost("no result");
    if (noticed_ && reply.outcome == PgOutcome::done) return lost("the server sent a notice with its answer: not acknowledged");
    return reply;
}

}  // namespace hft
