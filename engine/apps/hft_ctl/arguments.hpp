// SPDX-License-Identifier: GPL-3.0-or-later
#pragma once

#include <string>
#include <vector>

namespace hft::ctl {

// Documented in --help and docs of the engine; a script may rely on them.
enum Exit : int { done = 0, refused = 1, usage = 2, no_answer = 3, in_part = 4 };

struct Arguments {
    std::string command;
    std::string reason;
    std::string strategy;  // empty: all
    std::string config = "/opt/hft_system/config/production.json";
    std::string environment;  // empty: .env above the configuration's directory
    bool all = false;
    bool help = false;
    bool version = false;
    std::string error;  // empty: understood
};

Arguments parse_arguments(const std::vector<std::string>& words);
extern const char* const kHelp;

}  // namespace hft::ctl
