// SPDX-License-Identifier: GPL-3.0-or-later
#include <fcntl.h>
#include <gtest/gtest.h>
#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

#include <chrono>
#include <filesystem>
#include <fstream>
#include <functional>
#include <memory>
#include <nlohmann/json.hpp>
#include <sstream>
#include <string>
#include <thread>
#include <vector>

#include "apps/hft_ctl/arguments.hpp"
#include "apps/hft_system/kill_switch.hpp"
#include "io/config_reader.hpp"
#include "io/environment_file.hpp"
#include "io/http_client.hpp"
#include "io/tcp.hpp"
#include "tests/certificates.hpp"

namespace hft {
namespace {

using Json = nlohmann::json;

const std::string kRead = "read-0123456789ab";
const std::string kOperate = "operate-0123456789ab";
const std::string kKill = "kill-0123456789ab";

// A child of this test, ended with it.
class Process {
public:
    Process(std::vector<std::string> words, const std::string& output) {
        pid_ = ::fork();
        if (pid_ != 0) return;
        const int fd = ::open(output.c_str(), O_WRONLY | O_CREAT | O_TRUNC, 0600);
        ::dup2(fd, STDOUT_FILENO);
        ::dup2(fd, STDERR_FILENO);
        std::vector<char*> argv;
        for (std::string& word : words) argv.push_back(word.data());
        argv.push_back(nullptr);
        ::execv(argv[0], argv.data());
        ::_exit(127);
    }
    Process(const Process&) = delete;
    Process& operator=(const Process&) = delete;
    ~Process() {
        signal(SIGCONT);
        signal(SIGKILL);
        wait();
    }
    void signal(int number) const {
        if (pid_ > 0) ::kill(pid_, number);
    }
    int wait() {
        if (pid_ <= 0) return -1;
        int code = 0;
        ::waitpid(pid_, &code, 0);
        pid_ = -1;
        return WIFEXITED(code) ? WEXITSTATUS(code) : -WTERMSIG(code);
    }
    [[nodiscard]] pid_t pid() const { return pid_; }

private:
    pid_t pid_ = -1;
};

std::uint16_t free_port() {
    const TcpResult listener = tcp_listen("127.0.0.1", 0);
    return tcp_port(listener.fd.get());
}

std::string content(const std::filesystem::path& path) {
    std::ifstream in(path);
    std::ostringstream text;
    text << in.rdbuf();
    return text.str();
}

bool eventually(const std::function<bool()>& condition) {
    for (int i = 0; i < 3000; ++i) {
        if (condition()) return true;
        std::this_thread::sleep_for(std::chrono::milliseconds(10));
    }
    return false;
}

// A real engine, standby for want of a database and a venue, and hft_ctl beside it, laid out as an installation is.
class Console : public testing::Test {
protected:
    void SetUp() override {
        home_ = std::filesystem::path(testing::TempDir()) /
                ("ctl_" + std::string(testing::UnitTest::GetInstance()->current_test_info()->name()));
        std::filesystem::remove_all(home_);
        for (const char* name : {"config", "data", "log"}) std::filesystem::create_directories(home_ / name);
        ConfigErrors errors;
        config_ = read_config_file(HFT_ENGINE_DIR "/config/production.json.example", errors);
        ASSERT_EQ(errors.text(), "");
        config_["engine"]["data_dir"] = (home_ / "data").string();
        config_["engine"]["log_dir"] = (home_ / "log").string();
        config_["api"] = {{"listen", "127.0.0.1"}, {"port", free_port()}};
        config_["metrics"] = {{"listen", "127.0.0.1"}, {"port", free_port()}};
        config_["database"]["hosts"] = {"127.0.0.1"};
        config_["database"]["port"] = 1;
        config_["database"]["queue_records"] = 16384;
        config_["venues"][0]["host"] = "127.0.0.1";
        config_["venues"][0]["order_port"] = 1;
        config_["venues"][0]["market_data_port"] = 2;
    }
    void write_config() const { std::ofstream(home_ / "config" / "production.json") << config_.dump(2); }
    [[nodiscard]] std::string config_path() const { return (home_ / "config" / "production.json").string(); }
    void start() {
        write_config();
        engine_ =
            std::make_unique<Process>(std::vector<std::string>{HFT_SYSTEM, "--config=" + config_path()}, (home_ / "engine.out").string());
        ASSERT_TRUE(eventually([&] { return ask("GET", "/health").status == 200; })) << content(home_ / "engine.out");
    }
    [[nodiscard]] HttpAnswer ask(const std::string& method, const std::string& path, const std::string& body = {}) const {
        const std::string certificate = config_["api"].contains("tls") ? config_["api"]["tls"]["certificate"].get<std::string>() : "";
        return http_ask({"127.0.0.1", config_["api"]["port"].get<std::uint16_t>(), certificate, token_}, method, path, body, 20 * kSecond);
    }
    [[nodiscard]] Json killswitch() const { return Json::parse(ask("GET", "/api/v1/killswitch").body); }
    int ctl(const std::vector<std::string>& words) {
        std::vector<std::string> all{HFT_CTL, "--config=" + config_path()};
        all.insert(all.end(), words.begin(), words.end());
        Process process(all, (home_ / "ctl.out").string());
        const int code = process.wait();
        said_ = content(home_ / "ctl.out");
        return code;
    }
    [[nodiscard]] bool said(const char* text) const { return said_.find(text) != std::string::npos; }

    std::filesystem::path home_;
    Json config_;
    std::string token_;
    std::string said_;
    std::unique_ptr<Process> engine_;
};

TEST_F(Console, StatusTellsWhatRunsAndStandbyIsDoneOrSaysWhyNot) {
    start();
    EXPECT_EQ(ctl({"status"}), ctl::done) << said_;
    EXPECT_TRUE(said("hft-prod-01") && said("standby") && said("mm-btc-usd") && said("kill switch off") && said("paper: disconnected"))
        << said_;
    EXPECT_EQ(ctl({"journal"}), ctl::done) << said_;
    EXPECT_TRUE(said("records wait for the database")) << said_;
    ctl({"standby"});
    EXPECT_TRUE(said("Next:")) << said_;
}

TEST_F(Console, KillThroughTheApiSurvivesARestart) {
    start();
    EXPECT_EQ(ctl({"kill", "runaway", "quotes"}), ctl::done) << said_;
    EXPECT_TRUE(killswitch()["latched"].get<bool>());
    EXPECT_EQ(killswitch()["reason"], "runaway quotes");
    engine_.reset();
    start();
    EXPECT_EQ(killswitch()["reason"], "runaway quotes");
    EXPECT_EQ(ask("POST", "/api/v1/strategies/mm-btc-usd/start").status, 409U);
    EXPECT_EQ(ctl({"status"}), ctl::done);
    EXPECT_TRUE(said("LATCHED")) << said_;
}

TEST_F(Console, KillOfOneStrategyLeavesTheRest) {
    start();
    EXPECT_EQ(ctl({"--strategy=none", "kill", "x"}), ctl::refused) << said_;
    EXPECT_FALSE(killswitch()["latched"].get<bool>());
    EXPECT_EQ(ctl({"--strategy=mm-btc-usd", "kill", "bad fills"}), ctl::done) << said_;
    const auto check = [&] {
        EXPECT_FALSE(killswitch()["latched"].get<bool>());
        ASSERT_EQ(killswitch()["strategies"].size(), 1U);
        EXPECT_EQ(killswitch()["strategies"][0]["reason"], "bad fills");
        EXPECT_TRUE(Json::parse(ask("GET", "/api/v1/strategies/mm-btc-usd").body)["killed"].get<bool>());
    };
    check();
    engine_.reset();
    start();
    check();
    EXPECT_EQ(ask("POST", "/api/v1/strategies/mm-btc-usd/start").status, 409U);
    // Without a database the rows cannot be cleared, so the latch stays.
    EXPECT_EQ(ask("DELETE", "/api/v1/killswitch", R"({"reason":"x","strategy":"mm-btc-usd"})").status, 503U);
    check();
}

TEST_F(Console, KillOfAStoppedApiIsObeyedWithoutIt) {
    start();
    // Somebody else's listener answers nothing at the address that hft_ctl is told.
    const TcpResult silent = tcp_listen("127.0.0.1", 0);
    Json other = config_;
    other["api"]["port"] = tcp_port(silent.fd.get());
    std::ofstream(home_ / "config" / "production.json") << other.dump();
    EXPECT_EQ(ctl({"kill", "api hangs"}), ctl::done) << said_;
    EXPECT_TRUE(said("SIGUSR1 sent to pid") && said("kill flag written")) << said_;
    EXPECT_TRUE(eventually([&] { return killswitch()["latched"].get<bool>(); }));
    EXPECT_EQ(killswitch()["reason"], "api hangs");
}

TEST_F(Console, KillWithoutAnEngineHoldsAtTheNextStart) {
    write_config();
    EXPECT_EQ(ctl({"status"}), ctl::no_answer);
    EXPECT_TRUE(said("no engine runs")) << said_;
    EXPECT_EQ(ctl({"kill", "before the open"}), ctl::done) << said_;
    start();
    EXPECT_EQ(killswitch()["reason"], "before the open");
}

TEST_F(Console, KillWorksWithABrokenConfiguration) {
    start();
    std::ofstream(home_ / "config" / "production.json") << "{ broken";
    EXPECT_EQ(ctl({"kill", "now"}), ctl::done) << said_;
    EXPECT_TRUE(said("cannot be read")) << said_;
    EXPECT_TRUE(eventually([&] { return killswitch()["latched"].get<bool>(); }));
}

TEST_F(Console, ASignalAloneLatchesAndIsPersisted) {
    start();
    engine_->signal(SIGUSR1);
    EXPECT_TRUE(eventually([&] { return killswitch()["latched"].get<bool>(); }));
    EXPECT_EQ(killswitch()["reason"], "signal SIGUSR1");
    EXPECT_TRUE(eventually([&] { return std::filesystem::exists(home_ / "data" / "killswitch.json"); }));
    engine_.reset();
    start();
    EXPECT_TRUE(killswitch()["latched"].get<bool>());
}

TEST_F(Console, TokensOverTlsAreTakenFromTheEnvironmentFile) {
    ASSERT_TRUE(write_certificate((home_ / "engine").string()));
    config_["api"]["tls"] = {{"certificate", (home_ / "engine.crt").string()}, {"key", (home_ / "engine.key").string()}};
    std::ofstream(home_ / ".env") << "API_TOKENS_READ=\"" << kRead << "\"\nAPI_TOKENS_OPERATE='" << kOperate
                                  << "'\nAPI_TOKENS_KILL=" << kKill << "\n";
    for (const auto& [name, value] : read_environment_file((home_ / ".env").string())) ::setenv(name.c_str(), value.c_str(), 1);
    start();
    for (const char* name : {"API_TOKENS_READ", "API_TOKENS_OPERATE", "API_TOKENS_KILL"}) ::unsetenv(name);

    const HttpAnswer none = ask("GET", "/api/v1/status");
    EXPECT_EQ(none.status, 401U);
    EXPECT_EQ(Json::parse(none.body)["title"], "Unauthorized");
    token_ = kRead;
    EXPECT_EQ(ask("GET", "/api/v1/status").status, 200U);
    EXPECT_EQ(ask("PUT", "/api/v1/config", R"({"trading_enabled":false})").status, 403U);
    EXPECT_EQ(ask("POST", "/api/v1/killswitch", R"({"reason":"x"})").status, 403U);
    token_ = kOperate;
    EXPECT_EQ(ask("PUT", "/api/v1/config", R"({"trading_enabled":false})").status, 200U);
    EXPECT_EQ(ask("PUT", "/api/v1/config", R"({"trading_enabled":false,"trading_enabled":true})").status, 400U);
    EXPECT_EQ(ctl({"status"}), ctl::done) << said_;
    EXPECT_EQ(ctl({"kill", "over", "tls"}), ctl::done) << said_;
    EXPECT_TRUE(said("latched by the engine")) << said_;
    EXPECT_EQ(killswitch()["reason"], "over tls");

    std::ifstream audit(home_ / "log" / "audit.log");
    std::vector<std::string> seen;
    for (std::string line; std::getline(audit, line);) {
        const Json call = Json::parse(line);
        EXPECT_EQ(call["client"], "127.0.0.1");
        seen.push_back(call["method"].get<std::string>() + " " + call["path"].get<std::string>() + " " + call["status"].dump() + " " +
                       call.value("detail", ""));
        for (const std::string& token : {kRead, kOperate, kKill}) EXPECT_EQ(line.find(token), std::string::npos) << line;
    }
    ASSERT_EQ(seen.size(), 6U);
    EXPECT_EQ(std::vector<std::string>(seen.begin(), seen.begin() + 4),
              (std::vector<std::string>{"GET /api/v1/status 401 no token", "PUT /api/v1/config 403 wrong scope",
                                        "POST /api/v1/killswitch 403 wrong scope", "PUT /api/v1/config 200 "}));
    EXPECT_NE(seen[4].find("PUT /api/v1/config 400 "), std::string::npos) << seen[4];
    EXPECT_EQ(seen[5], "POST /api/v1/killswitch 200 ");
}

TEST_F(Console, TheApiIsNotOpenedToOthersWithoutTokens) {
    config_["api"]["listen"] = "0.0.0.0";
    config_["api"]["insecure"] = true;
    write_config();
    Process validator({HFT_SYSTEM, "--validate-config", "--config=" + config_path()}, (home_ / "out").string());
    EXPECT_EQ(validator.wait(), 1);
    EXPECT_NE(content(home_ / "out").find("/api/listen: "), std::string::npos) << content(home_ / "out");
    ::setenv("API_TOKENS_READ", "short", 1);
    Process weak({HFT_SYSTEM, "--config=" + config_path()}, (home_ / "out").string());
    EXPECT_EQ(weak.wait(), 1);
    EXPECT_NE(content(home_ / "out").find("at least 16 characters"), std::string::npos) << content(home_ / "out");
    ::unsetenv("API_TOKENS_READ");
}

TEST(ConsoleArguments, SayWhatIsMissing) {
    using ctl::parse_arguments;
    EXPECT_EQ(parse_arguments({"kill", "two", "words"}).reason, "two words");
    EXPECT_EQ(parse_arguments({"--strategy=mm", "kill", "x"}).strategy, "mm");
    for (const std::vector<std::string>& wrong : {std::vector<std::string>{},
                                                  {"kill"},
                                                  {"flatten"},
                                                  {"stop"},
                                                  {"status", "now"},
                                                  {"--confg=x", "status"},
                                                  {"--config=", "status"},
                                                  {"--strategy=mm", "status"}}) {
        EXPECT_NE(parse_arguments(wrong).error, "");
    }
    EXPECT_TRUE(parse_arguments({"--help"}).help);
}

TEST(EnvironmentFile, ReadsWhatSystemdReads) {
    const std::string path = testing::TempDir() + "environment";
    std::ofstream(path)
        << "# comment\n; comment\n\nA=plain\nB=\"with \\\" and \\$ and \\\\\"\nC='single \\n'\n  D=indented  \nno equals sign\nE=\n";
    auto variables = read_environment_file(path);
    EXPECT_EQ(variables["A"], "plain");
    EXPECT_EQ(variables["B"], "with \" and $ and \\");
    EXPECT_EQ(variables["C"], "single \\n");
    EXPECT_EQ(variables["D"], "indented");
    EXPECT_EQ(variables["E"], "");
    EXPECT_TRUE(read_environment_file(path + ".none").empty());
}

TEST(KillFile, InDoubtItIsLatched) {
    const std::string path = testing::TempDir() + "killswitch.json";
    for (const char* text : {"", "{", "[]", "{}", "\"x\"", R"({"reason": 5})", R"({"strategies": {}})", R"({"strategies": {"mm": 1}})"}) {
        std::ofstream(path) << text;
        KillSwitch latch(path);
        latch.load();
        EXPECT_TRUE(latch.state().latched) << text;
    }
    std::ofstream(path) << R"({"reason": "old", "since": "2026-01-01T00:00:00Z", "rows_latched": true})";
    KillSwitch latch(path);
    latch.load();
    EXPECT_EQ(latch.state().reason, "old");
    EXPECT_EQ(latch.latch("one", "mm"), "");
    EXPECT_EQ(latch.latch("second reason"), "");
    EXPECT_EQ(latch.clear(), "");
    KillSwitch again(path);
    again.load();
    EXPECT_FALSE(again.state().latched);
    EXPECT_EQ(again.state("mm").reason, "one");
    EXPECT_EQ(again.clear("mm"), "");
    EXPECT_FALSE(std::filesystem::exists(path));
}

}  // namespace
}  // namespace hft
