// SPDX-License-Identifier: GPL-3.0-or-later
#include "io/engine_config.hpp"

#include <algorithm>
#include <optional>
#include <utility>

#include "io/strategy_library.hpp"

namespace hft {

namespace {

using Json = nlohmann::json;

constexpr NumberRange kPositive{0, 1e12, true};
constexpr NumberRange kPercent{0, 100, true};
constexpr std::int64_t kMaxPort = 65'535;
constexpr int kMaxCpu = 4095;
constexpr std::size_t kStages = 3;

ListenAddress read_listen(const ConfigObject& root, const std::string& key, ConfigErrors& errors) {
    const ConfigObject object(root.child(key), root.pointer(key), {"listen", "port"}, errors);
    ListenAddress address;
    address.listen = object.text("listen", 64);
    address.port = static_cast<std::uint16_t>(object.integer("port", 1, kMaxPort));
    return address;
}

ApiConfig read_api(const ConfigObject& root, ConfigErrors& errors) {
    const ConfigObject object(root.child("api"), "/api", {"listen", "port", "insecure", "requests_per_s", "tls"}, errors);
    ApiConfig api;
    api.listen = object.text("listen", 64);
    api.port = static_cast<std::uint16_t>(object.integer("port", 1, kMaxPort));
    api.insecure = object.truth("insecure", false);
    api.requests_per_s = static_cast<std::uint32_t>(object.integer("requests_per_s", 1, 100'000, 100));
    if (object.has("tls") && !object.child("tls")->is_null()) {
        const ConfigObject tls(object.child("tls"), "/api/tls", {"certificate", "key", "client_ca"}, errors);
        api.tls = TlsFiles{tls.text("certificate", 4000), tls.text("key", 4000), tls.text("client_ca", 4000, "")};
    } else if (!api.listen.empty() && !api.loopback() && !api.insecure) {
        errors.add("/api/listen", "expected a loopback address while /api/tls is missing, found " + excerpt(Json(api.listen)) +
                                      "; give /api/tls, or set /api/insecure to true to send tokens in the clear");
    }
    return api;
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
                                  {"name", "host", "order_port", "market_data_port", "fence", "account", "heartbeat_ms", "live"}, errors);
        VenueConfig venue;
        venue.name = object.name("name", VenueName::kCapacity);
        venue.host = object.text("host", 253);
        venue.order_port = static_cast<std::uint16_t>(object.integer("order_port", 1, kMaxPort));
        venue.market_data_port = static_cast<std::uint16_t>(object.integer("market_data_port", 1, kMaxPort));
        venue.fence = object.choice("fence", {"epoch", "none"});
        venue.account = object.name("account", AccountName::kCapacity, "main");
        venue.heartbeat_ms = static_cast<std::uint32_t>(object.integer("heartbeat_ms", 0, 60'000, 500));
        venue.live = object.truth("live", false);
        const bool twice = std::any_of(venues.begin(), venues.end(), [&](const VenueConfig& v) { return v.name == venue.name; });
        if (twice && !venue.name.empty()) errors.add(object.pointer("name"), "venue \"" + venue.name + "\" stands twice");
        venues.push_back(venue);
    }
    return venues;
}

std::optional<AccountConfig> read_account(const ConfigObject& root, ConfigErrors& errors) {
    if (!root.has("account")) return std::nullopt;
    const ConfigObject object(root.child("account"), "/account", {"name", "capital_usd", "max_capital_pct", "daily_loss_pct"}, errors);
    AccountConfig account;
    account.name = object.name("name", 63);
    account.capital_usd = object.number("capital_usd", kPositive);
    account.max_capital_pct = object.number("max_capital_pct", kPercent, account.max_capital_pct);
    account.daily_loss_pct = object.number("daily_loss_pct", kPercent, account.daily_loss_pct);
    return account;
}

HotPathConfig read_hot_path(const ConfigObject& root, ConfigErrors& errors) {
    static const Json empty = Json::object();
    const ConfigObject hot(root.has("hot_path") ? root.child("hot_path") : &empty, "/hot_path", {"layout", "wait", "cpu", "cpus"}, errors);
    HotPathConfig config;
    config.wait = hot.choice("wait", {"park", "spin"}, "park") == "spin" ? WaitMode::spin : WaitMode::park;
    const bool pinned = hot.has("cpu") && !hot.child("cpu")->is_null();
    if (hot.choice("layout", {"run_to_completion", "pipeline"}, "run_to_completion") == "run_to_completion") {
        config.cpu = pinned ? static_cast<int>(hot.integer("cpu", 0, kMaxCpu)) : -1;
        if (hot.has("cpus")) errors.add("/hot_path/cpus", "only of layout \"pipeline\"; run_to_completion has one thread: cpu");
        return config;
    }
    config.layout = HotPathLayout::pipeline;
    if (pinned) errors.add("/hot_path/cpu", "only of layout \"run_to_completion\"; pipeline has three threads: cpus");
    // A stage that sleeps wakes after 50 us and more: longer than one thread takes for everything.
    if (config.wait != WaitMode::spin) errors.add("/hot_path/wait", "expected \"spin\" with layout \"pipeline\", found \"park\"");
    const Json* cpus = hot.list("cpus");
    for (std::size_t i = 0; cpus != nullptr && i < cpus->size(); ++i) {
        const Json& cpu = (*cpus)[i];
        const bool whole = cpu.is_number_integer() && cpu >= 0 && cpu <= kMaxCpu;
        if (whole && std::find(config.cpus.begin(), config.cpus.end(), cpu.get<int>()) == config.cpus.end()) {
            config.cpus.push_back(cpu.get<int>());
        } else {
            errors.add("/hot_path/cpus/" + std::to_string(i), "expected a CPU that does not stand before, found " + cpu.dump());
        }
    }
    if (cpus != nullptr && cpus->size() != kStages) {
        errors.add("/hot_path/cpus", "expected three CPUs (feed, trading, gateway), found " + std::to_string(cpus->size()));
    }
    return config;
}

Json hot_path_json(const HotPathConfig& config) {
    Json out = {{"wait", config.wait == WaitMode::spin ? "spin" : "park"}};
    if (config.layout == HotPathLayout::pipeline) {
        out["layout"] = "pipeline";
        out["cpus"] = config.cpus;
    } else {
        out["layout"] = "run_to_completion";
        out["cpu"] = config.cpu < 0 ? Json(nullptr) : Json(config.cpu);
    }
    return out;
}

// Real money moves in one environment alone.
void check_environment(const EngineConfig& config, ConfigErrors& errors) {
    const bool production = config.environment == "production";
    for (std::size_t i = 0; i < config.venues.size(); ++i) {
        if (config.venues[i].live && !production) {
            errors.add("/venues/" + std::to_string(i) + "/live", "expected false outside /engine/environment \"production\" (it is \"" +
                                                                     config.environment + "\"): a live venue trades real money");
        }
    }
    if (production && !config.account) {
        errors.add("/account", "missing: in production the share of capital is a limit, so it must be known (name, capital_usd)");
    }
}

std::vector<StrategyConfig> read_strategies(const ConfigObject& root, const EngineConfig& config, ConfigErrors& errors) {
    std::vector<StrategyConfig> strategies;
    const Json* list = root.list("strategies");
    if (list != nullptr && list->size() > kMaxStrategies) {
        errors.add("/strategies", "expected at most " + std::to_string(kMaxStrategies) + ", found " + std::to_string(list->size()));
    }
    for (std::size_t i = 0; list != nullptr && i < list->size(); ++i) {
        const std::string pointer = "/strategies/" + std::to_string(i);
        StrategyConfig strategy = read_strategy((*list)[i], pointer, config.strategy_surroundings(), errors);
        const bool twice = std::any_of(strategies.begin(), strategies.end(), [&](const StrategyConfig& s) { return s.id == strategy.id; });
        if (twice && !strategy.id.empty()) errors.add(pointer + "/id", "strategy \"" + strategy.id + "\" stands twice");
        strategies.push_back(std::move(strategy));
    }
    return strategies;
}

}  // namespace

bool ApiConfig::loopback() const { return listen.rfind("127.", 0) == 0 || listen == "::1"; }

std::size_t EngineConfig::venue_index(const std::string& venue) const {
    for (std::size_t i = 0; i < venues.size(); ++i) {
        if (venues[i].name == venue) return i;
    }
    return 0;
}

StrategySurroundings EngineConfig::strategy_surroundings() const {
    StrategySurroundings out;
    for (const VenueConfig& venue : venues) out.venues.push_back(venue.name);
    if (!strategies_dir.empty()) out.directories.push_back(strategies_dir);
    out.directories.push_back(release_strategies_dir());
    out.account = account;
    return out;
}

EngineConfig load_engine_config(const Json& json, ConfigErrors& errors) {
    EngineConfig config;
    const ConfigObject root(&json, "", {"engine", "api", "metrics", "database", "account", "venues", "strategies", "lease", "hot_path"},
                            errors);
    if (!json.is_object()) return config;

    const ConfigObject engine(root.child("engine"), "/engine", {"name", "environment", "data_dir", "log_dir", "strategies_dir"}, errors);
    config.name = engine.name("name", EngineName::kCapacity);
    config.environment = engine.choice("environment", {"development", "staging", "production"}, "development");
    config.strategies_dir = engine.has("strategies_dir") ? engine.text("strategies_dir", 4000) : "";
    config.data_dir = engine.text("data_dir", 4000);
    config.log_dir = engine.text("log_dir", 4000);
    config.api = read_api(root, errors);
    config.metrics = read_listen(root, "metrics", errors);
    if (config.api.port == config.metrics.port && config.api.listen == config.metrics.listen) {
        errors.add("/metrics/port", "expected a port other than /api/port, found " + std::to_string(config.metrics.port));
    }
    config.database = read_database(root, errors);
    config.venues = read_venues(root, errors);
    config.account = read_account(root, errors);
    check_environment(config, errors);
    config.strategies = read_strategies(root, config, errors);

    static const Json empty = Json::object();
    const ConfigObject lease(root.has("lease") ? root.child("lease") : &empty, "/lease",
                             {"beat_ms", "ttl_ms", "margin_ms", "suspect_ms", "failover", "reconcile"}, errors);
    config.beat_ms = static_cast<std::uint32_t>(lease.integer("beat_ms", 10, 10'000, 200));
    config.ttl_ms = static_cast<std::uint32_t>(lease.integer("ttl_ms", 500, 600'000, 60'000));
    config.margin_ms = static_cast<std::uint32_t>(lease.integer("margin_ms", 10, 60'000, 500));
    config.suspect_ms = static_cast<std::uint32_t>(lease.integer("suspect_ms", 100, 60'000, 1'000));
    config.block_on_difference = lease.choice("reconcile", {"block", "adopt"}, "block") == "block";
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

    config.hot_path = read_hot_path(root, errors);
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
                              {"heartbeat_ms", v.heartbeat_ms},
                              {"live", v.live}});
    }
    Json strategy_list = Json::array();
    for (const StrategyConfig& s : strategies) strategy_list.push_back(s.json());
    Json engine = {{"name", name}, {"environment", environment}, {"data_dir", data_dir}, {"log_dir", log_dir}};
    if (!strategies_dir.empty()) engine["strategies_dir"] = strategies_dir;
    Json api_object = {{"listen", api.listen}, {"port", api.port}, {"insecure", api.insecure}, {"requests_per_s", api.requests_per_s}};
    if (api.tls) {
        api_object["tls"] = {{"certificate", api.tls->certificate}, {"key", api.tls->key}};
        if (!api.tls->client_ca.empty()) api_object["tls"]["client_ca"] = api.tls->client_ca;
    }
    Json out = {{"engine", engine},
                {"api", api_object},
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
                  {"failover", automatic_failover ? "automatic" : "manual"},
                  {"reconcile", block_on_difference ? "block" : "adopt"}}},
                {"hot_path", hot_path_json(hot_path)}};
    if (account) {
        out["account"] = {{"name", account->name},
                          {"capital_usd", account->capital_usd},
                          {"max_capital_pct", account->max_capital_pct},
                          {"daily_loss_pct", account->daily_loss_pct}};
    }
    return out;
}

}  // namespace hft
