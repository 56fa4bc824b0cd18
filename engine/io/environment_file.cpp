// SPDX-License-Identifier: GPL-3.0-or-later
#include "io/environment_file.hpp"

#include <fstream>
#include <string_view>

namespace hft {

namespace {

std::string unquoted(std::string_view text) {
    while (!text.empty() && (text.back() == ' ' || text.back() == '\t' || text.back() == '\r')) text.remove_suffix(1);
    const char quote = text.empty() ? '\0' : text.front();
    if (quote != '"' && quote != '\'') return std::string(text);
    std::string value;
    for (std::size_t i = 1; i < text.size() && text[i] != quote; ++i) {
        const bool escape = quote == '"' && text[i] == '\\' && i + 1 < text.size() &&
                            std::string_view("\"\\`$").find(text[i + 1]) != std::string_view::npos;
        if (escape) ++i;
        value += text[i];
    }
    return value;
}

}  // namespace

std::map<std::string, std::string> read_environment_file(const std::string& path) {
    std::map<std::string, std::string> variables;
    std::ifstream in(path);
    for (std::string line; std::getline(in, line);) {
        const std::size_t start = line.find_first_not_of(" \t");
        if (start == std::string::npos || line[start] == '#' || line[start] == ';') continue;
        const std::size_t equals = line.find('=', start);
        if (equals == std::string::npos) continue;
        variables[line.substr(start, equals - start)] = unquoted(std::string_view(line).substr(equals + 1));
    }
    return variables;
}

}  // namespace hft
