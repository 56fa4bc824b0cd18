// SPDX-License-Identifier: GPL-3.0-or-later
#include <gtest/gtest.h>

#include <string>

#include "io/engine_config.hpp"
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
    json["strategies"].push_back(json["strategies"][0]);
    json["strategies"][1]["venue"] = "papr";
    const std::string text = engine_errors(json);
    EXPECT_NE(text.find("/lease/ttl_ms: expected at most 2000"), std::string::npos) << text;
    EXPECT_NE(text.find("/lease/suspect_ms: expected at least three beats (600), found 300"), std::string::npos) << text;
    EXPECT_NE(text.find("/strategies/1/id: strategy \"mm-btc-usd\" stands twice"), std::string::npos) << text;
    EXPECT_NE(text.find("/strategies/1/venue: no venue \"papr\" in /venues; nearest is \"paper\""), std::string::npos) << text;
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
