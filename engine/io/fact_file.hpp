// SPDX-License-Identifier: GPL-3.0-or-later
#pragma once

#include <cstddef>
#include <optional>
#include <string>
#include <vector>

#include "core/fact.hpp"
#include "io/fd.hpp"

namespace hft {

// The ring of facts as a shared file mapping: what the database has not taken yet is there again after kill -9.
class FactFile {
public:
    FactFile() = default;
    FactFile(const FactFile&) = delete;
    FactFile& operator=(const FactFile&) = delete;
    ~FactFile();

    // Empty, or what failed. A file of another size or layout is replaced when it holds nothing, else refused.
    [[nodiscard]] std::string open(const std::string& path, std::size_t capacity);
    [[nodiscard]] FactRing& ring() noexcept { return *ring_; }

private:
    Fd file_;
    void* memory_ = nullptr;
    std::size_t size_ = 0;
    std::optional<FactRing> ring_;
};

// What waits in the file of another process, oldest first, without touching it. Empty, or what failed.
[[nodiscard]] std::string read_waiting_facts(const std::string& path, std::vector<Fact>& waiting);

}  // namespace hft
