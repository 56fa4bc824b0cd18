// SPDX-License-Identifier: GPL-3.0-or-later
#include <gtest/gtest.h>
#include <sys/stat.h>

#include <algorithm>
#include <filesystem>
#include <fstream>
#include <map>
#include <nlohmann/json.hpp>
#include <sstream>
#include <string>
#include <vector>

#include "apps/hft_system/api/api.hpp"
#include "apps/hft_system/api/audit_log.hpp"
#include "apps/hft_system/api/replies.hpp"

namespace hft {
namespace {

using Json = nlohmann::json;

const std::string kRead = "read-0123456789ab";
const std::string kOperate = "operate-0123456789ab";
const std::string kKill = "kill-0123456789ab";

class AuditLogTest : public testing::Test {
protected:
    void SetUp() override {
        directory_ = std::filesystem::path(testing::TempDir()) /
                     ("audit_" + std::string(testing::UnitTest::GetInstance()->current_test_info()->name()));
        std::filesystem::remove_all(directory_);
        std::filesystem::create_directories(directory_);
        std::vector<std::string> errors;
        const std::map<std::string, std::string> variables = {
            {"API_TOKENS_READ", kRead}, {"API_TOKENS_OPERATE", kOperate}, {"API_TOKENS_KILL", kKill}};
        tokens_ = Tokens::from_environment([&](const char* name) { return variables.at(name).c_str(); }, errors);
        ASSERT_TRUE(errors.empty());
    }
    void TearDown() override {
        for (const std::string& token : {kRead, kOperate, kKill}) EXPECT_EQ(text().find(token), std::string::npos);
    }
    [[nodiscard]] static HttpRequest request(const char* method, const char* target, const std::string& token,
                                             const std::string& body = {}) {
        return {method, target, body, token.empty() ? "" : "Bearer " + token, "10.0.0.5"};
    }
    [[nodiscard]] std::string text() const {
        std::ifstream in(directory_ / "audit.log");
        std::ostringstream all;
        all << in.rdbuf();
        return all.str();
    }
    [[nodiscard]] std::vector<Json> lines() const {
        std::istringstream in(text());
        std::vector<Json> found;
        for (std::string line; std::getline(in, line);) found.push_back(Json::parse(line));
        return found;
    }

    std::filesystem::path directory_;
    Tokens tokens_;
    std::vector<std::string> reports_;
    AuditLog audit_{tokens_, "hft-prod-01/0a", [this](LogLevel, const std::string& report) { reports_.push_back(report); }};
};

TEST_F(AuditLogTest, WhatChangesIsALineWithWhoFromWhereWhatAndTheOutcome) {
    ASSERT_EQ(audit_.open(directory_.string()), "");
    HttpRequest transfer = request("POST", "/api/v1/transfer", kOperate, R"({"id":"t-1","strategies":["mm"],"to":{"engine":"green"}})");
    transfer.certificate = "CN=control-01,O=firm";
    audit_.write(transfer, json_response({{"id", "t-1"}}));
    audit_.write(request("PUT", "/api/v1/config", kOperate, R"({"role":"primary"})"), problem(409, "held by blue/1"));
    audit_.write(request("POST", "/api/v1/killswitch", kKill, R"({"reason":"runaway"})"),
                 problem(500, "latched, but a restart would forget it"));
    const std::vector<Json> found = lines();
    ASSERT_EQ(found.size(), 3U);
    Json first = found[0];
    EXPECT_EQ(first["time"].get<std::string>().size(), std::string("2026-01-01T00:00:00.000000Z").size());
    first.erase("time");
    EXPECT_EQ(first, Json({{"event", "api_call"},
                           {"engine", "hft-prod-01/0a"},
                           {"client", "10.0.0.5"},
                           {"certificate", "CN=control-01,O=firm"},
                           {"token", "operate/" + hex(digest(kOperate)).substr(0, 8)},
                           {"method", "POST"},
                           {"path", "/api/v1/transfer"},
                           {"scope", "operate"},
                           {"status", 200},
                           {"outcome", "done"},
                           {"request", {{"id", "t-1"}, {"strategies", {"mm"}}, {"to", {{"engine", "green"}}}}}}));
    EXPECT_EQ(found[1]["outcome"], "refused");
    EXPECT_EQ(found[1]["detail"], "held by blue/1");
    EXPECT_EQ(found[1]["request"]["role"], "primary");
    EXPECT_FALSE(found[1].contains("certificate"));
    EXPECT_EQ(found[2]["scope"], "kill");
    EXPECT_EQ(found[2]["outcome"], "failed");
    EXPECT_EQ(found[2]["request"]["reason"], "runaway");
}

TEST_F(AuditLogTest, ARefusedTokenIsALineAndReadingIsNone) {
    ASSERT_EQ(audit_.open(directory_.string()), "");
    const auto refused = [&](const HttpRequest& asked, Access access, Scope wanted) { audit_.write(asked, denied(access, wanted)); };
    refused(request("POST", "/api/v1/killswitch", "", R"({"reason":"secret of a stranger"})"), Access::unknown, Scope::kill);
    refused(request("GET", "/api/v1/status", "guessed-0123456789ab"), Access::unknown, Scope::read);
    refused(request("POST", "/api/v1/transfer", kRead, R"({"id":"t-2"})"), Access::forbidden, Scope::operate);
    audit_.write(request("POST", "/api/v1/flatten", kOperate), problem(429, "expected at most 100 requests a second"));
    audit_.write(request("GET", "/api/v1/status", kRead), json_response({}));
    audit_.write(request("GET", "/health", ""), json_response({}, 503));
    audit_.write(request("POST", "/no/such/path", ""), problem(404, "no such resource"));
    audit_.write(request("POST", "/api/v1/status", kOperate), not_allowed("GET"));
    const std::vector<Json> found = lines();
    ASSERT_EQ(found.size(), 4U) << text();
    EXPECT_EQ(found[0]["detail"], "no token");
    EXPECT_FALSE(found[0].contains("token") || found[0].contains("request"));
    EXPECT_EQ(found[1]["detail"], "unknown token");
    EXPECT_EQ(found[1]["path"], "/api/v1/status");
    EXPECT_EQ(text().find("guessed"), std::string::npos);
    EXPECT_EQ(text().find("stranger"), std::string::npos);
    EXPECT_EQ(found[2]["detail"], "wrong scope");
    EXPECT_EQ(found[2]["token"].get<std::string>().substr(0, 5), "read/");
    EXPECT_EQ(found[2]["request"]["id"], "t-2");
    EXPECT_EQ(found[3]["detail"], "too many requests");
    for (const Json& line : found) EXPECT_EQ(line["outcome"], "refused");
}

TEST_F(AuditLogTest, WithoutTokensEverybodyIsNamedByTheAddress) {
    const Tokens none;
    AuditLog open(none, "engine/0", [](LogLevel, const std::string&) {});
    ASSERT_EQ(open.open(directory_.string()), "");
    open.write(request("POST", "/api/v1/takeover", "", R"({"strategies":["mm"]})"), json_response({}));
    ASSERT_EQ(lines().size(), 1U);
    EXPECT_EQ(lines()[0]["client"], "10.0.0.5");
    EXPECT_EQ(lines()[0]["request"]["strategies"][0], "mm");
}

TEST_F(AuditLogTest, OneCallNeverWritesTwoLines) {
    ASSERT_EQ(audit_.open(directory_.string()), "");
    const std::string hostile = "a\n{\"event\":\"api_call\"}\r\x01\x7f\x80\xe2\x80\xa8\"\\";
    HttpRequest asked = request("POST", "", kOperate, Json{{"reason", "two\nlines\u2028"}, {"a\nkey", 1}}.dump());
    asked.target = "/api/v1/strategies/" + hostile + "/start";
    asked.certificate = hostile;
    audit_.write(asked, problem(404, "no strategy \"" + hostile + "\""));
    asked.body = "\n not JSON \n";
    audit_.write(asked, problem(400, "not JSON"));
    asked.body = Json{{"reason", std::string(60'000, '\n')}}.dump();
    audit_.write(asked, json_response({}));
    asked.target = "/api/v1/strategies/" + std::string(8'000, 'x') + "/start";
    audit_.write(asked, problem(404, std::string(8'000, 'x')));
    const std::string all = text();
    EXPECT_EQ(std::count(all.begin(), all.end(), '\n'), 4);
    EXPECT_TRUE(std::all_of(all.begin(), all.end(), [](char c) { return c == '\n' || (c >= 0x20 && c < 0x7f); }));
    const std::vector<Json> found = lines();
    ASSERT_EQ(found.size(), 4U);
    EXPECT_EQ(found[0]["request"]["reason"], "two\nlines\u2028");
    EXPECT_FALSE(found[1].contains("request"));
    EXPECT_LE(found[2]["request"].get<std::string>().size(), 2048U);
    EXPECT_LE(found[3]["path"].get<std::string>().size(), 128U);
    EXPECT_LE(found[3]["detail"].get<std::string>().size(), 300U);
}

TEST_F(AuditLogTest, AScanDoesNotFillTheDiskNorHideWhatIsDone) {
    ASSERT_EQ(audit_.open(directory_.string()), "");
    constexpr std::size_t kScan = 1000;
    for (std::size_t i = 0; i < kScan; ++i) audit_.write(request("POST", "/api/v1/killswitch", ""), denied(Access::unknown, Scope::kill));
    const std::size_t kept = lines().size();
    EXPECT_GE(kept, 2 * AuditLog::kRefusalsPerSecond);
    EXPECT_LT(kept, kScan / 2);
    audit_.write(request("POST", "/api/v1/killswitch", kRead), denied(Access::forbidden, Scope::kill));
    audit_.write(request("POST", "/api/v1/killswitch", kKill), json_response({}));
    const std::vector<Json> found = lines();
    ASSERT_EQ(found.size(), kept + 2);
    EXPECT_EQ(found[kept]["detail"], "wrong scope") << "a known token has its own measure";
    std::size_t left_out = 0;
    for (const Json& line : found) left_out += line.value("left_out", std::size_t{0});
    EXPECT_EQ(kept + left_out, kScan);
    EXPECT_EQ(found.back()["outcome"], "done");
}

TEST_F(AuditLogTest, OnlyTheOwnerReadsItAndARotatedOneIsLeftBehind) {
    ASSERT_EQ(audit_.open(directory_.string()), "");
    struct stat found{};
    ASSERT_EQ(::stat((directory_ / "audit.log").c_str(), &found), 0);
    EXPECT_EQ(found.st_mode & 0777, 0600U);
    audit_.write(request("POST", "/api/v1/arm", kOperate), json_response({}));
    std::filesystem::rename(directory_ / "audit.log", directory_ / "audit.log.1");
    audit_.reopen();
    audit_.write(request("DELETE", "/api/v1/arm", kOperate), json_response({}));
    ASSERT_EQ(lines().size(), 1U);
    EXPECT_EQ(lines()[0]["method"], "DELETE");
    EXPECT_TRUE(reports_.empty());
}

TEST_F(AuditLogTest, ThatNothingIsRecordedIsToldOnce) {
    std::filesystem::create_symlink("/dev/full", directory_ / "audit.log");
    ASSERT_EQ(audit_.open(directory_.string()), "");
    for (int i = 0; i < 3; ++i) audit_.write(request("POST", "/api/v1/arm", kOperate), json_response({}));
    ASSERT_EQ(reports_.size(), 1U);
    EXPECT_NE(reports_[0].find("audit.log: No space left"), std::string::npos) << reports_[0];
    std::filesystem::remove(directory_ / "audit.log");
    audit_.reopen();
    audit_.write(request("POST", "/api/v1/arm", kOperate), json_response({}));
    EXPECT_EQ(reports_.size(), 2U);
    EXPECT_EQ(lines().size(), 1U);
    EXPECT_NE(audit_.open((directory_ / "none").string()), "");
}

}  // namespace
}  // namespace hft
