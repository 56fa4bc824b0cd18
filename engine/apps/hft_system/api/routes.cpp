// SPDX-License-Identifier: GPL-3.0-or-later
#include "apps/hft_system/api/routes.hpp"

namespace hft {

const std::vector<Route>& routes() {
    static const std::vector<Route> table = {
        {"GET", "/health", Scope::open, liveness},
        {"GET", "/ready", Scope::open, readiness},
        {"GET", "/metrics", Scope::open, metrics},
        {"GET", "/api/v1/metrics", Scope::open, metrics},
        {"GET", "/api/v1/health", Scope::read, health},
        {"GET", "/api/v1/status", Scope::read, status},
        {"GET", "/api/v1/positions", Scope::read, positions},
        {"GET", "/api/v1/config", Scope::read, get_config},
        {"PUT", "/api/v1/config", Scope::operate, put_config},
        {"GET", "/api/v1/config/status", Scope::read, config_status},
        {"POST", "/api/v1/config/reload", Scope::operate, reload_config},
        {"GET", "/api/v1/config/reload", Scope::operate, reload_config},
        {"GET", "/api/v1/orders", Scope::read, orders},
        {"GET", "/api/v1/killswitch", Scope::read, get_killswitch},
        {"POST", "/api/v1/killswitch", Scope::kill, latch_killswitch},
        {"DELETE", "/api/v1/killswitch", Scope::operate, clear_killswitch},
        {"POST", "/api/v1/fence", Scope::kill, fence},
        {"GET", "/api/v1/strategies", Scope::read, list_strategies},
        {"POST", "/api/v1/strategies/load", Scope::operate, load_strategy},
        {"GET", "/api/v1/strategies/{id}", Scope::read, get_strategy},
        {"DELETE", "/api/v1/strategies/{id}", Scope::operate, unload_strategy},
        {"GET", "/api/v1/strategies/{id}/config", Scope::read, get_strategy_config},
        {"POST", "/api/v1/strategies/{id}/config", Scope::operate, put_strategy_config},
        {"PUT", "/api/v1/strategies/{id}/config", Scope::operate, put_strategy_config},
        {"POST", "/api/v1/strategies/{id}/start", Scope::operate, start_strategy},
        {"POST", "/api/v1/strategies/{id}/stop", Scope::operate, stop_strategy},
        {"POST", "/api/v1/arm", Scope::operate, arm},
        {"DELETE", "/api/v1/arm", Scope::operate, disarm},
        {"GET", "/api/v1/transfer", Scope::read, list_transfers},
        {"POST", "/api/v1/transfer", Scope::operate, transfer},
        {"POST", "/api/v1/takeover", Scope::operate, takeover},
        {"POST", "/api/v1/flatten", Scope::operate, flatten},
        {"POST", "/api/v1/reconcile", Scope::operate, reconcile},
    };
    return table;
}

const Route* find_route(const HttpRequest& request, std::string& id) {
    for (const Route& route : routes()) {
        const bool head = request.method == "HEAD" && route.method == "GET" && route.scope == Scope::open;
        if ((head || request.method == route.method) && fits(route.path, request.target, id)) return &route;
    }
    return nullptr;
}

bool urgent(const HttpRequest& request) {
    return request.method == "POST" && (request.target == "/api/v1/killswitch" || request.target == "/api/v1/fence");
}

bool fits(std::string_view pattern, std::string_view path, std::string& id) {
    constexpr std::string_view kId = "{id}";
    const std::size_t place = pattern.find(kId);
    if (place == std::string_view::npos) return pattern == path;
    const std::string_view tail = pattern.substr(place + kId.size());
    if (path.substr(0, place) != pattern.substr(0, place) || path.size() <= place + tail.size()) return false;
    const std::string_view found = path.substr(place, path.size() - place - tail.size());
    if (path.substr(place + found.size()) != tail || found.find('/') != std::string_view::npos) return false;
    id = found;
    return true;
}

}  // namespace hft
