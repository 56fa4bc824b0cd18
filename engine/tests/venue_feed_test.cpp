// SPDX-License-Identifier: GPL-3.0-or-later
// Where prices come from, and what a bad venue does to orders.
#include <gtest/gtest.h>

#include <fstream>
#include <string>
#include <vector>

#include "core/impairments.hpp"
#include "core/tick_generator.hpp"
#include "io/replay_feed.hpp"
#include "tests/venue_fixture.hpp"

namespace hft {
namespace {

using test::symbols;

TEST(Generator, TheSameSeedGivesTheSameTicks) {
    TickGenerator a({42, 0.5, 1}, symbols(), 0);
    TickGenerator b({42, 0.5, 1}, symbols(), 0);
    TickGenerator c({43, 0.5, 1}, {{"BTC-USD", 100, 0.01, 10, 1}}, 0);
    int trades = 0;
    for (int i = 0; i < 1000; ++i) {
        const auto x = a.next(0, 1);
        const auto y = b.next(0, 1);
        EXPECT_EQ(x.tick.bid, y.tick.bid);
        EXPECT_EQ(x.trade.has_value(), y.trade.has_value());
        EXPECT_LT(x.tick.bid, x.tick.ask);
        trades += x.trade.has_value() ? 1 : 0;
        const auto z = c.next(0, 1);
        EXPECT_EQ(z.tick.bid % from_double(0.01), 0);
    }
    EXPECT_GT(trades, 400);
    EXPECT_LT(trades, 600);
}

TEST(Generator, TheDepthOfTheQuoteChangesAndIsLimited) {
    TickGenerator generator({42, 0, 1, 2.0}, symbols(), 0);
    Quantity least = kScale * 10;
    Quantity most = 0;
    for (int i = 0; i < 1000; ++i) {
        const auto step = generator.next(0, 1);
        least = std::min({least, step.tick.bid_quantity, step.tick.ask_quantity});
        most = std::max({most, step.tick.bid_quantity, step.tick.ask_quantity});
    }
    EXPECT_GE(least, from_double(0.1));
    EXPECT_LT(least, from_double(0.2));
    EXPECT_LE(most, from_double(2));
    EXPECT_GT(most, from_double(1.8));
}

TEST(Generator, AFeedGivesEverySymbolATickAnIntervalAndSkipsAStall) {
    GeneratorFeed feed(TickGenerator({}, {{"A", 100}, {"B", 100}}, 0), 100, 1000);
    EXPECT_FALSE(feed.take(999, 1).has_value());
    EXPECT_EQ(feed.take(1000, 1)->tick.symbol.view(), "A");
    EXPECT_EQ(feed.take(1000, 1)->tick.symbol.view(), "B");
    EXPECT_EQ(feed.due(), 1100);
    ASSERT_TRUE(feed.take(50'000, 1).has_value());
    ASSERT_TRUE(feed.take(50'000, 1).has_value());
    EXPECT_FALSE(feed.take(50'000, 1).has_value());
    EXPECT_EQ(feed.due(), 50'100);
}

class Replay : public test::TemporaryDirectory {
protected:
    static constexpr const char* kHeader = "ns,symbol,bid,ask,bid_qty,ask_qty\n";
    // The error of opening a file with this content.
    std::string open(const std::string& content, double speed = 1, bool loop = false) {
        std::ofstream(directory_ + "/ticks.csv", std::ios::trunc) << content;
        feed = std::make_unique<ReplayFeed>(ReplaySetup{directory_ + "/ticks.csv", speed, loop},
                                            std::vector<std::string>{"BTC-USD", "ETH-USD"}, 100);
        return feed->open(1000);
    }
    std::string fault(const std::string& line) {
        const std::string error = open(std::string(kHeader) + "5,BTC-USD,99,101,1,2\n" + line + "\n7,BTC-USD,99,101,1,2\n");
        EXPECT_NE(error.find("/ticks.csv:3: "), std::string::npos) << line << " -> " << error;
        return error;
    }
    std::unique_ptr<ReplayFeed> feed;
};

TEST_F(Replay, GivesTheRecordedQuotesAtTheRecordedPace) {
    ASSERT_EQ(open(std::string(kHeader) + "5000,BTC-USD,99.5,101,1,0.000001\r\n\n5400,ETH-USD,3000,3001,7,8\n5400,BTC-USD,99,100,1,2", 2),
              "");
    EXPECT_EQ(feed->due(), 1000);
    EXPECT_FALSE(feed->take(999, 1).has_value());
    const auto first = feed->take(1000, 77);
    ASSERT_TRUE(first.has_value());
    EXPECT_EQ(first->tick.symbol.view(), "BTC-USD");
    EXPECT_EQ(first->tick.number, 101U);
    EXPECT_EQ(first->tick.bid, 99'500'000);
    EXPECT_EQ(first->tick.ask_quantity, 1);
    EXPECT_EQ(first->tick.venue_ns, 77);
    EXPECT_EQ(feed->due(), 1200) << "twice the recorded pace";
    EXPECT_FALSE(feed->take(1199, 1).has_value());
    EXPECT_EQ(feed->take(1200, 1)->tick.number, 101U);
    // The last line of the file has no end: it is no whole line.
    EXPECT_EQ(feed->due(), MarketFeed::kNever);
    EXPECT_EQ(feed->error(), "");
}

TEST_F(Replay, BeginsAgainAndRunsAsFastAsItGoes) {
    ASSERT_EQ(open(std::string(kHeader) + "5,BTC-USD,99,101,1,2\n9000000000,BTC-USD,98,101,1,2\n", 0, true), "");
    std::uint64_t number = 100;
    for (int i = 0; i < 50; ++i) {
        const auto step = feed->take(1000, 1);
        ASSERT_TRUE(step.has_value());
        EXPECT_EQ(step->tick.number, ++number) << "a tick number came twice";
        EXPECT_EQ(step->tick.bid, from_double(i % 2 == 0 ? 99 : 98));
    }
}

TEST_F(Replay, FaultsNameFileAndLine) {
    EXPECT_NE(open("").find("ticks.csv:1: expected the header"), std::string::npos);
    EXPECT_NE(open("time,symbol\n").find("ticks.csv:1: expected the header"), std::string::npos);
    EXPECT_NE(open(kHeader).find("holds no quote"), std::string::npos);
    EXPECT_NE(fault("5,BTC-USD,99,101,1").find("6 fields"), std::string::npos);
    EXPECT_NE(fault("5,BTC-USD,99,101,1,2,3").find("6 fields"), std::string::npos);
    EXPECT_NE(fault("x,BTC-USD,99,101,1,2").find("ns: "), std::string::npos);
    EXPECT_NE(fault("4,BTC-USD,99,101,1,2").find("at least 5"), std::string::npos);
    EXPECT_NE(fault("6,DOGE,99,101,1,2").find("/symbols"), std::string::npos);
    EXPECT_NE(fault("6,BTC-USD,101,99,1,2").find("bid < ask"), std::string::npos);
    EXPECT_NE(fault("6,BTC-USD,0,99,1,2").find("bid < ask"), std::string::npos);
    for (const char* bad : {"", "-1", "1e5", "nan", "1.", ".5", "1.0000001", "9999999999", "1,5"}) {
        fault("6,BTC-USD,99,101,1," + std::string(bad));
    }
    ReplayFeed none(ReplaySetup{directory_ + "/none.csv", 1, false}, {"BTC-USD"}, 0);
    EXPECT_NE(none.open(1).find("none.csv: No such file"), std::string::npos);
}

TEST(Impairments, TheSameSeedGivesTheSameFaults) {
    const ImpairmentSetup setup{7, 100, 50, 0.25, 60};
    Impairments a(setup);
    Impairments b(setup);
    ImpairmentSetup without = setup;
    without.jitter_us = 0;
    Impairments c(without);
    int rejected = 0;
    for (int i = 0; i < 4000; ++i) {
        const Nanos delay = a.delay();
        EXPECT_EQ(delay, b.delay());
        EXPECT_GE(delay, 100'000);
        EXPECT_LT(delay, 150'000);
        EXPECT_EQ(c.delay(), 100'000);
        const bool reject = a.reject();
        EXPECT_EQ(reject, b.reject());
        EXPECT_EQ(reject, c.reject()) << "a fault of one kind moved those of another";
        rejected += reject ? 1 : 0;
    }
    EXPECT_GT(rejected, 900);
    EXPECT_LT(rejected, 1100);
    Nanos sum = 0;
    for (int i = 0; i < 1000; ++i) sum += a.until_disconnect();
    EXPECT_GT(sum / 1000, 900 * kMillisecond);
    EXPECT_LT(sum / 1000, 1100 * kMillisecond);
    EXPECT_LT(a.victim(3), 3U);
}

TEST(Impairments, NothingIsImpairedUnlessAsked) {
    Impairments none({});
    EXPECT_FALSE(none.delays());
    EXPECT_FALSE(none.disconnects());
    for (int i = 0; i < 1000; ++i) EXPECT_FALSE(none.reject());
    ImpairmentSetup rare;
    rare.disconnect_per_min = 1e-12;
    EXPECT_GT(Impairments(rare).until_disconnect(), 0);
}

}  // namespace
}  // namespace hft
