// SPDX-License-Identifier: GPL-3.0-or-later
#include "apps/hft_system/api/tokens.hpp"

#include <algorithm>
#include <utility>

namespace hft {

namespace {

constexpr std::string_view kBearer = "bearer ";
// Enough to tell a firm's tokens apart, far too few to find one by.
constexpr std::size_t kNameDigits = 8;

bool is_bearer(std::string_view authorization) {
    return authorization.size() > kBearer.size() &&
           std::equal(kBearer.begin(), kBearer.end(), authorization.begin(), [](char want, char c) { return want == (c | 0x20); });
}

bool allows(Scope token, Scope wanted) { return wanted == Scope::open || wanted == Scope::read || token == wanted; }

// RFC 6750: what may stand in a Bearer header.
bool may_stand_in_header(std::string_view token) {
    return std::all_of(token.begin(), token.end(), [](char c) {
        return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ||
               std::string_view("-._~+/=").find(c) != std::string_view::npos;
    });
}

}  // namespace

const char* to_text(Scope scope) noexcept {
    switch (scope) {
        case Scope::open:
            return "open";
        case Scope::read:
            return "read";
        case Scope::operate:
            return "operate";
        case Scope::kill:
            return "kill";
    }
    return "open";
}

Tokens Tokens::from_environment(const Lookup& variable, std::vector<std::string>& errors) {
    Tokens tokens;
    for (const auto& [name, scope] : {std::pair{"API_TOKENS_READ", Scope::read}, std::pair{"API_TOKENS_OPERATE", Scope::operate},
                                      std::pair{"API_TOKENS_KILL", Scope::kill}}) {
        const char* value = variable(name);
        if (value == nullptr) continue;
        std::string_view rest = value;
        for (int number = 1; !rest.empty(); ++number) {
            const std::size_t comma = rest.find(',');
            const std::string_view token = rest.substr(0, comma);
            rest = comma == std::string_view::npos ? std::string_view{} : rest.substr(comma + 1);
            const std::string place = "environment: " + std::string(name) + ", token " + std::to_string(number);
            if (token.size() < kMinLength) {
                errors.push_back(place + ": expected at least " + std::to_string(kMinLength) + " characters, found " +
                                 std::to_string(token.size()) + "; make one with: openssl rand -hex 32");
            } else if (!may_stand_in_header(token)) {
                errors.push_back(place + ": expected letters, digits and -._~+/= only; make one with: openssl rand -hex 32");
            } else {
                tokens.tokens_.push_back({digest(token), scope});
            }
        }
    }
    return tokens;
}

Access Tokens::check(std::string_view authorization, Scope wanted) const {
    if (wanted == Scope::open || tokens_.empty()) return Access::granted;
    if (!is_bearer(authorization)) return Access::unknown;
    const Digest given = digest(authorization.substr(kBearer.size()));
    bool known = false;
    bool granted = false;
    // Every token is compared, so that the time does not tell which one is near.
    for (const Token& token : tokens_) {
        const bool match = same(given, token.digest);
        known |= match;
        granted |= match && allows(token.scope, wanted);
    }
    if (granted) return Access::granted;
    return known ? Access::forbidden : Access::unknown;
}

std::string Tokens::name(std::string_view authorization, Scope wanted) const {
    if (!is_bearer(authorization)) return {};
    const Digest given = digest(authorization.substr(kBearer.size()));
    std::string found;
    for (const Token& token : tokens_) {
        // One that stands in two lists is named by the one that opened this.
        if (same(given, token.digest) && (found.empty() || allows(token.scope, wanted)))
            found = std::string(to_text(token.scope)) + "/" + hex(token.digest).substr(0, kNameDigits);
    }
    return found;
}

}  // namespace hft
