// SPDX-License-Identifier: GPL-3.0-or-later
#include "io/tls_context.hpp"

#include <openssl/bio.h>
#include <openssl/err.h>
#include <openssl/ssl.h>
#include <openssl/x509.h>

namespace hft {

namespace {

std::string last_fault() {
    const unsigned long code = ERR_peek_last_error();
    const char* text = ERR_reason_error_string(code);
    std::string fault = text != nullptr ? text : "cannot be read";
    ERR_clear_error();
    return fault;
}

TlsContext modern(const SSL_METHOD* method) {
    TlsContext context(SSL_CTX_new(method));
    if (context != nullptr) SSL_CTX_set_min_proto_version(context.get(), TLS1_2_VERSION);
    return context;
}

}  // namespace

void TlsContextDelete::operator()(ssl_ctx_st* context) const noexcept { SSL_CTX_free(context); }

TlsContext server_tls(const TlsFiles& files, const std::string& pointer, ConfigErrors& errors) {
    ERR_clear_error();
    TlsContext context = modern(TLS_server_method());
    const auto fault = [&](const char* key, const std::string& text) {
        errors.add(pointer + "/" + key, text);
        return TlsContext();
    };
    if (context == nullptr) return fault("certificate", "no TLS on this host: " + last_fault());
    if (SSL_CTX_use_certificate_chain_file(context.get(), files.certificate.c_str()) != 1) {
        return fault("certificate", files.certificate + ": expected a certificate in PEM: " + last_fault());
    }
    if (SSL_CTX_use_PrivateKey_file(context.get(), files.key.c_str(), SSL_FILETYPE_PEM) != 1) {
        return fault("key", files.key + ": expected the private key of the certificate in PEM: " + last_fault());
    }
    if (files.client_ca.empty()) return context;
    if (SSL_CTX_load_verify_locations(context.get(), files.client_ca.c_str(), nullptr) != 1) {
        return fault("client_ca", files.client_ca + ": expected certificates in PEM: " + last_fault());
    }
    // Named in the handshake, so that a client with several certificates knows which one is meant.
    SSL_CTX_set_client_CA_list(context.get(), SSL_load_client_CA_file(files.client_ca.c_str()));
    SSL_CTX_set_verify(context.get(), SSL_VERIFY_PEER | SSL_VERIFY_FAIL_IF_NO_PEER_CERT, nullptr);
    // A resumed session must belong to this listener.
    static constexpr unsigned char kSessions[] = "hft_system";
    SSL_CTX_set_session_id_context(context.get(), kSessions, sizeof(kSessions) - 1);
    return context;
}

TlsContext client_tls(const TlsFiles& own) {
    TlsContext context = modern(TLS_client_method());
    if (context == nullptr || own.certificate.empty()) return context;
    const bool pair = SSL_CTX_use_certificate_chain_file(context.get(), own.certificate.c_str()) == 1 &&
                      SSL_CTX_use_PrivateKey_file(context.get(), own.key.c_str(), SSL_FILETYPE_PEM) == 1 &&
                      SSL_CTX_check_private_key(context.get()) == 1;
    return pair ? std::move(context) : nullptr;
}

std::string peer_subject(const ssl_st& session) {
    const X509* shown = SSL_get0_peer_certificate(&session);
    if (shown == nullptr || SSL_get_verify_result(&session) != X509_V_OK) return {};
    const std::unique_ptr<BIO, decltype(&BIO_free)> text(BIO_new(BIO_s_mem()), &BIO_free);
    if (text == nullptr || X509_NAME_print_ex(text.get(), X509_get_subject_name(shown), 0, XN_FLAG_RFC2253) < 0) return {};
    char* begin = nullptr;
    const long size = BIO_get_mem_data(text.get(), &begin);
    return size > 0 ? std::string(begin, static_cast<std::size_t>(size)) : std::string();
}

}  // namespace hft
