// SPDX-License-Identifier: GPL-3.0-or-later
#include "io/host_grants.hpp"

#include <pthread.h>
#include <sched.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/resource.h>

#include <charconv>
#include <cstddef>
#include <fstream>
#include <sstream>
#include <system_error>

namespace hft {

void lock_memory(HostGrants& grants) {
    // With a finite limit MCL_FUTURE would turn the first growth beyond it into a failed allocation.
    rlimit limit{};
    const bool unlimited = ::getrlimit(RLIMIT_MEMLOCK, &limit) == 0 && limit.rlim_cur == RLIM_INFINITY;
    grants.mlock = ::mlockall(unlimited ? MCL_CURRENT | MCL_FUTURE : MCL_CURRENT) == 0;
}

void probe_huge_pages(HostGrants& grants) {
    constexpr std::size_t kHugePage = 2 * 1024 * 1024;
    void* page = ::mmap(nullptr, kHugePage, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_HUGETLB, -1, 0);
    grants.huge_pages = page != MAP_FAILED;
    if (page != MAP_FAILED) ::munmap(page, kHugePage);
}

void settle_hot_thread(int cpu, bool spinning, HostGrants& grants) {
    ::prctl(PR_SET_TIMERSLACK, 1);
    if (cpu < 0) return;
    cpu_set_t set;
    CPU_ZERO(&set);
    CPU_SET(static_cast<std::size_t>(cpu), &set);
    if (::pthread_setaffinity_np(::pthread_self(), sizeof(set), &set) != 0) grants.affinity = false;
    // A spinning FIFO thread would starve the kernel's own threads on its CPU.
    if (spinning) return;
    sched_param priority{};
    priority.sched_priority = 10;
    grants.fifo = ::pthread_setschedparam(::pthread_self(), SCHED_FIFO, &priority) == 0;
}

std::string isolated_cpus() {
    std::ifstream in("/sys/devices/system/cpu/isolated");
    std::string text;
    std::getline(in, text);
    return text;
}

std::vector<int> parse_cpu_list(const std::string& text) {
    std::vector<int> cpus;
    std::istringstream ranges(text);
    for (std::string range; std::getline(ranges, range, ',');) {
        int first = 0;
        int last = 0;
        const char* const end = range.data() + range.size();
        auto [at, wrong] = std::from_chars(range.data(), end, first);
        if (wrong != std::errc()) continue;
        last = first;
        if (at != end && *at == '-') std::from_chars(at + 1, end, last);
        for (int cpu = first; cpu <= last; ++cpu) cpus.push_back(cpu);
    }
    return cpus;
}

}  // namespace hft
