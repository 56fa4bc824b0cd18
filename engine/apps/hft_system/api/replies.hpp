// SPDX-License-Identifier: GPL-3.0-or-later
#pragma once

#include <nlohmann/json.hpp>
#include <optional>
#include <string>
#include <vector>

#include "apps/hft_system/api/tokens.hpp"
#include "core/lease_keeper.hpp"
#include "io/config_reader.hpp"
#include "io/http_server.hpp"

namespace hft {

HttpResponse json_response(const nlohmann::json& body, unsigned status = 200);
// RFC 9457. extra: more members of the document.
HttpResponse problem(unsigned status, const std::string& detail, nlohmann::json extra = nlohmann::json::object());
HttpResponse not_allowed(const std::string& allow);
// 401 without a known token, 403 with one of another scope.
HttpResponse denied(Access access, Scope wanted);
// What the lease keeper refused: 409 when another has it, 503 when nobody can say.
HttpResponse problem_of(const RoleAnswer& answer);

// Every fault with its pointer, together in detail and one by one in errors.
HttpResponse problem_of(const ConfigErrors& errors, unsigned status = 400);

// The body as an object with only these keys; nothing when it is not, and why.
std::optional<nlohmann::json> body_object(const HttpRequest& request, const std::vector<std::string>& known, HttpResponse& why);
// The required member "reason" of the body, and the optional "strategy".
struct Reason {
    std::string reason;
    std::string strategy;
};
std::optional<Reason> reason_of(const HttpRequest& request, HttpResponse& why);

}  // namespace hft
