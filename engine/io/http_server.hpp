// SPDX-License-Identifier: GPL-3.0-or-later
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "core/clock.hpp"
#include "io/tls_context.hpp"

namespace hft {

struct HttpRequest {
    std::string method;
    std::string target;  // without the query
    std::string body;
    std::string authorization;  // the header, as it came
    std::string client;         // address of the peer
    std::string certificate{};  // subject of the client certificate, where one was asked for
};

struct HttpResponse {
    unsigned status = 200;
    std::string content_type = "application/json";
    std::string body;
    std::vector<std::pair<std::string, std::string>> headers;
};

using HttpHandler = std::function<HttpResponse(const HttpRequest&)>;
// What the server itself refuses (a malformed request, a body too large) is said by the same hand.
using HttpRefusal = std::function<HttpResponse(unsigned status, const std::string& detail)>;

struct HttpLimits {
    std::uint32_t requests_per_s = 100;  // of one client address; twice as many at once
    int connections = 256;
    int connections_per_client = 64;
    // The whole request by then, so that a client that sends a byte now and then holds nothing.
    Nanos request = 5 * kSecond;
    Nanos idle = 30 * kSecond;
};

struct HttpEndpoint {
    std::string address;
    std::uint16_t port = 0;  // 0: any free one
    HttpHandler handler;
    HttpLimits limits;
    std::optional<TlsFiles> tls;
    std::function<bool(const HttpRequest&)> urgent;  // requests that no rate limit and no other request holds up
    // Told of every whole request by a worker, before its answer leaves; of an urgent one at any time, since a disk that hangs under a
    // record must not hold that up. By the thread that read it where it came too often.
    std::function<void(const HttpRequest&, const HttpResponse&)> answered;
};

// Listeners on a few threads of their own. An answer may take as long as a venue or the database: it is made by a worker, an urgent one
// by the thread that read the request. The only file that includes Boost.Beast is behind this.
class HttpServer {
public:
    static constexpr std::size_t kMaxBody = 64 * 1024;

    HttpServer(std::vector<HttpEndpoint> endpoints, const HttpRefusal& refusal, unsigned workers);
    ~HttpServer();
    HttpServer(const HttpServer&) = delete;
    HttpServer& operator=(const HttpServer&) = delete;

    // Empty, or what failed.
    [[nodiscard]] std::string start();
    void stop();
    // Reads the certificates again: new connections see the new ones. With a fault the old ones stay.
    void reload_certificates(ConfigErrors& errors);
    // The port of an endpoint, once started.
    [[nodiscard]] std::uint16_t port(std::size_t endpoint) const;

private:
    class Impl;
    std::unique_ptr<Impl> impl_;
};

}  // namespace hft
