// SPDX-License-Identifier: GPL-3.0-or-later
// Ticks by the million through strategy, risk, gateway, wire codec and the venue's core, in one process: orders, partial and whole
// fills, cancels. It fails unless memory stays flat, nothing is refused, and every position is the one that the venue's log says.
#include <unistd.h>

#include <cstdio>
#include <fstream>
#include <map>
#include <nlohmann/json.hpp>
#include <stdexcept>
#include <string>

#include "bench/engine_rig.hpp"
#include "bench/options.hpp"
#include "bench/scripted_venue.hpp"
#include "bench/silent_output.hpp"

namespace hft::bench {
namespace {

using Json = nlohmann::json;

constexpr Nanos kTickInterval = kMillisecond;  // of the replayed market
constexpr std::int64_t kFlatKib = 4096;        // above the ring of fills the venue keeps for each strategy

struct Tally {
    std::map<std::string, Quantity> positions;
    std::uint64_t accepted = 0;
    std::uint64_t rejected = 0;
    std::uint64_t partial = 0;
    std::uint64_t whole = 0;
    std::uint64_t cancelled = 0;
};

// The venue with buffers for sockets. Its log is read as it is written, line by line, and kept nowhere.
class ReplayVenue final : public OrderGateway, private SilentOutput {
public:
    explicit ReplayVenue(const std::vector<SymbolSetup>& symbols) : core_(VenueName("paper"), FenceMode::enforce, symbols, *this) {
        core_.on_login(1, Login{EngineName("bench"), Incarnation("1"), AccountName("main"), SessionKind::order_entry}, 1);
    }

    void step(const TickGenerator::Step& step) {
        now_ = step.tick.venue_ns;
        core_.on_step(step);
    }
    void read_orders() {
        to_venue_.take_all([this](const wire::Frame& frame) {
            if (frame.type == wire::Type::new_order) {
                core_.on_order(1, wire::decode<NewOrder>(frame.bytes).value(), now_);
            } else if (frame.type == wire::Type::cancel_order) {
                core_.on_cancel(1, wire::decode<CancelOrder>(frame.bytes).value(), now_);
            } else {
                core_.on_fence(1, wire::decode<Fence>(frame.bytes).value(), now_);
            }
        });
    }
    void deliver(VenueEvents& events) {
        to_engine_.take_all([&](const wire::Frame& frame) {
            if (!VenueTransport::dispatch_order(frame.bytes, events, boot_ns()))
                throw std::runtime_error("the engine does not understand the venue");
        });
    }
    [[nodiscard]] const Tally& tally() const noexcept { return tally_; }

    void open(std::size_t, Session) noexcept override {}
    void close(std::size_t) noexcept override {}
    void send(std::size_t, const NewOrder& order) noexcept override { to_venue_.put(order); }
    void send(std::size_t, const CancelOrder& cancel) noexcept override { to_venue_.put(cancel); }
    void send(std::size_t, const Fence& fence) noexcept override { to_venue_.put(fence); }
    void send(std::size_t, const Heartbeat&) noexcept override {}
    bool flush(std::size_t) noexcept override { return true; }
    void flush_pending() noexcept override {}

private:
    void log(std::string_view line) override {
        const auto is = [&](std::string_view event) {
            return line.find("\"ev\":\"" + std::string(event) + "\"") != std::string_view::npos;
        };
        if (is("accepted")) {
            ++tally_.accepted;
        } else if (is("cancelled")) {
            ++tally_.cancelled;
        } else if (is("rejected")) {
            ++tally_.rejected;
        } else if (is("fill")) {
            const Json fill = Json::parse(line);
            const Side side = fill.at("side") == "buy" ? Side::buy : Side::sell;
            tally_.positions[fill.at("strategy")] += signed_quantity(side, fill.at("fill_qty").get<Quantity>());
            ++(fill.at("cumulative") == fill.at("qty") ? tally_.whole : tally_.partial);
        }
    }
    using SilentOutput::send;
    void send(SessionId, const Accepted& m) override { to_engine_.put(m); }
    void send(SessionId, const Rejected& m) override { to_engine_.put(m); }
    void send(SessionId, const Fill& m) override { to_engine_.put(m); }
    void send(SessionId, const Cancelled& m) override { to_engine_.put(m); }
    void send(SessionId, const CancelRejected& m) override { to_engine_.put(m); }
    void send(SessionId, const FenceCancelled& m) override { to_engine_.put(m); }
    void send(SessionId, const FenceAck& m) override { to_engine_.put(m); }

    VenueCore core_;
    FrameBuffer to_venue_;
    FrameBuffer to_engine_;
    Nanos now_ = 1;
    Tally tally_;
};

std::int64_t resident_kib() {
    std::ifstream in("/proc/self/statm");
    std::int64_t size = 0;
    std::int64_t resident = 0;
    in >> size >> resident;
    return resident * ::sysconf(_SC_PAGESIZE) / 1024;
}

std::vector<StrategySetup> strategies() {
    std::vector<StrategySetup> setups;
    setups.push_back(wide_setup("mm", "BTC-USD", test::make_strategy("market_maker", {{"requote_ticks", 20}})));
    setups.push_back(wide_setup("momentum", "ETH-USD", test::make_strategy("momentum", Json::object())));
    for (StrategySetup& setup : setups) setup.limits.max_position = from_double(2);
    return setups;
}

void must(bool ok, const std::string& what) {
    if (!ok) throw std::runtime_error(what);
}

int replay(const Options& options) {
    const std::uint64_t ticks = options.number("ticks");
    const std::vector<SymbolSetup> symbols{{"BTC-USD", 50'000, 0.01, 10, 0.2}, {"ETH-USD", 2'500, 0.01, 10, 0.3}};
    ReplayVenue venue(symbols);
    EngineRig rig(strategies(), venue);
    TradingCore& core = rig.core();
    core.on_venue_up(0, kNoSession);
    for (std::size_t i = 0; i < 2; ++i) rig.take(i);
    core.housekeeping(boot_ns());
    venue.read_orders();
    venue.deliver(core);

    GeneratorSetup setup;
    setup.seed = options.number("seed");
    TickGenerator generator(setup, symbols, 0);
    std::int64_t early_kib = 0;
    std::array<std::byte, wire::kMaxFrame> frame{};
    const Nanos begin = boot_ns();
    for (std::uint64_t i = 0; i < ticks; ++i) {
        const TickGenerator::Step step = generator.next(i % generator.symbols(), kSecond + static_cast<Nanos>(i) * kTickInterval);
        venue.step(step);
        core.housekeeping(boot_ns());
        venue.deliver(core);
        const std::size_t size = wire::encode(step.tick, frame.data());
        core.on_tick(0, wire::decode<Tick>(std::span<const std::byte>(frame.data(), size)).value(), boot_ns());
        venue.read_orders();
        rig.drain();
        if (i == ticks / 10) early_kib = resident_kib();
    }
    venue.deliver(core);
    core.housekeeping(boot_ns());
    const double seconds = static_cast<double>(boot_ns() - begin) / 1e9;
    const std::int64_t late_kib = resident_kib();

    const Tally& tally = venue.tally();
    Json positions = Json::object();
    const std::vector<std::string> names{"mm", "momentum"};
    for (std::size_t i = 0; i < names.size(); ++i) {
        const Quantity ours = core.view(i).position;
        const auto logged = tally.positions.find(names[i]);
        positions[names[i]] = to_double(ours);
        must(logged != tally.positions.end() && logged->second == ours, names[i] + ": position differs from the venue's log");
    }
    const Json out = {{"ticks", ticks},
                      {"orders", tally.accepted},
                      {"rejected", tally.rejected},
                      {"fills_partial", tally.partial},
                      {"fills_whole", tally.whole},
                      {"cancelled", tally.cancelled},
                      {"positions", positions},
                      {"rss_kib_at_10_pct", early_kib},
                      {"rss_kib_at_end", late_kib},
                      {"seconds", seconds}};
    std::printf("%s\n", out.dump().c_str());
    must(tally.rejected == 0, "the venue refused orders");
    must(tally.accepted * 100 >= ticks, "fewer than one order per 100 ticks");
    must(tally.partial > 0 && tally.whole > 0, "no partial or no whole fills");
    must(!core.hot().killed, "the kill switch latched");
    must(late_kib - early_kib <= kFlatKib, "memory grew by " + std::to_string(late_kib - early_kib) + " KiB");
    return 0;
}

}  // namespace
}  // namespace hft::bench

int main(int argc, char** argv) {
    const hft::bench::Options options(argc, argv, {{"ticks", "1000000"}, {"seed", "42"}});
    try {
        return hft::bench::replay(options);
    } catch (const std::exception& error) {
        std::fprintf(stderr, "ERROR: %s\n", error.what());
        return 1;
    }
}
