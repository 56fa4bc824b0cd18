// SPDX-License-Identifier: GPL-3.0-or-later
#pragma once

#include <atomic>
#include <mutex>
#include <string>

namespace hft {

struct KillState {
    bool latched = false;
    std::string reason;
    std::string since;
    bool rows_latched = false;
};

// The latch of this engine and its file in data_dir. What the file says at start holds.
class KillSwitch {
public:
    explicit KillSwitch(std::string path) : path_(std::move(path)) {}

    // A file that cannot be understood counts as latched: in doubt nothing trades.
    void load();
    // Memory first, then the file. Empty, or why the file could not be written.
    [[nodiscard]] std::string latch(const std::string& reason);
    [[nodiscard]] std::string clear();
    void rows_latched();
    [[nodiscard]] KillState state() const;

private:
    [[nodiscard]] std::string save() const;

    std::string path_;
    mutable std::mutex mutex_;
    KillState state_;
};

}  // namespace hft
