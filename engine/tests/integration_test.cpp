// SPDX-License-Identifier: GPL-3.0-or-later
// The venue and engines as they run, over loopback sockets: venue server, connector, transport, hot loop, lease keeper.
#include <gtest/gtest.h>
#include <unistd.h>

#include <array>
#include <atomic>
#include <chrono>
#include <filesystem>
#include <fstream>
#include <functional>
#include <memory>
#include <nlohmann/json.hpp>
#include <set>
#include <string>
#include <thread>
#include <vector>

#include "core/hot_loop.hpp"
#include "core/lease_keeper.hpp"
#include "core/market_maker.hpp"
#include "io/tcp.hpp"
#include "io/venue_connector.hpp"
#include "io/venue_server.hpp"
#include "io/venue_transport.hpp"
#include "io/wire.hpp"
#include "tests/memory_lease_store.hpp"

namespace hft {
namespace {

using Json = nlohmann::json;

bool eventually(const std::function<bool()>& condition, Nanos limit = 20 * kSecond) {
    for (const Nanos end = boot_ns() + limit; boot_ns() < end;) {
        if (condition()) return true;
        std::this_thread::sleep_for(std::chrono::milliseconds(2));
    }
    return condition();
}

class VenueProcess {
public:
    explicit VenueProcess(const std::string& directory, std::uint16_t order_port = 0, std::uint16_t market_data_port = 0) {
        VenueServerSetup setup;
        setup.name = "paper";
        setup.generator.trade_probability = 0.2;
        setup.ticks_per_s = 500;
        setup.symbols = {{"BTC-USD", 100, 0.01, 20, 0.2}};
        setup.order_port = order_port;
        setup.market_data_port = market_data_port;
        setup.log_path = directory + "/venue.jsonl";
        setup.version = "test";
        server_ = std::make_unique<VenueServer>(setup, [](const char*, const std::string&) {});
        EXPECT_EQ(server_->open(), "");
        order_port_ = server_->order_port();
        market_data_port_ = server_->market_data_port();
        thread_ = std::thread([this] { server_->run(stop_); });
    }
    ~VenueProcess() {
        stop_ = true;
        thread_.join();
    }
    [[nodiscard]] std::uint16_t order_port() const { return order_port_; }
    [[nodiscard]] std::uint16_t market_data_port() const { return market_data_port_; }

private:
    std::unique_ptr<VenueServer> server_;
    std::uint16_t order_port_ = 0;
    std::uint16_t market_data_port_ = 0;
    std::atomic<bool> stop_{false};
    std::thread thread_;
};

// Everything of an engine but HTTP and the database.
class EngineProcess {
public:
    EngineProcess(const std::string& name, const std::string& incarnation, std::uint16_t order_port, std::uint16_t market_data_port,
                  test::MemoryRows& rows)
        : fact_slots_(65'536),
          facts_(fact_counters_, fact_slots_.data(), fact_slots_.size()),
          command_slots_(64),
          commands_(command_counters_, command_slots_.data(), command_slots_.size()),
          transport_(1),
          store_(rows) {
        StrategySetup setup;
        setup.name = StrategyName("mm");
        setup.symbol = SymbolName("BTC-USD");
        setup.limits = {from_double(50), 1e6, 100'000, 16, 1e6, 10};
        setup.strategy = std::make_unique<MarketMaker>(MarketMakerParameters{4.0, 0.1, 2, 2.0, 0.01});
        std::vector<StrategySetup> setups;
        setups.push_back(std::move(setup));
        const std::string holder = name + "/" + incarnation;
        core_ = std::make_unique<TradingCore>(std::move(setups), std::vector<VenueName>{VenueName("paper")}, HolderName(holder), transport_,
                                              facts_, commands_);
        loop_ = std::make_unique<HotLoop>(*core_, transport_, WaitMode::park);
        connector_ = std::make_unique<VenueConnector>(std::vector<VenueAddress>{{"paper", "127.0.0.1", order_port, market_data_port}},
                                                      Login{EngineName(name), Incarnation(incarnation)}, kSecond, transport_,
                                                      [](const char*, const std::string&) {});
        LeaseKeeperSettings settings;
        settings.holder = holder;
        settings.ttl_ms = 3000;
        settings.times = {3 * kSecond, 200 * kMillisecond, 400 * kMillisecond};
        settings.beat = 30 * kMillisecond;
        LeaseKeeperPorts ports;
        ports.command = [this](const Command& c) {
            const std::lock_guard lock(command_mutex_);
            while (!commands_.push(c)) std::this_thread::yield();
        };
        ports.venue_epoch = [this](const std::string& s) { return connector_->highest_epoch(s); };
        ports.journal_empty = [] { return true; };
        ports.report = [](const char*, const std::string&, const std::string&) {};
        send_ = ports.command;
        keeper_ = std::make_unique<LeaseKeeper>(settings, std::vector<LeasedStrategy>{{"mm", "BTC-USD", 0, {"paper"}, true}}, store_,
                                                *core_, std::move(ports));
        threads_.emplace_back([this] { loop_->run(stop_hot_); });
        threads_.emplace_back([this] { connector_->run(stop_); });
        threads_.emplace_back([this] { keeper_->run(stop_); });
        threads_.emplace_back([this] {
            while (!stop_.load()) {
                const std::size_t n = facts_.readable();
                for (std::size_t i = 0; i < n; ++i) {
                    if (facts_.peek(i).kind == FactKind::fill) fill_ids_.insert(facts_.peek(i).fill_id);
                    if (facts_.peek(i).kind == FactKind::order) order_seqs_.insert(facts_.peek(i).seq);
                }
                facts_.release(n);
                std::this_thread::sleep_for(std::chrono::milliseconds(1));
            }
        });
    }
    ~EngineProcess() { end(); }
    // As kill -9 looks from outside: the lease stays, the sockets close.
    void end() {
        if (threads_.empty()) return;
        stop_ = true;
        for (std::size_t i = 1; i < threads_.size(); ++i) threads_[i].join();
        stop_hot_ = true;
        threads_[0].join();
        threads_.clear();
    }
    void start_trading() {
        Command c;
        c.kind = Command::Kind::start;
        send_(c);
        c.kind = Command::Kind::enable;
        send_(c);
    }
    [[nodiscard]] bool ready() { return core_->venue_up(0) && keeper_->rows_known(); }
    [[nodiscard]] LeaseKeeper& keeper() { return *keeper_; }
    [[nodiscard]] TradingCore& core() { return *core_; }
    [[nodiscard]] StrategyView& view() { return core_->view(0); }
    [[nodiscard]] std::uint64_t sent() { return view().orders[0].load(); }
    // After end().
    [[nodiscard]] const std::set<std::uint64_t>& fill_ids() const { return fill_ids_; }
    [[nodiscard]] const std::set<std::uint64_t>& order_seqs() const { return order_seqs_; }

private:
    RingCounters fact_counters_;
    std::vector<Fact> fact_slots_;
    FactRing facts_;
    RingCounters command_counters_;
    std::vector<Command> command_slots_;
    CommandRing commands_;
    std::mutex command_mutex_;
    VenueTransport transport_;
    test::MemoryLeaseStore store_;
    std::unique_ptr<TradingCore> core_;
    std::unique_ptr<HotLoop> loop_;
    std::unique_ptr<VenueConnector> connector_;
    std::unique_ptr<LeaseKeeper> keeper_;
    std::function<void(const Command&)> send_;
    std::set<std::uint64_t> fill_ids_;
    std::set<std::uint64_t> order_seqs_;
    std::atomic<bool> stop_{false};
    std::atomic<bool> stop_hot_{false};
    std::vector<std::thread> threads_;
};

class Integration : public ::testing::Test {
protected:
    void SetUp() override {
        std::string pattern = (std::filesystem::temp_directory_path() / "engine-XXXXXX").string();
        ASSERT_NE(::mkdtemp(pattern.data()), nullptr);
        directory_ = pattern;
    }
    void TearDown() override { std::filesystem::remove_all(directory_); }
    [[nodiscard]] std::vector<Json> log(const std::string& event) const {
        std::ifstream in(directory_ + "/venue.jsonl");
        std::vector<Json> lines;
        for (std::string text; std::getline(in, text);) {
            Json line = Json::parse(text);
            if (line.at("ev") == event) lines.push_back(std::move(line));
        }
        return lines;
    }
    std::string directory_;
    test::MemoryRows rows_;
};

TEST_F(Integration, TradesAndKnowsEveryFillOfTheVenue) {
    VenueProcess venue(directory_);
    EngineProcess engine("blue", "1", venue.order_port(), venue.market_data_port(), rows_);
    ASSERT_TRUE(eventually([&] { return engine.ready(); }));
    engine.start_trading();
    std::this_thread::sleep_for(std::chrono::milliseconds(100));
    EXPECT_EQ(engine.sent(), 0U) << "a standby sent orders";
    const RoleAnswer answer = engine.keeper().become_primary();
    ASSERT_EQ(answer.outcome, RoleOutcome::done) << answer.detail;
    EXPECT_TRUE(engine.keeper().primary());
    ASSERT_TRUE(eventually([&] { return engine.view().fills.load() >= 20 && engine.sent() >= 200; }));
    ASSERT_EQ(engine.keeper().become_standby().outcome, RoleOutcome::done);
    EXPECT_EQ(engine.view().open_orders.load(), 0U);
    EXPECT_EQ(rows_.rows["mm"].row.holder, "");
    EXPECT_EQ(rows_.rows["mm"].row.epoch, 1U);
    const Quantity position = engine.view().position.load();
    std::this_thread::sleep_for(std::chrono::milliseconds(50));
    engine.end();

    Quantity net = 0;
    std::set<std::uint64_t> fills;
    for (const Json& line : log("fill")) {
        fills.insert(line.at("fill_id").get<std::uint64_t>());
        net += line.at("side") == "buy" ? line.at("fill_qty").get<Quantity>() : -line.at("fill_qty").get<Quantity>();
    }
    EXPECT_EQ(engine.fill_ids(), fills);
    EXPECT_EQ(position, net);
    std::set<std::uint64_t> accepted;
    for (const Json& line : log("accepted")) accepted.insert(line.at("seq").get<std::uint64_t>());
    EXPECT_EQ(engine.order_seqs(), accepted);
    EXPECT_TRUE(log("rejected").empty());
}

TEST_F(Integration, ASecondEngineIsRefusedByName) {
    VenueProcess venue(directory_);
    EngineProcess blue("blue", "1", venue.order_port(), venue.market_data_port(), rows_);
    EngineProcess green("green", "2", venue.order_port(), venue.market_data_port(), rows_);
    ASSERT_TRUE(eventually([&] { return blue.ready() && green.ready(); }));
    ASSERT_EQ(blue.keeper().become_primary().outcome, RoleOutcome::done);
    const RoleAnswer answer = green.keeper().become_primary();
    EXPECT_EQ(answer.outcome, RoleOutcome::conflict);
    EXPECT_EQ(answer.holder, "blue/1");
    EXPECT_FALSE(green.keeper().primary());
    EXPECT_TRUE(blue.keeper().primary());
}

TEST_F(Integration, TakeoverAfterADeathBooksWhatTheDeadDid) {
    VenueProcess venue(directory_);
    auto blue = std::make_unique<EngineProcess>("blue", "1", venue.order_port(), venue.market_data_port(), rows_);
    EngineProcess green("green", "2", venue.order_port(), venue.market_data_port(), rows_);
    ASSERT_TRUE(eventually([&] { return blue->ready() && green.ready(); }));
    blue->start_trading();
    ASSERT_EQ(blue->keeper().become_primary().outcome, RoleOutcome::done);
    ASSERT_TRUE(eventually([&] { return blue->view().fills.load() >= 10; }));
    blue.reset();
    green.start_trading();
    // Nothing of blue's reached the database: all of it comes from the venue.
    RoleAnswer answer;
    ASSERT_TRUE(eventually([&] {
        answer = green.keeper().become_primary();
        return answer.outcome == RoleOutcome::done;
    })) << answer.detail;
    EXPECT_EQ(rows_.rows["mm"].row.epoch, 2U);
    ASSERT_TRUE(eventually([&] { return green.sent() >= 20; }));
    ASSERT_EQ(green.keeper().become_standby().outcome, RoleOutcome::done);
    const Quantity position = green.view().position.load();
    green.end();
    Quantity net = 0;
    std::set<std::uint64_t> fills;
    for (const Json& line : log("fill")) {
        fills.insert(line.at("fill_id").get<std::uint64_t>());
        net += line.at("side") == "buy" ? line.at("fill_qty").get<Quantity>() : -line.at("fill_qty").get<Quantity>();
    }
    EXPECT_EQ(position, net);
    EXPECT_EQ(green.fill_ids(), fills);
    std::uint64_t highest = 0;
    for (const Json& line : log("accepted")) {
        EXPECT_GE(line.at("epoch").get<std::uint64_t>(), highest) << "an order under an epoch that was over";
        highest = line.at("epoch").get<std::uint64_t>();
    }
    EXPECT_EQ(highest, 2U);
}

TEST_F(Integration, AVenueRestartIsFencedAnewUnderTheSameEpoch) {
    auto venue = std::make_unique<VenueProcess>(directory_);
    const std::uint16_t orders = venue->order_port();
    const std::uint16_t market_data = venue->market_data_port();
    EngineProcess engine("blue", "1", orders, market_data, rows_);
    ASSERT_TRUE(eventually([&] { return engine.ready(); }));
    engine.start_trading();
    ASSERT_EQ(engine.keeper().become_primary().outcome, RoleOutcome::done);
    ASSERT_TRUE(eventually([&] { return engine.sent() >= 20; }));
    venue.reset();
    ASSERT_TRUE(eventually([&] { return !engine.core().venue_up(0); }));
    const std::uint64_t before = engine.sent();
    venue = std::make_unique<VenueProcess>(directory_, orders, market_data);
    ASSERT_TRUE(eventually([&] { return engine.sent() >= before + 20; }));
    EXPECT_EQ(rows_.rows["mm"].row.epoch, 1U);
    EXPECT_GE(log("fence").size(), 2U);
    EXPECT_TRUE(log("rejected").empty());
}

TEST_F(Integration, WithoutADatabaseItTradesToItsDeadlineAndNoLonger) {
    VenueProcess venue(directory_);
    EngineProcess engine("blue", "1", venue.order_port(), venue.market_data_port(), rows_);
    ASSERT_TRUE(eventually([&] { return engine.ready(); }));
    engine.start_trading();
    ASSERT_EQ(engine.keeper().become_primary().outcome, RoleOutcome::done);
    rows_.away = true;
    const Nanos gone = boot_ns();
    const std::uint64_t at_loss = engine.sent();
    ASSERT_TRUE(eventually([&] { return engine.sent() >= at_loss + 20; }));
    ASSERT_TRUE(eventually([&] { return boot_ns() > gone + 3 * kSecond; }));
    const std::uint64_t after = engine.sent();
    std::this_thread::sleep_for(std::chrono::milliseconds(200));
    EXPECT_EQ(engine.sent(), after) << "orders after the deadline";
    EXPECT_EQ(engine.view().open_orders.load(), 0U);
    rows_.away = false;
    ASSERT_TRUE(eventually([&] { return engine.sent() >= after + 20; })) << "an acknowledged beat of its own gives the right back";
    EXPECT_EQ(rows_.rows["mm"].row.epoch, 1U);
}

TEST_F(Integration, ABeatWhoseAnswerIsLostGivesNothing) {
    VenueProcess venue(directory_);
    EngineProcess engine("blue", "1", venue.order_port(), venue.market_data_port(), rows_);
    ASSERT_TRUE(eventually([&] { return engine.ready(); }));
    ASSERT_EQ(engine.keeper().become_primary().outcome, RoleOutcome::done);
    rows_.lose_reply = true;
    std::this_thread::sleep_for(std::chrono::milliseconds(100));
    const Nanos right = engine.view().right_until.load();
    std::this_thread::sleep_for(std::chrono::milliseconds(300));
    EXPECT_EQ(engine.view().right_until.load(), right);
    rows_.lose_reply = false;
    EXPECT_TRUE(eventually([&] { return engine.view().right_until.load() > right; }));
}

TEST_F(Integration, AKilledRowStopsItsHolder) {
    VenueProcess venue(directory_);
    EngineProcess blue("blue", "1", venue.order_port(), venue.market_data_port(), rows_);
    EngineProcess green("green", "2", venue.order_port(), venue.market_data_port(), rows_);
    ASSERT_TRUE(eventually([&] { return blue.ready() && green.ready(); }));
    blue.start_trading();
    ASSERT_EQ(blue.keeper().become_primary().outcome, RoleOutcome::done);
    ASSERT_TRUE(eventually([&] { return blue.sent() >= 10; }));
    green.keeper().latch_rows("test");
    ASSERT_TRUE(eventually([&] { return !blue.keeper().primary() && green.keeper().rows_latched(); }));
    ASSERT_TRUE(eventually([&] { return blue.view().open_orders.load() == 0; }));
    const std::uint64_t sent = blue.sent();
    std::this_thread::sleep_for(std::chrono::milliseconds(100));
    EXPECT_EQ(blue.sent(), sent);
    EXPECT_EQ(blue.keeper().become_primary().outcome, RoleOutcome::conflict);
    EXPECT_EQ(green.keeper().clear_kill().outcome, RoleOutcome::done);
    ASSERT_TRUE(eventually([&] { return blue.keeper().become_primary().outcome == RoleOutcome::done; }));
}

TEST_F(Integration, AClearThatFailedLeavesTheKillToBeLatched) {
    VenueProcess venue(directory_);
    EngineProcess engine("blue", "1", venue.order_port(), venue.market_data_port(), rows_);
    ASSERT_TRUE(eventually([&] { return engine.ready(); }));
    rows_.away = true;
    ASSERT_TRUE(eventually([&] { return !engine.keeper().connected(); }));
    engine.keeper().latch_rows("test");
    EXPECT_EQ(engine.keeper().clear_kill().outcome, RoleOutcome::unavailable);
    rows_.away = false;
    EXPECT_TRUE(eventually([&] { return engine.keeper().rows_latched(); }));
    EXPECT_EQ(engine.keeper().clear_kill().outcome, RoleOutcome::done);
    EXPECT_FALSE(rows_.rows["mm"].row.killed);
}

TEST_F(Integration, HostileBytesEndOnlyTheirOwnSession) {
    VenueProcess venue(directory_);
    EngineProcess engine("blue", "1", venue.order_port(), venue.market_data_port(), rows_);
    ASSERT_TRUE(eventually([&] { return engine.ready(); }));
    engine.start_trading();
    ASSERT_EQ(engine.keeper().become_primary().outcome, RoleOutcome::done);
    for (const int fill : {0x00, 0xff, 0x04}) {
        TcpResult hostile = tcp_connect("127.0.0.1", venue.order_port(), kSecond, kSecond);
        ASSERT_EQ(hostile.error, "");
        const std::vector<unsigned char> bytes(5000, static_cast<unsigned char>(fill));
        static_cast<void>(::write(hostile.fd.get(), bytes.data(), bytes.size()));
    }
    // An order before the login is refused, not executed.
    TcpResult early = tcp_connect("127.0.0.1", venue.order_port(), kSecond, kSecond);
    std::array<std::byte, wire::kMaxFrame> frame{};
    NewOrder order;
    order.strategy = StrategyName("mm");
    order.symbol = SymbolName("BTC-USD");
    order.epoch = 99;
    order.seq = 1;
    order.price = from_double(100);
    order.quantity = from_double(1);
    const std::size_t size = wire::encode(order, frame.data());
    ASSERT_EQ(::write(early.fd.get(), frame.data(), size), static_cast<ssize_t>(size));
    ASSERT_TRUE(eventually([&] { return log("rejected").size() == 1; }));
    EXPECT_EQ(log("rejected")[0].at("reason"), "not_logged_in");
    const std::uint64_t before = engine.sent();
    EXPECT_TRUE(eventually([&] { return engine.sent() >= before + 20; }));
}

}  // namespace
}  // namespace hft
