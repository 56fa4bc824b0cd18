// SPDX-License-Identifier: GPL-3.0-or-later
// The latency of a tick begins when it reaches the host, not when the hot loop finds the time to read it.
#include "io/arrival.hpp"

#include <gtest/gtest.h>

#include <array>
#include <chrono>
#include <thread>

#include "io/tcp.hpp"

namespace hft {
namespace {

constexpr auto kStall = std::chrono::milliseconds(60);
constexpr Nanos kAtLeast = 50 * kMillisecond;

struct Pair {
    Pair() {
        const TcpResult listener = tcp_listen("127.0.0.1", 0);
        TcpResult client = tcp_connect("127.0.0.1", tcp_port(listener.fd.get()), kSecond, kSecond);
        Arrivals::ask(client.fd.get());
        engine = std::move(client.fd);
        venue = tcp_accept(listener.fd.get()).fd;
    }
    void send() const { EXPECT_EQ(::send(venue.get(), "tick", 4, 0), 4); }
    ssize_t read() { return arrivals.read(engine.get(), bytes.data(), bytes.size()); }

    Fd engine;
    Fd venue;
    Arrivals arrivals;
    std::array<std::byte, 64> bytes{};
};

TEST(Arrival, WhatWaitedInTheBufferCounts) {
    Pair p;
    // The kernel begins to stamp a moment after the first socket asks for it.
    std::this_thread::sleep_for(kStall);
    EXPECT_LT(p.read(), 0);
    p.send();
    std::this_thread::sleep_for(kStall);
    ASSERT_EQ(p.read(), 4);
    EXPECT_GE(boot_ns() - p.arrivals.of(1000, 1000), kAtLeast);
}

TEST(Arrival, AnEarlierTickOfOneReadCameEarlier) {
    Pair p;
    std::this_thread::sleep_for(kStall);
    EXPECT_LT(p.read(), 0);
    p.send();
    std::this_thread::sleep_for(kStall);
    p.send();
    ASSERT_EQ(p.read(), 8);
    const Nanos last = p.arrivals.of(kSecond, kSecond);
    EXPECT_EQ(last - p.arrivals.of(kSecond - 20 * kMillisecond, kSecond), 20 * kMillisecond);
    // No earlier than the look that found nothing, whatever the venue's clock says.
    EXPECT_LE(last - p.arrivals.of(0, kSecond), boot_ns());
    EXPECT_EQ(p.arrivals.of(0, kSecond), p.arrivals.of(-kSecond, kSecond));
    EXPECT_EQ(p.arrivals.of(2 * kSecond, kSecond), last);
}

}  // namespace
}  // namespace hft
