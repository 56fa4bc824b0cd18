// SPDX-License-Identifier: GPL-3.0-or-later
#include <gtest/gtest.h>
#include <poll.h>
#include <sys/socket.h>

#include <array>
#include <atomic>
#include <filesystem>
#include <future>
#include <mutex>
#include <stdexcept>
#include <string>
#include <thread>
#include <vector>

#include "io/http_client.hpp"
#include "io/http_server.hpp"
#include "io/tcp.hpp"
#include "tests/certificates.hpp"

namespace hft {
namespace {

HttpResponse echo(const HttpRequest& request) { return {200, "text/plain", request.method + request.target + request.body, {}}; }
HttpResponse refused(unsigned status, const std::string& detail) { return {status, "text/plain", detail, {}}; }

class HttpServerTest : public testing::Test {
protected:
    void SetUp() override {
        directory_ = std::filesystem::path(testing::TempDir()) / testing::UnitTest::GetInstance()->current_test_info()->name();
        std::filesystem::remove_all(directory_);
        std::filesystem::create_directories(directory_);
        endpoint_.address = "127.0.0.1";
        endpoint_.handler = echo;
        endpoint_.limits.requests_per_s = 10'000;
    }
    void start() {
        server_ = std::make_unique<HttpServer>(std::vector<HttpEndpoint>{endpoint_}, refused, 2);
        ASSERT_EQ(server_->start(), "");
    }
    [[nodiscard]] HttpAnswer ask(const std::string& body = {}, const std::string& certificate = {}, const TlsFiles& own = {}) const {
        return http_ask({"127.0.0.1", server_->port(0), certificate, {}, own}, "POST", "/path", body, 20 * kSecond);
    }
    [[nodiscard]] Fd connect() const { return std::move(tcp_connect("127.0.0.1", server_->port(0), 20 * kSecond, 20 * kSecond).fd); }
    [[nodiscard]] std::string path(const char* name) const { return (directory_ / name).string(); }

    std::filesystem::path directory_;
    HttpEndpoint endpoint_;
    std::unique_ptr<HttpServer> server_;
};

void say(const Fd& fd, const std::string& text) {
    ASSERT_EQ(::send(fd.get(), text.data(), text.size(), MSG_NOSIGNAL), static_cast<ssize_t>(text.size()));
}

// All that comes until the server closes; "still open" when it does not.
std::string heard(const Fd& fd) {
    std::string text;
    std::array<char, 4096> part{};
    for (;;) {
        pollfd waiting{fd.get(), POLLIN, 0};
        if (::poll(&waiting, 1, 20'000) <= 0) return "still open";
        const ssize_t n = ::recv(fd.get(), part.data(), part.size(), 0);
        if (n <= 0) return text;
        text.append(part.data(), static_cast<std::size_t>(n));
    }
}

TEST_F(HttpServerTest, AnswersAndSaysWhatItRefuses) {
    start();
    EXPECT_EQ(ask("{}").body, "POST/path{}");
    EXPECT_EQ(ask(std::string(HttpServer::kMaxBody, 'x')).status, 200U);
    Fd garbage = connect();
    say(garbage, "this is not a request\r\n\r\n");
    EXPECT_NE(heard(garbage).find("HTTP/1.1 400"), std::string::npos);
    Fd header = connect();
    say(header, "GET / HTTP/1.1\r\nX: " + std::string(9000, 'x'));
    EXPECT_NE(heard(header).find("HTTP/1.1 431"), std::string::npos);
}

TEST_F(HttpServerTest, AHugeBodyIsRefusedBeforeItIsSent) {
    start();
    Fd fd = connect();
    say(fd, "POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 1000000000\r\n\r\n");
    EXPECT_NE(heard(fd).find("HTTP/1.1 413"), std::string::npos);
    Fd chunked = connect();
    say(chunked, "POST / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n20000\r\n");
    EXPECT_NE(heard(chunked).find("HTTP/1.1 413"), std::string::npos);
}

TEST_F(HttpServerTest, ASlowClientIsCutOff) {
    endpoint_.limits.request = 200 * kMillisecond;
    endpoint_.limits.idle = 400 * kMillisecond;
    start();
    Fd silent = connect();
    EXPECT_EQ(heard(silent), "");
    Fd slow = connect();
    say(slow, "POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 4\r\n\r\nab");
    EXPECT_EQ(heard(slow), "");
    // Also between two requests, and for the second as for the first.
    Fd second = connect();
    say(second, "GET / HTTP/1.1\r\nHost: x\r\n\r\n");
    EXPECT_NE(heard(second).find("HTTP/1.1 200"), std::string::npos);
    EXPECT_EQ(ask().status, 200U);
}

TEST_F(HttpServerTest, ATruncatedRequestHarmsNobody) {
    start();
    for (const char* text : {"", "P", "POST / HTTP/1.1\r\n", "POST / HTTP/1.1\r\nContent-Length: 10\r\n\r\nabc"}) {
        Fd fd = connect();
        say(fd, text);
        ::shutdown(fd.get(), SHUT_WR);
        EXPECT_EQ(heard(fd).find("HTTP/1.1 200"), std::string::npos) << text;
    }
    EXPECT_EQ(ask().status, 200U);
}

TEST_F(HttpServerTest, OneClientCannotTakeAllConnections) {
    endpoint_.limits.connections_per_client = 4;
    start();
    std::vector<Fd> open;
    for (int i = 0; i < 4; ++i) {
        open.push_back(connect());
        say(open.back(), "GET / HTTP/1.1\r\nHost: x\r\n\r\n");
        std::array<char, 1> byte{};
        pollfd waiting{open.back().get(), POLLIN, 0};
        ASSERT_EQ(::poll(&waiting, 1, 20'000), 1);
        ASSERT_EQ(::recv(open.back().get(), byte.data(), 1, 0), 1);
    }
    Fd fifth = connect();
    EXPECT_EQ(heard(fifth), "");
    open.clear();
    HttpAnswer answer;
    for (const Nanos end = boot_ns() + 20 * kSecond; answer.status != 200 && boot_ns() < end;) answer = ask();
    EXPECT_EQ(answer.status, 200U) << answer.error;
}

TEST_F(HttpServerTest, TooManyRequestsAreToldWhenToComeBackButNotTheKillSwitch) {
    endpoint_.limits.requests_per_s = 1;
    endpoint_.urgent = [](const HttpRequest& request) { return request.body == "kill"; };
    start();
    unsigned refusals = 0;
    for (int i = 0; i < 20; ++i) refusals += ask().status == 429 ? 1 : 0;
    EXPECT_GE(refusals, 1U);
    Fd fd = connect();
    say(fd, "GET / HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\nGET / HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n");
    EXPECT_NE(heard(fd), "still open");
    for (int i = 0; i < 20; ++i) EXPECT_EQ(ask("kill").status, 200U);
}

TEST_F(HttpServerTest, EveryAnswerIsTold) {
    std::mutex mutex;
    std::vector<std::string> told;
    endpoint_.limits.requests_per_s = 1;
    endpoint_.handler = [](const HttpRequest& request) {
        if (request.body == "throw") throw std::runtime_error("a fault");
        return echo(request);
    };
    endpoint_.answered = [&](const HttpRequest& request, const HttpResponse& response) {
        const std::lock_guard lock(mutex);
        told.push_back(request.client + " " + request.target + " " + request.body + " " + std::to_string(response.status));
    };
    start();
    const auto asked = [&](const std::string& body) {
        const std::string line = "127.0.0.1 /path " + body + " " + std::to_string(ask(body).status);
        const std::lock_guard lock(mutex);
        EXPECT_EQ(told.back(), line);
        return line.substr(line.rfind(' ') + 1);
    };
    EXPECT_EQ(asked("throw"), "500");
    while (asked("again") != "429") {
    }
}

TEST_F(HttpServerTest, ARecordThatHangsDoesNotHoldTheKillSwitchUp) {
    std::promise<void> mend;
    std::promise<unsigned> recorded;
    endpoint_.urgent = [](const HttpRequest& request) { return request.body == "kill"; };
    endpoint_.answered = [&, mended = mend.get_future().share()](const HttpRequest&, const HttpResponse& response) {
        mended.wait();
        recorded.set_value(response.status);
    };
    start();
    EXPECT_EQ(ask("kill").status, 200U);
    mend.set_value();
    EXPECT_EQ(recorded.get_future().get(), 200U);
}

TEST_F(HttpServerTest, TheKillSwitchDoesNotWaitForSlowRequests) {
    std::promise<void> end;
    std::atomic<int> slow{0};
    endpoint_.handler = [&slow, ended = end.get_future().share()](const HttpRequest& request) {
        if (request.body == "kill") return echo(request);
        ++slow;
        ended.wait();
        return echo(request);
    };
    endpoint_.urgent = [](const HttpRequest& request) { return request.body == "kill"; };
    start();
    // More than there are workers and readers.
    std::vector<Fd> waiting;
    for (int i = 0; i < 8; ++i) {
        waiting.push_back(connect());
        say(waiting.back(), "POST / HTTP/1.1\r\nHost: x\r\nConnection: close\r\nContent-Length: 4\r\n\r\nslow");
    }
    for (const Nanos late = boot_ns() + 20 * kSecond; slow < 2 && boot_ns() < late;) std::this_thread::yield();
    EXPECT_EQ(slow, 2);
    EXPECT_EQ(ask("kill").status, 200U);
    EXPECT_EQ(slow, 2);
    end.set_value();
    for (const Fd& fd : waiting) EXPECT_NE(heard(fd).find("HTTP/1.1 200"), std::string::npos);
}

TEST_F(HttpServerTest, TlsWithItsOwnCertificateAndAfterAReload) {
    ASSERT_TRUE(write_certificate(path("engine")));
    ASSERT_TRUE(write_certificate(path("other")));
    endpoint_.tls = TlsFiles{path("engine.crt"), path("engine.key"), ""};
    start();
    EXPECT_EQ(ask("{}", path("engine.crt")).body, "POST/path{}");
    EXPECT_NE(ask("{}", path("other.crt")).error, "") << "another certificate than expected";
    EXPECT_NE(ask("{}").error, "") << "plain text to a TLS listener";
    std::filesystem::copy_file(path("other.crt"), path("engine.crt"), std::filesystem::copy_options::overwrite_existing);
    ConfigErrors errors;
    server_->reload_certificates(errors);
    EXPECT_NE(errors.text().find("/api/tls/key"), std::string::npos) << "the key does not belong to this certificate: " << errors.text();
    std::filesystem::copy_file(path("other.key"), path("engine.key"), std::filesystem::copy_options::overwrite_existing);
    ConfigErrors none;
    server_->reload_certificates(none);
    EXPECT_EQ(none.text(), "");
    EXPECT_EQ(ask("{}", path("other.crt")).status, 200U);
}

TEST_F(HttpServerTest, WithAClientCaNobodyComesInWithoutACertificate) {
    ASSERT_TRUE(write_certificate(path("engine")));
    endpoint_.tls = TlsFiles{path("engine.crt"), path("engine.key"), path("engine.crt")};
    endpoint_.handler = [](const HttpRequest& request) { return HttpResponse{200, "text/plain", request.certificate, {}}; };
    start();
    ASSERT_TRUE(write_certificate(path("stranger")));
    EXPECT_EQ(ask("{}", path("engine.crt")).status, 0U);
    EXPECT_EQ(ask("{}", path("engine.crt"), {path("stranger.crt"), path("stranger.key"), {}}).status, 0U);
    const HttpAnswer known = ask("{}", path("engine.crt"), {path("engine.crt"), path("engine.key"), {}});
    EXPECT_EQ(known.status, 200U);
    EXPECT_EQ(known.body, "CN=engine") << "the handler is told whose certificate it was";
    const HttpAnswer mixed = ask("{}", path("engine.crt"), {path("engine.crt"), path("stranger.key"), {}});
    EXPECT_NE(mixed.error.find("no pair"), std::string::npos) << mixed.error;
}

TEST_F(HttpServerTest, FaultyCertificatesAreNamedAtStart) {
    endpoint_.tls = TlsFiles{path("none.crt"), path("none.key"), ""};
    HttpServer server({endpoint_}, refused, 1);
    const std::string fault = server.start();
    EXPECT_NE(fault.find("/api/tls/certificate"), std::string::npos) << fault;
    EXPECT_NE(fault.find("none.crt"), std::string::npos) << fault;
}

TEST_F(HttpServerTest, ATakenPortIsNamed) {
    start();
    endpoint_.port = server_->port(0);
    HttpServer second({endpoint_}, refused, 1);
    EXPECT_NE(second.start().find(std::to_string(endpoint_.port)), std::string::npos);
}

}  // namespace
}  // namespace hft
