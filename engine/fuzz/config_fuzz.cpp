// SPDX-License-Identifier: GPL-3.0-or-later
// Any bytes as a configuration, of the engine and of the venue: an answer, never a crash. What is valid must survive being written
// out with its defaults and read again.
#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <string>

#include "io/engine_config.hpp"
#include "io/venue_config.hpp"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    const std::string text(reinterpret_cast<const char*>(data), size);
    hft::ConfigErrors errors;
    const nlohmann::json json = hft::parse_config(text, errors);
    hft::ConfigErrors venue_errors;
    if (errors.empty()) (void)hft::load_venue_config(json, venue_errors);
    const hft::EngineConfig config = hft::load_engine_config(json, errors);
    if (!errors.empty()) {
        if (errors.text().empty()) std::abort();
        return 0;
    }
    hft::ConfigErrors again;
    (void)hft::load_engine_config(config.json(), again);
    if (!again.empty()) std::abort();
    return 0;
}
