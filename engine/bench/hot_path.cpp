// SPDX-License-Identifier: GPL-3.0-or-later
// From the frame of a tick to the frame of its order: feed, strategy, risk and gateway as released, without the sockets.
//   latency:      ticks on a fixed schedule; the time runs from when the tick was due, so a stall counts for all it delays
//   throughput:   ticks as fast as they go
//   counts:       allocations and locks of the hot thread
//   instructions: to be run under callgrind with --toggle-collect=hot_turn
#include <cstdio>
#include <nlohmann/json.hpp>
#include <stdexcept>

#include "bench/distribution.hpp"
#include "bench/engine_rig.hpp"
#include "bench/interpose.hpp"
#include "bench/options.hpp"
#include "bench/scripted_venue.hpp"
#include "core/tick_generator.hpp"

namespace hft::bench {

namespace {

class Feed {
public:
    explicit Feed(std::uint64_t seed, std::size_t count) {
        GeneratorSetup setup;
        setup.seed = seed;
        TickGenerator generator(setup, {{kSymbol, 50'000, 0.01, 10, 0.2}}, 0);
        frames_.resize(count);
        for (auto& frame : frames_) size_ = wire::encode(generator.next(0, wall_ns()).tick, frame.data());
    }
    [[nodiscard]] std::span<const std::byte> frame(std::size_t i) const noexcept { return {frames_[i % frames_.size()].data(), size_}; }

private:
    std::vector<std::array<std::byte, 96>> frames_;
    std::size_t size_ = 0;
};

}  // namespace

// A name callgrind can find.
extern "C" __attribute__((noinline)) void hot_turn(TradingCore* core, ScriptedVenue* venue,
                                                   const std::span<const std::byte>* bytes) noexcept {
    core->housekeeping(boot_ns());
    venue->deliver(*core);
    const wire::Frame frame = wire::next_frame(*bytes);
    const auto tick = wire::decode<Tick>(frame.bytes);
    if (!tick) std::abort();
    core->on_tick(0, *tick, boot_ns());
}

namespace {

class Bench {
public:
    Bench(std::uint64_t seed, std::uint32_t requote_ticks, std::uint64_t warm_up)
        : rig_(market_maker(requote_ticks), venue_), feed_(seed, 10'000) {
        rig_.core().on_venue_up(0, kNoSession);
        rig_.take(0);
        rig_.core().housekeeping(boot_ns());
        settle();
        for (std::uint64_t i = 0; i < warm_up; ++i) round();
    }

    // One turn of the hot loop that finds the answers to the last orders and a tick.
    void round() noexcept {
        const auto bytes = feed_.frame(next_++);
        hot_turn(&rig_.core(), &venue_, &bytes);
        venue_.answer();
        rig_.drain();
    }
    void tick(Nanos due) noexcept {
        const wire::Frame frame = wire::next_frame(feed_.frame(next_++));
        const auto tick = wire::decode<Tick>(frame.bytes);
        if (!tick) std::abort();
        rig_.core().on_tick(0, *tick, due);
    }
    void settle() noexcept {
        venue_.answer();
        venue_.deliver(rig_.core());
    }

    Distribution latency(std::uint64_t ticks, std::uint64_t rate) {
        Distribution samples(ticks);
        const Nanos interval = kSecond / static_cast<Nanos>(rate);
        const Nanos begin = boot_ns() + interval;
        for (std::uint64_t i = 0; i < ticks; ++i) {
            const Nanos due = begin + static_cast<Nanos>(i) * interval;
            while (boot_ns() < due) rig_.core().housekeeping(boot_ns());
            tick(due);
            if (venue_.has_orders()) samples.add(venue_.flushed() - due);
            settle();
            rig_.drain();
        }
        return samples;
    }
    // The same schedule with nothing to do: what this machine takes away from whoever runs on it. No engine can be below.
    static Distribution machine(std::uint64_t ticks, std::uint64_t rate) {
        Distribution samples(ticks);
        const Nanos interval = kSecond / static_cast<Nanos>(rate);
        const Nanos begin = boot_ns() + interval;
        for (std::uint64_t i = 0; i < ticks; ++i) {
            const Nanos due = begin + static_cast<Nanos>(i) * interval;
            Nanos now = boot_ns();
            while (now < due) now = boot_ns();
            samples.add(now - due);
        }
        return samples;
    }
    double ticks_per_s(std::uint64_t ticks) noexcept {
        const Nanos begin = boot_ns();
        for (std::uint64_t i = 0; i < ticks; ++i) round();
        return static_cast<double>(ticks) * 1e9 / static_cast<double>(boot_ns() - begin);
    }
    [[nodiscard]] std::uint64_t orders() noexcept { return rig_.core().view(0).orders[static_cast<std::size_t>(OrderStatus::sent)]; }

private:
    ScriptedVenue venue_;
    EngineRig rig_;
    Feed feed_;
    std::size_t next_ = 0;
};

int run(const Options& options) {
    pin(static_cast<int>(options.number("cpu")));
    const std::string& mode = options.text("mode");
    const std::uint64_t ticks = options.number("ticks");
    const auto requote = static_cast<std::uint32_t>(options.number("requote"));
    const auto bench = std::make_unique<Bench>(options.number("seed"), requote, options.number("warm_up"));
    const std::uint64_t before = bench->orders();
    nlohmann::json out;
    if (mode == "latency") {
        out["tick_to_order_ns"] = bench->latency(ticks, options.number("rate")).json();
        out["machine_ns"] = bench->machine(ticks, options.number("rate")).json();
    } else if (mode == "throughput") {
        out["ticks_per_s"] = bench->ticks_per_s(ticks);
    } else if (mode == "counts") {
        start_counting();
        for (std::uint64_t i = 0; i < ticks; ++i) bench->round();
        const Counted counted = stop_counting();
        // The counter must be seen to count.
        start_counting();
        const auto probe = std::make_unique<std::vector<int>>(100);
        pthread_mutex_t mutex = PTHREAD_MUTEX_INITIALIZER;
        pthread_mutex_lock(&mutex);
        pthread_mutex_unlock(&mutex);
        const Counted control = stop_counting();
        if (control.allocations < 1 || control.locks != 1) throw std::runtime_error("the counters do not count");
        out = {{"allocations", counted.allocations}, {"locks", counted.locks}};
    } else if (mode == "instructions") {
        for (std::uint64_t i = 0; i < ticks; ++i) bench->round();
    } else {
        throw std::runtime_error("--mode: expected latency, throughput, counts or instructions, found " + mode);
    }
    out["ticks"] = ticks;
    out["orders"] = bench->orders() - before;
    if (bench->orders() == before && mode != "instructions") throw std::runtime_error("no order was sent");
    std::printf("%s\n", out.dump().c_str());
    return 0;
}

}  // namespace
}  // namespace hft::bench

int main(int argc, char** argv) {
    const hft::bench::Options options(argc, argv,
                                      {{"mode", "latency"},
                                       {"ticks", "200000"},
                                       {"warm_up", "20000"},
                                       {"rate", "200000"},
                                       {"requote", "10"},
                                       {"seed", "42"},
                                       {"cpu", "1"}});
    try {
        return hft::bench::run(options);
    } catch (const std::exception& error) {
        std::fprintf(stderr, "ERROR: %s\n", error.what());
        return 1;
    }
}
