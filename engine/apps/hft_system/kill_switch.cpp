// SPDX-License-Identifier: GPL-3.0-or-later
#include "apps/hft_system/kill_switch.hpp"

#include <cerrno>
#include <cstring>
#include <fstream>
#include <nlohmann/json.hpp>

#include "core/utc.hpp"
#include "io/atomic_file.hpp"

namespace hft {

namespace {

using Json = nlohmann::json;

Json json_of(const KillState& state) { return {{"reason", state.reason}, {"since", state.since}, {"rows_latched", state.rows_latched}}; }

KillState state_of(const Json& json) {
    return {true, json.at("reason").get<std::string>(), json.value("since", ""), json.value("rows_latched", false)};
}

}  // namespace

void KillSwitch::load() {
    const std::lock_guard lock(mutex_);
    latches_.clear();
    errno = 0;
    std::ifstream in(path_);
    if (!in && errno == ENOENT) return;
    // Until it is understood.
    latches_[""] = {true, "the file " + path_ + (in ? " is not understood" : ": " + std::string(std::strerror(errno))), "", false};
    const Json json = Json::parse(in, nullptr, false);
    try {
        std::map<std::string, KillState> found;
        if (json.contains("reason")) found[""] = state_of(json);
        if (json.contains("strategies")) {
            for (const auto& [strategy, latch] : json.at("strategies").items()) found[strategy] = state_of(latch);
        }
        if (!found.empty()) latches_ = std::move(found);
    } catch (const Json::exception&) {
        return;  // latched, with the reason given above
    }
}

// Everything at the top, as it always was: a file of an older version reads the same.
std::string KillSwitch::save() const {
    if (latches_.empty()) return remove_file(path_);
    Json json = Json::object();
    for (const auto& [strategy, state] : latches_) {
        if (strategy.empty()) {
            json.update(json_of(state));
        } else {
            json["strategies"][strategy] = json_of(state);
        }
    }
    return write_file_atomically(path_, json.dump(-1, ' ', true, Json::error_handler_t::replace) + "\n");
}

std::string KillSwitch::latch(const std::string& reason, const std::string& strategy) {
    const std::lock_guard lock(mutex_);
    latches_.try_emplace(strategy, KillState{true, reason, utc(), false});
    return save();
}

std::string KillSwitch::clear(const std::string& strategy) {
    const std::lock_guard lock(mutex_);
    const auto node = latches_.extract(strategy);
    if (node.empty()) return {};
    std::string error = save();
    // What a restart would find again is still latched.
    if (!error.empty()) latches_.emplace(node.key(), node.mapped());
    return error;
}

void KillSwitch::rows_latched(const std::string& strategy) {
    const std::lock_guard lock(mutex_);
    const auto found = latches_.find(strategy);
    if (found == latches_.end() || found->second.rows_latched) return;
    found->second.rows_latched = true;
    // If this cannot be written, a restart latches the rows once more: harmless.
    static_cast<void>(save());
}

KillState KillSwitch::state(const std::string& strategy) const {
    const std::lock_guard lock(mutex_);
    const auto found = latches_.find(strategy);
    return found == latches_.end() ? KillState{} : found->second;
}

std::vector<std::string> KillSwitch::strategies() const {
    const std::lock_guard lock(mutex_);
    std::vector<std::string> names;
    for (const auto& [strategy, state] : latches_) {
        if (!strategy.empty()) names.push_back(strategy);
    }
    return names;
}

}  // namespace hft
