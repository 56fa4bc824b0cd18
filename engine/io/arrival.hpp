// SPDX-License-Identifier: GPL-3.0-or-later
#pragma once

#include <sys/socket.h>
#include <sys/types.h>
#include <sys/uio.h>

#include <algorithm>
#include <array>
#include <cstddef>
#include <cstring>

#include "core/clock.hpp"
#include "core/hot.hpp"

namespace hft {

// When a tick reached this host, on CLOCK_BOOTTIME: what it waited in the socket's buffer counts as latency, or a loop that stood
// still would look fast for all that came meanwhile. The kernel stamps what arrives (SO_TIMESTAMPNS), but tells of one read only the
// time of its last byte; ticks before the last arrived earlier by as much as the venue's own times differ. Nothing can have arrived
// before the look that found the socket empty, nor after the read: within these bounds a clock that is set does no harm.
class Arrivals {
public:
    static void ask(int fd) noexcept {
        const int on = 1;
        ::setsockopt(fd, SOL_SOCKET, SO_TIMESTAMPNS, &on, sizeof(on));
    }

    HFT_HOT ssize_t read(int fd, std::byte* to, std::size_t size) noexcept {
        alignas(cmsghdr) std::array<std::byte, CMSG_SPACE(sizeof(timespec))> control;
        iovec part{to, size};
        msghdr message{};
        message.msg_iov = &part;
        message.msg_iovlen = 1;
        message.msg_control = control.data();
        message.msg_controllen = control.size();
        previous_ = looked_;
        looked_ = boot_ns();
        const ssize_t n = ::recvmsg(fd, &message, MSG_DONTWAIT);
        if (n > 0) last_byte_ = stamped(message);
        return n;
    }
    // Of a tick of the last read; both times are the venue's.
    [[nodiscard]] HFT_HOT Nanos of(Nanos venue_ns, Nanos last_venue_ns) const noexcept {
        const Nanos earlier = std::clamp<Nanos>(last_venue_ns - venue_ns, 0, last_byte_ - previous_);
        return last_byte_ - earlier;
    }

private:
    [[nodiscard]] Nanos stamped(msghdr& message) const noexcept {
        const cmsghdr* header = CMSG_FIRSTHDR(&message);
        if (header == nullptr || header->cmsg_level != SOL_SOCKET || header->cmsg_type != SCM_TIMESTAMPNS) return looked_;
        timespec at{};
        std::memcpy(&at, CMSG_DATA(header), sizeof(at));
        const Nanos waited = wall_ns() - (static_cast<Nanos>(at.tv_sec) * kSecond + static_cast<Nanos>(at.tv_nsec));
        return std::clamp(boot_ns() - waited, previous_, looked_);
    }

    Nanos looked_ = 0;
    Nanos previous_ = 0;
    Nanos last_byte_ = 0;
};

}  // namespace hft
