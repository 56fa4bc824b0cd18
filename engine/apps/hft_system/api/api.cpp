// SPDX-License-Identifier: GPL-3.0-or-later
#include "apps/hft_system/api/api.hpp"

#include "apps/hft_system/api/replies.hpp"
#include "apps/hft_system/api/routes.hpp"

namespace hft {

namespace {

bool means(std::string_view method, const Route& route) {
    return method == route.method || (method == "HEAD" && route.method == "GET" && route.scope == Scope::open);
}

HttpResponse answer(Application& app, const Tokens& tokens, const HttpRequest& request, bool only_open) {
    std::string allow;
    for (const Route& route : routes()) {
        if (only_open && route.scope != Scope::open) continue;
        Call call{app, request, {}};
        if (!fits(route.path, request.target, call.id)) continue;
        if (means(request.method, route)) {
            const Access access = tokens.check(request.authorization, route.scope);
            return access == Access::granted ? route.handler(call) : denied(access, route.scope);
        }
        allow += (allow.empty() ? "" : ", ") + std::string(route.method);
    }
    return allow.empty() ? problem(404, "no such resource: " + request.target) : not_allowed(allow);
}

}  // namespace

HttpResponse refusal(unsigned status, const std::string& detail) { return problem(status, detail); }

HttpResponse metrics_api(Application& app, const HttpRequest& request) { return answer(app, Tokens{}, request, true); }

HttpResponse control_api(Application& app, const Tokens& tokens, const HttpRequest& request) { return answer(app, tokens, request, false); }

}  // namespace hft
