// SPDX-License-Identifier: GPL-3.0-or-later
#pragma once

#include <map>
#include <string>

namespace hft {

// NAME=value lines as systemd reads them (EnvironmentFile=): comments, and values in double or single quotes. A line that is
// none of these is passed over, as systemd does. Empty when the file cannot be read.
std::map<std::string, std::string> read_environment_file(const std::string& path);

}  // namespace hft
