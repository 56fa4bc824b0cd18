// SPDX-License-Identifier: GPL-3.0-or-later
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "core/market_feed.hpp"
#include "io/fd.hpp"
#include "io/line_reader.hpp"

namespace hft {

struct ReplaySetup {
    std::string file;
    double speed = 1;  // times the recorded pace; 0: as fast as it goes
    bool loop = false;
};

// Recorded quotes, in a file of any size: a first line `ns,symbol,bid,ask,bid_qty,ask_qty`, then one quote a line, in order of
// time. Prices and quantities are decimal numbers of at most six places.
class ReplayFeed final : public MarketFeed {
public:
    ReplayFeed(ReplaySetup setup, std::vector<std::string> symbols, std::uint64_t tick_base);

    // Reads the whole file once: a market that stops in the middle of the day is worse than one that starts later. Empty, or
    // the first fault, with file and line.
    [[nodiscard]] std::string open(Nanos now);

    [[nodiscard]] Nanos due() const noexcept override { return due_; }
    [[nodiscard]] std::optional<MarketStep> take(Nanos now, Nanos wall) override;
    [[nodiscard]] std::string error() const override { return error_; }

private:
    struct Quote {
        Nanos at = 0;
        std::size_t symbol = 0;
        Price bid = 0;
        Price ask = 0;
        Quantity bid_quantity = 0;
        Quantity ask_quantity = 0;
    };
    // What is wrong with the line; empty when it is read.
    [[nodiscard]] std::string parse(std::string_view line, Quote& quote) const;
    [[nodiscard]] bool read(Quote& quote);
    void begin(Nanos now);

    ReplaySetup setup_;
    std::vector<std::string> symbols_;
    std::vector<std::uint64_t> numbers_;
    Fd file_;
    LineReader lines_{-1, 0};
    std::uint64_t line_ = 0;
    std::string error_;
    Quote next_;
    Nanos previous_ = 0;  // recorded time of the last quote read
    Nanos recorded_start_ = 0;
    Nanos started_ = 0;
    Nanos due_ = kNever;
};

// A decimal number in millionths; nothing when it is none, has more than six places or is out of range.
[[nodiscard]] std::optional<std::int64_t> parse_scaled(std::string_view text);

}  // namespace hft
