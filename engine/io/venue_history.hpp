// SPDX-License-Identifier: GPL-3.0-or-later
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>

#include "core/venue_core.hpp"
#include "io/line_reader.hpp"

namespace hft {

// Where the last state record begins that is whole and ends before the given place; its line too, if wanted.
std::optional<std::uint64_t> last_state_before(int file, std::uint64_t end, std::string* line = nullptr);

// Tells a session what the log holds, piece by piece: the log may be larger than memory and the session slow. The state
// records in the log are its index: looking back in steps that double, reading begins at most twice as far back as needed.
class VenueHistory {
public:
    VenueHistory(int file, std::uint64_t size, const HistoryRequest& request);

    // Reads lines for as long as a budget of bytes lasts. True when it has come to the end of the log.
    [[nodiscard]] bool tell(std::size_t budget, VenueOutput& output);

    [[nodiscard]] const HistoryRequest& request() const noexcept { return request_; }
    [[nodiscard]] std::uint64_t told() const noexcept { return told_; }
    // False: what was asked for begins before the log does.
    [[nodiscard]] bool complete() const noexcept { return complete_; }

private:
    HistoryRequest request_;
    LineReader lines_;
    bool complete_ = false;
    std::uint64_t told_ = 0;
};

}  // namespace hft
