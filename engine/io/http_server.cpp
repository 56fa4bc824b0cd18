// SPDX-License-Identifier: GPL-3.0-or-later
#include "io/http_server.hpp"

#include <chrono>
#include <map>
#include <mutex>
#include <optional>
#include <thread>
#include <type_traits>
#include <utility>

#include <boost/asio/io_context.hpp>
#include <boost/asio/ip/tcp.hpp>
#include <boost/asio/post.hpp>
#include <boost/asio/ssl.hpp>
#include <boost/asio/strand.hpp>
#include <boost/asio/thread_pool.hpp>
#include <boost/beast/core.hpp>
#include <boost/beast/http.hpp>

#include "io/rate_limit.hpp"

namespace hft {

namespace {

namespace asio = boost::asio;
namespace beast = boost::beast;
namespace http = boost::beast::http;
using Tcp = asio::ip::tcp;
using Plain = beast::tcp_stream;
using Encrypted = asio::ssl::stream<beast::tcp_stream>;

constexpr std::uint32_t kMaxHeader = 8 * 1024;
constexpr auto kGoodbye = std::chrono::seconds(1);
// The second one reads on while the first waits for the disk to keep a latch.
constexpr int kReaders = 2;

// What the sessions of one listener have in common.
class Shared {
public:
    Shared(HttpEndpoint endpoint, HttpRefusal refusal, asio::thread_pool& workers)
        : endpoint(std::move(endpoint)), refusal(std::move(refusal)), rate(this->endpoint.limits.requests_per_s), workers(workers) {}

    [[nodiscard]] bool admit(const std::string& client) {
        const std::lock_guard lock(mutex_);
        if (open_ >= endpoint.limits.connections) return false;
        int& mine = clients_[client];
        if (mine >= endpoint.limits.connections_per_client) return false;
        ++mine;
        ++open_;
        return true;
    }
    void leave(const std::string& client) {
        const std::lock_guard lock(mutex_);
        --open_;
        if (const auto found = clients_.find(client); --found->second == 0) clients_.erase(found);
    }

    std::string load_certificates(ConfigErrors& errors) {
        if (!endpoint.tls) return {};
        TlsContext fresh = server_tls(*endpoint.tls, "/api/tls", errors);
        if (fresh == nullptr) return errors.text();
        const std::lock_guard lock(mutex_);
        tls_ = std::make_shared<asio::ssl::context>(fresh.release());
        return {};
    }
    [[nodiscard]] std::shared_ptr<asio::ssl::context> tls() {
        const std::lock_guard lock(mutex_);
        return tls_;
    }

    const HttpEndpoint endpoint;
    const HttpRefusal refusal;
    RateLimit rate;
    asio::thread_pool& workers;

private:
    std::mutex mutex_;
    int open_ = 0;
    std::map<std::string, int> clients_;
    std::shared_ptr<asio::ssl::context> tls_;
};

template <typename Stream>
class Session : public std::enable_shared_from_this<Session<Stream>> {
public:
    Session(Tcp::socket socket, std::shared_ptr<Shared> shared, std::string client)
        requires std::is_same_v<Stream, Plain>
        : stream_(std::move(socket)), shared_(std::move(shared)), client_(std::move(client)) {}
    Session(Tcp::socket socket, std::shared_ptr<Shared> shared, std::string client, std::shared_ptr<asio::ssl::context> tls)
        requires std::is_same_v<Stream, Encrypted>
        : tls_(std::move(tls)), stream_(std::move(socket), *tls_), shared_(std::move(shared)), client_(std::move(client)) {}
    ~Session() { shared_->leave(client_); }
    Session(const Session&) = delete;
    Session& operator=(const Session&) = delete;

    void start() {
        if constexpr (std::is_same_v<Stream, Encrypted>) {
            within(shared_->endpoint.limits.request);
            stream_.async_handshake(asio::ssl::stream_base::server, [self = this->shared_from_this()](beast::error_code error) {
                if (error) return;
                self->certificate_ = peer_subject(*self->stream_.native_handle());
                self->wait_for_request(self->shared_->endpoint.limits.request);
            });
        } else {
            wait_for_request(shared_->endpoint.limits.request);
        }
    }

private:
    void within(Nanos limit) { beast::get_lowest_layer(stream_).expires_after(std::chrono::nanoseconds(limit)); }

    void wait_for_request(Nanos limit) {
        parser_.emplace();
        parser_->body_limit(HttpServer::kMaxBody);
        parser_->header_limit(kMaxHeader);
        within(limit);
        http::async_read_some(stream_, buffer_, *parser_, [self = this->shared_from_this()](beast::error_code error, std::size_t) {
            if (error || self->parser_->is_done()) return self->on_read(error);
            self->read_rest();
        });
    }

    // Its clock starts with the first byte, however long the connection was quiet before.
    void read_rest() {
        within(shared_->endpoint.limits.request);
        http::async_read(stream_, buffer_, *parser_,
                         [self = this->shared_from_this()](beast::error_code error, std::size_t) { self->on_read(error); });
    }

    void on_read(beast::error_code error) {
        if (error == http::error::end_of_stream) return close();
        if (error == http::error::body_limit) return answer(shared_->refusal(413, "expected a body of at most 65536 bytes"), false);
        if (error == http::error::header_limit) return answer(shared_->refusal(431, "expected at most 8192 bytes of header"), false);
        if (error && error.category() == make_error_code(http::error::bad_method).category()) {
            return answer(shared_->refusal(400, "not a request: " + error.message()), false);
        }
        // Late, reset or cut off: nobody is left to be told.
        if (error) return;
        const auto& message = parser_->get();
        HttpRequest request;
        request.method = std::string(message.method_string());
        request.target = std::string(message.target());
        request.target = request.target.substr(0, request.target.find('?'));
        request.body = message.body();
        request.authorization = std::string(message[http::field::authorization]);
        request.client = client_;
        request.certificate = certificate_;
        const bool keep_alive = message.keep_alive();
        const unsigned version = message.version();
        const HttpEndpoint& endpoint = shared_->endpoint;
        if (endpoint.urgent && endpoint.urgent(request)) {
            const HttpResponse response = handled(request);
            asio::post(shared_->workers, [self = this->shared_from_this(), request, response] { self->tell(request, response); });
            return answer(response, keep_alive, version);
        }
        if (!shared_->rate.take(client_, boot_ns())) {
            const HttpResponse response = too_many();
            tell(request, response);
            return answer(response, keep_alive, version);
        }
        asio::post(shared_->workers, [self = this->shared_from_this(), request = std::move(request), keep_alive, version] {
            asio::post(self->stream_.get_executor(), [self, response = self->handle(request), keep_alive, version]() mutable {
                self->answer(std::move(response), keep_alive, version);
            });
        });
    }

    [[nodiscard]] HttpResponse too_many() const {
        const std::string limit = std::to_string(shared_->endpoint.limits.requests_per_s);
        HttpResponse refused = shared_->refusal(429, "expected at most " + limit + " requests a second");
        refused.headers.emplace_back("Retry-After", "1");
        return refused;
    }

    [[nodiscard]] HttpResponse handle(const HttpRequest& request) const {
        HttpResponse response = handled(request);
        tell(request, response);
        return response;
    }

    [[nodiscard]] HttpResponse handled(const HttpRequest& request) const {
        try {
            return shared_->endpoint.handler(request);
        } catch (const std::exception& fault) {
            return shared_->refusal(500, fault.what());
        }
    }

    void tell(const HttpRequest& request, const HttpResponse& response) const {
        if (shared_->endpoint.answered) shared_->endpoint.answered(request, response);
    }

    void answer(HttpResponse from, bool keep_alive, unsigned version = 11) {
        response_ = {};
        response_.version(version);
        response_.result(from.status);
        response_.set(http::field::content_type, from.content_type);
        response_.set(http::field::cache_control, "no-store");
        for (const auto& [name, value] : from.headers) response_.set(name, value);
        response_.keep_alive(keep_alive);
        response_.body() = std::move(from.body);
        response_.prepare_payload();
        within(shared_->endpoint.limits.request);
        http::async_write(stream_, response_, [self = this->shared_from_this(), keep_alive](beast::error_code error, std::size_t) {
            if (error) return;
            if (!keep_alive) return self->close();
            self->wait_for_request(self->shared_->endpoint.limits.idle);
        });
    }

    void close() {
        if constexpr (std::is_same_v<Stream, Encrypted>) {
            beast::get_lowest_layer(stream_).expires_after(kGoodbye);
            stream_.async_shutdown([self = this->shared_from_this()](beast::error_code) {});
        } else {
            beast::error_code ignored;
            stream_.socket().shutdown(Tcp::socket::shutdown_send, ignored);
        }
    }

    std::shared_ptr<asio::ssl::context> tls_;
    Stream stream_;
    std::shared_ptr<Shared> shared_;
    std::string client_;
    std::string certificate_;
    beast::flat_buffer buffer_{kMaxHeader + HttpServer::kMaxBody + 4096};
    std::optional<http::request_parser<http::string_body>> parser_;
    http::response<http::string_body> response_;
};

}  // namespace

class HttpServer::Impl {
public:
    Impl(std::vector<HttpEndpoint> endpoints, const HttpRefusal& refusal, unsigned workers) : workers_(workers) {
        for (HttpEndpoint& endpoint : endpoints) {
            listeners_.push_back(std::make_unique<Listener>(context_, std::move(endpoint), refusal, workers_));
        }
    }

    std::string start() {
        for (const auto& listener : listeners_) {
            const HttpEndpoint& endpoint = listener->shared->endpoint;
            ConfigErrors errors;
            if (std::string fault = listener->shared->load_certificates(errors); !fault.empty()) return fault;
            beast::error_code error;
            const auto place = endpoint.address + ":" + std::to_string(endpoint.port);
            const auto address = asio::ip::make_address(endpoint.address, error);
            if (error) return "listen on " + place + ": expected a numeric address";
            const Tcp::endpoint where(address, endpoint.port);
            Tcp::acceptor& acceptor = listener->acceptor;
            acceptor.open(where.protocol(), error);
            if (!error) acceptor.set_option(asio::socket_base::reuse_address(true), error);
            if (!error) acceptor.bind(where, error);
            if (!error) acceptor.listen(asio::socket_base::max_listen_connections, error);
            if (error) return "listen on " + place + ": " + error.message();
        }
        for (const auto& listener : listeners_) accept(*listener);
        for (int i = 0; i < kReaders; ++i) readers_.emplace_back([this] { context_.run(); });
        return {};
    }

    void stop() {
        context_.stop();
        for (std::thread& reader : readers_) reader.join();
        readers_.clear();
        workers_.stop();
        workers_.join();
    }

    void reload_certificates(ConfigErrors& errors) {
        for (const auto& listener : listeners_) static_cast<void>(listener->shared->load_certificates(errors));
    }

    [[nodiscard]] std::uint16_t port(std::size_t endpoint) const { return listeners_[endpoint]->acceptor.local_endpoint().port(); }

private:
    struct Listener {
        Listener(asio::io_context& context, HttpEndpoint endpoint, const HttpRefusal& refusal, asio::thread_pool& workers)
            : acceptor(asio::make_strand(context)), shared(std::make_shared<Shared>(std::move(endpoint), refusal, workers)) {}
        Tcp::acceptor acceptor;
        std::shared_ptr<Shared> shared;
    };

    void accept(Listener& listener) {
        listener.acceptor.async_accept(asio::make_strand(context_), [this, &listener](beast::error_code error, Tcp::socket socket) {
            if (error == asio::error::operation_aborted) return;
            if (!error) admit(listener, std::move(socket));
            accept(listener);
        });
    }

    // Above a limit the socket is closed at once: better than to starve those who are being served.
    static void admit(Listener& listener, Tcp::socket socket) {
        beast::error_code error;
        const std::string client = socket.remote_endpoint(error).address().to_string();
        if (error || !listener.shared->admit(client)) return;
        if (auto tls = listener.shared->tls()) {
            std::make_shared<Session<Encrypted>>(std::move(socket), listener.shared, client, std::move(tls))->start();
        } else {
            std::make_shared<Session<Plain>>(std::move(socket), listener.shared, client)->start();
        }
    }

    asio::io_context context_{kReaders};
    asio::thread_pool workers_;
    std::vector<std::unique_ptr<Listener>> listeners_;
    std::vector<std::thread> readers_;
};

HttpServer::HttpServer(std::vector<HttpEndpoint> endpoints, const HttpRefusal& refusal, unsigned workers)
    : impl_(std::make_unique<Impl>(std::move(endpoints), refusal, workers)) {}
HttpServer::~HttpServer() { impl_->stop(); }
std::string HttpServer::start() { return impl_->start(); }
void HttpServer::stop() { impl_->stop(); }
void HttpServer::reload_certificates(ConfigErrors& errors) { impl_->reload_certificates(errors); }
std::uint16_t HttpServer::port(std::size_t endpoint) const { return impl_->port(endpoint); }

}  // namespace hft
