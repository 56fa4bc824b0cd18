// SPDX-License-Identifier: GPL-3.0-or-later
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <vector>

namespace hft {

struct HttpRequest {
    std::string method;
    std::string target;  // without the query
    std::string body;
};

struct HttpResponse {
    unsigned status = 200;
    std::string content_type = "application/json";
    std::string body;
    std::string allow;  // of a 405
};

using HttpHandler = std::function<HttpResponse(const HttpRequest&)>;
// What the server itself refuses (a malformed request, a body too large) is said by the same hand.
using HttpRefusal = std::function<HttpResponse(unsigned status, const std::string& detail)>;

struct HttpEndpoint {
    std::string address;
    std::uint16_t port = 0;
    HttpHandler handler;
};

// Listeners on a few threads of their own. The only file that includes Boost.Beast is behind this.
class HttpServer {
public:
    static constexpr std::size_t kMaxBody = 64 * 1024;

    HttpServer(std::vector<HttpEndpoint> endpoints, HttpRefusal refusal, unsigned threads);
    ~HttpServer();
    HttpServer(const HttpServer&) = delete;
    HttpServer& operator=(const HttpServer&) = delete;

    // Empty, or what failed.
    [[nodiscard]] std::string start();
    void stop();

private:
    class Impl;
    std::unique_ptr<Impl> impl_;
};

}  // namespace hft
