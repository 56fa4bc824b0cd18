// SPDX-License-Identifier: GPL-3.0-or-later
#include "apps/hft_system/api/replies.hpp"

#include <algorithm>

#include "io/config_reader.hpp"

namespace hft {

namespace {

using Json = nlohmann::json;

constexpr std::size_t kMaxReason = 200;

const char* title_of(unsigned status) {
    switch (status) {
        case 400:
            return "Bad Request";
        case 404:
            return "Not Found";
        case 405:
            return "Method Not Allowed";
        case 409:
            return "Conflict";
        case 413:
            return "Content Too Large";
        case 431:
            return "Request Header Fields Too Large";
        case 503:
            return "Service Unavailable";
        default:
            return "Internal Server Error";
    }
}

}  // namespace

HttpResponse json_response(const Json& body, unsigned status) {
    return {status, "application/json", body.dump(-1, ' ', false, Json::error_handler_t::replace) + "\n", {}};
}

HttpResponse problem(unsigned status, const std::string& detail, Json extra) {
    extra["type"] = "about:blank";
    extra["title"] = title_of(status);
    extra["status"] = status;
    extra["detail"] = detail;
    HttpResponse response = json_response(extra, status);
    response.content_type = "application/problem+json";
    return response;
}

HttpResponse not_allowed(const std::string& allow) {
    HttpResponse response = problem(405, "expected " + allow);
    response.allow = allow;
    return response;
}

HttpResponse problem_of(const RoleAnswer& answer) {
    Json extra = Json::object();
    if (!answer.strategy.empty()) extra["strategy"] = answer.strategy;
    if (!answer.holder.empty()) extra["holder"] = answer.holder;
    return problem(answer.outcome == RoleOutcome::conflict ? 409 : 503, answer.detail, extra);
}

std::optional<Json> body_object(const HttpRequest& request, const std::vector<std::string>& known, HttpResponse& why) {
    ConfigErrors errors;
    Json json = parse_config(request.body, errors);
    if (errors.empty()) ConfigObject(&json, "", known, errors);
    if (errors.empty()) return json;
    std::string text = errors.text();
    std::replace(text.begin(), text.end(), '\n', ' ');
    text.pop_back();
    why = problem(400, text);
    return std::nullopt;
}

std::optional<std::string> reason_of(const HttpRequest& request, HttpResponse& why) {
    const std::optional<Json> body = body_object(request, {"reason"}, why);
    if (!body) return std::nullopt;
    const bool good = body->contains("reason") && (*body)["reason"].is_string() &&
                      !(*body)["reason"].get_ref<const std::string&>().empty() &&
                      (*body)["reason"].get_ref<const std::string&>().size() <= kMaxReason;
    if (good) return (*body)["reason"].get<std::string>();
    why = problem(400, "/reason: expected text of 1 to " + std::to_string(kMaxReason) + " characters");
    return std::nullopt;
}

}  // namespace hft
