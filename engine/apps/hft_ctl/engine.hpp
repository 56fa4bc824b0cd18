// SPDX-License-Identifier: GPL-3.0-or-later
#pragma once

#include <sys/types.h>

#include <nlohmann/json.hpp>
#include <string>

#include "apps/hft_ctl/arguments.hpp"
#include "io/http_client.hpp"

namespace hft::ctl {

// The engine of this host as its files show it. A configuration that cannot be read leaves the defaults: whoever wants to stop
// trading is not stopped by it.
struct Engine {
    std::string note;  // not empty: what could not be read, to be told first
    std::string data_dir;
    HttpTarget api;
    std::string read_token;
    std::string operate_token;
    std::string kill_token;

    // The process that holds data_dir; 0: none runs.
    [[nodiscard]] pid_t pid() const;
    [[nodiscard]] HttpAnswer ask(const std::string& token, const std::string& method, const std::string& path, const nlohmann::json& body,
                                 Nanos limit) const;
};

Engine find_engine(const Arguments& arguments);

}  // namespace hft::ctl
