// SPDX-License-Identifier: GPL-3.0-or-later
#include <gtest/gtest.h>

#include <fstream>
#include <map>
#include <set>
#include <string>

#include "apps/hft_system/api/routes.hpp"
#include "apps/hft_system/api/tokens.hpp"
#include "io/rate_limit.hpp"

namespace hft {
namespace {

using Variables = std::map<std::string, std::string>;

Tokens tokens(const Variables& variables, std::vector<std::string>& errors) {
    return Tokens::from_environment(
        [&](const char* name) -> const char* {
            const auto found = variables.find(name);
            return found == variables.end() ? nullptr : found->second.c_str();
        },
        errors);
}

const std::string kRead = "read-0123456789ab";
const std::string kOld = "operate-0123456789ab";
const std::string kNew = "operate-ba9876543210";
const std::string kKill = "kill-0123456789ab";

TEST(ApiTokens, EachScopeOpensWhatItShouldAndNothingElse) {
    std::vector<std::string> errors;
    const Tokens known =
        tokens({{"API_TOKENS_READ", kRead}, {"API_TOKENS_OPERATE", kOld + "," + kNew}, {"API_TOKENS_KILL", kKill}}, errors);
    ASSERT_TRUE(errors.empty());
    const auto check = [&](const std::string& token, Scope scope) { return known.check("Bearer " + token, scope); };
    EXPECT_EQ(check(kRead, Scope::read), Access::granted);
    EXPECT_EQ(check(kRead, Scope::operate), Access::forbidden);
    EXPECT_EQ(check(kRead, Scope::kill), Access::forbidden);
    for (const std::string& token : {kOld, kNew}) {
        EXPECT_EQ(check(token, Scope::read), Access::granted);
        EXPECT_EQ(check(token, Scope::operate), Access::granted);
        EXPECT_EQ(check(token, Scope::kill), Access::forbidden);
    }
    EXPECT_EQ(check(kKill, Scope::read), Access::granted);
    EXPECT_EQ(check(kKill, Scope::kill), Access::granted);
    EXPECT_EQ(check(kKill, Scope::operate), Access::forbidden);
}

TEST(ApiTokens, ATokenIsNamedByItsScopeAndNeverByItself) {
    std::vector<std::string> errors;
    const Tokens known = tokens({{"API_TOKENS_READ", kRead + "," + kOld}, {"API_TOKENS_OPERATE", kOld}}, errors);
    EXPECT_EQ(known.name("Bearer " + kRead, Scope::read), "read/" + hex(digest(kRead)).substr(0, 8));
    EXPECT_EQ(known.name("Bearer " + kOld, Scope::operate), "operate/" + hex(digest(kOld)).substr(0, 8)) << "the list that opened it";
    EXPECT_EQ(known.name("Bearer " + kNew, Scope::read), "");
    EXPECT_EQ(known.name("", Scope::read), "");
    EXPECT_EQ(Tokens().name("Bearer " + kRead, Scope::read), "");
}

TEST(ApiTokens, WrongHeadersAreUnknown) {
    std::vector<std::string> errors;
    const Tokens known = tokens({{"API_TOKENS_READ", kRead}}, errors);
    for (const std::string& header :
         {std::string(), std::string("Bearer"), std::string("Bearer "), "Basic " + kRead, kRead, "Bearer " + kRead + "x",
          "Bearer  " + kRead, "Bearer " + kRead.substr(1), "Bearer " + kRead + "," + kRead}) {
        EXPECT_EQ(known.check(header, Scope::read), Access::unknown) << header;
        EXPECT_EQ(known.check(header, Scope::open), Access::granted) << header;
    }
    EXPECT_EQ(known.check("bearer " + kRead, Scope::read), Access::granted) << "the scheme has no case (RFC 9110)";
}

TEST(ApiTokens, NoTokensGrantEverything) {
    std::vector<std::string> errors;
    for (const Variables& none : {Variables{}, Variables{{"API_TOKENS_READ", ""}}}) {
        const Tokens known = tokens(none, errors);
        EXPECT_TRUE(known.empty());
        EXPECT_EQ(known.check("", Scope::kill), Access::granted);
    }
}

TEST(ApiTokens, BadTokensAreRefusedWithoutShowingThem) {
    for (const std::string& bad :
         {std::string("short-secret"), kRead + ",", kRead + ",,x", std::string(", "), kRead + " ", kRead + "\"x"}) {
        std::vector<std::string> errors;
        static_cast<void>(tokens({{"API_TOKENS_KILL", bad}}, errors));
        if (bad == kRead + ",") {
            EXPECT_TRUE(errors.empty()) << "a comma at the end is no token";
            continue;
        }
        ASSERT_FALSE(errors.empty()) << bad;
        EXPECT_NE(errors[0].find("API_TOKENS_KILL"), std::string::npos);
        EXPECT_EQ(errors[0].find("secret"), std::string::npos);
        EXPECT_EQ(errors[0].find(kRead), std::string::npos);
    }
}

TEST(ApiRoutes, PatternsFitWholeSegments) {
    std::string id;
    EXPECT_TRUE(fits("/s/{id}/start", "/s/mm-1/start", id));
    EXPECT_EQ(id, "mm-1");
    EXPECT_TRUE(fits("/s/{id}", "/s/mm", id));
    EXPECT_EQ(id, "mm");
    for (const char* path : {"/s/", "/s", "/s//start", "/s/a/b/start", "/s/start", "/s/mm/stop", "/s/mm/", "/x/mm/start"}) {
        EXPECT_FALSE(fits("/s/{id}/start", path, id)) << path;
    }
    EXPECT_FALSE(fits("/s/{id}", "/s/mm/start", id));
    EXPECT_FALSE(fits("/s", "/s/", id));
}

// The lines of paths: two blanks and the path, four blanks and the method, six and the scope.
std::set<std::string> described() {
    std::ifstream in(HFT_ENGINE_DIR "/openapi.yaml");
    std::set<std::string> found;
    std::string line, path, operation;
    while (std::getline(in, line) && line != "components:") {
        if (line.rfind("  /", 0) == 0) path = line.substr(2, line.find(':') - 2);
        for (const std::string method : {"get", "put", "post", "delete"}) {
            if (line != "    " + method + ":") continue;
            std::string upper;
            for (const char c : method) upper += static_cast<char>(std::toupper(static_cast<unsigned char>(c)));
            operation = upper + " " + path;
        }
        constexpr std::string_view kScope = "      x-scope: ";
        if (line.rfind(kScope, 0) == 0) found.insert(operation + " " + line.substr(kScope.size()));
    }
    return found;
}

TEST(ApiRoutes, TheTableIsWhatOpenapiDescribes) {
    std::set<std::string> table;
    for (const Route& route : routes()) {
        const std::string operation = std::string(route.method) + " " + std::string(route.path) + " " + to_text(route.scope);
        EXPECT_TRUE(table.insert(operation).second) << route.path << " stands twice";
    }
    EXPECT_EQ(table, described());
}

TEST(ApiRoutes, NothingThatChangesIsOpenAndOnlyWhatStopsTradingIsNeverLimited) {
    for (const Route& route : routes()) {
        EXPECT_TRUE(route.method == "GET" || route.scope != Scope::open) << route.path;
        const bool kill = urgent({std::string(route.method), std::string(route.path), {}, {}, {}});
        EXPECT_EQ(kill, route.scope == Scope::kill) << route.path;
    }
}

TEST(RateLimit, RefillsWithTimeAndForgetsWhoIsQuiet) {
    RateLimit limit(10);
    for (int i = 0; i < 20; ++i) EXPECT_TRUE(limit.take("a", 0));
    EXPECT_FALSE(limit.take("a", 0));
    EXPECT_TRUE(limit.take("b", 0)) << "one client does not starve another";
    EXPECT_TRUE(limit.take("a", kSecond / 10));
    EXPECT_FALSE(limit.take("a", kSecond / 10));
    for (std::size_t i = limit.clients(); i < RateLimit::kMaxClients; ++i) EXPECT_TRUE(limit.take(std::to_string(i), kSecond / 10));
    EXPECT_TRUE(limit.take("in place of b, who is quiet", kSecond / 10));
    EXPECT_FALSE(limit.take("one too many", kSecond / 10));
    EXPECT_TRUE(limit.take("one too many", 10 * kSecond));
    EXPECT_EQ(limit.clients(), 1U);
}

}  // namespace
}  // namespace hft
