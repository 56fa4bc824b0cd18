// SPDX-License-Identifier: GPL-3.0-or-later
// The hot loop on its sockets, to be run under `strace -f`: between the two names it gives itself, the hot thread does nothing but
// turns. Venue and engine take turns, so there is a tick, and the answers to the last orders, at every turn.
#include <sys/prctl.h>

#include <atomic>
#include <cstdio>
#include <stdexcept>
#include <thread>

#include "bench/binary_link.hpp"
#include "bench/engine_rig.hpp"
#include "bench/options.hpp"

namespace hft::bench {
namespace {

constexpr std::uint64_t kWarmUp = 100;

void run(std::uint64_t ticks, std::uint64_t seed) {
    const SymbolSetup market{kSymbol, 50'000, 0.01, 10, 0.2};
    BinaryVenueLink venue;
    BinaryEngineLink engine(venue);
    EngineRig rig(market_maker(1), engine.gateway());
    rig.take(0, false);
    VenueCore core(VenueName("paper"), FenceMode::enforce, {market}, venue);
    GeneratorSetup setup;
    setup.seed = seed;
    TickGenerator generator(setup, {market}, 0);
    Stopwatch stopwatch(0, kWarmUp + ticks);
    for (const Nanos end = boot_ns() + 20 * kSecond; !venue.connected() || !rig.core().venue_up(0);) {
        venue.pump(core, stopwatch);
        engine.turn(rig.core());
        if (boot_ns() > end) throw std::runtime_error("no session within 20 s");
    }

    std::atomic<std::uint64_t> asked{0};
    std::atomic<std::uint64_t> done{0};
    std::thread venue_thread([&] {
        for (std::uint64_t i = 1; i <= kWarmUp + ticks; ++i) {
            while (asked.load(std::memory_order_acquire) < i) std::this_thread::yield();
            venue.pump(core, stopwatch);
            const TickGenerator::Step step = generator.next(0, wall_ns());
            stopwatch.tick_due(i, boot_ns());
            core.on_step(step);
            venue.send_tick(step.tick);
            venue.flush();
            done.store(i, std::memory_order_release);
        }
    });
    const auto turns = [&](std::uint64_t from, std::uint64_t to) {
        for (std::uint64_t i = from; i <= to; ++i) {
            asked.store(i, std::memory_order_release);
            while (done.load(std::memory_order_acquire) < i) continue;
            engine.turn(rig.core());
            rig.drain();
        }
    };
    turns(1, kWarmUp);
    const auto& sent = rig.core().view(0).orders[static_cast<std::size_t>(OrderStatus::sent)];
    const std::uint64_t before = sent;
    ::prctl(PR_SET_NAME, "hot-begin");
    turns(kWarmUp + 1, kWarmUp + ticks);
    ::prctl(PR_SET_NAME, "hot-end");
    venue_thread.join();
    std::printf("{\"ticks\": %llu, \"orders\": %llu}\n", static_cast<unsigned long long>(ticks),
                static_cast<unsigned long long>(sent - before));
    if (sent == before) throw std::runtime_error("no order was sent");
}

}  // namespace
}  // namespace hft::bench

int main(int argc, char** argv) {
    const hft::bench::Options options(argc, argv, {{"ticks", "2000"}, {"seed", "42"}});
    try {
        hft::bench::run(options.number("ticks"), options.number("seed"));
        return 0;
    } catch (const std::exception& error) {
        std::fprintf(stderr, "ERROR: %s\n", error.what());
        return 1;
    }
}
