// SPDX-License-Identifier: GPL-3.0-or-later
#include "io/fact_file.hpp"

#include <fcntl.h>
#include <sys/mman.h>
#include <sys/stat.h>

#include <algorithm>
#include <cerrno>
#include <cstdint>
#include <cstring>
#include <new>

namespace hft {

namespace {

struct Header {
    std::uint64_t magic;
    std::uint32_t version;
    std::uint32_t record;
    std::uint64_t capacity;
    RingCounters counters;
};
constexpr std::uint64_t kMagic = 0x4c4e524a54464831ULL;
constexpr std::uint32_t kVersion = 1;
constexpr std::size_t kSlots = 4096;  // offset of the first record: a page of its own for the header
static_assert(sizeof(Header) <= kSlots);

}  // namespace

FactFile::~FactFile() {
    if (memory_ != nullptr) ::munmap(memory_, size_);
}

std::string FactFile::open(const std::string& path, std::size_t capacity) {
    const auto failed = [&] { return "journal " + path + ": " + std::strerror(errno); };
    file_ = Fd(::open(path.c_str(), O_RDWR | O_CREAT | O_CLOEXEC, 0640));
    if (!file_) return failed();
    struct stat info{};
    if (::fstat(file_.get(), &info) != 0) return failed();
    size_ = kSlots + capacity * sizeof(Fact);
    if (info.st_size != 0) {
        alignas(Header) std::byte raw[sizeof(Header)];
        if (::pread(file_.get(), raw, sizeof(raw), 0) != static_cast<ssize_t>(sizeof(raw))) std::memset(raw, 0, sizeof(raw));
        const auto* old = std::launder(reinterpret_cast<const Header*>(raw));
        const bool same = old->magic == kMagic && old->version == kVersion && old->record == sizeof(Fact) && old->capacity == capacity &&
                          info.st_size == static_cast<off_t>(size_);
        if (!same) {
            const std::uint64_t waiting = old->magic == kMagic ? old->counters.head.load() - old->counters.tail.load() : 0;
            if (waiting != 0) {
                return "journal " + path + ": holds " + std::to_string(waiting) + " facts in the layout of another version or size; " +
                       "start with the old version and database/queue_records until persistence_queue_depth is 0";
            }
            if (::ftruncate(file_.get(), 0) != 0) return failed();
            info.st_size = 0;
        }
    }
    if (info.st_size == 0) {
        // Every block now: a full disk must show here, not as a signal in the hot path.
        if (const int code = ::posix_fallocate(file_.get(), 0, static_cast<off_t>(size_)); code != 0) {
            // What was got is given back: the disk is somebody else's too.
            const bool given_back = ::ftruncate(file_.get(), 0) == 0;
            errno = code;
            return failed() + (given_back ? "" : "; remove it by hand, it fills the disk");
        }
    }
    memory_ = ::mmap(nullptr, size_, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_POPULATE, file_.get(), 0);
    if (memory_ == MAP_FAILED) {
        memory_ = nullptr;
        return failed();
    }
    Header* header = info.st_size == 0 ? new (memory_) Header{kMagic, kVersion, sizeof(Fact), capacity, {}}
                                       : std::launder(static_cast<Header*>(memory_));
    auto* slots = std::launder(reinterpret_cast<Fact*>(static_cast<std::byte*>(memory_) + kSlots));
    ring_.emplace(header->counters, slots, capacity);
    return {};
}

std::string read_waiting_facts(const std::string& path, std::vector<Fact>& waiting) {
    waiting.clear();
    const auto failed = [&](const std::string& why) { return "journal " + path + ": " + why; };
    const Fd file(::open(path.c_str(), O_RDONLY | O_CLOEXEC));
    if (!file) return failed(std::strerror(errno));
    struct stat info{};
    if (::fstat(file.get(), &info) != 0) return failed(std::strerror(errno));
    const auto size = static_cast<std::size_t>(info.st_size);
    if (size < kSlots) return failed("is too short to be a journal");
    void* memory = ::mmap(nullptr, size, PROT_READ, MAP_SHARED, file.get(), 0);
    if (memory == MAP_FAILED) return failed(std::strerror(errno));
    const auto* header = std::launder(static_cast<const Header*>(memory));
    std::string error;
    if (header->magic != kMagic || header->version != kVersion || header->record != sizeof(Fact) || header->capacity == 0 ||
        size != kSlots + header->capacity * sizeof(Fact)) {
        error = failed("has the layout of another version; use the hft_ctl of that release");
    } else {
        const auto* slots = std::launder(reinterpret_cast<const Fact*>(static_cast<const std::byte*>(memory) + kSlots));
        const std::uint64_t head = header->counters.head.load(std::memory_order_acquire);
        std::uint64_t tail = header->counters.tail.load(std::memory_order_acquire);
        for (std::uint64_t i = tail; i != head && i - tail < header->capacity; ++i) waiting.push_back(slots[i % header->capacity]);
        // The engine goes on meanwhile: what it has released since may have been written over while we read.
        const std::uint64_t released = header->counters.tail.load(std::memory_order_acquire) - tail;
        waiting.erase(waiting.begin(), waiting.begin() + static_cast<std::ptrdiff_t>(std::min<std::uint64_t>(released, waiting.size())));
    }
    ::munmap(memory, size);
    return error;
}

}  // namespace hft
