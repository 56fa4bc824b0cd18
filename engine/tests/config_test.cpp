// SPDX-License-Identifier: GPL-3.0-or-later
#include <gtest/gtest.h>

#include <string>

#include "io/engine_config.hpp"
#include "io/hot_threads.hpp"
#include "io/venue_config.hpp"

namespace hft {
namespace {

using Json = nlohmann::json;

Json example(const char* name) {
    ConfigErrors errors;
    Json json = read_config_file(std::string(HFT_ENGINE_DIR "/config/") + name, errors);
    EXPECT_EQ(errors.text(), "");
    return json;
}

std::string engine_errors(const Json& json) {
    ConfigErrors errors;
    load_engine_config(json, errors);
    return errors.text();
}

TEST(Config, ExamplesAreValid) {
    EXPECT_EQ(engine_errors(example("production.json.example")), "");
    ConfigErrors errors;
    load_venue_config(example("venue.json.example"), errors);
    EXPECT_EQ(errors.text(), "");
}

TEST(Config, TheApiBeyondLoopbackWantsTlsOrAnExplicitNo) {
    Json json = example("production.json.example");
    for (const char* outside : {"0.0.0.0", "10.0.0.1", "::", "localhost"}) {
        json["api"] = {{"listen", outside}, {"port", 8080}};
        EXPECT_NE(engine_errors(json).find("/api/listen: expected a loopback address"), std::string::npos) << outside;
        json["api"]["insecure"] = true;
        EXPECT_EQ(engine_errors(json), "");
        json["api"].erase("insecure");
        json["api"]["tls"] = {{"certificate", "/a"}, {"key", "/b"}, {"client_ca", "/c"}};
        EXPECT_EQ(engine_errors(json), "");
    }
    ConfigErrors errors;
    const EngineConfig config = load_engine_config(json, errors);
    ASSERT_TRUE(config.api.tls.has_value());
    EXPECT_EQ(config.api.tls->client_ca, "/c");
    EXPECT_EQ(load_engine_config(config.json(), errors).json(), config.json());
    json["api"] = {{"listen", "::1"}, {"port", 8080}, {"insecure", "yes"}, {"requests_per_s", 0}, {"tls", {{"certificate", ""}}}};
    const std::string faults = engine_errors(json);
    for (const char* pointer : {"/api/insecure", "/api/requests_per_s", "/api/tls/certificate", "/api/tls/key"}) {
        EXPECT_NE(faults.find(std::string(pointer) + ": "), std::string::npos) << pointer << " in " << faults;
    }
}

TEST(Config, WhatIsShownReadsBackTheSame) {
    ConfigErrors errors;
    const EngineConfig config = load_engine_config(example("production.json.example"), errors);
    const EngineConfig again = load_engine_config(config.json(), errors);
    EXPECT_EQ(errors.text(), "");
    EXPECT_EQ(config.json(), again.json());
}

TEST(Config, WrongTypeNamesPointerExpectationAndFind) {
    Json json = example("production.json.example");
    json["strategies"][0]["limits"]["max_position"] = "abc";
    EXPECT_EQ(engine_errors(json), "/strategies/0/limits/max_position: expected a number > 0 and <= 1e+09, found \"abc\"\n");
}

TEST(Config, EveryErrorAtOnce) {
    Json json = example("production.json.example");
    json["api"]["port"] = 70000;
    json["database"].erase("user");
    json["venues"][0]["fence"] = "wall";
    json["hot_path"]["wait"] = 3;
    const std::string text = engine_errors(json);
    EXPECT_NE(text.find("/api/port: expected a whole number from 1 to 65535, found 70000"), std::string::npos) << text;
    EXPECT_NE(text.find("/database/user: missing"), std::string::npos) << text;
    EXPECT_NE(text.find("/venues/0/fence: expected \"epoch\" or \"none\", found \"wall\""), std::string::npos) << text;
    EXPECT_NE(text.find("/hot_path/wait: expected \"park\" or \"spin\", found 3"), std::string::npos) << text;
}

TEST(Config, ThePipelineWantsThreeCpusAndSpins) {
    Json json = example("production.json.example");
    json["hot_path"] = {{"layout", "pipeline"}, {"wait", "spin"}, {"cpus", {2, 3, 4}}};
    ConfigErrors errors;
    const EngineConfig config = load_engine_config(json, errors);
    EXPECT_EQ(errors.text(), "");
    EXPECT_EQ(config.hot_path.cpus, (std::vector<int>{2, 3, 4}));
    EXPECT_EQ(config.json()["hot_path"], json["hot_path"]);
    json["hot_path"] = {{"layout", "pipeline"}, {"cpu", 1}, {"cpus", {2, 2}}};
    EXPECT_EQ(engine_errors(json),
              "/hot_path/cpu: only of layout \"run_to_completion\"; pipeline has three threads: cpus\n"
              "/hot_path/wait: expected \"spin\" with layout \"pipeline\", found \"park\"\n"
              "/hot_path/cpus/1: expected a CPU that does not stand before, found 2\n"
              "/hot_path/cpus: expected three CPUs (feed, trading, gateway), found 2\n");
    json["hot_path"] = {{"cpus", {1, 2, 3}}};
    EXPECT_EQ(engine_errors(json), "/hot_path/cpus: only of layout \"pipeline\"; run_to_completion has one thread: cpu\n");
}

TEST(Config, ThePipelineIsRefusedWithoutAsManyIsolatedCpus) {
    HotPathConfig config;
    EXPECT_EQ(HotThreads::refusal(config, ""), "");
    config.layout = HotPathLayout::pipeline;
    config.cpus = {2, 3, 7};
    EXPECT_EQ(HotThreads::refusal(config, "2-4,7"), "");
    const std::string error = HotThreads::refusal(config, "2-3");
    EXPECT_NE(error.find("/hot_path/cpus: layout pipeline wants an isolated CPU for each stage"), std::string::npos) << error;
    EXPECT_NE(error.find("not among them: 7;"), std::string::npos) << error;
    EXPECT_NE(HotThreads::refusal(config, "").find("not among them: 2, 3, 7;"), std::string::npos);
    EXPECT_EQ(parse_cpu_list("0-1,5,8-9"), (std::vector<int>{0, 1, 5, 8, 9}));
    EXPECT_TRUE(parse_cpu_list("").empty());
}

TEST(Config, UnknownKeyNamesTheNearest) {
    Json json = example("production.json.example");
    json["strategies"][0]["limits"]["max_postion"] = 1;
    EXPECT_EQ(engine_errors(json), "/strategies/0/limits/max_postion: unknown key; nearest known key is \"max_position\"\n");
}

TEST(Config, DuplicateKeysAreErrorsWithTheirPlace) {
    ConfigErrors errors;
    parse_config(R"({"a": [{"b": 1}, {"c": 1, "c": 2}], "a": 3})", errors);
    EXPECT_EQ(errors.text(), "/a/1/c: this key stands twice; keep one of them\n/a: this key stands twice; keep one of them\n");
}

TEST(Config, NotJsonIsAnError) {
    ConfigErrors errors;
    parse_config("{\"a\": }", errors);
    EXPECT_NE(errors.text().find("not JSON"), std::string::npos);
    ConfigErrors overflow;
    parse_config("{\"a\": 1e999}", overflow);
    EXPECT_NE(overflow.text().find("number overflow"), std::string::npos);
    ConfigErrors list;
    load_engine_config(Json::array(), list);
    EXPECT_EQ(list.text(), "/: expected an object, found []\n");
    ConfigErrors missing;
    read_config_file("/nonexistent/x.json", missing);
    EXPECT_NE(missing.text().find("/nonexistent/x.json: No such file"), std::string::npos);
}

TEST(Config, WhatContradictsItselfIsRefused) {
    Json json = example("production.json.example");
    json["venues"][0]["fence"] = "none";
    json["lease"]["suspect_ms"] = 300;
    json["strategies"][1] = json["strategies"][0];
    json["strategies"][1]["venue"] = "papr";
    const std::string text = engine_errors(json);
    EXPECT_NE(text.find("/lease/ttl_ms: expected at most 2000"), std::string::npos) << text;
    EXPECT_NE(text.find("/lease/suspect_ms: expected at least three beats (600), found 300"), std::string::npos) << text;
    EXPECT_NE(text.find("/strategies/1/id: strategy \"mm-btc-usd\" stands twice"), std::string::npos) << text;
    EXPECT_NE(text.find("/strategies/1/venue: no venue \"papr\" in /venues; nearest is \"paper\""), std::string::npos) << text;
}

TEST(Config, ALiveVenueIsForProductionAlone) {
    Json json = example("production.json.example");
    json["venues"][0]["live"] = true;
    EXPECT_EQ(engine_errors(json), "");
    for (const char* environment : {"staging", "development"}) {
        json["engine"]["environment"] = environment;
        EXPECT_EQ(engine_errors(json), std::string("/venues/0/live: expected false outside /engine/environment \"production\" (it is \"") +
                                           environment + "\"): a live venue trades real money\n");
    }
    json["engine"].erase("environment");
    EXPECT_NE(engine_errors(json).find("/venues/0/live"), std::string::npos) << "not said must not mean production";
    json["engine"]["environment"] = "prod";
    EXPECT_NE(engine_errors(json).find("/engine/environment: expected \"development\" or \"staging\" or \"production\", found \"prod\""),
              std::string::npos);
}

TEST(Config, ProductionKnowsItsAccount) {
    Json json = example("production.json.example");
    json.erase("account");
    EXPECT_NE(engine_errors(json).find("/account: missing"), std::string::npos);
    json["engine"]["environment"] = "staging";
    EXPECT_EQ(engine_errors(json), "");
}

TEST(Config, SharesOfTheAccountBoundEveryStrategy) {
    Json json = example("production.json.example");
    json["account"] = {{"name", "main"}, {"capital_usd", 100'000}};
    ConfigErrors errors;
    const EngineConfig config = load_engine_config(json, errors);
    EXPECT_EQ(errors.text(), "");
    EXPECT_DOUBLE_EQ(config.strategies[0].limits.max_capital_usd, 10'000);
    EXPECT_DOUBLE_EQ(config.strategies[0].limits.daily_loss_usd, 3'000) << "5000 as configured";
    EXPECT_DOUBLE_EQ(config.strategies[1].limits.daily_loss_usd, 1'000);
    json["account"]["max_capital_pct"] = 101;
    json["account"]["capital_usd"] = 0;
    const std::string text = engine_errors(json);
    EXPECT_NE(text.find("/account/max_capital_pct: expected a number > 0 and <= 100, found 101"), std::string::npos) << text;
    EXPECT_NE(text.find("/account/capital_usd"), std::string::npos) << text;
}

TEST(Config, TheLibraryChecksTheParameters) {
    Json json = example("production.json.example");
    json["strategies"][0]["parameters"]["size"] = 3;
    json["strategies"][0]["parameters"]["spread"] = 3;
    json["strategies"][1]["type"] = "momentun";
    json["strategies"][1]["paper_trading"] = "yes";
    const std::string text = engine_errors(json);
    EXPECT_NE(text.find("/strategies/0/parameters/size: expected a number <= limits/max_position"), std::string::npos) << text;
    EXPECT_NE(text.find("/strategies/0/parameters/spread: unknown parameter"), std::string::npos) << text;
    EXPECT_NE(text.find("/strategies/1/type: no momentun.so in "), std::string::npos) << text;
    EXPECT_NE(text.find("nearest is \"momentum\""), std::string::npos) << text;
    EXPECT_NE(text.find("/strategies/1/paper_trading: expected true or false, found \"yes\""), std::string::npos) << text;
    json["strategies"][1]["type"] = "../../momentum";
    EXPECT_NE(engine_errors(json).find("/strategies/1/type: expected 1 to 32 letters"), std::string::npos);
}

TEST(Config, NoMoreStrategiesThanSlots) {
    Json json = example("production.json.example");
    for (int i = 0; i < 63; ++i) {
        json["strategies"].push_back(json["strategies"][0]);
        json["strategies"].back()["id"] = "s" + std::to_string(i);
    }
    EXPECT_EQ(engine_errors(json), "/strategies: expected at most 64, found 65\n");
}

TEST(Config, HugeNumbersDoNotWrap) {
    Json json = example("production.json.example");
    json["api"]["port"] = 18446744073709551615ULL;
    json["strategies"][0]["limits"]["max_notional"] = 1e300;
    const std::string text = engine_errors(json);
    EXPECT_NE(text.find("/api/port"), std::string::npos);
    EXPECT_NE(text.find("/strategies/0/limits/max_notional"), std::string::npos);
}

TEST(Config, VenueErrorsHavePointersToo) {
    Json json = example("venue.json.example");
    json["symbols"][1]["price"] = 0;
    json["generator"]["ticks_per_s"] = "fast";
    json["symbol"] = 1;
    ConfigErrors errors;
    load_venue_config(json, errors);
    const std::string text = errors.text();
    EXPECT_NE(text.find("/symbols/1/price: expected a number > 0"), std::string::npos) << text;
    EXPECT_NE(text.find("/generator/ticks_per_s: expected a whole number"), std::string::npos) << text;
    EXPECT_NE(text.find("/symbol: unknown key; nearest known key is \"symbols\""), std::string::npos) << text;
}

}  // namespace
}  // namespace hft
