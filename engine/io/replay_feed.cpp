// SPDX-License-Identifier: GPL-3.0-or-later
#include "io/replay_feed.hpp"

#include <fcntl.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <charconv>
#include <cstring>
#include <utility>

namespace hft {

namespace {

constexpr std::string_view kHeader = "ns,symbol,bid,ask,bid_qty,ask_qty";

std::string_view without_return(std::string_view line) {
    if (!line.empty() && line.back() == '\r') line.remove_suffix(1);
    return line;
}

std::string found(std::string_view text) { return "found \"" + std::string(text.substr(0, 60)) + "\""; }

}  // namespace

std::optional<std::int64_t> parse_scaled(std::string_view text) {
    constexpr std::int64_t kLargest = 1'000'000'000;  // whole units: a product of two still fits
    std::int64_t whole = 0;
    const char* const end = text.data() + text.size();
    const auto [rest, error] = std::from_chars(text.data(), end, whole);
    if (error != std::errc{} || whole < 0 || whole > kLargest || text.front() == '-') return std::nullopt;
    std::int64_t value = whole * kScale;
    if (rest == end) return value;
    if (*rest != '.' || end - rest < 2 || end - rest > 7) return std::nullopt;
    std::int64_t unit = kScale;
    for (const char* digit = rest + 1; digit != end; ++digit) {
        if (*digit < '0' || *digit > '9') return std::nullopt;
        unit /= 10;
        value += unit * (*digit - '0');
    }
    return value;
}

ReplayFeed::ReplayFeed(ReplaySetup setup, std::vector<std::string> symbols, std::uint64_t tick_base)
    : setup_(std::move(setup)), symbols_(std::move(symbols)), numbers_(symbols_.size(), tick_base) {}

std::string ReplayFeed::open(Nanos now) {
    file_ = Fd(::open(setup_.file.c_str(), O_RDONLY | O_CLOEXEC));
    if (!file_) return setup_.file + ": " + std::strerror(errno);
    lines_ = LineReader(file_.get(), 0);
    begin(now);
    if (error_.empty() && due_ == kNever) error_ = setup_.file + ": holds no quote";
    Quote quote;
    while (error_.empty() && read(quote)) {
    }
    if (error_.empty()) begin(now);
    return error_;
}

// From the first line on.
void ReplayFeed::begin(Nanos now) {
    lines_.seek(0);
    line_ = 1;
    previous_ = 0;
    due_ = kNever;
    std::string_view header;
    if (!lines_.next(header) || without_return(header) != kHeader) {
        error_ = setup_.file + ":1: expected the header " + std::string(kHeader) + ", " + found(header);
        return;
    }
    if (!read(next_)) return;
    recorded_start_ = next_.at;
    started_ = now;
    due_ = now;
}

bool ReplayFeed::read(Quote& quote) {
    std::string_view line;
    do {
        if (!lines_.next(line)) return false;
        ++line_;
        line = without_return(line);
    } while (line.empty());
    if (const std::string fault = parse(line, quote); !fault.empty()) {
        error_ = setup_.file + ":" + std::to_string(line_) + ": " + fault;
        return false;
    }
    previous_ = quote.at;
    return true;
}

std::string ReplayFeed::parse(std::string_view line, Quote& quote) const {
    std::array<std::string_view, 6> field;
    std::size_t fields = 0;
    for (std::string_view rest = line;;) {
        const auto comma = rest.find(',');
        if (fields == field.size()) return "expected 6 fields (" + std::string(kHeader) + "), " + found(line);
        field[fields++] = rest.substr(0, comma);
        if (comma == std::string_view::npos) break;
        rest.remove_prefix(comma + 1);
    }
    if (fields != field.size()) return "expected 6 fields (" + std::string(kHeader) + "), " + found(line);
    const auto [end, error] = std::from_chars(field[0].data(), field[0].data() + field[0].size(), quote.at);
    if (error != std::errc{} || end != field[0].data() + field[0].size() || quote.at < 0) {
        return "ns: expected whole nanoseconds, " + found(field[0]);
    }
    if (quote.at < previous_) return "ns: expected at least " + std::to_string(previous_) + " of the line before, " + found(field[0]);
    const auto symbol = std::find(symbols_.begin(), symbols_.end(), field[1]);
    if (symbol == symbols_.end()) return "symbol: expected one of /symbols of the configuration, " + found(field[1]);
    quote.symbol = static_cast<std::size_t>(symbol - symbols_.begin());
    static constexpr std::array<const char*, 4> kNames = {"bid", "ask", "bid_qty", "ask_qty"};
    const std::array<std::int64_t*, 4> targets = {&quote.bid, &quote.ask, &quote.bid_quantity, &quote.ask_quantity};
    for (std::size_t i = 0; i < targets.size(); ++i) {
        const auto value = parse_scaled(field[i + 2]);
        if (!value) return std::string(kNames[i]) + ": expected a number from 0 to 1e9 of at most six places, " + found(field[i + 2]);
        *targets[i] = *value;
    }
    if (quote.bid <= 0 || quote.ask <= quote.bid) return "expected 0 < bid < ask, " + found(line);
    return {};
}

std::optional<MarketStep> ReplayFeed::take(Nanos now, Nanos wall) {
    if (now < due_) return std::nullopt;
    MarketStep step;
    step.tick.symbol = SymbolName(symbols_[next_.symbol]);
    step.tick.number = ++numbers_[next_.symbol];
    step.tick.bid = next_.bid;
    step.tick.ask = next_.ask;
    step.tick.bid_quantity = next_.bid_quantity;
    step.tick.ask_quantity = next_.ask_quantity;
    step.tick.venue_ns = wall;
    if (read(next_)) {
        const auto passed = static_cast<double>(next_.at - recorded_start_);
        due_ = setup_.speed > 0 ? started_ + static_cast<Nanos>(passed / setup_.speed) : now;
    } else if (error_.empty() && setup_.loop) {
        begin(now);
    } else {
        due_ = kNever;
    }
    return step;
}

}  // namespace hft
