// SPDX-License-Identifier: GPL-3.0-or-later
#include "io/strategy_config.hpp"

#include <algorithm>

#include "core/order_table.hpp"
#include "core/types.hpp"
#include "io/strategy_library.hpp"

namespace hft {

namespace {

using Json = nlohmann::json;

constexpr NumberRange kPositive{0, 1e12, true};

}  // namespace

RiskLimits within(RiskLimits limits, const std::optional<AccountConfig>& account) {
    if (!account) return limits;
    limits.max_capital_usd = account->capital_usd * account->max_capital_pct / 100.0;
    limits.daily_loss_usd = std::min(limits.daily_loss_usd, account->capital_usd * account->daily_loss_pct / 100.0);
    return limits;
}

RiskLimits read_limits(const Json* json, const std::string& pointer, ConfigErrors& errors) {
    const ConfigObject object(
        json, pointer, {"max_position", "max_notional", "max_order_rate_per_s", "max_open_orders", "daily_loss_usd", "price_collar_pct"},
        errors);
    RiskLimits limits;
    limits.max_position = from_double(object.number("max_position", NumberRange{0, 1e9, true}));
    limits.max_notional = object.number("max_notional", kPositive);
    limits.max_order_rate_per_s = static_cast<std::uint32_t>(object.integer("max_order_rate_per_s", 1, 1'000'000));
    limits.max_open_orders =
        static_cast<std::uint32_t>(object.integer("max_open_orders", 1, static_cast<std::int64_t>(OrderTable::kCapacity)));
    limits.daily_loss_usd = object.number("daily_loss_usd", kPositive);
    limits.price_collar_pct = object.number("price_collar_pct", NumberRange{0, 100, true});
    return limits;
}

Json limits_json(const RiskLimits& limits) {
    return {{"max_position", to_double(limits.max_position)},
            {"max_notional", limits.max_notional},
            {"max_order_rate_per_s", limits.max_order_rate_per_s},
            {"max_open_orders", limits.max_open_orders},
            {"daily_loss_usd", limits.daily_loss_usd},
            {"price_collar_pct", limits.price_collar_pct}};
}

StrategyConfig read_strategy(const Json& json, const std::string& pointer, const StrategySurroundings& around, ConfigErrors& errors) {
    const ConfigObject object(&json, pointer, {"id", "type", "venue", "symbol", "paper_trading", "limits", "parameters"}, errors);
    StrategyConfig strategy;
    if (!json.is_object()) return strategy;
    strategy.id = object.name("id", StrategyName::kCapacity);
    strategy.venue = object.name("venue", VenueName::kCapacity);
    strategy.symbol = object.name("symbol", SymbolName::kCapacity);
    strategy.paper_trading = object.truth("paper_trading", false);
    strategy.configured = read_limits(object.child("limits"), object.pointer("limits"), errors);
    strategy.limits = within(strategy.configured, around.account);
    const bool known = std::find(around.venues.begin(), around.venues.end(), strategy.venue) != around.venues.end();
    if (!known && !strategy.venue.empty()) {
        const std::string near = nearest(strategy.venue, around.venues);
        errors.add(object.pointer("venue"),
                   "no venue \"" + strategy.venue + "\" in /venues" + (near.empty() ? "" : "; nearest is \"" + near + "\""));
    }
    strategy.parameters = object.has("parameters") ? *object.child("parameters") : Json::object();
    strategy.type = object.text("type", 200);
    if (strategy.type.empty()) return strategy;
    std::string error;
    const auto library = StrategyLibrary::open(around.directories, strategy.type, error);
    if (library) {
        library->validate(strategy.parameters, strategy.limits, object.pointer("parameters"), errors);
    } else {
        errors.add(object.pointer("type"), error);
    }
    return strategy;
}

Json StrategyConfig::json() const {
    return {{"id", id},
            {"type", type},
            {"venue", venue},
            {"symbol", symbol},
            {"paper_trading", paper_trading},
            {"limits", limits_json(configured)},
            {"parameters", parameters}};
}

}  // namespace hft
