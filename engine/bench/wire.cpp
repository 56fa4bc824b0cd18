// SPDX-License-Identifier: GPL-3.0-or-later
// Tick to order over loopback TCP, through our gateway and through QuickFIX: same strategy, trading core, venue core, ticks,
// pinning (venue on CPU 0, engine on CPU 1, both spinning) and stopwatch; the repetitions of the two are interleaved.
// Measured at the first order of a tick, which favours the peer: it sends its orders one by one, ours leave together.
#include <atomic>
#include <cstdio>
#include <nlohmann/json.hpp>
#include <stdexcept>
#include <thread>

#include "bench/binary_link.hpp"
#include "bench/engine_rig.hpp"
#include "bench/options.hpp"
#include "bench/quickfix_link.hpp"

namespace hft::bench {
namespace {

constexpr std::size_t kWarmUp = 500;
const SymbolSetup kMarket{kSymbol, 50'000, 0.01, 10, 0.2};

struct Load {
    std::uint64_t ticks;
    std::uint64_t rate;
    std::uint64_t seed;
};

void run(const Load& load, VenueLink& venue, EngineLink& engine, Distribution& samples) {
    Stopwatch stopwatch(kWarmUp, load.ticks);
    EngineRig rig(market_maker(1), engine.gateway());
    rig.take(0, false);
    VenueCore core(VenueName("paper"), FenceMode::enforce, {kMarket}, venue);
    GeneratorSetup setup;
    setup.seed = load.seed;
    TickGenerator generator(setup, {kMarket}, 0);

    std::atomic<bool> stop{false};
    std::thread engine_thread([&] {
        pin(1);
        while (!stop.load(std::memory_order_relaxed)) {
            engine.turn(rig.core());
            rig.drain();
        }
    });
    const auto finish = [&] {
        stop = true;
        engine_thread.join();
    };
    pin(0);
    try {
        for (const Nanos end = boot_ns() + 20 * kSecond; !venue.connected() || !rig.core().venue_up(0);) {
            venue.pump(core, stopwatch);
            if (boot_ns() > end) throw std::runtime_error("no session within 20 s");
        }
        const Nanos interval = kSecond / static_cast<Nanos>(load.rate);
        const Nanos begin = boot_ns() + 100 * kMillisecond;
        const std::uint64_t all = kWarmUp + load.ticks;
        for (std::uint64_t i = 1; i <= all; ++i) {
            const Nanos due = begin + static_cast<Nanos>(i) * interval;
            while (boot_ns() < due) venue.pump(core, stopwatch);
            const TickGenerator::Step step = generator.next(0, wall_ns());
            stopwatch.tick_due(i, due);
            core.on_step(step);
            venue.send_tick(step.tick);
            venue.flush();
        }
        for (const Nanos end = boot_ns() + 2 * kSecond; stopwatch.last() < all && boot_ns() < end;) venue.pump(core, stopwatch);
        // On a machine that does something else meanwhile some ticks find too many orders open and make none.
        if (2 * stopwatch.samples().size() < load.ticks) {
            throw std::runtime_error("orders for only " + std::to_string(stopwatch.samples().size()) + " of " + std::to_string(load.ticks) +
                                     " ticks; lower --rate, or let the machine do nothing else");
        }
    } catch (...) {
        finish();
        throw;
    }
    finish();
    samples.add(stopwatch.samples());
}

int free_port() {
    const TcpResult listener = tcp_listen("127.0.0.1", 0);
    return tcp_port(listener.fd.get());
}

int measure(const Options& options) {
    const Load load{options.number("ticks"), options.number("rate"), options.number("seed")};
    Distribution ours(0);
    Distribution quickfix(0);
    for (std::uint64_t i = 0; i < options.number("repetitions"); ++i) {
        {
            BinaryVenueLink venue;
            BinaryEngineLink engine(venue);
            run(load, venue, engine, ours);
        }
        const int port = free_port();
        FixVenueLink venue(port);
        FixEngineLink engine(port);
        run(load, venue, engine, quickfix);
    }
    const nlohmann::json out = {{"ours", ours.json()}, {"quickfix", quickfix.json()}};
    std::printf("%s\n", out.dump().c_str());
    return 0;
}

}  // namespace
}  // namespace hft::bench

int main(int argc, char** argv) {
    const hft::bench::Options options(argc, argv, {{"ticks", "4000"}, {"rate", "1000"}, {"repetitions", "4"}, {"seed", "42"}});
    try {
        return hft::bench::measure(options);
    } catch (const std::exception& error) {
        std::fprintf(stderr, "ERROR: %s\n", error.what());
        return 1;
    }
}
