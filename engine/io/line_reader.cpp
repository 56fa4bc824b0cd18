// SPDX-License-Identifier: GPL-3.0-or-later
#include "io/line_reader.hpp"

#include <unistd.h>

#include <cerrno>
#include <cstring>

namespace hft {

bool LineReader::next(std::string_view& line) {
    std::size_t searched = begin_;
    for (;;) {
        if (const void* end = std::memchr(buffer_.data() + searched, '\n', end_ - searched); end != nullptr) {
            const auto length = static_cast<std::size_t>(static_cast<const char*>(end) - buffer_.data()) - begin_;
            line = std::string_view(buffer_).substr(begin_, length);
            begin_ += length + 1;
            offset_ += length + 1;
            return true;
        }
        const std::size_t held = end_ - begin_;
        if (begin_ != 0) std::memmove(buffer_.data(), buffer_.data() + begin_, held);
        begin_ = 0;
        end_ = held;
        searched = held;
        if (buffer_.size() - end_ < kChunk) buffer_.resize(end_ + kChunk);
        ssize_t n = 0;
        do {
            n = ::pread(file_, buffer_.data() + end_, kChunk, static_cast<off_t>(offset_ + held));
        } while (n < 0 && errno == EINTR);
        if (n <= 0) return false;
        end_ += static_cast<std::size_t>(n);
    }
}

}  // namespace hft
