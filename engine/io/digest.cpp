// SPDX-License-Identifier: GPL-3.0-or-later
#include "io/digest.hpp"

#include <openssl/crypto.h>
#include <openssl/sha.h>

namespace hft {

Digest digest(std::string_view text) {
    Digest result{};
    SHA256(reinterpret_cast<const unsigned char*>(text.data()), text.size(), result.data());
    return result;
}

std::string hex(const Digest& digest) {
    static constexpr char kHex[] = "0123456789abcdef";
    std::string text;
    for (const unsigned char byte : digest) {
        text += kHex[byte >> 4];
        text += kHex[byte & 0xf];
    }
    return text;
}

bool same(const Digest& a, const Digest& b) noexcept { return CRYPTO_memcmp(a.data(), b.data(), a.size()) == 0; }

}  // namespace hft
