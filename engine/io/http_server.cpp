// SPDX-License-Identifier: GPL-3.0-or-later
#include "io/http_server.hpp"

#include <atomic>
#include <chrono>
#include <optional>
#include <thread>
#include <utility>

#include <boost/asio/io_context.hpp>
#include <boost/asio/ip/tcp.hpp>
#include <boost/asio/strand.hpp>
#include <boost/beast/core.hpp>
#include <boost/beast/http.hpp>

namespace hft {

namespace {

namespace asio = boost::asio;
namespace beast = boost::beast;
namespace http = boost::beast::http;
using Tcp = asio::ip::tcp;

constexpr auto kReadTimeout = std::chrono::seconds(5);
constexpr auto kIdleTimeout = std::chrono::seconds(30);
constexpr std::uint32_t kMaxHeader = 8 * 1024;
constexpr int kMaxSessions = 256;

struct Shared {
    HttpHandler handler;
    HttpRefusal refusal;
    std::atomic<int> sessions{0};
};

class Session : public std::enable_shared_from_this<Session> {
public:
    Session(Tcp::socket socket, std::shared_ptr<Shared> shared) : stream_(std::move(socket)), shared_(std::move(shared)) {
        ++shared_->sessions;
    }
    ~Session() { --shared_->sessions; }
    Session(const Session&) = delete;
    Session& operator=(const Session&) = delete;

    void start() { read(true); }

private:
    void read(bool first) {
        parser_.emplace();
        parser_->body_limit(HttpServer::kMaxBody);
        parser_->header_limit(kMaxHeader);
        // The whole request by then, so that a client that sends a byte now and then holds nothing.
        stream_.expires_after(first ? kReadTimeout : kIdleTimeout);
        http::async_read(stream_, buffer_, *parser_,
                         [self = shared_from_this()](beast::error_code error, std::size_t) { self->on_read(error); });
    }

    void on_read(beast::error_code error) {
        if (error == http::error::end_of_stream || error == beast::error::timeout || error == asio::error::operation_aborted)
            return close();
        if (error == http::error::body_limit) return answer(shared_->refusal(413, "expected a body of at most 65536 bytes"), false);
        if (error == http::error::header_limit) return answer(shared_->refusal(431, "expected at most 8192 bytes of header"), false);
        if (error && error.category() == make_error_code(http::error::bad_method).category()) {
            return answer(shared_->refusal(400, "not a request: " + error.message()), false);
        }
        if (error) return close();
        const auto& message = parser_->get();
        HttpRequest request;
        request.method = std::string(message.method_string());
        request.target = std::string(message.target());
        request.target = request.target.substr(0, request.target.find('?'));
        request.body = message.body();
        HttpResponse response;
        try {
            response = shared_->handler(request);
        } catch (const std::exception& fault) {
            response = shared_->refusal(500, fault.what());
        }
        answer(std::move(response), message.keep_alive(), message.version());
    }

    void answer(HttpResponse from, bool keep_alive, unsigned version = 11) {
        response_ = {};
        response_.version(version);
        response_.result(from.status);
        response_.set(http::field::content_type, from.content_type);
        response_.set(http::field::cache_control, "no-store");
        if (!from.allow.empty()) response_.set(http::field::allow, from.allow);
        response_.keep_alive(keep_alive);
        response_.body() = std::move(from.body);
        response_.prepare_payload();
        stream_.expires_after(kReadTimeout);
        http::async_write(stream_, response_, [self = shared_from_this(), keep_alive](beast::error_code error, std::size_t) {
            if (error || !keep_alive) return self->close();
            self->read(false);
        });
    }

    void close() {
        beast::error_code ignored;
        stream_.socket().shutdown(Tcp::socket::shutdown_send, ignored);
    }

    beast::tcp_stream stream_;
    std::shared_ptr<Shared> shared_;
    beast::flat_buffer buffer_{kMaxHeader + HttpServer::kMaxBody + 4096};
    std::optional<http::request_parser<http::string_body>> parser_;
    http::response<http::string_body> response_;
};

}  // namespace

class HttpServer::Impl {
public:
    Impl(std::vector<HttpEndpoint> endpoints, HttpRefusal refusal, unsigned threads)
        : endpoints_(std::move(endpoints)), refusal_(std::move(refusal)), thread_count_(threads), context_(static_cast<int>(threads)) {}

    std::string start() {
        for (HttpEndpoint& endpoint : endpoints_) {
            beast::error_code error;
            const auto place = endpoint.address + ":" + std::to_string(endpoint.port);
            const auto address = asio::ip::make_address(endpoint.address, error);
            if (error) return "listen on " + place + ": expected a numeric address";
            auto listener = std::make_unique<Listener>(context_, endpoint.handler, refusal_);
            const Tcp::endpoint where(address, endpoint.port);
            listener->acceptor.open(where.protocol(), error);
            if (!error) listener->acceptor.set_option(asio::socket_base::reuse_address(true), error);
            if (!error) listener->acceptor.bind(where, error);
            if (!error) listener->acceptor.listen(asio::socket_base::max_listen_connections, error);
            if (error) return "listen on " + place + ": " + error.message();
            listeners_.push_back(std::move(listener));
        }
        for (const auto& listener : listeners_) accept(*listener);
        for (unsigned i = 0; i < thread_count_; ++i) threads_.emplace_back([this] { context_.run(); });
        return {};
    }

    void stop() {
        context_.stop();
        for (std::thread& thread : threads_) thread.join();
        threads_.clear();
    }

private:
    struct Listener {
        Listener(asio::io_context& context, HttpHandler handler, HttpRefusal refusal)
            : acceptor(asio::make_strand(context)), shared(std::make_shared<Shared>()) {
            shared->handler = std::move(handler);
            shared->refusal = std::move(refusal);
        }
        Tcp::acceptor acceptor;
        std::shared_ptr<Shared> shared;
    };

    void accept(Listener& listener) {
        listener.acceptor.async_accept(asio::make_strand(context_), [this, &listener](beast::error_code error, Tcp::socket socket) {
            if (error == asio::error::operation_aborted) return;
            // Above the limit the socket is closed at once: better than to starve those who are being served.
            if (!error && listener.shared->sessions < kMaxSessions) std::make_shared<Session>(std::move(socket), listener.shared)->start();
            accept(listener);
        });
    }

    std::vector<HttpEndpoint> endpoints_;
    HttpRefusal refusal_;
    unsigned thread_count_;
    asio::io_context context_;
    std::vector<std::unique_ptr<Listener>> listeners_;
    std::vector<std::thread> threads_;
};

HttpServer::HttpServer(std::vector<HttpEndpoint> endpoints, HttpRefusal refusal, unsigned threads)
    : impl_(std::make_unique<Impl>(std::move(endpoints), std::move(refusal), threads)) {}
HttpServer::~HttpServer() { impl_->stop(); }
std::string HttpServer::start() { return impl_->start(); }
void HttpServer::stop() { impl_->stop(); }

}  // namespace hft
