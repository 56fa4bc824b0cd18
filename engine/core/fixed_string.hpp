// SPDX-License-Identifier: GPL-3.0-or-later
#pragma once

#include <array>
#include <cstddef>
#include <cstring>
#include <string>
#include <string_view>

namespace hft {

// Text of at most N-1 characters in place: names travel through rings, files and frames without allocation.
template <std::size_t N>
class FixedString {
public:
    static constexpr std::size_t kCapacity = N - 1;

    FixedString() = default;
    explicit FixedString(std::string_view text) noexcept { assign(text); }

    void assign(std::string_view text) noexcept {
        bytes_.fill('\0');
        const std::size_t n = text.size() < kCapacity ? text.size() : kCapacity;
        std::memcpy(bytes_.data(), text.data(), n);
    }

    [[nodiscard]] std::string_view view() const noexcept { return {bytes_.data(), strnlen(bytes_.data(), kCapacity)}; }
    [[nodiscard]] std::string str() const { return std::string(view()); }
    [[nodiscard]] bool empty() const noexcept { return bytes_[0] == '\0'; }
    [[nodiscard]] const char* data() const noexcept { return bytes_.data(); }
    [[nodiscard]] char* data() noexcept { return bytes_.data(); }

    // Whole: behind the text stand zeros, always (assign() sees to it, and the wire decoder).
    friend bool operator==(const FixedString& a, const FixedString& b) noexcept { return std::memcmp(a.data(), b.data(), N) == 0; }
    friend bool operator!=(const FixedString& a, const FixedString& b) noexcept { return !(a == b); }

private:
    std::array<char, N> bytes_{};
};

}  // namespace hft
