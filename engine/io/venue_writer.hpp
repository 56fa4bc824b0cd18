// SPDX-License-Identifier: GPL-3.0-or-later
#pragma once

#include <array>
#include <cstddef>
#include <memory>
#include <vector>

#include "core/gateway.hpp"
#include "io/fd.hpp"

namespace hft {

// What goes out on the engine's order sessions. Used by one thread alone.
class VenueWriter final : public OrderGateway {
public:
    explicit VenueWriter(std::size_t venues);

    void open(std::size_t venue, Session session) noexcept override;
    void close(std::size_t venue) noexcept override;
    void send(std::size_t venue, const NewOrder& order) noexcept override;
    void send(std::size_t venue, const CancelOrder& cancel) noexcept override;
    void send(std::size_t venue, const Fence& fence) noexcept override;
    void send(std::size_t venue, const Heartbeat& heartbeat) noexcept override;
    bool flush(std::size_t venue) noexcept override;
    void flush_pending() noexcept override;

private:
    static constexpr std::size_t kSend = 64 * 1024;

    struct Venue {
        Fd socket;
        bool broken = false;
        std::array<std::byte, kSend> out;
        std::size_t filled = 0;
    };

    template <typename M>
    void put(std::size_t venue, const M& message) noexcept;
    static void give_up(Venue& venue) noexcept;

    std::vector<std::unique_ptr<Venue>> venues_;
};

}  // namespace hft
