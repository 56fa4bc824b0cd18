// SPDX-License-Identifier: GPL-3.0-or-later
// Any bytes as the log a venue starts from: it rebuilds or names the line; never a crash. A core that was rebuilt must trade.
#include <sys/mman.h>
#include <unistd.h>

#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <string>

#include "bench/silent_output.hpp"
#include "io/fd.hpp"
#include "io/venue_log.hpp"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    const hft::Fd file(::memfd_create("venue.jsonl", MFD_CLOEXEC));
    if (!file || ::write(file.get(), data, size) != static_cast<ssize_t>(size)) std::abort();
    hft::bench::SilentOutput output;
    hft::VenueCore core(hft::VenueName("paper"), hft::FenceMode::enforce, {{"BTC-USD", 100, 0.01, 20, 0.2}}, output);
    const hft::VenueLog log("/proc/self/fd/" + std::to_string(file.get()));
    if (!log.replay(core).empty()) return 0;
    core.restored(1, "fuzz");
    core.on_login(1, hft::Login{hft::EngineName("blue"), hft::Incarnation("1")}, 1);
    hft::NewOrder order;
    order.strategy = hft::StrategyName("mm");
    order.symbol = hft::SymbolName("BTC-USD");
    order.epoch = ~0ULL;
    order.seq = 1;
    order.price = hft::from_double(100);
    order.quantity = hft::kScale;
    core.on_order(1, order, 1);
    core.on_fence(1, hft::Fence{order.strategy, ~0ULL, 0}, 1);
    core.on_disconnect(1, 1);
    return 0;
}
