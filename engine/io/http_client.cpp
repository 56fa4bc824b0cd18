// SPDX-License-Identifier: GPL-3.0-or-later
#include "io/http_client.hpp"

#include <openssl/pem.h>
#include <openssl/ssl.h>
#include <openssl/x509.h>
#include <poll.h>
#include <sys/socket.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <charconv>
#include <cstring>
#include <memory>
#include <string_view>
#include <utility>

#include "io/tcp.hpp"

namespace hft {

namespace {

constexpr std::size_t kMaxAnswer = 16 * 1024 * 1024;

// Bytes over a non-blocking socket, in the clear or not, until a deadline.
class Link {
public:
    Link(Fd fd, Nanos deadline) : fd_(std::move(fd)), deadline_(deadline) {}

    // Empty, or what failed.
    std::string encrypt(const std::string& certificate, const TlsFiles& own) {
        context_ = client_tls(own);
        if (context_ == nullptr) return own.certificate.empty() ? "no TLS on this host" : own.certificate + " and " + own.key + ": no pair";
        tls_.reset(SSL_new(context_.get()));
        SSL_set_fd(tls_.get(), fd_.get());
        const int done = retry(POLLIN, [&] { return SSL_connect(tls_.get()); });
        if (done <= 0) return late_ ? "no answer in time" : "the TLS handshake failed";
        return speaks_as(certificate) ? "" : "another certificate than the first in " + certificate + "; was it replaced without a reload?";
    }
    bool write_all(std::string_view bytes) {
        while (!bytes.empty()) {
            const int n =
                tls_ ? retry(POLLOUT, [&] { return SSL_write(tls_.get(), bytes.data(), static_cast<int>(bytes.size())); })
                     : retry(POLLOUT, [&] { return static_cast<int>(::send(fd_.get(), bytes.data(), bytes.size(), MSG_NOSIGNAL)); });
            if (n <= 0) return false;
            bytes.remove_prefix(static_cast<std::size_t>(n));
        }
        return true;
    }
    // Up to the end of the stream; false when it did not end by itself.
    bool read_all(std::string& text) {
        std::array<char, 16 * 1024> part{};
        while (text.size() < kMaxAnswer) {
            const int n = tls_ ? retry(POLLIN, [&] { return SSL_read(tls_.get(), part.data(), static_cast<int>(part.size())); })
                               : retry(POLLIN, [&] { return static_cast<int>(::recv(fd_.get(), part.data(), part.size(), 0)); });
            if (n <= 0) return n == 0 || (tls_ && !late_);
            text.append(part.data(), static_cast<std::size_t>(n));
        }
        return false;
    }
    [[nodiscard]] bool late() const { return late_; }

private:
    struct Free {
        void operator()(SSL* tls) const noexcept { SSL_free(tls); }
    };

    // The very certificate, whatever name or date stands in it: it is the one this host gave to its engine.
    [[nodiscard]] bool speaks_as(const std::string& certificate) const {
        const std::unique_ptr<BIO, decltype(&BIO_free)> file(BIO_new_file(certificate.c_str(), "r"), &BIO_free);
        const auto read = [&] { return file ? PEM_read_bio_X509(file.get(), nullptr, nullptr, nullptr) : nullptr; };
        const std::unique_ptr<X509, decltype(&X509_free)> expected(read(), &X509_free);
        const std::unique_ptr<X509, decltype(&X509_free)> found(SSL_get1_peer_certificate(tls_.get()), &X509_free);
        return expected && found && X509_cmp(expected.get(), found.get()) == 0;
    }

    template <typename F>
    int retry(short direction, F&& step) {
        for (;;) {
            const int n = step();
            if (n > 0) return n;
            short wanted = direction;
            if (tls_) {
                const int code = SSL_get_error(tls_.get(), n);
                if (code == SSL_ERROR_ZERO_RETURN) return 0;
                if (code != SSL_ERROR_WANT_READ && code != SSL_ERROR_WANT_WRITE) return -1;
                wanted = code == SSL_ERROR_WANT_WRITE ? POLLOUT : POLLIN;
            } else {
                if (n == 0) return 0;
                if (errno != EAGAIN && errno != EINTR) return -1;
            }
            const Nanos left = deadline_ - boot_ns();
            pollfd waiting{fd_.get(), wanted, 0};
            if (left <= 0 || ::poll(&waiting, 1, static_cast<int>(left / kMillisecond) + 1) == 0) {
                late_ = true;
                return -1;
            }
        }
    }

    Fd fd_;
    Nanos deadline_;
    TlsContext context_;
    std::unique_ptr<SSL, Free> tls_;
    bool late_ = false;
};

std::string request_text(const HttpTarget& target, const std::string& method, const std::string& path, const std::string& body) {
    std::string text = method + " " + path + " HTTP/1.1\r\nHost: " + target.host + "\r\nConnection: close\r\n";
    if (!target.token.empty()) text += "Authorization: Bearer " + target.token + "\r\n";
    if (!body.empty()) text += "Content-Type: application/json\r\nContent-Length: " + std::to_string(body.size()) + "\r\n";
    return text + "\r\n" + body;
}

}  // namespace

HttpAnswer http_ask(const HttpTarget& target, const std::string& method, const std::string& path, const std::string& body, Nanos limit) {
    const Nanos deadline = boot_ns() + limit;
    const std::string place = target.host + ":" + std::to_string(target.port);
    const auto failed = [&](const std::string& why) { return HttpAnswer{0, {}, place + ": " + why}; };
    TcpResult connected = tcp_connect(target.host, target.port, limit, limit);
    if (!connected.error.empty()) return {0, {}, connected.error};
    Link link(std::move(connected.fd), deadline);
    if (!target.certificate.empty()) {
        if (std::string error = link.encrypt(target.certificate, target.own); !error.empty()) return failed(error);
    }
    const bool sent = link.write_all(request_text(target, method, path, body));
    std::string text;
    const bool whole = sent && link.read_all(text);
    if (!whole) return failed(link.late() ? "no answer in time" : "the connection broke");
    const std::size_t end = text.find("\r\n\r\n");
    HttpAnswer answer;
    constexpr std::string_view kVersion = "HTTP/1.1 ";
    const bool http = end != std::string::npos && text.rfind(kVersion, 0) == 0 &&
                      std::from_chars(text.data() + kVersion.size(), text.data() + kVersion.size() + 3, answer.status).ec == std::errc{};
    if (!http) return failed("answered, but not with HTTP; is it another program?");
    answer.body = text.substr(end + 4);
    return answer;
}

}  // namespace hft
