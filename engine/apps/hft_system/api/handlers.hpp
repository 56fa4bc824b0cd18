// SPDX-License-Identifier: GPL-3.0-or-later
#pragma once

#include <string>

#include "apps/hft_system/application.hpp"
#include "io/http_server.hpp"

namespace hft {

// One request that found its route.
struct Call {
    Application& app;
    const HttpRequest& request;
    std::string id;  // what stands for {id} in the path, else empty
};

// What routes.cpp leads to, by file.
HttpResponse liveness(const Call& call);  // status.cpp
HttpResponse readiness(const Call& call);
HttpResponse metrics(const Call& call);
HttpResponse health(const Call& call);
HttpResponse status(const Call& call);
HttpResponse positions(const Call& call);
HttpResponse get_config(const Call& call);  // config.cpp
HttpResponse put_config(const Call& call);
HttpResponse config_status(const Call& call);
HttpResponse reload_config(const Call& call);
HttpResponse orders(const Call& call);          // orders.cpp
HttpResponse get_killswitch(const Call& call);  // killswitch.cpp
HttpResponse latch_killswitch(const Call& call);
HttpResponse fence(const Call& call);
HttpResponse clear_killswitch(const Call& call);
HttpResponse list_strategies(const Call& call);  // strategies.cpp
HttpResponse get_strategy(const Call& call);
HttpResponse load_strategy(const Call& call);
HttpResponse unload_strategy(const Call& call);
HttpResponse get_strategy_config(const Call& call);
HttpResponse put_strategy_config(const Call& call);
HttpResponse start_strategy(const Call& call);
HttpResponse stop_strategy(const Call& call);
HttpResponse arm(const Call& call);  // transfer.cpp
HttpResponse disarm(const Call& call);
HttpResponse list_transfers(const Call& call);
HttpResponse transfer(const Call& call);
HttpResponse takeover(const Call& call);
HttpResponse flatten(const Call& call);
HttpResponse reconcile(const Call& call);

}  // namespace hft
