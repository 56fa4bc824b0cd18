// SPDX-License-Identifier: GPL-3.0-or-later
// A message there and back between two threads on two CPUs: our ring, Boost's and moodycamel's. The repetitions of the three
// are interleaved, so what the machine does meanwhile hits all alike.
#include <readerwriterqueue/readerwriterqueue.h>

#include <atomic>
#include <boost/lockfree/spsc_queue.hpp>
#include <cstdio>
#include <memory>
#include <nlohmann/json.hpp>
#include <thread>

#include "bench/distribution.hpp"
#include "bench/options.hpp"
#include "core/spsc_ring.hpp"

namespace hft::bench {
namespace {

constexpr std::size_t kCapacity = 1024;

struct Ours {
    std::vector<std::uint64_t> slots = std::vector<std::uint64_t>(kCapacity);
    RingCounters counters;
    SpscRing<std::uint64_t> ring{counters, slots.data(), slots.size()};
    bool push(std::uint64_t value) noexcept { return ring.push(value); }
    bool pop(std::uint64_t& value) noexcept {
        if (ring.readable() == 0) return false;
        value = ring.peek(0);
        ring.release(1);
        return true;
    }
};
struct Boost {
    boost::lockfree::spsc_queue<std::uint64_t, boost::lockfree::capacity<kCapacity>> queue;
    bool push(std::uint64_t value) noexcept { return queue.push(value); }
    bool pop(std::uint64_t& value) noexcept { return queue.pop(value); }
};
struct ReaderWriter {
    moodycamel::ReaderWriterQueue<std::uint64_t> queue{kCapacity};
    bool push(std::uint64_t value) noexcept { return queue.try_enqueue(value); }
    bool pop(std::uint64_t& value) noexcept { return queue.try_dequeue(value); }
};

// One sample is the mean of a batch: the clock itself costs as much as a round trip.
constexpr std::uint64_t kBatch = 64;

template <typename Queue>
void round_trips(Distribution& samples, std::uint64_t batches) {
    const auto there = std::make_unique<Queue>();
    const auto back = std::make_unique<Queue>();
    const std::uint64_t total = batches * kBatch;
    std::thread echo([&] {
        pin(0);
        std::uint64_t value = 0;
        for (std::uint64_t i = 0; i < total; ++i) {
            while (!there->pop(value)) continue;
            while (!back->push(value)) continue;
        }
    });
    std::uint64_t value = 0;
    for (std::uint64_t b = 0; b < batches; ++b) {
        const Nanos begin = boot_ns();
        for (std::uint64_t i = 0; i < kBatch; ++i) {
            while (!there->push(i)) continue;
            while (!back->pop(value)) continue;
        }
        samples.add((boot_ns() - begin) / static_cast<Nanos>(kBatch));
    }
    echo.join();
}

}  // namespace
}  // namespace hft::bench

int main(int argc, char** argv) {
    using namespace hft::bench;
    const Options options(argc, argv, {{"repetitions", "20"}, {"batches", "500"}});
    pin(1);
    const std::uint64_t repetitions = options.number("repetitions");
    const std::uint64_t batches = options.number("batches");
    Distribution ours(repetitions * batches);
    Distribution boost_spsc(repetitions * batches);
    Distribution reader_writer(repetitions * batches);
    for (std::uint64_t i = 0; i < repetitions; ++i) {
        round_trips<Ours>(ours, batches);
        round_trips<Boost>(boost_spsc, batches);
        round_trips<ReaderWriter>(reader_writer, batches);
    }
    const nlohmann::json out = {{"ours", ours.json()}, {"boost_spsc", boost_spsc.json()}, {"readerwriterqueue", reader_writer.json()}};
    std::printf("%s\n", out.dump().c_str());
    return 0;
}
