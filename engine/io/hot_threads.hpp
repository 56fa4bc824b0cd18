// SPDX-License-Identifier: GPL-3.0-or-later
#pragma once

#include <atomic>
#include <optional>
#include <string>
#include <thread>
#include <vector>

#include "core/pipeline.hpp"
#include "io/engine_config.hpp"
#include "io/host_grants.hpp"
#include "io/venue_transport.hpp"
#include "io/venue_writer.hpp"

namespace hft {

// The threads between a tick and its order, in the layout of the configuration.
class HotThreads {
public:
    HotThreads(const HotPathConfig& config, std::size_t venues, HostGrants& grants);
    ~HotThreads() { stop(); }
    HotThreads(const HotThreads&) = delete;
    HotThreads& operator=(const HotThreads&) = delete;

    // Empty, or why this host cannot carry the layout. isolated: the kernel's list, as "2-3,7".
    [[nodiscard]] static std::string refusal(const HotPathConfig& config, const std::string& isolated);

    [[nodiscard]] VenueTransport& transport() noexcept { return transport_; }
    // What the trading core is built with.
    [[nodiscard]] OrderGateway& gateway() noexcept;
    void start(TradingCore& core);
    void stop();
    // Any thread. Something was asked for: a loop that is parked looks now, not at its next turn.
    void wake() noexcept;
    [[nodiscard]] bool running() const noexcept { return !threads_.empty(); }

private:
    HotPathConfig config_;
    HostGrants& grants_;
    VenueTransport transport_;
    VenueWriter writer_;
    std::optional<Pipeline> pipeline_;
    std::atomic<bool> stop_{false};
    std::vector<std::thread> threads_;  // in the order in which they are stopped
};

}  // namespace hft
