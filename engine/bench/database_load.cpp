// SPDX-License-Identifier: GPL-3.0-or-later
// Order rows into a real database on the engine's own path: ring, fact writer, multi-host connection. It tells how many rows were
// acknowledged and the longest time in which none was. With --mode=inserts the same rows one INSERT each, for comparison.
#include <algorithm>
#include <atomic>
#include <cstdio>
#include <nlohmann/json.hpp>
#include <sstream>
#include <string>
#include <thread>
#include <vector>

#include "bench/options.hpp"
#include "core/clock.hpp"
#include "io/fact_writer.hpp"

namespace hft::bench {
namespace {

using Json = nlohmann::json;

constexpr std::size_t kRing = 262'144;
constexpr Nanos kDrain = 90 * kSecond;

const char* const kInsert = R"(
INSERT INTO public.orders (time, strategy, epoch, engine, seq, sent_ns, venue, symbol, side, price, quantity, filled_quantity, status,
                           intent_tick, intent_leg)
VALUES (timestamptz 'epoch' + $1::bigint / 1000 * interval '1 microsecond', $2, 1, 'bench/1', $3::bigint, $1::bigint, 'paper', 'BTC-USD',
        'buy', 50000, 0.1, 0, 'sent', $3::bigint, 1)
)";

DatabaseConfig database(const Options& options) {
    DatabaseConfig config;
    std::istringstream hosts(options.text("hosts"));
    for (std::string host; std::getline(hosts, host, ',');) config.hosts.push_back(host);
    config.port = static_cast<std::uint16_t>(options.number("port"));
    config.name = options.text("name");
    config.user = options.text("user");
    config.sslmode = options.text("sslmode");
    return config;
}

std::string password() {
    const char* found = std::getenv("DB_PASSWORD");
    return found == nullptr ? "" : found;
}

Fact order(const std::string& strategy, std::uint64_t seq) {
    Fact f;
    f.kind = FactKind::order;
    f.status = OrderStatus::sent;
    f.strategy = StrategyName(strategy);
    f.symbol = SymbolName("BTC-USD");
    f.venue = VenueName("paper");
    f.engine = HolderName("bench/1");
    f.epoch = 1;
    f.seq = seq;
    f.intent = Intent{seq, 1};
    f.price = from_double(50'000);
    f.quantity = from_double(0.1);
    f.sent_ns = wall_ns();
    return f;
}

Json summary(const char* mode, const std::string& strategy, std::uint64_t rows, Nanos took) {
    const double seconds = static_cast<double>(took) / static_cast<double>(kSecond);
    return {
        {"mode", mode}, {"strategy", strategy}, {"rows", rows}, {"seconds", seconds}, {"rows_per_s", static_cast<double>(rows) / seconds}};
}

// rate 0: as fast as the database takes them.
Json facts(const Options& options) {
    const std::string strategy = options.text("strategy");
    const std::uint64_t rate = options.number("rate");
    const std::uint64_t wanted = options.number("rows");
    RingCounters counters;
    std::vector<Fact> slots(kRing);
    FactRing ring(counters, slots.data(), slots.size());
    FactWriter writer(database(options), password(), ring, "bench/1",
                      [](const char* level, const std::string& text) { std::fprintf(stderr, "%s: %s\n", level, text.c_str()); });
    std::atomic<bool> stop{false};
    std::thread thread([&] { writer.run(stop, kDrain); });

    std::uint64_t pushed = 0;
    std::uint64_t acknowledged = 0;
    std::uint64_t full = 0;
    Nanos gap = 0;
    Nanos gap_began = 0;
    const Nanos begin = boot_ns();
    Nanos last = begin;
    while (acknowledged < wanted && boot_ns() - last < kDrain) {
        const Nanos now = boot_ns();
        const std::uint64_t due =
            rate == 0 ? wanted : std::min(wanted, static_cast<std::uint64_t>((now - begin) / kMillisecond) * rate / 1000);
        while (pushed < due) {
            if (!ring.push(order(strategy, pushed + 1))) {
                ++full;
                break;
            }
            ++pushed;
        }
        const std::uint64_t done = pushed - ring.size();
        if (done != acknowledged) {
            // Before the first row it connects; nothing is waited for there.
            if (acknowledged != 0 && now - last > gap) {
                gap = now - last;
                gap_began = wall_ns() - gap;
            }
            acknowledged = done;
            last = now;
        } else if (done == pushed) {
            last = now;  // nothing waits
        }
        std::this_thread::sleep_for(std::chrono::microseconds(500));
    }
    const Nanos took = boot_ns() - begin;
    stop = true;
    thread.join();
    Json out = summary("facts", strategy, acknowledged, took);
    out["pushed"] = pushed;
    out["waits_for_room"] = full;
    out["gap_ms"] = static_cast<double>(gap) / static_cast<double>(kMillisecond);
    out["gap_began_s"] = static_cast<double>(gap_began) / static_cast<double>(kSecond);
    return out;
}

Json inserts(const Options& options) {
    const std::string strategy = options.text("strategy");
    PgConnection connection(database(options), password(), "bench inserts");
    if (const std::string error = connection.connect(); !error.empty()) {
        std::fprintf(stderr, "ERROR: %s\n", error.c_str());
        std::exit(1);
    }
    const std::uint64_t wanted = options.number("rows");
    const Nanos begin = boot_ns();
    for (std::uint64_t seq = 1; seq <= wanted; ++seq) {
        const PgReply reply = connection.query(kInsert, {std::to_string(wall_ns()), strategy, std::to_string(seq)}, 10 * kSecond);
        if (reply.outcome == PgOutcome::done) continue;
        std::fprintf(stderr, "ERROR: row %llu: %s\n", static_cast<unsigned long long>(seq), reply.error.c_str());
        std::exit(1);
    }
    return summary("inserts", strategy, wanted, boot_ns() - begin);
}

}  // namespace
}  // namespace hft::bench

int main(int argc, char** argv) {
    using namespace hft::bench;
    const Options options(argc, argv,
                          {{"mode", "facts"},
                           {"hosts", "127.0.0.1"},
                           {"port", "5432"},
                           {"name", "hft_db"},
                           {"user", "hft_user"},
                           {"sslmode", "prefer"},
                           {"strategy", "bench"},
                           {"rows", "50000"},
                           {"rate", "5000"}});
    const nlohmann::json result = options.text("mode") == "inserts" ? inserts(options) : facts(options);
    std::printf("%s\n", result.dump().c_str());
    return result.at("rows").get<std::uint64_t>() == options.number("rows") ? 0 : 1;
}
