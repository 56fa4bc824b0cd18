// SPDX-License-Identifier: GPL-3.0-or-later
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "apps/hft_system/api/handlers.hpp"

namespace hft {

// What a caller must be allowed to: nothing at all, to look, to act, to stop.
enum class Scope : std::uint8_t { open, read, operate, kill };

struct Route {
    std::string_view method;
    std::string_view path;  // {id} stands for one segment
    Scope scope;
    HttpResponse (*handler)(const Call&);
};

// Everything engine/openapi.yaml describes, one line each.
const std::vector<Route>& routes();

// Does the path fit the pattern; id becomes what stands for {id}.
bool fits(std::string_view pattern, std::string_view path, std::string& id);

}  // namespace hft
