// SPDX-License-Identifier: GPL-3.0-or-later
#include "io/venue_server.hpp"

#include <poll.h>
#include <sys/socket.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstring>
#include <span>
#include <utility>

#include "core/clock.hpp"
#include "io/tcp.hpp"
#include "io/wire.hpp"

namespace hft {

namespace {

// Who does not read is disconnected rather than waited for.
constexpr std::size_t kOutLimit = 8 * 1024 * 1024;

}  // namespace

struct VenueServer::Session {
    SessionId id = 0;
    Fd fd;
    bool orders = false;  // else market data
    bool logged_in = false;
    SessionKind kind = SessionKind::order_entry;
    bool dead = false;
    std::string why;
    std::vector<std::byte> in;
    std::vector<std::byte> out;
};

VenueServer::VenueServer(VenueServerSetup setup, Report report)
    : setup_(std::move(setup)),
      report_(std::move(report)),
      log_(setup_.log_path),
      core_(VenueName(setup_.name), setup_.fence, setup_.symbols, *this) {}

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
    if (!log_.flush()) return setup_.log_path + ": " + std::strerror(errno);
    generator_ = std::make_unique<TickGenerator>(setup_.generator, setup_.symbols, core_.tick_base());
    next_tick_ = boot_ns();
    return {};
}

std::uint16_t VenueServer::order_port() const { return tcp_port(order_listener_.get()); }
std::uint16_t VenueServer::market_data_port() const { return tcp_port(market_data_listener_.get()); }

void VenueServer::run(const std::atomic<bool>& stop) {
    while (!stop.load(std::memory_order_relaxed)) turn();
}

void VenueServer::turn() {
    std::vector<pollfd> waiting{{order_listener_.get(), POLLIN, 0}, {market_data_listener_.get(), POLLIN, 0}};
    std::vector<Session*> order{nullptr, nullptr};
    for (const auto& [id, session] : sessions_) {
        waiting.push_back({session->fd.get(), static_cast<short>(session->out.empty() ? POLLIN : POLLIN | POLLOUT), 0});
        order.push_back(session.get());
    }
    const Nanos until = std::clamp<Nanos>(next_tick_ - boot_ns(), 0, 100 * kMillisecond);
    timespec limit{};
    limit.tv_sec = until / kSecond;
    limit.tv_nsec = until % kSecond;
    ::ppoll(waiting.data(), waiting.size(), &limit, nullptr);
    if (waiting[0].revents != 0) accept(order_listener_.get(), true);
    if (waiting[1].revents != 0) accept(market_data_listener_.get(), false);
    for (std::size_t i = 2; i < waiting.size(); ++i) {
        if ((waiting[i].revents & (POLLIN | POLLHUP | POLLERR)) != 0) read(*order[i]);
    }
    ticks_due();
    reap();
    if (reopen_.exchange(false)) {
        const bool written = log_.flush();
        if (std::string error = log_.open(); !error.empty() || !written) {
            report_("error", "log could not be reopened: " + error);
        } else {
            core_.log_state("rotated", wall_ns(), setup_.version);
        }
    }
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
    sessions_.emplace(session->id, std::move(session));
}

void VenueServer::read(Session& session) {
    std::array<std::byte, 64 * 1024> buffer;
    const ssize_t n = ::recv(session.fd.get(), buffer.data(), buffer.size(), MSG_DONTWAIT);
    if (n < 0 && (errno == EAGAIN || errno == EWOULDBLOCK || errno == EINTR)) return;
    if (n <= 0) {
        session.dead = true;
        session.why = "closed by the peer";
        return;
    }
    if (!session.orders) return;  // market data is one-way; what comes is not looked at
    session.in.insert(session.in.end(), buffer.begin(), buffer.begin() + n);
    std::size_t done = 0;
    while (!session.dead) {
        const wire::Frame frame = wire::next_frame(std::span(session.in).subspan(done));
        if (frame.state == wire::FrameState::partial) break;
        if (frame.state == wire::FrameState::broken || !handle(session, frame.bytes.data(), frame.bytes.size())) {
            session.dead = true;
            session.why = "a frame that is not understood";
            break;
        }
        done += frame.bytes.size();
    }
    session.in.erase(session.in.begin(), session.in.begin() + static_cast<std::ptrdiff_t>(done));
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
            if (order) core_.on_order(session.id, *order, now);
            return order.has_value();
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

void VenueServer::ticks_due() {
    const Nanos interval = kSecond / setup_.ticks_per_s;
    const Nanos now = boot_ns();
    if (now < next_tick_) return;
    // After a stall the missed ticks are not made up for: a market that slept did not move.
    next_tick_ = now - next_tick_ > 10 * interval ? now + interval : next_tick_ + interval;
    std::array<std::byte, wire::kMaxFrame> frame{};
    for (std::size_t i = 0; i < generator_->symbols(); ++i) {
        const TickGenerator::Step step = generator_->next(i, wall_ns());
        core_.on_step(step);
        const std::size_t size = wire::encode(step.tick, frame.data());
        for (const auto& [id, session] : sessions_) {
            if (!session->orders) session->out.insert(session->out.end(), frame.begin(), frame.begin() + static_cast<std::ptrdiff_t>(size));
        }
    }
}

void VenueServer::flush() {
    if (!log_.flush()) {
        // Without its log the venue is no truth: nothing is answered until it can be written again.
        report_("error", std::string("log cannot be written: ") + std::strerror(errno));
        return;
    }
    for (const auto& [id, session] : sessions_) {
        if (session->out.empty() || session->dead) continue;
        const ssize_t n = ::send(session->fd.get(), session->out.data(), session->out.size(), MSG_DONTWAIT | MSG_NOSIGNAL);
        if (n > 0) session->out.erase(session->out.begin(), session->out.begin() + n);
        if (n < 0 && errno != EAGAIN && errno != EWOULDBLOCK && errno != EINTR) {
            session->dead = true;
            session->why = std::strerror(errno);
        }
        if (session->out.size() > kOutLimit) {
            session->dead = true;
            session->why = "does not read";
        }
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
            core_.on_disconnect(gone->id, wall_ns());
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
