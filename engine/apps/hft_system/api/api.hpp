// SPDX-License-Identifier: GPL-3.0-or-later
#pragma once

#include "apps/hft_system/api/tokens.hpp"
#include "apps/hft_system/application.hpp"
#include "io/http_server.hpp"

namespace hft {

// engine/openapi.yaml, path by path.
HttpResponse control_api(Application& app, const Tokens& tokens, const HttpRequest& request);
// The read-only listener: metrics and probes, nothing else.
HttpResponse metrics_api(Application& app, const HttpRequest& request);
HttpResponse refusal(unsigned status, const std::string& detail);

}  // namespace hft
