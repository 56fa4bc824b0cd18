// SPDX-License-Identifier: GPL-3.0-or-later
#include "io/engine_config.hpp"

#include <algorithm>
#include <set>

namespace hft {

namespace {

using Json = nlohmann::json;

constexpr NumberRange kPositive{0, 1e12, true};
constexpr std::int64_t kMaxPort = 65'535;

ListenAddress read_listen(const ConfigObject& root, const std::string& key, ConfigErrors& errors) {
    const ConfigObject object(root.child(key), root.pointer(key), {"listen", "port"}, errors);
    ListenAddress address;
    address.listen = object.text("listen", 64);
    address.port = static_cast<std::uint16_t>(object.integer("port", 1, kMaxPort));
    return address;
}

DatabaseConfig read_database(const ConfigObject& root, ConfigErrors& errors) {
    const ConfigObject object(root.child("database"), "/database",
                              {"hosts", "port", "name", "user", "connect_timeout_ms", "sslmode", "queue_records"}, errors);
    DatabaseConfig database;
    if (const Json* hosts = object.list("hosts"); hosts != nullptr) {
        for (std::size_t i = 0; i < hosts->size(); ++i) {
            const Json& host = (*hosts)[i];
            // A comma or a blank would end up as another host or another option of the connection.
            if (host.is_string() && !host.get<std::string>().empty() &&
                host.get<std::string>().find_first_of(", '\\") == std::string::npos) {
                database.hosts.push_back(host.get<std::string>());
            } else {
                errors.add("/database/hosts/" + std::to_string(i), "expected a host name or address, found " + excerpt(host));
            }
        }
    }
    database.port = static_cast<std::uint16_t>(object.integer("port", 1, kMaxPort, 5432));
    database.name = object.name("name", 63);
    database.user = object.name("user", 63);
    database.connect_timeout_ms = static_cast<std::uint32_t>(object.integer("connect_timeout_ms", 100, 60'000, 2'000));
    database.sslmode = object.choice("sslmode", {"disable", "allow", "prefer", "require", "verify-ca", "verify-full"}, "prefer");
    database.queue_records = static_cast<std::uint32_t>(object.integer("queue_records", 16'384, 4'194'304, 131'072));
    return database;
}

std::vector<VenueConfig> read_venues(const ConfigObject& root, ConfigErrors& errors) {
    std::vector<VenueConfig> venues;
    const Json* list = root.list("venues");
    for (std::size_t i = 0; list != nullptr && i < list->size(); ++i) {
        const ConfigObject object(&(*list)[i], "/venues/" + std::to_string(i),
                                  {"name", "host", "order_port", "market_data_port", "fence", "account", "heartbeat_ms"}, errors);
        VenueConfig venue;
        venue.name = object.name("name", VenueName::kCapacity);
        venue.host = object.text("host", 253);
        venue.order_port = static_cast<std::uint16_t>(object.integer("order_port", 1, kMaxPort));
        venue.market_data_port = static_cast<std::uint16_t>(object.integer("market_data_port", 1, kMaxPort));
        venue.fence = object.choice("fence", {"epoch", "none"});
        venue.account = object.name("account", AccountName::kCapacity, "main");
        venue.heartbeat_ms = static_cast<std::uint32_t>(object.integer("heartbeat_ms", 0, 60'000, 500));
        const bool twice = std::any_of(venues.begin(), venues.end(), [&](const VenueConfig& v) { return v.name == venue.name; });
        if (twice && !venue.name.empty()) errors.add(object.pointer("name"), "venue \"" + venue.name + "\" stands twice");
        venues.push_back(venue);
    }
    return venues;
}

StrategyLimitsConfig read_limits(const ConfigObject& strategy, ConfigErrors& errors) {
    const ConfigObject object(
        strategy.child("limits"), strategy.pointer("limits"),
        {"max_position", "max_notional", "max_order_rate_per_s", "max_open_orders", "daily_loss_usd", "price_collar_pct"}, errors);
    StrategyLimitsConfig limits;
    const NumberRange quantity{0, 1e9, true};
    limits.max_position = object.number("max_position", quantity);
    limits.max_notional = object.number("max_notional", kPositive);
    limits.max_order_rate_per_s = static_cast<std::uint32_t>(object.integer("max_order_rate_per_s", 1, 1'000'000));
    limits.max_open_orders =
        static_cast<std::uint32_t>(object.integer("max_open_orders", 1, static_cast<std::int64_t>(OrderTable::kCapacity)));
    limits.daily_loss_usd = object.number("daily_loss_usd", kPositive);
    limits.price_collar_pct = object.number("price_collar_pct", NumberRange{0, 100, true});
    return limits;
}

MarketMakerParameters read_market_maker(const ConfigObject& strategy, ConfigErrors& errors) {
    static const Json empty = Json::object();
    const Json* json = strategy.has("parameters") ? strategy.child("parameters") : &empty;
    const ConfigObject object(json, strategy.pointer("parameters"), {"spread_bps", "size", "requote_ticks", "skew_bps", "price_step"},
                              errors);
    MarketMakerParameters p;
    p.spread_bps = object.number("spread_bps", NumberRange{0, 1000, true}, p.spread_bps);
    p.size = object.number("size", NumberRange{0, 1e9, true}, p.size);
    p.requote_ticks = static_cast<std::uint32_t>(object.integer("requote_ticks", 1, 1'000'000, p.requote_ticks));
    p.skew_bps = object.number("skew_bps", NumberRange{0, 1000, false}, p.skew_bps);
    p.price_step = object.number("price_step", NumberRange{1e-6, 1e6, false}, p.price_step);
    return p;
}

std::vector<StrategyConfig> read_strategies(const ConfigObject& root, const std::vector<VenueConfig>& venues, ConfigErrors& errors) {
    std::vector<StrategyConfig> strategies;
    std::vector<std::string> venue_names;
    for (const VenueConfig& venue : venues) venue_names.push_back(venue.name);
    const Json* list = root.list("strategies");
    for (std::size_t i = 0; list != nullptr && i < list->size(); ++i) {
        const ConfigObject object(&(*list)[i], "/strategies/" + std::to_string(i),
                                  {"id", "type", "venue", "symbol", "limits", "parameters"}, errors);
        StrategyConfig strategy;
        strategy.id = object.name("id", StrategyName::kCapacity);
        strategy.type = object.choice("type", {"market_maker"});
        strategy.venue = object.name("venue", VenueName::kCapacity);
        strategy.symbol = object.name("symbol", SymbolName::kCapacity);
        strategy.limits = read_limits(object, errors);
        strategy.parameters = read_market_maker(object, errors);
        const bool known = std::find(venue_names.begin(), venue_names.end(), strategy.venue) != venue_names.end();
        if (!known && !strategy.venue.empty()) {
            const std::string near = nearest(strategy.venue, venue_names);
            errors.add(object.pointer("venue"),
                       "no venue \"" + strategy.venue + "\" in /venues" + (near.empty() ? "" : "; nearest is \"" + near + "\""));
        }
        if (strategy.parameters.size > strategy.limits.max_position && strategy.limits.max_position > 0) {
            errors.add(object.pointer("parameters") + "/size",
                       "expected a number <= limits/max_position, found " + excerpt(Json(strategy.parameters.size)));
        }
        const bool twice = std::any_of(strategies.begin(), strategies.end(), [&](const StrategyConfig& s) { return s.id == strategy.id; });
        if (twice && !strategy.id.empty()) errors.add(object.pointer("id"), "strategy \"" + strategy.id + "\" stands twice");
        strategies.push_back(strategy);
    }
    return strategies;
}

}  // namespace

std::size_t EngineConfig::venue_index(const std::string& venue) const {
    for (std::size_t i = 0; i < venues.size(); ++i) {
        if (venues[i].name == venue) return i;
    }
    return 0;
}

EngineConfig load_engine_config(const Json& json, ConfigErrors& errors) {
    EngineConfig config;
    const ConfigObject root(&json, "", {"engine", "api", "metrics", "database", "venues", "strategies", "lease", "hot_path"}, errors);
    if (!json.is_object()) return config;

    const ConfigObject engine(root.child("engine"), "/engine", {"name", "data_dir", "log_dir"}, errors);
    config.name = engine.name("name", EngineName::kCapacity);
    config.data_dir = engine.text("data_dir", 4000);
    config.log_dir = engine.text("log_dir", 4000);
    config.api = read_listen(root, "api", errors);
    config.metrics = read_listen(root, "metrics", errors);
    if (config.api.port == config.metrics.port && config.api.listen == config.metrics.listen) {
        errors.add("/metrics/port", "expected a port other than /api/port, found " + std::to_string(config.metrics.port));
    }
    config.database = read_database(root, errors);
    config.venues = read_venues(root, errors);
    config.strategies = read_strategies(root, config.venues, errors);

    static const Json empty = Json::object();
    const ConfigObject lease(root.has("lease") ? root.child("lease") : &empty, "/lease",
                             {"beat_ms", "ttl_ms", "margin_ms", "suspect_ms", "failover"}, errors);
    config.beat_ms = static_cast<std::uint32_t>(lease.integer("beat_ms", 10, 10'000, 200));
    config.ttl_ms = static_cast<std::uint32_t>(lease.integer("ttl_ms", 500, 600'000, 60'000));
    config.margin_ms = static_cast<std::uint32_t>(lease.integer("margin_ms", 10, 60'000, 500));
    config.suspect_ms = static_cast<std::uint32_t>(lease.integer("suspect_ms", 100, 60'000, 1'000));
    config.automatic_failover = lease.choice("failover", {"manual", "automatic"}, "manual") == "automatic";
    if (config.margin_ms + config.beat_ms >= config.ttl_ms) {
        errors.add("/lease/margin_ms", "expected margin_ms + beat_ms below ttl_ms (" + std::to_string(config.ttl_ms) + "), found " +
                                           std::to_string(config.margin_ms) + " + " + std::to_string(config.beat_ms));
    }
    if (config.suspect_ms < 3 * config.beat_ms) {
        errors.add("/lease/suspect_ms", "expected at least three beats (" + std::to_string(3 * config.beat_ms) + "), found " +
                                            std::to_string(config.suspect_ms));
    }
    const bool unfenced = std::any_of(config.venues.begin(), config.venues.end(), [](const VenueConfig& v) { return v.fence == "none"; });
    if (unfenced && config.ttl_ms > 2'000) {
        errors.add("/lease/ttl_ms", "expected at most 2000 while a venue has fence \"none\", found " + std::to_string(config.ttl_ms));
    }

    const ConfigObject hot(root.has("hot_path") ? root.child("hot_path") : &empty, "/hot_path", {"wait", "cpu"}, errors);
    config.wait = hot.choice("wait", {"park", "spin"}, "park") == "spin" ? WaitMode::spin : WaitMode::park;
    const bool pinned = hot.has("cpu") && !hot.child("cpu")->is_null();
    config.cpu = pinned ? static_cast<int>(hot.integer("cpu", 0, 4095)) : -1;
    return config;
}

Json EngineConfig::json() const {
    Json venue_list = Json::array();
    for (const VenueConfig& v : venues) {
        venue_list.push_back({{"name", v.name},
                              {"host", v.host},
                              {"order_port", v.order_port},
                              {"market_data_port", v.market_data_port},
                              {"fence", v.fence},
                              {"account", v.account},
                              {"heartbeat_ms", v.heartbeat_ms}});
    }
    Json strategy_list = Json::array();
    for (const StrategyConfig& s : strategies) {
        strategy_list.push_back({{"id", s.id},
                                 {"type", s.type},
                                 {"venue", s.venue},
                                 {"symbol", s.symbol},
                                 {"limits",
                                  {{"max_position", s.limits.max_position},
                                   {"max_notional", s.limits.max_notional},
                                   {"max_order_rate_per_s", s.limits.max_order_rate_per_s},
                                   {"max_open_orders", s.limits.max_open_orders},
                                   {"daily_loss_usd", s.limits.daily_loss_usd},
                                   {"price_collar_pct", s.limits.price_collar_pct}}},
                                 {"parameters",
                                  {{"spread_bps", s.parameters.spread_bps},
                                   {"size", s.parameters.size},
                                   {"requote_ticks", s.parameters.requote_ticks},
                                   {"skew_bps", s.parameters.skew_bps},
                                   {"price_step", s.parameters.price_step}}}});
    }
    return {{"engine", {{"name", name}, {"data_dir", data_dir}, {"log_dir", log_dir}}},
            {"api", {{"listen", api.listen}, {"port", api.port}}},
            {"metrics", {{"listen", metrics.listen}, {"port", metrics.port}}},
            {"database",
             {{"hosts", database.hosts},
              {"port", database.port},
              {"name", database.name},
              {"user", database.user},
              {"connect_timeout_ms", database.connect_timeout_ms},
              {"sslmode", database.sslmode},
              {"queue_records", database.queue_records}}},
            {"venues", venue_list},
            {"strategies", strategy_list},
            {"lease",
             {{"beat_ms", beat_ms},
              {"ttl_ms", ttl_ms},
              {"margin_ms", margin_ms},
              {"suspect_ms", suspect_ms},
              {"failover", automatic_failover ? "automatic" : "manual"}}},
            {"hot_path", {{"wait", wait == WaitMode::spin ? "spin" : "park"}, {"cpu", cpu < 0 ? Json(nullptr) : Json(cpu)}}}};
}

}  // namespace hft
