// SPDX-License-Identifier: GPL-3.0-or-later
#include <gtest/gtest.h>

#include <filesystem>
#include <fstream>
#include <string>
#include <thread>
#include <vector>

#include "io/log.hpp"

namespace hft {
namespace {

std::vector<std::string> lines_of(const std::filesystem::path& path) {
    std::ifstream in(path);
    std::vector<std::string> lines;
    for (std::string line; std::getline(in, line);) lines.push_back(line);
    return lines;
}

std::filesystem::path fresh(const char* name) {
    const std::filesystem::path directory = std::filesystem::path(testing::TempDir()) / name;
    std::filesystem::remove_all(directory);
    std::filesystem::create_directories(directory);
    return directory;
}

TEST(LogFile, LinesOfManyThreadsStayWhole) {
    const std::filesystem::path directory = fresh("log_whole");
    LogFile file;
    EXPECT_EQ(file.append("before it is open\n"), "");
    ASSERT_EQ(file.open((directory / "one.log").string(), 0600), "");
    std::vector<std::thread> threads;
    threads.reserve(4);
    for (int t = 0; t < 4; ++t) {
        threads.emplace_back([&file, line = std::string(200, static_cast<char>('a' + t)) + "\n"] {
            for (int i = 0; i < 100; ++i) EXPECT_EQ(file.append(line), "");
        });
    }
    for (std::thread& thread : threads) thread.join();
    const std::vector<std::string> found = lines_of(directory / "one.log");
    EXPECT_EQ(found.size(), 400U);
    for (const std::string& line : found) EXPECT_EQ(line, std::string(200, line.front()));
}

TEST(Log, ErrorsAreInBothFilesAndARotatedOneIsLeftBehind) {
    const std::filesystem::path directory = fresh("log_rotated");
    Log log("test");
    ASSERT_EQ(log.open(directory.string()), "");
    log.write(LogLevel::info, "first");
    log.write(LogLevel::error, "second", "mm");
    EXPECT_EQ(lines_of(directory / "system.log").size(), 2U);
    ASSERT_EQ(lines_of(directory / "errors.log").size(), 1U);
    EXPECT_NE(lines_of(directory / "errors.log")[0].find(R"("level":"error","component":"test","strategy":"mm","message":"second"})"),
              std::string::npos);
    std::filesystem::rename(directory / "system.log", directory / "system.log.1");
    log.reopen();
    log.write(LogLevel::info, "third");
    EXPECT_EQ(lines_of(directory / "system.log").size(), 1U);
    EXPECT_NE(log.open((directory / "none").string()).find("none/system.log"), std::string::npos);
}

}  // namespace
}  // namespace hft
