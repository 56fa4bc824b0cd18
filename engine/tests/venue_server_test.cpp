// SPDX-License-Identifier: GPL-3.0-or-later
// The venue over loopback sockets, with clients that behave and clients that do not.
#include "io/venue_server.hpp"

#include <gtest/gtest.h>
#include <poll.h>
#include <sys/socket.h>

#include <array>
#include <atomic>
#include <fstream>
#include <functional>
#include <memory>
#include <mutex>
#include <nlohmann/json.hpp>
#include <span>
#include <string>
#include <thread>
#include <vector>

#include "core/clock.hpp"
#include "io/tcp.hpp"
#include "io/wire.hpp"
#include "tests/venue_fixture.hpp"

namespace hft {
namespace {

constexpr Nanos kLimit = 20 * kSecond;

class Client {
public:
    explicit Client(std::uint16_t port) : socket_(tcp_connect("127.0.0.1", port, kSecond, kSecond)) { EXPECT_EQ(socket_.error, ""); }

    template <typename M>
    void send(const M& message) {
        std::array<std::byte, wire::kMaxFrame> frame{};
        const std::size_t size = wire::encode(message, frame.data());
        send_bytes(frame.data(), size);
    }
    void send_bytes(const std::byte* data, std::size_t size) {
        EXPECT_EQ(::send(socket_.fd.get(), data, size, MSG_NOSIGNAL), static_cast<ssize_t>(size));
    }
    void login(SessionKind kind = SessionKind::order_entry, const char* incarnation = "1", const char* account = "main") {
        send(Login{EngineName("blue"), Incarnation(incarnation), AccountName(account), kind});
        answer = next<LoginAck>();
        ASSERT_TRUE(answer.has_value());
    }
    void order(std::uint64_t seq, double price, double quantity = 1, Side side = Side::buy) {
        NewOrder o;
        o.strategy = StrategyName("mm");
        o.symbol = SymbolName("BTC-USD");
        o.epoch = 9;
        o.seq = seq;
        o.side = side;
        o.price = from_double(price);
        o.quantity = from_double(quantity);
        o.sent_ns = wall_ns();
        send(o);
    }
    // The next message of this type; others before it are left out. Nothing when the session ends first.
    template <typename M>
    std::optional<M> next() {
        for (const Nanos end = boot_ns() + kLimit; boot_ns() < end;) {
            const wire::Frame frame = wire::next_frame(std::span(in_).subspan(done_));
            if (frame.state == wire::FrameState::whole) {
                std::optional<M> found;
                if (frame.type == wire::TypeOf<M>::value) found = wire::decode<M>(frame.bytes);
                done_ += frame.bytes.size();
                if (found) return found;
                continue;
            }
            if (!receive()) return std::nullopt;
        }
        ADD_FAILURE() << "nothing came";
        return std::nullopt;
    }
    // Whether the venue ends the session.
    bool ended() {
        for (const Nanos end = boot_ns() + kLimit; boot_ns() < end;) {
            if (!receive()) return true;
        }
        return false;
    }
    std::optional<LoginAck> answer;

private:
    bool receive() {
        pollfd waiting{socket_.fd.get(), POLLIN, 0};
        if (::poll(&waiting, 1, 100) <= 0) return true;
        std::array<std::byte, 65'536> buffer;
        const ssize_t n = ::recv(socket_.fd.get(), buffer.data(), buffer.size(), 0);
        if (n <= 0) return false;
        in_.erase(in_.begin(), in_.begin() + static_cast<std::ptrdiff_t>(done_));
        done_ = 0;
        in_.insert(in_.end(), buffer.begin(), buffer.begin() + n);
        return true;
    }
    TcpResult socket_;
    std::size_t done_ = 0;
    std::vector<std::byte> in_;
};

class VenueServerTest : public test::TemporaryDirectory {
protected:
    VenueServerSetup setup() const {
        VenueServerSetup s;
        s.name = "paper";
        s.symbols = {{"BTC-USD", 100, 0.01, 100, 0}};
        s.generator.trade_probability = 0;
        s.log_path = path();
        s.version = "test";
        return s;
    }
    void start(const VenueServerSetup& s) {
        server_ = std::make_unique<VenueServer>(s, [this](const char*, const std::string& text) {
            const std::lock_guard lock(mutex_);
            reports_ += text + "\n";
        });
        ASSERT_EQ(server_->open(), "");
        stop_ = false;
        thread_ = std::thread([this] { server_->run(stop_); });
    }
    void stop() {
        if (!thread_.joinable()) return;
        stop_ = true;
        thread_.join();
        server_.reset();
    }
    void TearDown() override {
        stop();
        TemporaryDirectory::TearDown();
    }
    [[nodiscard]] std::uint16_t port() const { return server_->order_port(); }
    [[nodiscard]] std::string reports() {
        const std::lock_guard lock(mutex_);
        return reports_;
    }
    [[nodiscard]] std::vector<nlohmann::json> log(const std::string& event) const {
        std::ifstream in(path());
        std::vector<nlohmann::json> lines;
        for (std::string text; std::getline(in, text);) {
            nlohmann::json line = nlohmann::json::parse(text);
            if (line.at("ev") == event) lines.push_back(std::move(line));
        }
        return lines;
    }
    static bool eventually(const std::function<bool()>& condition) {
        for (const Nanos end = boot_ns() + kLimit; boot_ns() < end;) {
            if (condition()) return true;
            std::this_thread::sleep_for(std::chrono::milliseconds(2));
        }
        return condition();
    }
    std::unique_ptr<VenueServer> server_;
    std::mutex mutex_;
    std::string reports_;
    std::atomic<bool> stop_{false};
    std::thread thread_;
};

TEST_F(VenueServerTest, AnswersHeartbeatsAndEndsASilentSession) {
    VenueServerSetup s = setup();
    s.rules.heartbeat_timeout_ms = 300;
    s.rules.cancel_on_disconnect = false;
    start(s);
    Client client(port());
    client.login();
    EXPECT_EQ(client.answer->heartbeat_timeout_ms, 300U);
    EXPECT_FALSE(client.answer->cancel_on_disconnect);
    Client watcher(port());
    watcher.login(SessionKind::drop_copy, "2");
    client.order(1, 98);
    ASSERT_TRUE(client.next<Accepted>().has_value());
    client.send(Heartbeat{77});
    const auto beat = client.next<HeartbeatAck>();
    ASSERT_TRUE(beat.has_value());
    EXPECT_EQ(beat->sent_ns, 77);
    EXPECT_TRUE(client.ended());
    const auto copy = watcher.next<DropCopy>();
    ASSERT_TRUE(copy.has_value());
    EXPECT_EQ(copy->kind, DropCopyKind::accepted);
    const auto cancelled = watcher.next<DropCopy>();
    ASSERT_TRUE(cancelled.has_value()) << "a drop copy may be silent";
    EXPECT_EQ(cancelled->kind, DropCopyKind::cancelled);
    EXPECT_EQ(cancelled->reason, CancelReason::heartbeat);
    EXPECT_NE(reports().find("no heartbeat for 300 ms"), std::string::npos);
}

TEST_F(VenueServerTest, ADisconnectCancelsOrDoesNotAsConfigured) {
    for (const bool cancels : {true, false}) {
        VenueServerSetup s = setup();
        s.rules.cancel_on_disconnect = cancels;
        s.log_path = path() + (cancels ? "1" : "2");
        start(s);
        {
            Client client(port());
            client.login();
            client.order(1, 98);
            ASSERT_TRUE(client.next<Accepted>().has_value());
        }
        ASSERT_TRUE(eventually([&] { return reports().find("closed by the peer") != std::string::npos; }));
        reports_.clear();
        Client again(port());
        again.login(SessionKind::order_entry, "1");
        again.send(Fence{StrategyName("mm"), 9, 0});
        const auto ended = again.next<FenceCancelled>();
        ASSERT_TRUE(ended.has_value());
        EXPECT_EQ(ended->seq, 1U);
        const auto ack = again.next<FenceAck>();
        ASSERT_TRUE(ack.has_value());
        EXPECT_EQ(ack->cancelled, cancels ? 0U : 1U);
        stop();
    }
}

TEST_F(VenueServerTest, ADropCopyOnlyListens) {
    start(setup());
    Client watcher(port());
    watcher.login(SessionKind::drop_copy);
    watcher.order(1, 98);
    EXPECT_TRUE(watcher.ended());
    EXPECT_TRUE(log("accepted").empty());
}

TEST_F(VenueServerTest, TellsHistoryOnRequestThenWhatHappensNow) {
    start(setup());
    Client client(port());
    client.login();
    for (std::uint64_t seq = 1; seq <= 3; ++seq) {
        client.order(seq, 98);
        ASSERT_TRUE(client.next<Accepted>().has_value());
    }
    Client watcher(port());
    watcher.login(SessionKind::drop_copy, "2");
    watcher.send(DropCopyRequest{StrategyName("mm"), 9, 1, 0});
    for (std::uint64_t seq = 2; seq <= 3; ++seq) {
        const auto copy = watcher.next<DropCopy>();
        ASSERT_TRUE(copy.has_value());
        EXPECT_EQ(copy->seq, seq);
        EXPECT_TRUE(copy->history);
        EXPECT_EQ(copy->holder.view(), "blue/1");
    }
    const auto end = watcher.next<DropCopyEnd>();
    ASSERT_TRUE(end.has_value());
    EXPECT_TRUE(end->complete);
    EXPECT_EQ(end->told, 2U);
    client.send(CancelOrder{StrategyName("mm"), 9, 2});
    const auto live = watcher.next<DropCopy>();
    ASSERT_TRUE(live.has_value());
    EXPECT_FALSE(live->history);
    EXPECT_EQ(live->kind, DropCopyKind::cancelled);
}

// A log of many pieces, told to one that reads and one that does not, while the market goes on.
TEST_F(VenueServerTest, ALongHistoryIsToldInPiecesAndStopsNobody) {
    test::Venue before;
    constexpr std::uint64_t kFills = 8'000;
    for (std::uint64_t i = 1; i <= kFills; ++i) {
        if (i % 500 == 1) before.quote(99, 101);
        before.order(1, i % 2 == 0 ? Side::buy : Side::sell, i % 2 == 0 ? 102 : 98, 1, 7);
        before.out.fills.clear();
        before.out.accepted.clear();
    }
    write(before.out.lines);
    start(setup());
    Client deaf(port());
    deaf.login(SessionKind::drop_copy, "2");
    for (int i = 0; i < 3; ++i) deaf.send(DropCopyRequest{StrategyName("mm"), 0, 0, 0});
    Client taker(port());
    taker.login(SessionKind::order_entry, "3");
    taker.send(Fence{StrategyName("mm"), 8, 100});
    for (std::uint64_t id = 101; id <= kFills; ++id) {
        const auto fill = taker.next<Fill>();
        ASSERT_TRUE(fill.has_value());
        ASSERT_EQ(fill->fill_id, id);
        ASSERT_TRUE(fill->recovered);
    }
    const auto ack = taker.next<FenceAck>();
    ASSERT_TRUE(ack.has_value());
    EXPECT_TRUE(ack->granted);
    EXPECT_TRUE(ack->complete);
    EXPECT_EQ(ack->position, 0);
    taker.order(1, 98);
    EXPECT_TRUE(taker.next<Accepted>().has_value());
}

TEST_F(VenueServerTest, AfterRotationTheNewFileBeginsWithTheState) {
    start(setup());
    Client client(port());
    client.login();
    client.order(1, 102, 0.01);
    ASSERT_TRUE(client.next<Fill>().has_value());
    std::filesystem::rename(path(), path() + ".1");
    server_->reopen_log();
    ASSERT_TRUE(eventually([&] { return std::filesystem::exists(path()) && log("rotated").size() == 1; }));
    EXPECT_EQ(log("rotated")[0].at("strategies")[0].at("last_fill_id"), 1);
    client.send(Fence{StrategyName("mm"), 10, 0});
    auto ack = client.next<FenceAck>();
    ASSERT_TRUE(ack.has_value());
    EXPECT_FALSE(ack->complete);
    EXPECT_EQ(ack->position, from_double(0.01));
    client.send(Fence{StrategyName("mm"), 10, 1});
    ack = client.next<FenceAck>();
    ASSERT_TRUE(ack.has_value());
    EXPECT_TRUE(ack->complete);
}

TEST_F(VenueServerTest, HostileFramesEndTheirOwnSessionAlone) {
    start(setup());
    Client good(port());
    good.login();
    const auto hostile = [&](const std::function<void(Client&)>& act) {
        Client client(port());
        act(client);
        EXPECT_TRUE(client.ended());
    };
    hostile([](Client& c) { c.send(Heartbeat{1}); });  // before the login
    hostile([](Client& c) { c.send(DropCopyRequest{StrategyName("mm"), 0, 0, 0}); });
    hostile([](Client& c) { c.send(Login{EngineName("x"), Incarnation("1"), AccountName(), SessionKind::order_entry}); });
    hostile([](Client& c) { c.send(Login{EngineName(), Incarnation("1")}); });
    hostile([](Client& c) {
        c.login(SessionKind::order_entry, "9");
        c.send(Login{EngineName("blue"), Incarnation("9")});  // a second time
    });
    hostile([](Client& c) { c.send(FenceAck{}); });  // the venue's own word
    hostile([](Client& c) {
        std::array<std::byte, wire::kMaxFrame> frame{};
        const std::size_t size = wire::encode(Login{EngineName("x"), Incarnation("1")}, frame.data());
        frame[3] = std::byte{1};  // of the version before
        c.send_bytes(frame.data(), size);
    });
    hostile([](Client& c) {
        std::array<std::byte, wire::kMaxFrame> frame{};
        const std::size_t size = wire::encode(Login{EngineName("x"), Incarnation("1")}, frame.data());
        frame[size - 1] = std::byte{7};  // no kind of session
        c.send_bytes(frame.data(), size);
    });
    {
        Client cut(port());  // half a frame, then gone
        const std::array<std::byte, 6> half{std::byte{100}, std::byte{0}, std::byte{1}, std::byte{wire::kVersion}, {}, {}};
        cut.send_bytes(half.data(), half.size());
    }
    good.order(1, 98);
    EXPECT_TRUE(good.next<Accepted>().has_value());
    EXPECT_EQ(log("rejected").size(), 0U);
}

TEST_F(VenueServerTest, DelayedOrdersKeepTheirOrder) {
    VenueServerSetup s = setup();
    s.impairments.latency_us = 200;
    s.impairments.jitter_us = 3000;
    start(s);
    Client client(port());
    client.login();
    for (std::uint64_t seq = 1; seq <= 50; ++seq) client.order(seq, 98);
    for (std::uint64_t seq = 1; seq <= 50; ++seq) {
        const auto accepted = client.next<Accepted>();
        ASSERT_TRUE(accepted.has_value());
        ASSERT_EQ(accepted->seq, seq);
        EXPECT_GE(accepted->venue_ns - accepted->sent_ns, 200'000);
    }
}

TEST_F(VenueServerTest, ARejectRateRefusesOrdersAndNothingElse) {
    VenueServerSetup s = setup();
    s.impairments.reject_rate = 1;
    start(s);
    Client client(port());
    client.login();
    client.order(1, 98);
    const auto rejected = client.next<Rejected>();
    ASSERT_TRUE(rejected.has_value());
    EXPECT_EQ(rejected->reason, RejectReason::impaired);
    client.send(Fence{StrategyName("mm"), 10, 0});
    const auto ack = client.next<FenceAck>();
    ASSERT_TRUE(ack.has_value());
    EXPECT_TRUE(ack->granted);
}

TEST_F(VenueServerTest, DisconnectsHappenWhenAskedFor) {
    VenueServerSetup s = setup();
    s.impairments.disconnect_per_min = 6000;
    start(s);
    Client client(port());
    client.send(Login{EngineName("blue"), Incarnation("1")});
    EXPECT_TRUE(client.ended());
    EXPECT_TRUE(eventually([&] { return reports().find("impairment: disconnect") != std::string::npos; }));
}

TEST_F(VenueServerTest, RecordedTicksReachTheMarketDataSession) {
    std::ofstream(directory_ + "/ticks.csv") << "ns,symbol,bid,ask,bid_qty,ask_qty\n1,BTC-USD,99,101,1,0.5\n2,BTC-USD,98,100,1,0.25\n";
    VenueServerSetup s = setup();
    s.replay = {directory_ + "/ticks.csv", 0, true};
    start(s);
    Client market(server_->market_data_port());
    std::uint64_t last = 0;
    for (int i = 0; i < 100; ++i) {
        const auto tick = market.next<Tick>();
        ASSERT_TRUE(tick.has_value());
        EXPECT_EQ(tick->number, last == 0 ? tick->number : last + 1);
        last = tick->number;
        EXPECT_EQ(tick->ask - tick->bid, from_double(2));
    }
    stop();
    s.replay.file = directory_ + "/gone.csv";
    VenueServer broken(s, [](const char*, const std::string&) {});
    EXPECT_NE(broken.open().find("gone.csv"), std::string::npos);
}

}  // namespace
}  // namespace hft
