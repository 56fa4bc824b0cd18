// SPDX-License-Identifier: GPL-3.0-or-later
#pragma once

#include <memory>
#include <string>

#include "io/config_reader.hpp"

struct ssl_ctx_st;
struct ssl_st;

namespace hft {

// Files in PEM. client_ca empty: clients need no certificate.
struct TlsFiles {
    std::string certificate;
    std::string key;
    std::string client_ca;
};

struct TlsContextDelete {
    void operator()(ssl_ctx_st* context) const noexcept;
};
using TlsContext = std::unique_ptr<ssl_ctx_st, TlsContextDelete>;

// TLS 1.2 or newer. Null after an error; pointer is where the files stand in the configuration.
TlsContext server_tls(const TlsFiles& files, const std::string& pointer, ConfigErrors& errors);
// For a client that looks at the server's certificate itself. own: what it shows of itself when asked, nothing where both are empty.
// Null when TLS is not to be had here or these files are no pair.
TlsContext client_tls(const TlsFiles& own);
// Subject of the certificate that the other side has shown and that was verified, as RFC 2253 writes it; empty where there is none.
std::string peer_subject(const ssl_st& session);

}  // namespace hft
