// SPDX-License-Identifier: GPL-3.0-or-later
#pragma once

#include <string>
#include <string_view>
#include <vector>

namespace hft {

struct CommandLine {
    std::string config;
    bool validate = false;
    bool version = false;
    std::string error;  // empty: understood
};

inline CommandLine parse_command_line(const std::vector<std::string>& arguments) {
    CommandLine line;
    for (std::size_t i = 0; i < arguments.size(); ++i) {
        const std::string& argument = arguments[i];
        constexpr std::string_view kConfig = "--config=";
        if (argument == "--version") {
            line.version = true;
        } else if (argument == "--validate-config") {
            line.validate = true;
        } else if (argument.rfind(kConfig, 0) == 0) {
            line.config = argument.substr(kConfig.size());
        } else {
            line.error = "unknown argument \"" + argument + "\"; expected --config=FILE, --validate-config or --version";
            return line;
        }
    }
    if (!line.version && line.config.empty()) line.error = "no configuration; expected --config=FILE";
    return line;
}

}  // namespace hft
