// SPDX-License-Identifier: GPL-3.0-or-later
#pragma once

#include <cstdint>
#include <functional>
#include <string>
#include <string_view>
#include <vector>

#include "io/digest.hpp"

namespace hft {

// What a route asks for. open: nothing. A token of operate may also read, one of kill may also read.
enum class Scope : std::uint8_t { open, read, operate, kill };
const char* to_text(Scope scope) noexcept;

enum class Access : std::uint8_t { granted, unknown, forbidden };

// The bearer tokens of the control API, as digests: neither time nor a core file tells them.
class Tokens {
public:
    static constexpr std::size_t kMinLength = 16;
    using Lookup = std::function<const char*(const char* name)>;

    // API_TOKENS_READ, API_TOKENS_OPERATE and API_TOKENS_KILL, each a list with commas, so that a new token can be handed out
    // before the old one is withdrawn. A fault is one line in errors, which never shows a token.
    static Tokens from_environment(const Lookup& variable, std::vector<std::string>& errors);

    // Without tokens everything is granted; main.cpp lets that happen on loopback alone.
    [[nodiscard]] bool empty() const noexcept { return tokens_.empty(); }
    [[nodiscard]] Access check(std::string_view authorization, Scope wanted) const;
    // What a record says in place of the token: its scope and the first digits of its SHA-256. Empty for one that is not known.
    [[nodiscard]] std::string name(std::string_view authorization, Scope wanted) const;

private:
    struct Token {
        Digest digest;
        Scope scope;
    };
    std::vector<Token> tokens_;
};

}  // namespace hft
