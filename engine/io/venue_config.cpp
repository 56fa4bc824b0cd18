// SPDX-License-Identifier: GPL-3.0-or-later
#include "io/venue_config.hpp"

#include <algorithm>

namespace hft {

namespace {

using Json = nlohmann::json;

void read_listen(const ConfigObject& root, const std::string& key, std::string& address, std::uint16_t& port, ConfigErrors& errors) {
    const ConfigObject object(root.child(key), root.pointer(key), {"listen", "port"}, errors);
    address = object.text("listen", 64);
    port = static_cast<std::uint16_t>(object.integer("port", 1, 65'535));
}

}  // namespace

PaperVenueConfig load_venue_config(const Json& json, ConfigErrors& errors) {
    PaperVenueConfig config;
    VenueServerSetup& server = config.server;
    const ConfigObject root(&json, "", {"venue", "order_entry", "market_data", "fence", "generator", "symbols"}, errors);
    if (!json.is_object()) return config;

    const ConfigObject venue(root.child("venue"), "/venue", {"name", "log_dir"}, errors);
    server.name = venue.name("name", VenueName::kCapacity);
    config.log_dir = venue.text("log_dir", 4000);
    read_listen(root, "order_entry", server.order_address, server.order_port, errors);
    read_listen(root, "market_data", server.market_data_address, server.market_data_port, errors);
    if (server.order_port == server.market_data_port && server.order_port > 1) {
        errors.add("/market_data/port", "expected a port other than /order_entry/port, found " + std::to_string(server.market_data_port));
    }
    server.fence = root.choice("fence", {"enforce", "observe"}, "enforce") == "enforce" ? FenceMode::enforce : FenceMode::observe;

    static const Json empty = Json::object();
    const ConfigObject generator(root.has("generator") ? root.child("generator") : &empty, "/generator",
                                 {"seed", "ticks_per_s", "trade_probability", "max_trade_size"}, errors);
    server.generator.seed = static_cast<std::uint64_t>(generator.integer("seed", 0, std::numeric_limits<std::int64_t>::max(), 42));
    server.ticks_per_s = static_cast<std::uint32_t>(generator.integer("ticks_per_s", 1, 100'000, 200));
    server.generator.trade_probability = generator.number("trade_probability", NumberRange{0, 1, false}, 0.05);
    server.generator.max_trade_size = generator.number("max_trade_size", NumberRange{0, 1e6, true}, 0.1);

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
