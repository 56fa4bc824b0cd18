// SPDX-License-Identifier: GPL-3.0-or-later
#include "io/fact_file.hpp"

#include <gtest/gtest.h>
#include <sys/statvfs.h>
#include <unistd.h>

#include <cstdlib>
#include <filesystem>
#include <string>

namespace hft {
namespace {

class FactFileTest : public ::testing::Test {
protected:
    void SetUp() override {
        std::string pattern = (std::filesystem::temp_directory_path() / "journal-XXXXXX").string();
        ASSERT_NE(::mkdtemp(pattern.data()), nullptr);
        directory_ = pattern;
    }
    void TearDown() override { std::filesystem::remove_all(directory_); }
    [[nodiscard]] std::string path() const { return directory_ + "/journal.bin"; }
    std::string directory_;
};

Fact fact(std::uint64_t seq) {
    Fact f;
    f.seq = seq;
    f.strategy = StrategyName("mm");
    return f;
}

TEST_F(FactFileTest, WhatWasNotReleasedIsThereInTheNextLife) {
    {
        FactFile file;
        ASSERT_EQ(file.open(path(), 64), "");
        for (std::uint64_t i = 1; i <= 3; ++i) ASSERT_TRUE(file.ring().push(fact(i)));
        file.ring().release(1);
    }
    FactFile again;
    ASSERT_EQ(again.open(path(), 64), "");
    ASSERT_EQ(again.ring().readable(), 2U);
    EXPECT_EQ(again.ring().peek(0).seq, 2U);
    EXPECT_EQ(again.ring().peek(1).strategy.view(), "mm");
}

TEST_F(FactFileTest, AnotherSizeIsRefusedWhileFactsWait) {
    {
        FactFile file;
        ASSERT_EQ(file.open(path(), 64), "");
        ASSERT_TRUE(file.ring().push(fact(1)));
    }
    {
        FactFile other;
        EXPECT_NE(other.open(path(), 128).find("holds 1 facts"), std::string::npos);
    }
    {
        FactFile same;
        ASSERT_EQ(same.open(path(), 64), "");
        same.ring().release(1);
    }
    FactFile other;
    EXPECT_EQ(other.open(path(), 128), "");
    EXPECT_EQ(other.ring().capacity(), 128U);
}

// A file system in memory refuses at once what is larger than itself, so a full disk costs neither time nor memory here.
TEST_F(FactFileTest, AFullDiskIsNamedAtTheStartAndNothingIsKept) {
    struct statvfs memory{};
    if (::statvfs("/dev/shm", &memory) != 0) GTEST_SKIP() << "no /dev/shm on this system";
    const std::string path = "/dev/shm/hft_full_disk_" + std::to_string(::getpid());
    FactFile full;
    EXPECT_EQ(full.open(path, memory.f_blocks * memory.f_frsize / sizeof(Fact) + 1), "journal " + path + ": No space left on device");
    EXPECT_EQ(std::filesystem::file_size(path), 0U);
    FactFile small;
    EXPECT_EQ(small.open(path, 16), "") << "once there is room, the next start succeeds";
    std::filesystem::remove(path);
}

TEST_F(FactFileTest, AMissingDirectoryIsNamed) {
    FactFile file;
    EXPECT_NE(file.open(directory_ + "/no/journal.bin", 64).find("No such file"), std::string::npos);
}

}  // namespace
}  // namespace hft
