// SPDX-License-Identifier: GPL-3.0-or-later
// Any bytes from a socket: to the engine's trading core as a venue's answers and ticks, and to a venue's core as an engine's orders.
// What decodes must encode to the same bytes.
#include <algorithm>
#include <array>
#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <memory>
#include <span>

#include "bench/engine_rig.hpp"
#include "bench/silent_output.hpp"
#include "io/venue_transport.hpp"
#include "io/wire.hpp"

namespace {

using namespace hft;

class NoGateway final : public OrderGateway {
public:
    void open(std::size_t, Session) noexcept override {}
    void close(std::size_t) noexcept override {}
    void send(std::size_t, const NewOrder&) noexcept override {}
    void send(std::size_t, const CancelOrder&) noexcept override {}
    void send(std::size_t, const Fence&) noexcept override {}
    void send(std::size_t, const Heartbeat&) noexcept override {}
    bool flush(std::size_t) noexcept override { return true; }
    void flush_pending() noexcept override {}
};

template <typename M>
std::optional<M> same_again(std::span<const std::byte> frame) {
    const std::optional<M> message = wire::decode<M>(frame);
    if (!message) return message;
    std::array<std::byte, wire::kMaxFrame> again{};
    const std::size_t size = wire::encode(*message, again.data());
    if (size != frame.size() || !std::equal(frame.begin() + wire::kHeader, frame.end(), again.begin() + wire::kHeader)) std::abort();
    return message;
}

void to_engine(TradingCore& core, const wire::Frame& frame) {
    if (frame.type == wire::Type::tick) {
        if (const auto tick = same_again<Tick>(frame.bytes)) core.on_tick(0, *tick, boot_ns());
    } else {
        (void)VenueTransport::dispatch_order(frame.bytes, core, boot_ns());
    }
    (void)same_again<Fill>(frame.bytes);
    (void)same_again<FenceAck>(frame.bytes);
    (void)same_again<Rejected>(frame.bytes);
}

void to_venue(VenueCore& core, const wire::Frame& frame) {
    if (frame.type == wire::Type::login) {
        if (const auto m = same_again<Login>(frame.bytes)) core.on_login(1, *m, 1);
    } else if (frame.type == wire::Type::new_order) {
        if (const auto m = same_again<NewOrder>(frame.bytes)) core.on_order(1, *m, 1);
    } else if (frame.type == wire::Type::cancel_order) {
        if (const auto m = same_again<CancelOrder>(frame.bytes)) core.on_cancel(1, *m, 1);
    } else if (frame.type == wire::Type::fence) {
        if (const auto m = same_again<Fence>(frame.bytes)) core.on_fence(1, *m, 1);
    }
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    static NoGateway gateway;
    static bench::SilentOutput output;
    bench::EngineRig rig(bench::market_maker(1), gateway);
    rig.core().on_venue_up(0, kNoSession);
    rig.take(0, false);
    rig.core().housekeeping(boot_ns());
    const SymbolSetup market{bench::kSymbol, 50'000, 0.01, 10, 0.2};
    VenueCore venue(VenueName("paper"), FenceMode::enforce, {market}, output);
    TickGenerator generator(GeneratorSetup{}, {market}, 0);
    std::span<const std::byte> left(reinterpret_cast<const std::byte*>(data), size);
    for (;;) {
        const wire::Frame frame = wire::next_frame(left);
        if (frame.state != wire::FrameState::whole) break;
        to_engine(rig.core(), frame);
        to_venue(venue, frame);
        venue.on_step(generator.next(0, 1));
        left = left.subspan(frame.bytes.size());
    }
    rig.core().housekeeping(boot_ns());
    venue.on_disconnect(1, 1);
    return 0;
}
