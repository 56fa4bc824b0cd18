// SPDX-License-Identifier: GPL-3.0-or-later
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "apps/hft_system/api/handlers.hpp"
#include "apps/hft_system/api/tokens.hpp"

namespace hft {

struct Route {
    std::string_view method;
    std::string_view path;  // {id} stands for one segment
    Scope scope;
    HttpResponse (*handler)(const Call&);
};

// Everything engine/openapi.yaml describes, one line each.
const std::vector<Route>& routes();

// The route of a request, id being what stands for {id}; null when there is none. HEAD asks as GET does where no token is asked for.
const Route* find_route(const HttpRequest& request, std::string& id);

// The switch that stops everything is pulled whatever else the client has asked before.
bool urgent(const HttpRequest& request);

// Does the path fit the pattern; id becomes what stands for {id}.
bool fits(std::string_view pattern, std::string_view path, std::string& id);

}  // namespace hft
