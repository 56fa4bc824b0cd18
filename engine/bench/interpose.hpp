// SPDX-License-Identifier: GPL-3.0-or-later
#pragma once

#include <cstdint>

namespace hft::bench {

// Linked with interpose.cpp, a program counts what its hot thread asks of malloc and of the locks of libpthread, whoever asks.
struct Counted {
    std::uint64_t allocations = 0;
    std::uint64_t locks = 0;
};

// For the calling thread; nothing is counted before.
void start_counting() noexcept;
Counted stop_counting() noexcept;

}  // namespace hft::bench
