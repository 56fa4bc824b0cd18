// SPDX-License-Identifier: GPL-3.0-or-later
#pragma once

#include <map>
#include <mutex>
#include <nlohmann/json.hpp>
#include <string>
#include <vector>

#include "io/config_reader.hpp"

namespace hft {

// The file as it is on the disk at this moment, against what runs. JSON pointers throughout.
struct ConfigCheck {
    ConfigErrors errors;                            // not empty: the file is invalid, and only sha256 stands
    std::string sha256;                             // of the file; empty when it cannot be read
    nlohmann::json json;                            // defaults filled in
    std::vector<std::string> reload;                // differ, and can be taken up while running
    std::vector<std::string> restart;               // differ, and wait for a restart
    std::map<std::string, nlohmann::json> changes;  // of reload, by strategy, as merge patches (RFC 7396)
};

// What of the configuration can be taken up without a restart, and what has been.
class ConfigFile {
public:
    // running: the configuration that the engine was started with, defaults filled in.
    ConfigFile(std::string path, nlohmann::json running);

    [[nodiscard]] ConfigCheck check() const;
    // The reloadable keys of a check without errors are running now.
    void taken_up(const ConfigCheck& check);

    [[nodiscard]] const std::string& path() const noexcept { return path_; }
    [[nodiscard]] nlohmann::json running() const;
    [[nodiscard]] std::string loaded_sha256() const;
    [[nodiscard]] std::string loaded_at() const;

private:
    std::string path_;
    mutable std::mutex mutex_;
    nlohmann::json running_;
    std::string loaded_sha256_;
    std::string loaded_at_;
};

}  // namespace hft
