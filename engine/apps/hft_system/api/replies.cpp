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
        case 401:
            return "Unauthorized";
        case 403:
            return "Forbidden";
        case 404:
            return "Not Found";
        case 405:
            return "Method Not Allowed";
        case 409:
            return "Conflict";
        case 413:
            return "Content Too Large";
        case 429:
            return "Too Many Requests";
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
    response.headers.emplace_back("Allow", allow);
    return response;
}

HttpResponse denied(Access access, Scope wanted) {
    // RFC 6750: which token would do, and whether there was one at all.
    const std::string scope = to_text(wanted);
    const bool forbidden = access == Access::forbidden;
    HttpResponse response = forbidden ? problem(403, "this token does not have the scope " + scope)
                                      : problem(401, "expected the header Authorization: Bearer with a token of the scope " + scope);
    response.headers.emplace_back(
        "WWW-Authenticate",
        "Bearer realm=\"hft_system\"" + std::string(forbidden ? ", error=\"insufficient_scope\"" : "") + ", scope=\"" + scope + "\"");
    return response;
}

HttpResponse problem_of(const RoleAnswer& answer) {
    Json extra = Json::object();
    if (!answer.strategy.empty()) extra["strategy"] = answer.strategy;
    if (!answer.holder.empty()) extra["holder"] = answer.holder;
    return problem(answer.outcome == RoleOutcome::conflict ? 409 : 503, answer.detail, extra);
}

HttpResponse problem_of(const ConfigErrors& errors, unsigned status) {
    Json list = Json::array();
    for (const ConfigError& error : errors.all()) list.push_back({{"pointer", error.pointer}, {"detail", error.text}});
    std::string text = errors.text();
    std::replace(text.begin(), text.end(), '\n', ' ');
    if (!text.empty()) text.pop_back();
    return problem(status, text, {{"errors", list}});
}

std::optional<Json> body_object(const HttpRequest& request, const std::vector<std::string>& known, HttpResponse& why) {
    ConfigErrors errors;
    Json json = parse_config(request.body, errors);
    if (errors.empty()) ConfigObject(&json, "", known, errors);
    if (errors.empty()) return json;
    why = problem_of(errors);
    return std::nullopt;
}

std::optional<Reason> reason_of(const HttpRequest& request, HttpResponse& why) {
    const std::optional<Json> body = body_object(request, {"reason", "strategy"}, why);
    if (!body) return std::nullopt;
    ConfigErrors errors;
    const ConfigObject object(&*body, "", {"reason", "strategy"}, errors);
    Reason given{object.text("reason", kMaxReason), object.name("strategy", StrategyName::kCapacity, "")};
    if (errors.empty()) return given;
    why = problem_of(errors);
    return std::nullopt;
}

}  // namespace hft
