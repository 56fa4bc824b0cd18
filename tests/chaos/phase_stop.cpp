// SPDX-License-Identifier: GPL-3.0-or-later
// Stops an engine at one named point of a transfer, so that a fault can be put exactly there. Loaded with LD_PRELOAD: the engine under
// test is the one that is released.
//
// /var/lib/phase_stop/at          name of the point, once; removed as it is reached
// /var/lib/phase_stop/deaf        exists: notifications of the database are dropped
// /var/lib/phase_stop/log         "stopped POINT NS" and "continued POINT NS", CLOCK_BOOTTIME
//
// giver: rehearsed (nothing frozen yet), drain (before the first cancel), hand_over (before the statement), handed_over (sent, no answer
// read) taker: claim (before the statement), claimed (sent, no answer read), fence (before the frame), fenced (sent, no answer read),
//        first_order (before the frame)
// either: order (checked, before the frame; whatever else goes on)
#include <dlfcn.h>
#include <fcntl.h>
#include <signal.h>
#include <sys/socket.h>
#include <unistd.h>

#include <atomic>
#include <cstdint>
#include <cstdio>
#include <cstring>
#include <ctime>
#include <string>

struct pg_conn;
struct pg_result;
struct pgNotify;
extern "C" int PQflush(pg_conn*);
extern "C" void PQfreemem(void*);

namespace {

constexpr const char* kAt = "/var/lib/phase_stop/at";
constexpr const char* kDeaf = "/var/lib/phase_stop/deaf";
constexpr const char* kLog = "/var/lib/phase_stop/log";
// Types of frames and where a frame says its own: engine/io/wire.hpp.
constexpr std::uint8_t kNewOrder = 2, kCancel = 3, kFence = 4;
constexpr std::size_t kHeader = 4;

std::atomic<bool> drains{false}, fences{false}, begins{false};
thread_local bool in_transaction = false, rehearses = false, rolled_back = false;

// A statement has a name once it is prepared, in its own session.
struct Statement {
    const pg_conn* connection = nullptr;
    std::string name{};
    bool operator==(const Statement&) const = default;
};
thread_local Statement handover, acceptance;

template <typename F>
F* real(F*, const char* name) {
    return reinterpret_cast<F*>(::dlsym(RTLD_NEXT, name));
}

void tell(const char* what, const char* point) {
    timespec now{};
    ::clock_gettime(CLOCK_BOOTTIME, &now);
    char line[128];
    const int size = std::snprintf(line, sizeof line, "%s %s %lld\n", what, point, now.tv_sec * 1'000'000'000LL + now.tv_nsec);
    const int file = ::open(kLog, O_WRONLY | O_APPEND | O_CREAT | O_CLOEXEC, 0666);
    if (file < 0) return;
    if (::write(file, line, static_cast<std::size_t>(size)) != size) ::unlink(kLog);
    ::close(file);
}

void at(const char* point) {
    char wanted[32] = {};
    const int file = ::open(kAt, O_RDONLY | O_CLOEXEC);
    if (file < 0) return;
    const ssize_t size = ::read(file, wanted, sizeof wanted - 1);
    ::close(file);
    if (size <= 0 || std::strcmp(wanted, point) != 0) return;
    ::unlink(kAt);
    tell("stopped", point);
    ::raise(SIGSTOP);  // the thread that asks is stopped before it goes on, all others with it
    tell("continued", point);
}

bool carries(const unsigned char* bytes, std::size_t size, std::uint8_t type) {
    for (std::size_t begin = 0; begin + kHeader <= size;) {
        if (bytes[begin + 2] == type) return true;
        const std::size_t frame = bytes[begin] | static_cast<std::size_t>(bytes[begin + 1]) << 8U;
        if (frame < kHeader) return false;
        begin += frame;
    }
    return false;
}

}  // namespace

extern "C" int PQsendQueryParams(pg_conn* connection, const char* sql, int count, const unsigned* types, const char* const* values,
                                 const int* lengths, const int* formats, int format) {
    static const auto next = real(&PQsendQueryParams, "PQsendQueryParams");
    if (std::strcmp(sql, "BEGIN") == 0) in_transaction = true;
    if (std::strcmp(sql, "COMMIT") == 0 || std::strcmp(sql, "ROLLBACK") == 0) {
        rolled_back = rehearses;
        in_transaction = rehearses = false;
    }
    return next(connection, sql, count, types, values, lengths, formats, format);
}

extern "C" int PQsendPrepare(pg_conn* connection, const char* name, const char* sql, int count, const unsigned* types) {
    static const auto next = real(&PQsendPrepare, "PQsendPrepare");
    if (std::strstr(sql, "lease_hand_over(") != nullptr) handover = {connection, name};
    if (std::strstr(sql, "lease_accept(") != nullptr) acceptance = {connection, name};
    return next(connection, name, sql, count, types);
}

extern "C" int PQsendQueryPrepared(pg_conn* connection, const char* name, int count, const char* const* values, const int* lengths,
                                   const int* formats, int format) {
    static const auto next = real(&PQsendQueryPrepared, "PQsendQueryPrepared");
    const bool names_handover = handover == Statement{connection, name};
    const bool hands_over = names_handover && !in_transaction;
    if (names_handover && in_transaction) rehearses = true;
    const bool claims = acceptance == Statement{connection, name} && std::strstr(values[2], "\"epoch\":0,") == nullptr;
    if (hands_over) at("hand_over");
    if (claims) at("claim");
    const int sent = next(connection, name, count, values, lengths, formats, format);
    if (hands_over || claims) PQflush(connection);
    if (hands_over) at("handed_over");
    if (claims) {
        fences = true;
        at("claimed");
    }
    return sent;
}

extern "C" pg_result* PQgetResult(pg_conn* connection) {
    static const auto next = real(&PQgetResult, "PQgetResult");
    pg_result* result = next(connection);
    if (result == nullptr && rolled_back) {
        rolled_back = false;
        drains = true;
        at("rehearsed");
    }
    return result;
}

extern "C" pgNotify* PQnotifies(pg_conn* connection) {
    static const auto next = real(&PQnotifies, "PQnotifies");
    pgNotify* told = next(connection);
    if (told != nullptr && ::access(kDeaf, F_OK) == 0) {
        tell("dropped", "notification");
        PQfreemem(told);
        return nullptr;
    }
    // From here on the fence may go ahead of the claim.
    if (told != nullptr) fences = true;
    return told;
}

extern "C" ssize_t send(int socket, const void* bytes, size_t size, int flags) {
    static const auto next = real(&send, "send");
    const auto* frames = static_cast<const unsigned char*>(bytes);
    if (drains && carries(frames, size, kCancel) && drains.exchange(false)) at("drain");
    if (begins && carries(frames, size, kNewOrder) && begins.exchange(false)) at("first_order");
    if (carries(frames, size, kNewOrder)) at("order");
    const bool fence = fences && carries(frames, size, kFence) && fences.exchange(false);
    if (fence) at("fence");
    const ssize_t sent = next(socket, bytes, size, flags);
    if (fence) {
        begins = true;
        at("fenced");
    }
    return sent;
}
