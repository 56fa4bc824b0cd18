// SPDX-License-Identifier: GPL-3.0-or-later
#pragma once

#include <cstdint>
#include <string>

#include "core/clock.hpp"
#include "io/tls_context.hpp"

namespace hft {

struct HttpTarget {
    std::string host;
    std::uint16_t port = 0;
    // Not empty: TLS, with exactly the server whose certificate is the first in this file.
    std::string certificate;
    std::string token;  // not empty: Authorization: Bearer
    TlsFiles own = {};  // what this client shows of itself; client_ca means nothing here
};

struct HttpAnswer {
    unsigned status = 0;
    std::string body;
    std::string error;  // not empty: there was no answer, and why
};

// One request on a connection of its own, all of it within the limit.
HttpAnswer http_ask(const HttpTarget& target, const std::string& method, const std::string& path, const std::string& body, Nanos limit);

}  // namespace hft
