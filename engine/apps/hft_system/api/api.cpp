// SPDX-License-Identifier: GPL-3.0-or-later
#include "apps/hft_system/api/api.hpp"

#include "apps/hft_system/api/replies.hpp"
#include "apps/hft_system/api/routes.hpp"

namespace hft {

namespace {

HttpResponse answer(Application& app, const Tokens& tokens, const HttpRequest& request, bool only_open) {
    const auto offered = [&](const Route& route) { return !only_open || route.scope == Scope::open; };
    Call call{app, request, {}};
    if (const Route* route = find_route(request, call.id); route != nullptr && offered(*route)) {
        const Access access = tokens.check(request.authorization, route->scope);
        return access == Access::granted ? route->handler(call) : denied(access, route->scope);
    }
    std::string allow;
    for (const Route& route : routes()) {
        if (offered(route) && fits(route.path, request.target, call.id)) allow += (allow.empty() ? "" : ", ") + std::string(route.method);
    }
    return allow.empty() ? problem(404, "no such resource: " + request.target) : not_allowed(allow);
}

}  // namespace

HttpResponse refusal(unsigned status, const std::string& detail) { return problem(status, detail); }

HttpResponse metrics_api(Application& app, const HttpRequest& request) { return answer(app, Tokens{}, request, true); }

HttpResponse control_api(Application& app, const Tokens& tokens, const HttpRequest& request) { return answer(app, tokens, request, false); }

}  // namespace hft
