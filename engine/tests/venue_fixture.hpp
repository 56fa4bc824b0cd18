// SPDX-License-Identifier: GPL-3.0-or-later
#pragma once

// A venue without sockets and files, that remembers everything it said.
#include <gtest/gtest.h>
#include <unistd.h>

#include <filesystem>
#include <fstream>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "core/venue_core.hpp"
#include "io/venue_history.hpp"
#include "io/venue_log.hpp"
#include "io/venue_record.hpp"

namespace hft::test {

struct Output final : VenueOutput {
    void log(std::string_view line) override { lines.emplace_back(line); }
    void send(SessionId, const LoginAck&) override { ++logins; }
    void send(SessionId, const EpochInfo& m) override { epochs.push_back(m); }
    void send(SessionId, const Accepted& m) override { accepted.push_back(m); }
    void send(SessionId, const Rejected& m) override { rejected.push_back(m); }
    void send(SessionId, const Fill& m) override { fills.push_back(m); }
    void send(SessionId, const Cancelled& m) override { cancelled.push_back(m); }
    void send(SessionId, const CancelRejected& m) override { cancel_rejected.push_back(m); }
    void send(SessionId, const FenceCancelled& m) override { fence_cancelled.push_back(m); }
    void send(SessionId, const FenceAck& m) override { acks.push_back(m); }
    void send(SessionId session, const DropCopy& m) override { copies.emplace_back(session, m); }
    void send(SessionId, const DropCopyEnd& m) override { ends.push_back(m); }
    // Out of the file of an earlier run, if there was one, then out of this one's lines.
    bool tell_history(const HistoryRequest& request) override {
        std::uint64_t told = 0;
        bool complete = true;
        if (file >= 0) {
            VenueHistory history(file, file_size, request);
            while (!history.tell(4096, *this)) {
            }
            told = history.told();
            complete = history.complete();
        }
        for (std::size_t i = 0; i < lines.size(); ++i) told += venue_record::tell(lines[i], request, *this) ? 1 : 0;
        core->on_history_told(request, told, complete, 6);
        return true;
    }

    VenueCore* core = nullptr;
    int file = -1;
    std::uint64_t file_size = 0;

    std::vector<std::string> lines;
    int logins = 0;
    std::vector<EpochInfo> epochs;
    std::vector<Accepted> accepted;
    std::vector<Rejected> rejected;
    std::vector<Fill> fills;
    std::vector<Cancelled> cancelled;
    std::vector<CancelRejected> cancel_rejected;
    std::vector<FenceCancelled> fence_cancelled;
    std::vector<FenceAck> acks;
    std::vector<std::pair<SessionId, DropCopy>> copies;
    std::vector<DropCopyEnd> ends;
};

inline std::vector<SymbolSetup> symbols() { return {{"BTC-USD", 100, 0.01, 100, 0}}; }

struct Venue {
    explicit Venue(const VenueRules& rules = {}) : core(VenueName("paper"), rules, symbols(), out) {
        out.core = &core;
        core.restored(1, "test");
        login(1, "blue", "1");
        quote(99, 101);
    }
    void login(SessionId session, const char* engine, const char* incarnation, const char* account = "main",
               SessionKind kind = SessionKind::order_entry) {
        core.on_login(session, Login{EngineName(engine), Incarnation(incarnation), AccountName(account), kind}, 1);
    }
    void quote(double bid, double ask, std::optional<Trade> trade = {}, double bid_quantity = 1000, double ask_quantity = 1000) {
        MarketStep step;
        step.tick.symbol = SymbolName("BTC-USD");
        step.tick.number = ++tick;
        step.tick.bid = from_double(bid);
        step.tick.ask = from_double(ask);
        step.tick.bid_quantity = from_double(bid_quantity);
        step.tick.ask_quantity = from_double(ask_quantity);
        step.tick.venue_ns = 100 + static_cast<Nanos>(tick);
        step.trade = trade;
        core.on_step(step);
    }
    void order(SessionId session, Side side, double price, double quantity, std::uint64_t epoch = 1, const char* strategy = "mm") {
        NewOrder o;
        o.strategy = StrategyName(strategy);
        o.symbol = SymbolName("BTC-USD");
        o.epoch = epoch;
        o.seq = ++seq;
        o.intent = {tick, 0};
        o.side = side;
        o.price = from_double(price);
        o.quantity = from_double(quantity);
        core.on_order(session, o, 5);
    }
    void fence(SessionId session, std::uint64_t epoch, std::uint64_t last_fill = 0) {
        core.on_fence(session, Fence{StrategyName("mm"), epoch, last_fill}, 6);
    }
    Output out;
    VenueCore core;
    std::uint64_t tick = 0;
    std::uint64_t seq = 0;
};

inline RejectReason last_reason(const Venue& v) { return v.out.rejected.empty() ? RejectReason::none : v.out.rejected.back().reason; }

class TemporaryDirectory : public ::testing::Test {
protected:
    void SetUp() override {
        std::string pattern = (std::filesystem::temp_directory_path() / "venue-XXXXXX").string();
        ASSERT_NE(::mkdtemp(pattern.data()), nullptr);
        directory_ = pattern;
    }
    void TearDown() override { std::filesystem::remove_all(directory_); }
    void write(const std::vector<std::string>& lines, const std::string& tail = "") const {
        std::ofstream out(path(), std::ios::app);
        for (const std::string& line : lines) out << line << '\n';
        out << tail;
    }
    [[nodiscard]] std::string path() const { return directory_ + "/venue.jsonl"; }
    std::string directory_;
};

}  // namespace hft::test
