// SPDX-License-Identifier: GPL-3.0-or-later
#pragma once

#include <map>
#include <mutex>
#include <string>
#include <vector>

namespace hft {

struct KillState {
    bool latched = false;
    std::string reason;
    std::string since;
    bool rows_latched = false;
};

// The latches of this engine and their file in data_dir: one for everything (no strategy named), one for each strategy. What
// the file says at start holds. hft_ctl writes the same file when the engine does not answer.
class KillSwitch {
public:
    explicit KillSwitch(std::string path) : path_(std::move(path)) {}

    // A file that cannot be read or understood counts as latched: in doubt nothing trades.
    void load();
    // Memory first, then the file. A latch that stands keeps its reason. Empty, or why the file could not be written.
    [[nodiscard]] std::string latch(const std::string& reason, const std::string& strategy = {});
    [[nodiscard]] std::string clear(const std::string& strategy = {});
    void rows_latched(const std::string& strategy = {});
    [[nodiscard]] KillState state(const std::string& strategy = {}) const;
    // Those latched one by one.
    [[nodiscard]] std::vector<std::string> strategies() const;

private:
    [[nodiscard]] std::string save() const;

    std::string path_;
    mutable std::mutex mutex_;
    std::map<std::string, KillState> latches_;  // by strategy; empty name: everything
};

}  // namespace hft
