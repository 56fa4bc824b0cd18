// SPDX-License-Identifier: GPL-3.0-or-later
#include "apps/hft_system/api/audit_log.hpp"

#include <nlohmann/json.hpp>
#include <string_view>
#include <utility>

#include "apps/hft_system/api/routes.hpp"
#include "core/clock.hpp"
#include "core/json_line.hpp"
#include "core/utc.hpp"

namespace hft {

namespace {

using Json = nlohmann::json;

// How much of what others wrote a line takes.
constexpr std::size_t kMaxPath = 128;
constexpr std::size_t kMaxCertificate = 256;
constexpr std::size_t kMaxDetail = 300;
constexpr std::size_t kMaxBody = 2048;

std::string_view cut(std::string_view text, std::size_t most) { return text.substr(0, most); }

// Refused before anybody looked at what was asked; empty where it was looked at.
std::string_view refusal_of(unsigned status, const HttpRequest& request) {
    switch (status) {
        case 401:
            return request.authorization.empty() ? "no token" : "unknown token";
        case 403:
            return "wrong scope";
        case 429:
            return "too many requests";
        default:
            return {};
    }
}

const char* outcome_of(unsigned status) {
    if (status < 400) return "done";
    return status < 500 ? "refused" : "failed";
}

// ASCII alone, so nothing in it ends a line; as text where it is too long, empty where it is not JSON.
void add_body(JsonLine& line, const std::string& body) {
    const Json json = Json::parse(body, nullptr, false);
    if (json.is_discarded()) return;
    const std::string text = json.dump(-1, ' ', true, Json::error_handler_t::replace);
    if (text.size() <= kMaxBody) {
        line.raw("request", text);
    } else {
        line.add("request", cut(text, kMaxBody));
    }
}

// The detail of a problem document.
std::string detail_of(const HttpResponse& response) {
    const Json json = Json::parse(response.body, nullptr, false);
    return json.is_object() && json.contains("detail") && json["detail"].is_string() ? json["detail"].get<std::string>() : "";
}

}  // namespace

AuditLog::AuditLog(const Tokens& tokens, std::string engine, Report report)
    : tokens_(tokens), engine_(std::move(engine)), report_(std::move(report)) {}

std::string AuditLog::open(const std::string& directory) { return file_.open(directory + "/audit.log", 0600); }

void AuditLog::reopen() { tell(file_.reopen()); }

void AuditLog::write(const HttpRequest& request, const HttpResponse& response) {
    std::string id;
    const Route* route = find_route(request, id);
    if (route == nullptr || route->scope == Scope::open) return;
    const bool denied = response.status == 401 || response.status == 403;
    if (route->scope == Scope::read && !denied) return;
    const std::string token = tokens_.name(request.authorization, route->scope);
    const std::string_view refusal = refusal_of(response.status, request);
    if (!refusal.empty() && !refusals_.take(token, boot_ns())) {
        ++left_out_;
        return;
    }
    JsonLine line;
    line.add("time", utc_micros(wall_ns())).add("event", "api_call").add("engine", engine_).add("client", request.client);
    if (!request.certificate.empty()) line.add("certificate", cut(request.certificate, kMaxCertificate));
    if (!token.empty()) line.add("token", token);
    line.add("method", request.method).add("path", cut(request.target, kMaxPath)).add("scope", to_text(route->scope));
    line.add("status", response.status).add("outcome", outcome_of(response.status));
    if (!refusal.empty()) {
        line.add("detail", refusal);
    } else if (response.status >= 400) {
        line.add("detail", cut(detail_of(response), kMaxDetail));
    }
    if (!token.empty() || tokens_.empty()) add_body(line, request.body);
    if (const std::uint64_t count = left_out_.exchange(0); count > 0) line.add("left_out", count);
    tell(file_.append(line.str() + "\n"));
}

// Once, not for every call: the other log may be on the same full disk.
void AuditLog::tell(const std::string& error) {
    if (failing_.exchange(!error.empty()) == !error.empty()) return;
    if (error.empty()) {
        report_(LogLevel::info, "calls of the API are recorded again");
    } else {
        report_(LogLevel::error, "calls of the API are not recorded: " + error);
    }
}

}  // namespace hft
