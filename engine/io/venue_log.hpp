// SPDX-License-Identifier: GPL-3.0-or-later
#pragma once

#include <string>
#include <string_view>

#include "core/venue_core.hpp"
#include "io/fd.hpp"

namespace hft {

// The venue's append-only log: JSON lines, prices and quantities in millionths, times in nanoseconds. Lines are gathered and
// written before any answer leaves.
class VenueLog {
public:
    explicit VenueLog(std::string path) : path_(std::move(path)) {}

    // Empty, or what failed. Never truncates; a half line at the end is closed first.
    [[nodiscard]] std::string open();
    // Feeds what the file holds to the core, in order. Empty, or the first line that is not understood.
    [[nodiscard]] std::string replay(VenueCore& core) const;
    void append(std::string_view line) {
        pending_ += line;
        pending_ += '\n';
    }
    // False: the log cannot be written, and nothing may be answered.
    [[nodiscard]] bool flush();

private:
    std::string path_;
    Fd file_;
    std::string pending_;
};

}  // namespace hft
