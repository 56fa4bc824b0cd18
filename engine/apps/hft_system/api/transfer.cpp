// SPDX-License-Identifier: GPL-3.0-or-later
#include <algorithm>
#include <chrono>
#include <limits>
#include <thread>

#include "apps/hft_system/api/handlers.hpp"
#include "apps/hft_system/api/hot_thread.hpp"
#include "apps/hft_system/api/replies.hpp"
#include "apps/hft_system/api/views.hpp"
#include "io/config_reader.hpp"

namespace hft {

namespace {

using Json = nlohmann::json;

constexpr std::size_t kMaxId = 64;
constexpr std::size_t kMaxReason = 200;
constexpr std::size_t kMaxHolder = 64;
constexpr std::size_t kMaxBuild = 64;

// A body with faults gathered, as in a configuration.
class Body {
public:
    Body(const Call& call, std::vector<std::string> known)
        : json_(parse_config(call.request.body.empty() ? "{}" : call.request.body, errors_)) {
        if (errors_.empty()) object_.emplace(&json_, "", std::move(known), errors_);
    }
    [[nodiscard]] std::string name(const std::string& key, std::size_t max_length) { return object_ ? object_->name(key, max_length) : ""; }
    [[nodiscard]] std::string text(const std::string& key, std::size_t max_length) { return object_ ? object_->text(key, max_length) : ""; }
    [[nodiscard]] std::int64_t integer(const std::string& key, std::int64_t low, std::int64_t high, std::int64_t fallback) {
        return object_ ? object_->integer(key, low, high, fallback) : fallback;
    }
    [[nodiscard]] std::string choice(const std::string& key, const std::vector<std::string>& choices, const char* fallback) {
        return object_ ? object_->choice(key, choices, fallback) : fallback;
    }
    // Names of strategies of this engine; all of them where the body names none.
    [[nodiscard]] std::vector<std::string> strategies(Application& app) {
        std::vector<std::string> names;
        if (!object_ || object_->has("strategies")) return strategies(app, "strategies");
        for (const auto& s : app.strategies().list()) names.push_back(s->config.id);
        return names;
    }
    // Those that the body names there.
    [[nodiscard]] std::vector<std::string> strategies(Application& app, const std::string& key) {
        std::vector<std::string> names;
        if (!object_ || !object_->has(key)) return names;
        const Json* list = object_->list(key);
        for (std::size_t i = 0; list != nullptr && i < list->size(); ++i) {
            const Json& entry = (*list)[i];
            const std::string pointer = "/" + key + "/" + std::to_string(i);
            const std::string name = entry.is_string() ? entry.get<std::string>() : "";
            if (!app.strategies().find(name)) {
                errors_.add(pointer, "expected a strategy of this engine, found " + excerpt(entry));
            } else if (std::find(names.begin(), names.end(), name) != names.end()) {
                errors_.add(pointer, "strategy \"" + name + "\" stands twice");
            } else {
                names.push_back(name);
            }
        }
        return names;
    }
    // to: {engine, incarnation, build}
    void taker(TransferRequest& request) {
        const Json* json = object_ ? object_->child("to") : nullptr;
        if (json == nullptr) return;
        const ConfigObject to(json, "/to", {"engine", "incarnation", "build"}, errors_);
        request.to = to.name("engine", EngineName::kCapacity);
        request.to_incarnation = to.name("incarnation", kMaxHolder, "");
        request.to_build = to.text("build", kMaxBuild, "");
    }
    // expect: {holder, epochs: {strategy: epoch}}
    void expected(TransferRequest& request) {
        if (!object_ || !object_->has("expect")) return;
        const ConfigObject expect(object_->child("expect"), "/expect", {"holder", "epochs"}, errors_);
        request.holder = expect.text("holder", kMaxHolder, "");
        if (!expect.has("epochs")) return;
        const Json* epochs = expect.child("epochs");
        if (epochs == nullptr || !epochs->is_object()) return errors_.add("/expect/epochs", "expected an object: strategy to epoch");
        const ConfigObject each(epochs, "/expect/epochs", request.strategies, errors_);
        for (const auto& [strategy, epoch] : epochs->items()) {
            request.epochs[strategy] = static_cast<std::uint64_t>(each.integer(strategy, 0, std::numeric_limits<std::int64_t>::max()));
        }
    }
    [[nodiscard]] bool good() const { return errors_.empty(); }
    [[nodiscard]] HttpResponse why() const { return problem(400, errors_.one_line()); }

private:
    ConfigErrors errors_;
    Json json_;
    std::optional<ConfigObject> object_;
};

Json record_json(const TransferRecord& record) {
    Json steps = Json::array();
    for (const TransferStep& step : record.steps) steps.push_back({{"step", step.name}, {"wall_ns", step.wall}});
    return {
        {"id", record.id}, {"part", record.part}, {"outcome", record.outcome}, {"detail", record.detail}, {"strategies", record.strategies},
        {"steps", steps}};
}

HttpResponse shown(Application& app, const std::string& id, const std::string& part) {
    const std::vector<TransferRecord> records = app.keeper().transfers();
    const auto found = std::find_if(records.begin(), records.end(), [&](const TransferRecord& r) { return r.id == id && r.part == part; });
    Json json = found == records.end() ? Json::object() : record_json(*found);
    json["holder"] = app.holder();
    return json_response(json);
}

// kMaxStrategies: unloaded meanwhile; the hot thread ignores such a command.
std::size_t index_of(Application& app, const std::string& id) {
    const auto strategy = app.strategies().find(id);
    return strategy ? strategy->index : kMaxStrategies;
}

// A taker must be able to trade with the first tick behind its fence. Without a right this sends nothing. What the giver has stopped stays
// so.
void make_ready(Application& app, const std::vector<std::string>& strategies, const std::vector<std::string>& stopped = {}) {
    Command command;
    command.kind = Command::Kind::enable;
    app.command(command);
    for (const std::string& id : strategies) {
        const bool runs = std::find(stopped.begin(), stopped.end(), id) == stopped.end();
        command.kind = runs ? Command::Kind::start : Command::Kind::stop;
        command.strategy = index_of(app, id);
        app.command(command);
        soon([&] { return app.core().view(command.strategy).running.load() == runs; });
    }
}

}  // namespace

HttpResponse arm(const Call& call) {
    Body body(call, {"id", "strategies", "stopped", "expires_s"});
    ArmRequest request;
    request.id = body.name("id", kMaxId);
    request.strategies = body.strategies(call.app);
    const std::vector<std::string> stopped = body.strategies(call.app, "stopped");
    request.expires = body.integer("expires_s", 1, 3600, 60) * kSecond;
    if (!body.good()) return body.why();
    const RoleAnswer answer = call.app.keeper().arm(request);
    if (answer.outcome != RoleOutcome::done) return problem_of(answer);
    make_ready(call.app, request.strategies, stopped);
    return shown(call.app, request.id, "taker");
}

HttpResponse disarm(const Call& call) {
    Body body(call, {"id"});
    const std::string id = body.name("id", kMaxId);
    if (!body.good()) return body.why();
    const RoleAnswer answer = call.app.keeper().disarm(id);
    return answer.outcome == RoleOutcome::done ? shown(call.app, id, "taker") : problem_of(answer);
}

HttpResponse transfer(const Call& call) {
    Body body(call, {"id", "strategies", "expect", "to", "drain_ms", "undrained", "take_back_s"});
    TransferRequest request;
    request.id = body.name("id", kMaxId);
    request.strategies = body.strategies(call.app);
    body.taker(request);
    body.expected(request);
    request.take_back = body.integer("take_back_s", 0, 3600, 10) * kSecond;
    request.drain = body.integer("drain_ms", 1, 60'000, 500) * kMillisecond;
    request.abandon = body.choice("undrained", {"refuse", "hand_over"}, "refuse") == "hand_over";
    if (!body.good()) return body.why();
    const RoleAnswer answer = call.app.keeper().transfer(request);
    return answer.outcome == RoleOutcome::done ? shown(call.app, request.id, "giver") : problem_of(answer);
}

HttpResponse list_transfers(const Call& call) {
    Json list = Json::array();
    for (const TransferRecord& record : call.app.keeper().transfers()) list.push_back(record_json(record));
    return json_response({{"holder", call.app.holder()}, {"transfers", list}});
}

HttpResponse takeover(const Call& call) {
    Body body(call, {"strategies"});
    const std::vector<std::string> strategies = body.strategies(call.app);
    if (!body.good()) return body.why();
    const RoleAnswer answer = call.app.keeper().take_over(strategies);
    if (answer.outcome != RoleOutcome::done) {
        call.app.report(LogLevel::warning, "role", "takeover refused: " + answer.detail, answer.strategy);
        return problem_of(answer);
    }
    make_ready(call.app, strategies);
    return json_response({{"role", role(call.app)}, {"strategies", strategies_json(call.app)}});
}

// Cancels what is open and closes the positions, waiting for it up to wait_s.
HttpResponse flatten(const Call& call) {
    Body body(call, {"strategies", "reason", "wait_s"});
    const std::vector<std::string> strategies = body.strategies(call.app);
    const std::string reason = body.text("reason", kMaxReason);
    const Nanos limit = body.integer("wait_s", 0, 60, 5) * kSecond;
    if (!body.good()) return body.why();
    Application& app = call.app;
    if (app.core().hot().killed.load()) return problem(409, "the kill switch is latched: nothing can be sent; clear it first");
    std::vector<std::size_t> indices;
    for (const std::string& id : strategies) {
        const std::size_t i = index_of(app, id);
        if (i == kMaxStrategies) continue;
        const StrategyView& view = app.core().view(i);
        if (view.active.load() && view.right_until.load() > boot_ns()) {
            indices.push_back(i);
            app.report(LogLevel::warning, "flatten", "asked for: " + reason, id);
        } else if (view.position.load() != 0) {
            return problem(409, "strategy " + id + " is not held here: ask its holder");
        }
    }
    for (const std::size_t i : indices) {
        Command command;
        command.kind = Command::Kind::flatten;
        command.strategy = i;
        app.command(command);
    }
    const auto flat = [&](std::size_t i) {
        const StrategyView& view = app.core().view(i);
        return !view.flattening.load() && view.position.load() == 0 && view.open_orders.load() == 0;
    };
    bool all = false;
    for (const Nanos end = boot_ns() + limit;;) {
        all = std::all_of(indices.begin(), indices.end(), flat);
        if (all || boot_ns() >= end) break;
        std::this_thread::sleep_for(std::chrono::milliseconds(5));
    }
    return json_response({{"flat", all}, {"strategies", strategies_json(app)}}, all ? 200 : 202);
}

// Compares with the venue now. What differs is taken over from the venue and stops the strategy, unless the configuration says adopt.
HttpResponse reconcile(const Call& call) {
    Body body(call, {"strategies"});
    const std::vector<std::string> strategies = body.strategies(call.app);
    if (!body.good()) return body.why();
    Json list = Json::array();
    bool equal = true;
    for (const std::string& id : strategies) {
        const auto strategy = call.app.strategies().find(id);
        if (!strategy) return problem(404, "no strategy \"" + id + "\"");
        const StrategyView& view = call.app.core().view(strategy->index);
        if (!view.active.load()) return problem(409, "strategy " + id + " is not held and fenced here: only its holder can ask the venue");
        const std::uint64_t before = view.reconcile.done.load();
        Command command;
        command.kind = Command::Kind::reconcile;
        command.strategy = strategy->index;
        call.app.command(command);
        if (!soon([&] { return view.reconcile.done.load(std::memory_order_acquire) > before; })) {
            return problem(503, "venue " + strategy->config.venue + " did not answer for strategy " + id);
        }
        list.push_back(ReconciliationLog::json(id, view.reconcile));
        equal = equal && list.back()["equal"].get<bool>();
    }
    return json_response({{"equal", equal}, {"strategies", list}});
}

}  // namespace hft
