// SPDX-License-Identifier: GPL-3.0-or-later
#include "apps/hft_system/kill_switch.hpp"

#include <array>
#include <ctime>
#include <fstream>
#include <nlohmann/json.hpp>

#include "io/atomic_file.hpp"

namespace hft {

namespace {

std::string now_text() {
    const std::time_t now = std::time(nullptr);
    std::tm parts{};
    gmtime_r(&now, &parts);
    std::array<char, 32> text{};
    return std::string(text.data(), std::strftime(text.data(), text.size(), "%Y-%m-%dT%H:%M:%SZ", &parts));
}

}  // namespace

void KillSwitch::load() {
    const std::lock_guard lock(mutex_);
    std::ifstream in(path_);
    if (!in) return;
    const nlohmann::json json = nlohmann::json::parse(in, nullptr, false);
    state_.latched = true;
    state_.reason = "the file " + path_ + " is not understood";
    if (!json.is_object()) return;
    try {
        state_.reason = json.value("reason", "");
        state_.since = json.value("since", "");
        state_.rows_latched = json.value("rows_latched", false);
    } catch (const nlohmann::json::exception&) {
        return;  // latched, with the reason given above
    }
}

std::string KillSwitch::save() const {
    const nlohmann::json json = {{"reason", state_.reason}, {"since", state_.since}, {"rows_latched", state_.rows_latched}};
    return write_file_atomically(path_, json.dump(-1, ' ', true, nlohmann::json::error_handler_t::replace) + "\n");
}

std::string KillSwitch::latch(const std::string& reason) {
    const std::lock_guard lock(mutex_);
    if (!state_.latched) state_ = {true, reason, now_text(), false};
    return save();
}

std::string KillSwitch::clear() {
    const std::lock_guard lock(mutex_);
    std::string error = remove_file(path_);
    if (error.empty()) state_ = {};
    return error;
}

void KillSwitch::rows_latched() {
    const std::lock_guard lock(mutex_);
    if (!state_.latched || state_.rows_latched) return;
    state_.rows_latched = true;
    // If this cannot be written, a restart latches the rows once more: harmless.
    static_cast<void>(save());
}

KillState KillSwitch::state() const {
    const std::lock_guard lock(mutex_);
    return state_;
}

}  // namespace hft
