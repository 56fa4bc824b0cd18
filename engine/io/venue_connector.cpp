// SPDX-License-Identifier: GPL-3.0-or-later
#include "io/venue_connector.hpp"

#include <poll.h>
#include <sys/socket.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <chrono>
#include <cstring>
#include <span>
#include <thread>
#include <utility>

#include "io/tcp.hpp"
#include "io/wire.hpp"

namespace hft {

namespace {

constexpr Nanos kConnectLimit = 2 * kSecond;

// Exactly size bytes within the limit: what follows the login belongs to the hot thread.
bool read_exactly(int fd, std::byte* out, std::size_t size, Nanos end) {
    std::size_t filled = 0;
    while (filled < size) {
        const Nanos left = end - boot_ns();
        if (left <= 0) return false;
        pollfd waiting{fd, POLLIN, 0};
        if (::poll(&waiting, 1, static_cast<int>(left / kMillisecond) + 1) < 0 && errno != EINTR) return false;
        const ssize_t n = ::recv(fd, out + filled, size - filled, MSG_DONTWAIT);
        if (n == 0) return false;
        if (n < 0 && errno != EAGAIN && errno != EWOULDBLOCK && errno != EINTR) return false;
        if (n > 0) filled += static_cast<std::size_t>(n);
    }
    return true;
}

}  // namespace

VenueConnector::VenueConnector(std::vector<VenueAddress> venues, Login login, Nanos user_timeout, VenueTransport& transport, Report report)
    : venues_(std::move(venues)), login_(login), user_timeout_(user_timeout), transport_(transport), report_(std::move(report)) {}

std::uint64_t VenueConnector::highest_epoch(const std::string& strategy) const {
    const std::lock_guard lock(mutex_);
    const auto found = epochs_.find(strategy);
    return found == epochs_.end() ? 0 : found->second;
}

void VenueConnector::run(const std::atomic<bool>& stop) {
    std::vector<std::string> last(venues_.size());
    std::vector<Nanos> next(venues_.size(), 0);
    std::vector<Nanos> backoff(venues_.size(), 0);
    while (!stop.load(std::memory_order_relaxed)) {
        for (std::size_t i = 0; i < venues_.size(); ++i) {
            if (!transport_.wants_session(i) || boot_ns() < next[i]) continue;
            const std::string error = connect(i);
            if (error.empty()) {
                report_("info", "venue " + venues_[i].name + ": session open");
                last[i].clear();
                backoff[i] = 0;
                continue;
            }
            if (error != last[i]) report_("warning", "venue " + venues_[i].name + ": " + error);
            last[i] = error;
            backoff[i] = std::min<Nanos>(std::max<Nanos>(2 * backoff[i], 100 * kMillisecond), kSecond);
            next[i] = boot_ns() + backoff[i];
        }
        std::this_thread::sleep_for(std::chrono::milliseconds(20));
    }
}

std::string VenueConnector::connect(std::size_t index) {
    const VenueAddress& venue = venues_[index];
    TcpResult orders = tcp_connect(venue.host, venue.order_port, kConnectLimit, user_timeout_);
    if (!orders.error.empty()) return "order entry " + orders.error;
    if (std::string error = log_in(orders.fd.get(), venue); !error.empty()) return "order entry login: " + error;
    TcpResult market_data = tcp_connect(venue.host, venue.market_data_port, kConnectLimit, user_timeout_);
    if (!market_data.error.empty()) return "market data " + market_data.error;
    transport_.hand_over(index, std::move(orders.fd), std::move(market_data.fd), venue.heartbeat);
    return {};
}

std::string VenueConnector::log_in(int fd, const VenueAddress& venue) {
    const Nanos end = boot_ns() + kConnectLimit;
    std::array<std::byte, wire::kMaxFrame> frame{};
    Login login = login_;
    login.account = AccountName(venue.account);
    const std::size_t size = wire::encode(login, frame.data());
    if (::send(fd, frame.data(), size, MSG_NOSIGNAL) != static_cast<ssize_t>(size)) return std::strerror(errno);
    for (;;) {
        if (!read_exactly(fd, frame.data(), wire::kHeader, end)) return "no answer";
        std::uint16_t length = 0;
        std::memcpy(&length, frame.data(), sizeof(length));
        if (length < wire::kHeader || length > wire::kMaxFrame) return "answer is no frame of ours";
        if (!read_exactly(fd, frame.data() + wire::kHeader, length - wire::kHeader, end)) return "answer ends early";
        const std::span<const std::byte> bytes(frame.data(), length);
        if (wire::next_frame(bytes).type == wire::Type::login_ack) {
            const auto answer = wire::decode<LoginAck>(bytes);
            if (!answer) return "bad login answer";
            const Nanos timeout = static_cast<Nanos>(answer->heartbeat_timeout_ms) * kMillisecond;
            if (timeout != 0 && (venue.heartbeat == 0 || venue.heartbeat >= timeout)) {
                return "the venue ends a session that is silent for " + std::to_string(answer->heartbeat_timeout_ms) +
                       " ms; set heartbeat_ms of this venue to half of that or less";
            }
            return {};
        }
        const auto info = wire::decode<EpochInfo>(bytes);
        if (wire::next_frame(bytes).type != wire::Type::epoch_info || !info) return "unexpected answer";
        const std::lock_guard lock(mutex_);
        std::uint64_t& highest = epochs_[info->strategy.str()];
        highest = std::max(highest, info->epoch);
    }
}

}  // namespace hft
