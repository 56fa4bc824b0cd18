// SPDX-License-Identifier: GPL-3.0-or-later
#pragma once

#include <atomic>
#include <string>
#include <vector>

namespace hft {

// What the host let us have. Asking is all we do: a refusal is a metric, not a failure.
struct HostGrants {
    std::atomic<bool> mlock{false};
    std::atomic<bool> huge_pages{false};
    std::atomic<bool> affinity{false};
    std::atomic<bool> fifo{false};
};

void lock_memory(HostGrants& grants);
// Whether a huge page can be mapped now.
void probe_huge_pages(HostGrants& grants);
// For the calling thread: pinned to cpu (-1: left alone), SCHED_FIFO when the host allows it and the thread is pinned.
// A refused CPU takes grants.affinity back.
void settle_hot_thread(int cpu, bool spinning, HostGrants& grants);

// What the kernel keeps its scheduler from, as "2-3,7"; empty: none.
[[nodiscard]] std::string isolated_cpus();
[[nodiscard]] std::vector<int> parse_cpu_list(const std::string& text);

}  // namespace hft
