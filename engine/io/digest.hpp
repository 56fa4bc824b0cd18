// SPDX-License-Identifier: GPL-3.0-or-later
#pragma once

#include <array>
#include <string>
#include <string_view>

namespace hft {

using Digest = std::array<unsigned char, 32>;

// SHA-256.
Digest digest(std::string_view text);
std::string hex(const Digest& digest);
// Takes as long whatever differs.
bool same(const Digest& a, const Digest& b) noexcept;

}  // namespace hft
