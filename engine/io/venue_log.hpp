// SPDX-License-Identifier: GPL-3.0-or-later
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <string_view>

#include "core/venue_core.hpp"
#include "io/fd.hpp"
#include "io/group_sync.hpp"

namespace hft {

// The venue's append-only log: JSON lines, prices and quantities in millionths, times in nanoseconds. Lines are gathered and
// written before any answer leaves.
class VenueLog {
public:
    // sync: how often the disk is waited for; 0: the kernel's own time.
    explicit VenueLog(std::string path, Nanos sync = 0, GroupSync::Failed failed = {});

    // Empty, or what failed. Never truncates; a half line at the end is closed first.
    [[nodiscard]] std::string open();
    // Feeds the core what the file holds from its last state record on, in order: a log of any size starts as fast. Empty, or
    // the first line that is not understood.
    [[nodiscard]] std::string replay(VenueCore& core) const;
    void append(std::string_view line) {
        pending_ += line;
        pending_ += '\n';
    }
    // False: the log cannot be written, and nothing may be answered.
    [[nodiscard]] bool flush();
    // Of the file, with what is still to be written.
    [[nodiscard]] std::uint64_t size() const noexcept { return written_ + pending_.size(); }
    [[nodiscard]] int file() const noexcept { return file_.get(); }

private:
    std::string path_;
    Fd file_;
    std::uint64_t written_ = 0;
    std::string pending_;
    std::unique_ptr<GroupSync> sync_;
};

}  // namespace hft
