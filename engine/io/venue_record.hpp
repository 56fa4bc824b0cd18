// SPDX-License-Identifier: GPL-3.0-or-later
#pragma once

#include <cstdint>
#include <exception>
#include <nlohmann/json.hpp>
#include <optional>
#include <string_view>

#include "core/venue_core.hpp"

namespace hft {

// One line of the venue's log, read back.
namespace venue_record {

// What stands at the front of every line, found without parsing the rest: a log of gigabytes is looked through.
struct Head {
    std::string_view event;
    std::string_view strategy;  // as it is written: escaped
    std::uint64_t epoch = 0;
    std::uint64_t seq = 0;
};
[[nodiscard]] std::optional<Head> head_of(std::string_view line);
// A record that holds the whole state: what is before it need not be read.
[[nodiscard]] bool is_state(std::string_view event);

// What no venue writes; a sum of such amounts could overflow.
struct BadAmount : std::exception {};

// Rebuilds the core with one line. Throws BadAmount, or nlohmann's exception when a field is missing or of the wrong type.
void restore(const nlohmann::json& line, VenueCore& core);

// Whether everything that was asked for comes after this state record. False when it cannot tell.
[[nodiscard]] bool before(std::string_view state_line, const HistoryRequest& request);
// Sends the line's event to the asking session if it was asked for.
[[nodiscard]] bool tell(std::string_view line, const HistoryRequest& request, VenueOutput& output);

}  // namespace venue_record

}  // namespace hft
