// SPDX-License-Identifier: GPL-3.0-or-later
#pragma once

// A venue and engines as they run, over loopback sockets; only the database is in memory.
#include <gtest/gtest.h>
#include <unistd.h>

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

#include "core/lease_keeper.hpp"
#include "io/hot_threads.hpp"
#include "io/tcp.hpp"
#include "io/venue_connector.hpp"
#include "io/venue_server.hpp"
#include "io/wire.hpp"
#include "tests/memory_lease_store.hpp"
#include "tests/strategies.hpp"

namespace hft::test {

using Json = nlohmann::json;

inline bool eventually(const std::function<bool()>& condition, Nanos limit = 20 * kSecond) {
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
        thread_ = std::thread([this] {
            while (!stop_.load()) {
                if (paused_.load()) {
                    std::this_thread::sleep_for(std::chrono::milliseconds(1));
                } else {
                    server_->turn();
                }
            }
        });
    }
    ~VenueProcess() {
        stop_ = true;
        thread_.join();
    }
    [[nodiscard]] std::uint16_t order_port() const { return order_port_; }
    [[nodiscard]] std::uint16_t market_data_port() const { return market_data_port_; }
    // A venue that answers nobody, with its sessions open.
    void pause(bool paused) { paused_ = paused; }

private:
    std::unique_ptr<VenueServer> server_;
    std::atomic<bool> paused_{false};
    std::uint16_t order_port_ = 0;
    std::uint16_t market_data_port_ = 0;
    std::atomic<bool> stop_{false};
    std::thread thread_;
};

// Everything of an engine but HTTP and the database.
class EngineProcess {
public:
    EngineProcess(const std::string& name, const std::string& incarnation, std::uint16_t order_port, std::uint16_t market_data_port,
                  MemoryRows& rows, bool automatic = false, HotPathLayout layout = HotPathLayout::run_to_completion,
                  const std::vector<std::string>& strategies = {"mm"})
        : strategies_(strategies.size()),
          fact_slots_(65'536),
          facts_(fact_counters_, fact_slots_.data(), fact_slots_.size()),
          command_slots_(64),
          commands_(command_counters_, command_slots_.data(), command_slots_.size()),
          store_(rows),
          hot_threads_({layout, WaitMode::park, -1, {}}, 1, grants_) {
        std::vector<StrategySetup> setups;
        std::vector<LeasedStrategy> leased;
        for (const std::string& strategy : strategies) {
            StrategySetup& setup = setups.emplace_back();
            setup.name = StrategyName(strategy);
            setup.symbol = SymbolName("BTC-USD");
            setup.limits = {from_double(50), 1e6, 100'000, 16, 1e6, 10};
            setup.strategy = make_strategy("market_maker", {{"size", 0.1}, {"requote_ticks", 2}});
            leased.push_back({strategy, "BTC-USD", 0, {"paper"}, true});
        }
        const std::string holder = name + "/" + incarnation;
        core_ = std::make_unique<TradingCore>(std::move(setups), std::vector<VenueName>{VenueName("paper")}, HolderName(holder),
                                              hot_threads_.gateway(), facts_, commands_);
        connector_ = std::make_unique<VenueConnector>(std::vector<VenueAddress>{{"paper", "127.0.0.1", order_port, market_data_port}},
                                                      Login{EngineName(name), Incarnation(incarnation)}, kSecond, hot_threads_.transport(),
                                                      [](const char*, const std::string&) {});
        LeaseKeeperSettings settings;
        settings.holder = holder;
        settings.build = "1.0";
        settings.activate = kSecond;
        settings.ttl_ms = 3000;
        settings.times = {3 * kSecond, 200 * kMillisecond, 400 * kMillisecond};
        settings.beat = 30 * kMillisecond;
        settings.automatic = automatic;
        LeaseKeeperPorts ports;
        ports.command = [this](const Command& c) {
            const std::lock_guard lock(command_mutex_);
            while (!commands_.push(c)) std::this_thread::yield();
        };
        ports.venue_epoch = [this](const std::string& s) { return connector_->highest_epoch(s); };
        ports.journal_empty = [] { return true; };
        ports.journal_rest = [this](Nanos at_most) { journal_rests_ = at_most > 0; };
        ports.report = [](const char*, const std::string&, const std::string&) {};
        send_ = ports.command;
        keeper_ = std::make_unique<LeaseKeeper>(settings, leased, store_, *core_, std::move(ports));
        hot_threads_.start(*core_);
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
        for (std::thread& thread : threads_) thread.join();
        hot_threads_.stop();
        threads_.clear();
    }
    void command(const Command& c) { send_(c); }
    void start_trading() {
        Command c;
        c.kind = Command::Kind::start;
        for (c.strategy = 0; c.strategy < strategies_; ++c.strategy) send_(c);
        c.strategy = 0;
        c.kind = Command::Kind::enable;
        send_(c);
    }
    [[nodiscard]] bool ready() { return core_->venue_up(0) && keeper_->rows_known(); }
    [[nodiscard]] LeaseKeeper& keeper() { return *keeper_; }
    [[nodiscard]] TradingCore& core() { return *core_; }
    [[nodiscard]] StrategyView& view() { return core_->view(0); }
    [[nodiscard]] bool journal_rests() const { return journal_rests_; }
    [[nodiscard]] std::uint64_t sent() { return view().orders[0].load(); }
    // After end().
    [[nodiscard]] const std::set<std::uint64_t>& fill_ids() const { return fill_ids_; }
    [[nodiscard]] const std::set<std::uint64_t>& order_seqs() const { return order_seqs_; }

private:
    std::size_t strategies_;
    RingCounters fact_counters_;
    std::vector<Fact> fact_slots_;
    FactRing facts_;
    RingCounters command_counters_;
    std::vector<Command> command_slots_;
    CommandRing commands_;
    std::mutex command_mutex_;
    HostGrants grants_;
    MemoryLeaseStore store_;
    std::unique_ptr<TradingCore> core_;
    HotThreads hot_threads_;
    std::unique_ptr<VenueConnector> connector_;
    std::unique_ptr<LeaseKeeper> keeper_;
    std::function<void(const Command&)> send_;
    std::set<std::uint64_t> fill_ids_;
    std::set<std::uint64_t> order_seqs_;
    std::atomic<bool> journal_rests_{false};
    std::atomic<bool> stop_{false};
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
        // Parsing is slow under sanitizers, and a log is long: only lines that may be meant.
        const std::string mark = "\"ev\":\"" + event + "\"";
        for (std::string text; std::getline(in, text);) {
            if (text.find(mark) == std::string::npos) continue;
            Json line = Json::parse(text);
            if (line.at("ev") == event) lines.push_back(std::move(line));
        }
        return lines;
    }
    std::string directory_;
    MemoryRows rows_;
};

}  // namespace hft::test
