// SPDX-License-Identifier: GPL-3.0-or-later
#pragma once

#include <pthread.h>
#include <sched.h>

#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <map>
#include <string>

namespace hft::bench {

// --name=value of the command line, each with its default; a name nobody asked for is an error.
class Options {
public:
    Options(int argc, char** argv, std::map<std::string, std::string> defaults) : values_(std::move(defaults)) {
        for (int i = 1; i < argc; ++i) {
            const std::string argument = argv[i];
            const std::size_t equals = argument.find('=');
            const auto found =
                argument.rfind("--", 0) == 0 && equals != std::string::npos ? values_.find(argument.substr(2, equals - 2)) : values_.end();
            if (found == values_.end()) {
                std::fprintf(stderr, "ERROR: %s: expected one of", argument.c_str());
                for (const auto& [name, value] : values_) std::fprintf(stderr, " --%s=%s", name.c_str(), value.c_str());
                std::fprintf(stderr, "\n");
                std::exit(2);
            }
            found->second = argument.substr(equals + 1);
        }
    }
    [[nodiscard]] const std::string& text(const std::string& name) const { return values_.at(name); }
    [[nodiscard]] std::uint64_t number(const std::string& name) const { return std::strtoull(text(name).c_str(), nullptr, 10); }

private:
    std::map<std::string, std::string> values_;
};

// The calling thread to one CPU; on a machine with fewer it stays where it is.
inline void pin(int cpu) noexcept {
    cpu_set_t set;
    CPU_ZERO(&set);
    CPU_SET(static_cast<std::size_t>(cpu), &set);
    ::pthread_setaffinity_np(::pthread_self(), sizeof(set), &set);
}

}  // namespace hft::bench
