// SPDX-License-Identifier: GPL-3.0-or-later
#include "io/venue_server.hpp"

#include <poll.h>
#include <sys/socket.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstring>
#include <deque>
#include <span>
#include <utility>

#include "core/clock.hpp"
#include "io/tcp.hpp"
#include "io/wire.hpp"

namespace hft {

namespace {

// Who does not read is disconnected rather than waited for.
constexpr std::size_t kOutLimit = 8 * 1024 * 1024;
constexpr Nanos kStallLimit = 10 * kSecond;
// History goes out in pieces, so that orders and ticks pass in between.
constexpr std::size_t kTellAtOnce = 1024 * 1024;
constexpr std::size_t kTellOut = 256 * 1024;
// A state record each so many bytes of log: what a start reads, and how far a look back may miss.
constexpr std::uint64_t kStateEvery = 256 * 1024;
// With many strategies the record is large; it stays below a fiftieth of the log.
constexpr std::uint64_t kStateShare = 50;
constexpr std::size_t kStepsATurn = 1024;

}  // namespace

struct VenueServer::Session {
    struct Delayed {
        Nanos due = 0;
        std::vector<std::byte> frame;
    };
    SessionId id = 0;
    Fd fd;
    bool orders = false;  // else market data
    bool logged_in = false;
    SessionKind kind = SessionKind::order_entry;
    bool dead = false;
    CancelReason reason = CancelReason::disconnected;
    std::string why;
    Nanos last_heard = 0;
    Nanos stalled_since = 0;  // 0: it reads
    std::vector<std::byte> in;
    std::deque<Delayed> delayed;
    std::vector<std::byte> out;
};

VenueServer::VenueServer(VenueServerSetup setup, Report report)
    : setup_(std::move(setup)),
      report_(std::move(report)),
      log_(setup_.log_path, setup_.log_sync_ms * kMillisecond,
           [this](const std::string& why) { report_("error", setup_.log_path + ": fdatasync: " + why); }),
      core_(VenueName(setup_.name), setup_.rules, setup_.symbols, *this),
      impairments_(setup_.impairments) {}

VenueServer::~VenueServer() = default;

std::string VenueServer::open() {
    if (std::string error = log_.open(); !error.empty()) return error;
    if (std::string error = log_.replay(core_); !error.empty()) return error;
    TcpResult orders = tcp_listen(setup_.order_address, setup_.order_port);
    if (!orders.error.empty()) return orders.error;
    TcpResult market_data = tcp_listen(setup_.market_data_address, setup_.market_data_port);
    if (!market_data.error.empty()) return market_data.error;
    order_listener_ = std::move(orders.fd);
    market_data_listener_ = std::move(market_data.fd);
    core_.restored(wall_ns(), setup_.version);
    next_state_ = log_.size() + kStateEvery;
    if (!log_.flush()) return setup_.log_path + ": " + std::strerror(errno);
    const Nanos now = boot_ns();
    if (impairments_.disconnects()) next_disconnect_ = now + impairments_.until_disconnect();
    if (setup_.replay.file.empty()) {
        feed_ = std::make_unique<GeneratorFeed>(TickGenerator(setup_.generator, setup_.symbols, core_.tick_base()),
                                                kSecond / setup_.ticks_per_s, now);
        return {};
    }
    std::vector<std::string> symbols;
    for (const SymbolSetup& symbol : setup_.symbols) symbols.push_back(symbol.name);
    auto replay = std::make_unique<ReplayFeed>(setup_.replay, std::move(symbols), core_.tick_base());
    std::string error = replay->open(now);
    feed_ = std::move(replay);
    return error;
}

std::uint16_t VenueServer::order_port() const { return tcp_port(order_listener_.get()); }
std::uint16_t VenueServer::market_data_port() const { return tcp_port(market_data_listener_.get()); }

void VenueServer::run(const std::atomic<bool>& stop) {
    while (!stop.load(std::memory_order_relaxed)) turn();
}

// The first thing that is due by the clock.
Nanos VenueServer::wait_until(Nanos now) const {
    for (const VenueHistory& history : histories_) {
        const auto session = sessions_.find(history.request().session);
        // One that reads slowly wakes us when there is room.
        if (session == sessions_.end() || session->second->out.size() <= kTellOut) return now;
    }
    Nanos until = std::min({feed_->due(), next_disconnect_, now + 100 * kMillisecond});
    for (const auto& [id, session] : sessions_) {
        if (!session->delayed.empty()) until = std::min(until, session->delayed.front().due);
    }
    return until;
}

void VenueServer::turn() {
    std::vector<pollfd> waiting{{order_listener_.get(), POLLIN, 0}, {market_data_listener_.get(), POLLIN, 0}};
    std::vector<Session*> order{nullptr, nullptr};
    for (const auto& [id, session] : sessions_) {
        waiting.push_back({session->fd.get(), static_cast<short>(session->out.empty() ? POLLIN : POLLIN | POLLOUT), 0});
        order.push_back(session.get());
    }
    const Nanos before = boot_ns();
    const Nanos wait = std::max<Nanos>(0, wait_until(before) - before);
    timespec limit{};
    limit.tv_sec = wait / kSecond;
    limit.tv_nsec = wait % kSecond;
    ::ppoll(waiting.data(), waiting.size(), &limit, nullptr);
    if (waiting[0].revents != 0) accept(order_listener_.get(), true);
    if (waiting[1].revents != 0) accept(market_data_listener_.get(), false);
    for (std::size_t i = 2; i < waiting.size(); ++i) {
        if ((waiting[i].revents & (POLLIN | POLLHUP | POLLERR)) != 0) read(*order[i]);
    }
    const Nanos now = boot_ns();
    for (Session* session : order) {
        if (session != nullptr) take_in(*session, now);
    }
    // After reading: what waited in the sockets while the venue itself stood still counts as heard.
    watch_sessions(now);
    impair(now);
    feed_due();
    reap();
    tell(kTellAtOnce);
    if (log_.size() >= next_state_) log_state("state");
    rotate();
    flush();
    reap();
}

void VenueServer::accept(int listener, bool orders) {
    TcpResult accepted = tcp_accept(listener);
    if (!accepted.error.empty()) return;
    auto session = std::make_unique<Session>();
    session->id = next_session_++;
    session->fd = std::move(accepted.fd);
    session->orders = orders;
    session->last_heard = boot_ns();
    sessions_.emplace(session->id, std::move(session));
}

void VenueServer::read(Session& session) {
    std::array<std::byte, 64 * 1024> buffer;
    const ssize_t n = ::recv(session.fd.get(), buffer.data(), buffer.size(), MSG_DONTWAIT);
    if (n < 0 && (errno == EAGAIN || errno == EWOULDBLOCK || errno == EINTR)) return;
    if (n <= 0) return drop(session, "closed by the peer");
    session.last_heard = boot_ns();
    if (!session.orders) return;  // market data is one-way; what comes is not looked at
    session.in.insert(session.in.end(), buffer.begin(), buffer.begin() + n);
    std::size_t done = 0;
    while (!session.dead) {
        const wire::Frame frame = wire::next_frame(std::span(session.in).subspan(done));
        if (frame.state == wire::FrameState::partial) break;
        if (frame.state == wire::FrameState::broken) {
            drop(session, "a frame that is not understood");
        } else if (impairments_.delays()) {
            // Never before the one that came before it.
            const Nanos last = session.delayed.empty() ? 0 : session.delayed.back().due;
            session.delayed.push_back(
                {std::max(last, session.last_heard + impairments_.delay()), {frame.bytes.begin(), frame.bytes.end()}});
        } else if (!handle(session, frame.bytes.data(), frame.bytes.size())) {
            drop(session, "a frame that is not understood");
        }
        done += frame.bytes.size();
    }
    session.in.erase(session.in.begin(), session.in.begin() + static_cast<std::ptrdiff_t>(done));
}

void VenueServer::drop(Session& session, const std::string& why) {
    if (session.dead) return;
    session.dead = true;
    session.why = why;
}

void VenueServer::take_in(Session& session, Nanos now) {
    while (!session.dead && !session.delayed.empty() && session.delayed.front().due <= now) {
        const std::vector<std::byte> frame = std::move(session.delayed.front().frame);
        session.delayed.pop_front();
        if (!handle(session, frame.data(), frame.size())) drop(session, "a frame that is not understood");
    }
}

void VenueServer::watch_sessions(Nanos now) {
    const Nanos timeout = setup_.rules.heartbeat_timeout_ms * kMillisecond;
    for (const auto& [id, session] : sessions_) {
        if (session->stalled_since != 0 && now - session->stalled_since > kStallLimit) drop(*session, "does not read");
        const bool watched = timeout > 0 && session->orders && session->logged_in && session->kind == SessionKind::order_entry;
        if (!watched || session->dead || now - session->last_heard <= timeout) continue;
        session->reason = CancelReason::heartbeat;
        drop(*session, "no heartbeat for " + std::to_string(setup_.rules.heartbeat_timeout_ms) + " ms");
    }
}

void VenueServer::impair(Nanos now) {
    if (now < next_disconnect_) return;
    next_disconnect_ = now + impairments_.until_disconnect();
    std::vector<Session*> open;
    for (const auto& [id, session] : sessions_) {
        if (session->orders && session->logged_in && !session->dead) open.push_back(session.get());
    }
    if (!open.empty()) drop(*open[impairments_.victim(open.size())], "impairment: disconnect");
}

bool VenueServer::handle(Session& session, const std::byte* data, std::size_t size) {
    const std::span<const std::byte> frame(data, size);
    const Nanos now = wall_ns();
    const wire::Type type = wire::next_frame(frame).type;
    if (session.kind == SessionKind::drop_copy && type != wire::Type::heartbeat && type != wire::Type::drop_copy_request) return false;
    switch (type) {
        case wire::Type::login: {
            const auto login = wire::decode<Login>(frame);
            if (!login || session.logged_in || login->engine.empty() || login->incarnation.empty() || login->account.empty()) return false;
            session.logged_in = true;
            session.kind = login->kind;
            core_.on_login(session.id, *login, now);
            return true;
        }
        case wire::Type::heartbeat: {
            const auto heartbeat = wire::decode<Heartbeat>(frame);
            if (!heartbeat || !session.logged_in) return false;
            put(session.id, HeartbeatAck{heartbeat->sent_ns, now});
            return true;
        }
        case wire::Type::drop_copy_request: {
            const auto request = wire::decode<DropCopyRequest>(frame);
            if (!request || !session.logged_in) return false;
            core_.on_drop_copy_request(session.id, *request, now);
            return true;
        }
        case wire::Type::new_order: {
            const auto order = wire::decode<NewOrder>(frame);
            if (!order) return false;
            if (session.logged_in && impairments_.reject()) {
                core_.refuse(session.id, *order, now);
            } else {
                core_.on_order(session.id, *order, now);
            }
            return true;
        }
        case wire::Type::cancel_order: {
            const auto cancel = wire::decode<CancelOrder>(frame);
            if (cancel) core_.on_cancel(session.id, *cancel, now);
            return cancel.has_value();
        }
        case wire::Type::fence: {
            const auto fence = wire::decode<Fence>(frame);
            if (fence) core_.on_fence(session.id, *fence, now);
            return fence.has_value();
        }
        default:
            return false;
    }
}

void VenueServer::feed_due() {
    std::array<std::byte, wire::kMaxFrame> frame{};
    const bool goes = feed_->due() != MarketFeed::kNever;
    // A replay as fast as it goes still lets orders in.
    for (std::size_t i = 0; i < kStepsATurn; ++i) {
        const auto step = feed_->take(boot_ns(), wall_ns());
        if (!step) break;
        core_.on_step(*step);
        const std::size_t size = wire::encode(step->tick, frame.data());
        for (const auto& [id, session] : sessions_) {
            if (!session->orders) session->out.insert(session->out.end(), frame.begin(), frame.begin() + static_cast<std::ptrdiff_t>(size));
        }
    }
    if (!goes || feed_->due() != MarketFeed::kNever) return;
    const std::string error = feed_->error();
    report_(error.empty() ? "info" : "error", error.empty() ? "the recorded ticks are at their end; the last quote stands" : error);
}

bool VenueServer::tell_history(const HistoryRequest& request) {
    // What is told comes out of the file.
    static_cast<void>(flush_log());
    histories_.emplace_back(log_.file(), log_.size(), request);
    // A fence is on the critical path of a takeover, and most of the time it has little to tell: it is not left to the next turn.
    if (histories_.size() == 1) tell(kTellAtOnce);
    return true;
}

// Each gets its share; who reads slowly is passed over.
void VenueServer::tell(std::size_t budget) {
    for (std::size_t left = histories_.size(); left > 0; --left) {
        VenueHistory history = std::move(histories_.front());
        histories_.pop_front();
        const auto session = sessions_.find(history.request().session);
        if (session == sessions_.end() || session->second->dead) continue;
        if (session->second->out.size() <= kTellOut && flush_log() && history.tell(budget, *this)) {
            core_.on_history_told(history.request(), history.told(), history.complete(), wall_ns());
        } else {
            histories_.push_back(std::move(history));
        }
    }
}

void VenueServer::log_state(const char* event) {
    const std::uint64_t before = log_.size();
    core_.log_state(event, wall_ns(), setup_.version);
    next_state_ = log_.size() + std::max(kStateEvery, kStateShare * (log_.size() - before));
}

// Not while history is read out of the old file.
void VenueServer::rotate() {
    if (!histories_.empty() || !reopen_.exchange(false)) return;
    const bool written = flush_log();
    if (std::string error = log_.open(); !error.empty() || !written) {
        report_("error", "log could not be reopened: " + error);
    } else {
        log_state("rotated");
    }
}

bool VenueServer::flush_log() {
    if (log_.flush()) {
        if (std::exchange(log_failed_, false)) report_("info", "log is written again");
        return true;
    }
    if (!std::exchange(log_failed_, true)) report_("error", std::string("log cannot be written: ") + std::strerror(errno));
    return false;
}

void VenueServer::flush() {
    // Without its log the venue is no truth: nothing is answered until it can be written again.
    if (!flush_log()) return;
    for (const auto& [id, session] : sessions_) {
        if (session->out.empty() || session->dead) continue;
        const ssize_t n = ::send(session->fd.get(), session->out.data(), session->out.size(), MSG_DONTWAIT | MSG_NOSIGNAL);
        if (n > 0) {
            session->out.erase(session->out.begin(), session->out.begin() + n);
            session->stalled_since = 0;
        } else if (n < 0 && errno != EAGAIN && errno != EWOULDBLOCK && errno != EINTR) {
            drop(*session, std::strerror(errno));
        } else if (session->stalled_since == 0) {
            session->stalled_since = boot_ns();
        }
        if (session->out.size() > kOutLimit) drop(*session, "does not read");
    }
}

void VenueServer::reap() {
    for (auto it = sessions_.begin(); it != sessions_.end();) {
        if (!it->second->dead) {
            ++it;
            continue;
        }
        const std::unique_ptr<Session> gone = std::move(it->second);
        it = sessions_.erase(it);
        if (gone->orders) {
            report_("info", "session " + std::to_string(gone->id) + " ended: " + gone->why);
            core_.on_disconnect(gone->id, wall_ns(), gone->reason);
        }
    }
}

template <typename M>
void VenueServer::put(SessionId session, const M& message) {
    const auto found = sessions_.find(session);
    if (found == sessions_.end()) return;
    std::array<std::byte, wire::kMaxFrame> frame{};
    const std::size_t size = wire::encode(message, frame.data());
    found->second->out.insert(found->second->out.end(), frame.begin(), frame.begin() + static_cast<std::ptrdiff_t>(size));
}

void VenueServer::send(SessionId session, const LoginAck& message) { put(session, message); }
void VenueServer::send(SessionId session, const EpochInfo& message) { put(session, message); }
void VenueServer::send(SessionId session, const Accepted& message) { put(session, message); }
void VenueServer::send(SessionId session, const Rejected& message) { put(session, message); }
void VenueServer::send(SessionId session, const Fill& message) { put(session, message); }
void VenueServer::send(SessionId session, const Cancelled& message) { put(session, message); }
void VenueServer::send(SessionId session, const CancelRejected& message) { put(session, message); }
void VenueServer::send(SessionId session, const FenceCancelled& message) { put(session, message); }
void VenueServer::send(SessionId session, const FenceAck& message) { put(session, message); }
void VenueServer::send(SessionId session, const DropCopy& message) { put(session, message); }
void VenueServer::send(SessionId session, const DropCopyEnd& message) { put(session, message); }

}  // namespace hft
