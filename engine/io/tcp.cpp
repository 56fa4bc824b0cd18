// SPDX-License-Identifier: GPL-3.0-or-later
#include "io/tcp.hpp"

#include <arpa/inet.h>
#include <netdb.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <sys/socket.h>

#include <cerrno>
#include <cstring>
#include <memory>

namespace hft {

namespace {

struct AddressList {
    explicit AddressList(addrinfo* list) : list(list) {}
    AddressList(const AddressList&) = delete;
    AddressList& operator=(const AddressList&) = delete;
    ~AddressList() {
        if (list != nullptr) freeaddrinfo(list);
    }
    addrinfo* list;
};

std::string place(const std::string& host, std::uint16_t port) { return host + ":" + std::to_string(port); }

TcpResult failed(const std::string& what) { return {Fd{}, what}; }

void set_nodelay(int fd) {
    const int on = 1;
    setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on));
}

int resolve(const std::string& host, std::uint16_t port, int flags, addrinfo** out) {
    addrinfo hints{};
    hints.ai_family = AF_UNSPEC;
    hints.ai_socktype = SOCK_STREAM;
    hints.ai_flags = flags | AI_NUMERICSERV;
    return getaddrinfo(host.c_str(), std::to_string(port).c_str(), &hints, out);
}

}  // namespace

TcpResult tcp_connect(const std::string& host, std::uint16_t port, Nanos limit, Nanos user_timeout) {
    addrinfo* found = nullptr;
    if (const int code = resolve(host, port, 0, &found); code != 0) return failed(place(host, port) + ": " + gai_strerror(code));
    const AddressList addresses(found);
    std::string error = place(host, port) + ": no address";
    for (const addrinfo* a = addresses.list; a != nullptr; a = a->ai_next) {
        Fd fd(::socket(a->ai_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0));
        if (!fd) return failed(place(host, port) + ": socket: " + std::strerror(errno));
        set_nodelay(fd.get());
        const auto timeout_ms = static_cast<unsigned>(user_timeout / kMillisecond);
        setsockopt(fd.get(), IPPROTO_TCP, TCP_USER_TIMEOUT, &timeout_ms, sizeof(timeout_ms));
        if (::connect(fd.get(), a->ai_addr, a->ai_addrlen) != 0 && errno != EINPROGRESS) {
            error = place(host, port) + ": " + std::strerror(errno);
            continue;
        }
        pollfd waiting{fd.get(), POLLOUT, 0};
        if (::poll(&waiting, 1, static_cast<int>(limit / kMillisecond)) <= 0) {
            error = place(host, port) + ": no answer";
            continue;
        }
        int code = 0;
        socklen_t size = sizeof(code);
        getsockopt(fd.get(), SOL_SOCKET, SO_ERROR, &code, &size);
        if (code == 0) return {std::move(fd), {}};
        error = place(host, port) + ": " + std::strerror(code);
    }
    return failed(error);
}

TcpResult tcp_listen(const std::string& address, std::uint16_t port) {
    addrinfo* found = nullptr;
    if (const int code = resolve(address, port, AI_PASSIVE | AI_NUMERICHOST, &found); code != 0) {
        return failed("listen on " + place(address, port) + ": " + gai_strerror(code) + "; expected a numeric address");
    }
    const AddressList addresses(found);
    Fd fd(::socket(addresses.list->ai_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0));
    if (!fd) return failed("listen on " + place(address, port) + ": " + std::strerror(errno));
    const int on = 1;
    setsockopt(fd.get(), SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on));
    if (::bind(fd.get(), addresses.list->ai_addr, addresses.list->ai_addrlen) != 0 || ::listen(fd.get(), 64) != 0) {
        return failed("listen on " + place(address, port) + ": " + std::strerror(errno));
    }
    return {std::move(fd), {}};
}

TcpResult tcp_accept(int listener) {
    Fd fd(::accept4(listener, nullptr, nullptr, SOCK_NONBLOCK | SOCK_CLOEXEC));
    if (!fd) return failed(std::strerror(errno));
    set_nodelay(fd.get());
    return {std::move(fd), {}};
}

std::uint16_t tcp_port(int socket) {
    sockaddr_storage address{};
    socklen_t size = sizeof(address);
    if (getsockname(socket, reinterpret_cast<sockaddr*>(&address), &size) != 0) return 0;
    if (address.ss_family == AF_INET6) return ntohs(reinterpret_cast<sockaddr_in6*>(&address)->sin6_port);
    return ntohs(reinterpret_cast<sockaddr_in*>(&address)->sin_port);
}

}  // namespace hft
