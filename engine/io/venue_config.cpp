// SPDX-License-Identifier: GPL-3.0-or-later
#include "io/venue_config.hpp"

#include <algorithm>
#include <utility>

namespace hft {

namespace {

using Json = nlohmann::json;

void read_listen(const ConfigObject& root, const std::string& key, std::string& address, std::uint16_t& port, ConfigErrors& errors) {
    const ConfigObject object(root.child(key), root.pointer(key), {"listen", "port"}, errors);
    address = object.text("listen", 64);
    port = static_cast<std::uint16_t>(object.integer("port", 1, 65'535));
}

// An object that may be left out.
ConfigObject section(const ConfigObject& root, const std::string& key, std::vector<std::string> known, ConfigErrors& errors) {
    static const Json empty = Json::object();
    return {root.has(key) ? root.child(key) : &empty, root.pointer(key), std::move(known), errors};
}

ImpairmentSetup read_impairments(const ConfigObject& root, ConfigErrors& errors) {
    const ConfigObject object =
        section(root, "impairments", {"seed", "latency_us", "jitter_us", "reject_rate", "disconnect_per_min"}, errors);
    ImpairmentSetup setup;
    setup.seed = static_cast<std::uint64_t>(object.integer("seed", 0, std::numeric_limits<std::int64_t>::max(), 42));
    setup.latency_us = static_cast<std::uint32_t>(object.integer("latency_us", 0, 10'000'000, 0));
    setup.jitter_us = static_cast<std::uint32_t>(object.integer("jitter_us", 0, 10'000'000, 0));
    setup.reject_rate = object.number("reject_rate", NumberRange{0, 1, false}, 0);
    setup.disconnect_per_min = object.number("disconnect_per_min", NumberRange{0, 6000, false}, 0);
    return setup;
}

ReplaySetup read_feed(const ConfigObject& root, ConfigErrors& errors) {
    const ConfigObject object = section(root, "feed", {"type", "file", "speed", "loop"}, errors);
    ReplaySetup setup;
    const bool replay = object.choice("type", {"generator", "replay"}, "generator") == "replay";
    if (replay) {
        setup.file = object.text("file", 4000);
    } else if (object.has("file")) {
        errors.add(object.pointer("file"), "only with \"type\": \"replay\"; set the type or leave the file out");
    }
    setup.speed = object.number("speed", NumberRange{0, 1e6, false}, 1);
    setup.loop = object.truth("loop", false);
    return setup;
}

}  // namespace

PaperVenueConfig load_venue_config(const Json& json, ConfigErrors& errors) {
    PaperVenueConfig config;
    VenueServerSetup& server = config.server;
    const ConfigObject root(
        &json, "",
        {"venue", "order_entry", "market_data", "fence", "self_match", "sessions", "feed", "generator", "symbols", "impairments", "log"},
        errors);
    if (!json.is_object()) return config;

    const ConfigObject venue(root.child("venue"), "/venue", {"name", "log_dir"}, errors);
    server.name = venue.name("name", VenueName::kCapacity);
    config.log_dir = venue.text("log_dir", 4000);
    read_listen(root, "order_entry", server.order_address, server.order_port, errors);
    read_listen(root, "market_data", server.market_data_address, server.market_data_port, errors);
    if (server.order_port == server.market_data_port && server.order_port > 1) {
        errors.add("/market_data/port", "expected a port other than /order_entry/port, found " + std::to_string(server.market_data_port));
    }
    VenueRules& rules = server.rules;
    rules.fence = root.choice("fence", {"enforce", "observe"}, "enforce") == "enforce" ? FenceMode::enforce : FenceMode::observe;
    rules.self_match = root.choice("self_match", {"cancel_newest", "cancel_oldest"}, "cancel_newest") == "cancel_newest"
                           ? SelfMatch::cancel_newest
                           : SelfMatch::cancel_oldest;
    const ConfigObject sessions = section(root, "sessions", {"cancel_on_disconnect", "heartbeat_timeout_ms"}, errors);
    rules.cancel_on_disconnect = sessions.truth("cancel_on_disconnect", true);
    rules.heartbeat_timeout_ms = static_cast<std::uint32_t>(sessions.integer("heartbeat_timeout_ms", 0, 600'000, 5'000));
    const ConfigObject log = section(root, "log", {"sync_ms"}, errors);
    server.log_sync_ms = static_cast<std::uint32_t>(log.integer("sync_ms", 0, 60'000, 0));
    server.impairments = read_impairments(root, errors);
    server.replay = read_feed(root, errors);

    const ConfigObject generator =
        section(root, "generator", {"seed", "ticks_per_s", "trade_probability", "max_trade_size", "max_quote_size"}, errors);
    server.generator.seed = static_cast<std::uint64_t>(generator.integer("seed", 0, std::numeric_limits<std::int64_t>::max(), 42));
    server.ticks_per_s = static_cast<std::uint32_t>(generator.integer("ticks_per_s", 1, 100'000, 200));
    server.generator.trade_probability = generator.number("trade_probability", NumberRange{0, 1, false}, 0.05);
    server.generator.max_trade_size = generator.number("max_trade_size", NumberRange{0, 1e6, true}, 0.1);
    server.generator.max_quote_size = generator.number("max_quote_size", NumberRange{0, 1e6, true}, 1.0);

    const Json* symbols = root.list("symbols");
    for (std::size_t i = 0; symbols != nullptr && i < symbols->size(); ++i) {
        const ConfigObject object(&(*symbols)[i], "/symbols/" + std::to_string(i),
                                  {"name", "price", "price_step", "spread_bps", "volatility_bps"}, errors);
        SymbolSetup symbol;
        symbol.name = object.name("name", SymbolName::kCapacity);
        symbol.price = object.number("price", NumberRange{0, 1e9, true});
        symbol.price_step = object.number("price_step", NumberRange{1e-6, 1e6, false}, 0.01);
        symbol.spread_bps = object.number("spread_bps", NumberRange{0, 1000, true}, 10);
        symbol.volatility_bps = object.number("volatility_bps", NumberRange{0, 100, false}, 0.2);
        const bool twice =
            std::any_of(server.symbols.begin(), server.symbols.end(), [&](const SymbolSetup& s) { return s.name == symbol.name; });
        if (twice && !symbol.name.empty()) errors.add(object.pointer("name"), "symbol \"" + symbol.name + "\" stands twice");
        server.symbols.push_back(symbol);
    }
    return config;
}

}  // namespace hft
