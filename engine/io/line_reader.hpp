// SPDX-License-Identifier: GPL-3.0-or-later
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>

namespace hft {

// Whole lines of a file from some place on, through a buffer of fixed size. A last line without its end is not whole, and is
// there once somebody has written the rest.
class LineReader {
public:
    LineReader(int file, std::uint64_t offset) : file_(file), offset_(offset) {}

    // False: no whole line more for now. The line is good until the next call.
    [[nodiscard]] bool next(std::string_view& line);
    // Of the first byte that was not handed out.
    [[nodiscard]] std::uint64_t offset() const noexcept { return offset_; }
    void seek(std::uint64_t offset) noexcept {
        offset_ = offset;
        begin_ = end_ = 0;
    }

private:
    static constexpr std::size_t kChunk = 256 * 1024;

    int file_;
    std::uint64_t offset_;
    std::string buffer_;
    std::size_t begin_ = 0;
    std::size_t end_ = 0;
};

}  // namespace hft
