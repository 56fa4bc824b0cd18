// SPDX-License-Identifier: GPL-3.0-or-later
#include "io/venue_config.hpp"

#include <gtest/gtest.h>

#include <string>

namespace hft {
namespace {

using Json = nlohmann::json;

Json smallest() {
    return Json::parse(R"({"venue": {"name": "paper", "log_dir": "/tmp"}, "order_entry": {"listen": "0.0.0.0", "port": 1},
                           "market_data": {"listen": "0.0.0.0", "port": 2}, "symbols": [{"name": "A", "price": 1}]})");
}

PaperVenueConfig load(const Json& json, std::string& errors) {
    ConfigErrors found;
    PaperVenueConfig config = load_venue_config(json, found);
    errors = found.text();
    return config;
}

TEST(VenueConfig, DefaultsHold) {
    std::string errors;
    const VenueServerSetup setup = load(smallest(), errors).server;
    EXPECT_EQ(errors, "");
    EXPECT_TRUE(setup.rules.cancel_on_disconnect);
    EXPECT_EQ(setup.rules.heartbeat_timeout_ms, 5000U);
    EXPECT_EQ(setup.rules.self_match, SelfMatch::cancel_newest);
    EXPECT_EQ(setup.rules.fence, FenceMode::enforce);
    EXPECT_EQ(setup.replay.file, "");
    EXPECT_EQ(setup.log_sync_ms, 0U);
    EXPECT_EQ(setup.impairments.latency_us, 0U);
    EXPECT_EQ(setup.impairments.reject_rate, 0);
    EXPECT_EQ(setup.impairments.disconnect_per_min, 0);
}

TEST(VenueConfig, TheExampleIsValidAndHoldsTheDefaults) {
    ConfigErrors errors;
    const Json json = read_config_file(std::string(HFT_ENGINE_DIR) + "/config/venue.json.example", errors);
    const VenueServerSetup example = load_venue_config(json, errors).server;
    EXPECT_EQ(errors.text(), "");
    std::string none;
    const VenueServerSetup defaults = load(smallest(), none).server;
    EXPECT_EQ(example.rules.heartbeat_timeout_ms, defaults.rules.heartbeat_timeout_ms);
    EXPECT_EQ(example.rules.cancel_on_disconnect, defaults.rules.cancel_on_disconnect);
    EXPECT_EQ(example.rules.self_match, defaults.rules.self_match);
    EXPECT_EQ(example.replay.file, "");
    EXPECT_EQ(example.generator.max_quote_size, defaults.generator.max_quote_size);
    EXPECT_EQ(example.log_sync_ms, defaults.log_sync_ms);
}

TEST(VenueConfig, EverythingIsRead) {
    Json json = smallest();
    json["fence"] = "observe";
    json["self_match"] = "cancel_oldest";
    json["sessions"] = {{"cancel_on_disconnect", false}, {"heartbeat_timeout_ms", 0}};
    json["feed"] = {{"type", "replay"}, {"file", "/x.csv"}, {"speed", 0}, {"loop", true}};
    json["impairments"] = {{"seed", 7}, {"latency_us", 1}, {"jitter_us", 2}, {"reject_rate", 0.5}, {"disconnect_per_min", 3}};
    json["log"] = {{"sync_ms", 10}};
    json["generator"] = {{"max_quote_size", 0.5}};
    std::string errors;
    const VenueServerSetup setup = load(json, errors).server;
    EXPECT_EQ(errors, "");
    EXPECT_EQ(setup.rules.fence, FenceMode::observe);
    EXPECT_EQ(setup.rules.self_match, SelfMatch::cancel_oldest);
    EXPECT_FALSE(setup.rules.cancel_on_disconnect);
    EXPECT_EQ(setup.rules.heartbeat_timeout_ms, 0U);
    EXPECT_EQ(setup.replay.file, "/x.csv");
    EXPECT_EQ(setup.replay.speed, 0);
    EXPECT_TRUE(setup.replay.loop);
    EXPECT_EQ(setup.impairments.seed, 7U);
    EXPECT_EQ(setup.impairments.latency_us, 1U);
    EXPECT_EQ(setup.impairments.jitter_us, 2U);
    EXPECT_EQ(setup.impairments.reject_rate, 0.5);
    EXPECT_EQ(setup.impairments.disconnect_per_min, 3);
    EXPECT_EQ(setup.log_sync_ms, 10U);
    EXPECT_EQ(setup.generator.max_quote_size, 0.5);
}

TEST(VenueConfig, FaultsNameTheirPlaceAndWhatWasExpected) {
    Json json = smallest();
    json["self_match"] = "cancel_both";
    json["sessions"] = {{"cancel_on_disconnect", "yes"}, {"heartbeat_timeout", 1}};
    json["feed"] = {{"type", "replay"}, {"speed", -1}, {"loop", 1}};
    json["impairments"] = {{"reject_rate", 1.5}, {"latency_us", -1}};
    json["log"] = 5;
    std::string errors;
    static_cast<void>(load(json, errors));
    for (const char* expected :
         {"/self_match: expected \"cancel_newest\" or \"cancel_oldest\", found \"cancel_both\"",
          "/sessions/cancel_on_disconnect: expected true or false, found \"yes\"",
          "/sessions/heartbeat_timeout: unknown key; nearest known key is \"heartbeat_timeout_ms\"", "/feed/file: missing",
          "/feed/speed: expected a number >= 0", "/feed/loop: expected true or false, found 1",
          "/impairments/reject_rate: ", "/impairments/latency_us: ", "/log: expected an object, found 5"}) {
        EXPECT_NE(errors.find(expected), std::string::npos) << expected << "\nin\n" << errors;
    }
    json = smallest();
    json["feed"] = {{"file", "/x.csv"}};
    static_cast<void>(load(json, errors));
    EXPECT_NE(errors.find("/feed/file: only with \"type\": \"replay\""), std::string::npos) << errors;
}

}  // namespace
}  // namespace hft
