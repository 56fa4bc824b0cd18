// SPDX-License-Identifier: GPL-3.0-or-later
#include "io/venue_history.hpp"

#include <unistd.h>

#include <algorithm>
#include <nlohmann/json.hpp>

#include "io/venue_record.hpp"

namespace hft {

namespace {

constexpr std::uint64_t kBlock = 256 * 1024;
// Time and event, with room to spare.
constexpr std::uint64_t kHead = 64;

}  // namespace

std::optional<std::uint64_t> last_state_before(int file, std::uint64_t end, std::string* line) {
    std::string block;
    for (std::uint64_t high = end; high > 0;) {
        const std::uint64_t low = high > kBlock ? high - kBlock : 0;
        // A head that begins in this block may end in the one behind; a line begins after the newline before it.
        const std::uint64_t from = low > 0 ? low - 1 : 0;
        block.resize(static_cast<std::size_t>(std::min(end, high + kHead) - from));
        const ssize_t n = ::pread(file, block.data(), block.size(), static_cast<off_t>(from));
        if (n != static_cast<ssize_t>(block.size())) return std::nullopt;
        const std::string_view text(block);
        for (std::size_t at = static_cast<std::size_t>(high - from); at > 0;) {
            const std::size_t newline = text.rfind('\n', at - 1);
            const bool none = newline == std::string_view::npos;
            if (none && from != 0) break;
            const std::size_t begin = none ? 0 : newline + 1;
            at = none ? 0 : newline;
            const auto head = venue_record::head_of(text.substr(begin, kHead));
            if (!head || !venue_record::is_state(head->event)) continue;
            // The last one may have been cut off by a crash.
            LineReader lines(file, from + begin);
            std::string_view whole;
            if (!lines.next(whole) || lines.offset() > end || !nlohmann::json::accept(whole)) continue;
            if (line != nullptr) line->assign(whole);
            return from + begin;
        }
        high = low;
    }
    return std::nullopt;
}

VenueHistory::VenueHistory(int file, std::uint64_t size, const HistoryRequest& request) : request_(request), lines_(file, 0) {
    std::string state;
    for (std::uint64_t back = 0; back < size; back = back == 0 ? kBlock : 2 * back) {
        const auto at = last_state_before(file, size - back, &state);
        if (!at) break;
        if (!venue_record::before(state, request_)) continue;
        lines_.seek(*at);
        complete_ = true;
        return;
    }
    // The step may have gone past the first record of all.
    std::string_view first;
    if (lines_.next(first)) {
        const auto head = venue_record::head_of(first);
        complete_ = head && venue_record::is_state(head->event) && venue_record::before(first, request_);
    }
    lines_.seek(0);
}

bool VenueHistory::tell(std::size_t budget, VenueOutput& output) {
    const std::uint64_t limit = lines_.offset() + budget;
    std::string_view line;
    while (lines_.offset() < limit) {
        if (!lines_.next(line)) return true;
        if (venue_record::tell(line, request_, output)) ++told_;
    }
    return false;
}

}  // namespace hft
