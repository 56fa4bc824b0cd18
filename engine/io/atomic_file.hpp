// SPDX-License-Identifier: GPL-3.0-or-later
#pragma once

#include <string>

namespace hft {

// Writes the whole file or nothing: a new file, flushed, then renamed over the old one, its directory flushed too.
// Empty, or what failed.
[[nodiscard]] std::string write_file_atomically(const std::string& path, const std::string& content);
[[nodiscard]] std::string remove_file(const std::string& path);

}  // namespace hft
