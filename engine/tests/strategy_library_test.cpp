// SPDX-License-Identifier: GPL-3.0-or-later
#include "io/strategy_library.hpp"

#include <dlfcn.h>
#include <gtest/gtest.h>
#include <unistd.h>

#include <filesystem>
#include <fstream>
#include <string>
#include <vector>

#include "tests/strategies.hpp"

namespace hft {
namespace {

using Json = nlohmann::json;

std::string why_not(const std::string& type, const std::vector<std::string>& directories = {HFT_BROKEN_DIR}) {
    std::string error;
    EXPECT_EQ(StrategyLibrary::open(directories, type, error), nullptr);
    return error;
}

std::string faults(const std::string& type, const Json& parameters, double max_position = 10) {
    std::string error;
    const auto library = StrategyLibrary::open({HFT_STRATEGIES_DIR}, type, error);
    EXPECT_NE(library, nullptr) << error;
    RiskLimits limits;
    limits.max_position = from_double(max_position);
    ConfigErrors errors;
    library->validate(parameters, limits, "/p", errors);
    return errors.text();
}

class Counter final : public OrderActions {
public:
    bool place(std::uint8_t, Side, Price, Quantity quantity) noexcept override {
        placed += quantity;
        return true;
    }
    void cancel_all() noexcept override {}
    [[nodiscard]] Quantity position() const noexcept override { return 0; }
    [[nodiscard]] Quantity max_position() const noexcept override { return 0; }
    [[nodiscard]] std::uint32_t open_orders() const noexcept override { return 0; }
    Quantity placed = 0;
};

TEST(StrategyLibrary, ALibraryInPlainCTradesAndNeedsNoOnFill) {
    const auto strategy = test::make_strategy("plain_c", Json::object(), HFT_BROKEN_DIR);
    Counter actions;
    strategy->on_tick(Tick{}, actions);
    strategy->on_fill(Fill{}, 0);
    EXPECT_EQ(actions.placed, from_double(1));
}

TEST(StrategyLibrary, AnotherAbiIsRefusedByFileAndFix) {
    EXPECT_EQ(why_not("wrong_abi"), HFT_BROKEN_DIR
              "/wrong_abi.so: made for strategy ABI 99, this engine has 1; build it anew with this "
              "release's include/hft_strategy.h");
}

TEST(StrategyLibrary, AMissingSymbolIsNamed) {
    EXPECT_EQ(why_not("no_tick"), HFT_BROKEN_DIR
              "/no_tick.so: not a strategy library, it does not export hft_strategy_on_tick; see "
              "include/hft_strategy.h");
}

TEST(StrategyLibrary, AMissingFileNamesPlaceAndNearest) {
    EXPECT_EQ(why_not("market_makr", {"/nonexistent", HFT_STRATEGIES_DIR}),
              "no market_makr.so in /nonexistent or " HFT_STRATEGIES_DIR "; nearest is \"market_maker\"");
    EXPECT_EQ(why_not("zzzzzzzzzzzz", {HFT_STRATEGIES_DIR}),
              "no zzzzzzzzzzzz.so in " HFT_STRATEGIES_DIR "; found there: market_maker, momentum");
    EXPECT_EQ(why_not("x", {"/nonexistent"}), "no x.so in /nonexistent; there is no strategy library at all");
}

TEST(StrategyLibrary, ANameIsNoPath) {
    for (const char* type : {"../evil", "/etc/passwd", "a/b", "", "a.b", "..", "a b"}) {
        EXPECT_NE(why_not(type).find("expected 1 to 32 letters, digits, '_' or '-'"), std::string::npos) << type;
    }
    EXPECT_NE(why_not(std::string(33, 'a')).find("expected 1 to 32"), std::string::npos);
}

TEST(StrategyLibrary, ACorruptFileIsAnError) {
    std::string directory = (std::filesystem::temp_directory_path() / "strategies-XXXXXX").string();
    ASSERT_NE(::mkdtemp(directory.data()), nullptr);
    std::ofstream(directory + "/text.so") << "not a library";
    std::ofstream(directory + "/empty.so") << "";
    // The first half of a good one.
    std::ifstream in(HFT_STRATEGIES_DIR "/momentum.so", std::ios::binary);
    std::string bytes(4096, '\0');
    in.read(bytes.data(), static_cast<std::streamsize>(bytes.size()));
    std::ofstream(directory + "/half.so", std::ios::binary) << bytes;
    for (const char* type : {"text", "empty", "half"}) {
        const std::string error = why_not(type, {directory});
        EXPECT_NE(error.find(directory + "/" + type + ".so: cannot be loaded: "), std::string::npos) << error;
    }
    std::filesystem::remove_all(directory);
}

TEST(StrategyLibrary, WhatCannotBeMadeSaysWhy) {
    std::string error;
    const auto library = StrategyLibrary::open({HFT_BROKEN_DIR}, "no_create", error);
    ASSERT_NE(library, nullptr) << error;
    EXPECT_EQ(library->create(Json::object(), error), nullptr);
    EXPECT_EQ(error, HFT_BROKEN_DIR "/no_create.so: the strategy could not be made: not today");
}

TEST(StrategyLibrary, TheFirstDirectoryWins) {
    std::string error;
    const auto library = StrategyLibrary::open({HFT_BROKEN_DIR, HFT_STRATEGIES_DIR}, "momentum", error);
    ASSERT_NE(library, nullptr);
    EXPECT_EQ(library->path(), HFT_STRATEGIES_DIR "/momentum.so");
}

TEST(StrategyLibrary, IsUnloadedWithItsLastStrategy) {
    const std::string path = HFT_BROKEN_DIR "/plain_c.so";
    const auto loaded = [&] {
        void* handle = ::dlopen(path.c_str(), RTLD_NOLOAD | RTLD_NOW);
        if (handle != nullptr) ::dlclose(handle);
        return handle != nullptr;
    };
    ASSERT_FALSE(loaded());
    auto strategy = test::make_strategy("plain_c", Json::object(), HFT_BROKEN_DIR);
    EXPECT_TRUE(loaded());
    strategy.reset();
    EXPECT_FALSE(loaded());
    // The C++ ones too: a unique symbol would keep them for ever.
    {
        const auto momentum = test::make_strategy("momentum", Json::object());
    }
    EXPECT_EQ(::dlopen(HFT_STRATEGIES_DIR "/momentum.so", RTLD_NOLOAD | RTLD_NOW), nullptr);
}

TEST(StrategyParameters, EveryFaultAtOnceWithItsPointer) {
    EXPECT_EQ(faults("market_maker", {{"spread_bps", 0}, {"size", "big"}, {"requote_ticks", 1.5}, {"skew_bps", -1}, {"colour", 1}}),
              "/p/spread_bps: expected a number > 0 and <= 1000, found 0\n"
              "/p/size: expected a number > 0 and <= 1e+09, found \"big\"\n"
              "/p/requote_ticks: expected a whole number from 1 to 1000000, found 1.5\n"
              "/p/skew_bps: expected a number >= 0 and <= 1000, found -1\n"
              "/p/colour: unknown parameter; known here: spread_bps, size, requote_ticks, skew_bps, price_step\n");
}

TEST(StrategyParameters, DefaultsAreValid) {
    EXPECT_EQ(faults("market_maker", Json::object()), "");
    EXPECT_EQ(faults("momentum", Json::object()), "");
}

TEST(StrategyParameters, AreHeldAgainstTheLimits) {
    EXPECT_NE(faults("market_maker", {{"size", 2}}, 1).find("/p/size: expected a number <= limits/max_position"), std::string::npos);
    EXPECT_NE(faults("momentum", {{"size", 2}}, 1).find("/p/size"), std::string::npos);
    EXPECT_EQ(faults("momentum", {{"size", 1}}, 1), "");
}

TEST(StrategyParameters, WhatContradictsItselfIsRefused) {
    EXPECT_NE(faults("momentum", {{"entry_bps", 1}, {"exit_bps", 1}}).find("/p/exit_bps: expected a number below entry_bps"),
              std::string::npos);
}

TEST(StrategyParameters, OneFlatObjectAndNothingElse) {
    for (const Json& json : {Json(3), Json("x"), Json::array(), Json(nullptr), Json({{"size", {{"a", 1}}}}), Json({{"size", {1}}})}) {
        EXPECT_EQ(faults("momentum", json), "/p: expected one flat JSON object\n") << json;
    }
    EXPECT_NE(faults("momentum", {{"si\"ze}", 1}}).find("unknown parameter"), std::string::npos);
    EXPECT_NE(faults("momentum", {{"size", true}}).find("/p/size"), std::string::npos);
    EXPECT_NE(faults("momentum", {{"size", nullptr}}).find("/p/size"), std::string::npos);
}

TEST(StrategyParameters, AreCheckedAgainWhenItIsMade) {
    std::string error;
    const auto library = StrategyLibrary::open({HFT_STRATEGIES_DIR}, "momentum", error);
    ASSERT_NE(library, nullptr);
    EXPECT_EQ(library->create({{"size", -1}}, error), nullptr);
    EXPECT_NE(error.find("/size: expected a number > 0"), std::string::npos) << error;
}

}  // namespace
}  // namespace hft
