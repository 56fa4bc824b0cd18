// SPDX-License-Identifier: GPL-3.0-or-later
#pragma once

#include <nlohmann/json.hpp>

#include "io/config_reader.hpp"
#include "io/venue_server.hpp"

namespace hft {

struct PaperVenueConfig {
    std::string log_dir;
    VenueServerSetup server;  // log_path and version are the program's to fill in
};

PaperVenueConfig load_venue_config(const nlohmann::json& json, ConfigErrors& errors);

}  // namespace hft
