// SPDX-License-Identifier: GPL-3.0-or-later
#pragma once

#include <cstdint>
#include <string>

#include "core/clock.hpp"
#include "io/fd.hpp"

namespace hft {

struct TcpResult {
    Fd fd;
    std::string error;  // empty: fd is good
};

// Non-blocking sockets with TCP_NODELAY. Connecting waits up to the limit for any address of the name.
TcpResult tcp_connect(const std::string& host, std::uint16_t port, Nanos limit, Nanos user_timeout);
TcpResult tcp_listen(const std::string& address, std::uint16_t port);
TcpResult tcp_accept(int listener);
[[nodiscard]] std::uint16_t tcp_port(int socket);

}  // namespace hft
