# Copyright: (c) hft.ops contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Private to hft.ops. The latency tools of rt-tests: their command lines, and what they measured for each CPU.

cyclictest and oslat write JSON since rt-tests 2.0; two of its keys end in a colon ("cmdline:", "rt_test_version:"). hwlatdetect has text
alone. Times are whole microseconds, as the tools count them.
"""

from __future__ import annotations

import json
import math
import re
from dataclasses import dataclass, field
from typing import Any

from ansible_collections.hft.ops.plugins.module_utils._cpu_list import cpu_list
from ansible_collections.hft.ops.plugins.module_utils._host import HostError

CYCLICTEST_BUCKETS = 10_000  # one a microsecond; what is longer counts as overflow
OSLAT_BUCKETS = 1024         # the most that oslat takes; the last one holds the overflow
_SHARES = {"p50_us": 0.5, "p99_us": 0.99, "p99_9_us": 0.999}


@dataclass(frozen=True)
class CpuLatency:
    """What one tool saw on one CPU. histogram: microseconds to samples; overflow: samples longer than its last bucket."""

    cpu: int
    samples: int
    overflow: int
    min_us: int
    avg_us: float
    max_us: int
    histogram: dict[int, int]

    def percentile(self, share: float) -> int:
        """Latency that this share of the samples did not exceed; the maximum where it lies beyond the histogram."""
        rank, seen = math.ceil(share * self.samples), 0
        for microseconds in sorted(self.histogram):
            seen += self.histogram[microseconds]
            if seen >= rank:
                return microseconds
        return self.max_us

    def shown(self) -> dict[str, Any]:
        shares = {name: self.percentile(share) for name, share in _SHARES.items()}
        return {**vars(self), **shares, "histogram": {str(key): count for key, count in sorted(self.histogram.items())}}


@dataclass(frozen=True)
class Measured:
    """One run of one tool. max_us: the longest latency of all; 0 when hwlatdetect saw nothing above its threshold."""

    version: str
    max_us: int
    cpus: list[CpuLatency] = field(default_factory=list)


def cyclictest_argv(cpus: frozenset[int], main_cpu: int, duration_s: int, priority: int, interval_us: int, report: str) -> list[str]:
    # --default-system: without it cyclictest itself keeps the CPUs out of deep C-states, and would measure its own tuning.
    return ["cyclictest", "--quiet", "--mlockall", "--default-system", f"--priority={priority}", f"--interval={interval_us}",
            f"--duration={duration_s}", f"--threads={len(cpus)}", f"--affinity={cpu_list(cpus)}",
            f"--mainaffinity={main_cpu}", f"--histogram={CYCLICTEST_BUCKETS}", "--histfile=/dev/null", f"--json={report}"]


def oslat_argv(cpus: frozenset[int], main_cpu: int, duration_s: int, report: str) -> list[str]:
    # No real-time priority: a loop that never sleeps would starve whatever else is bound to the CPU.
    return ["oslat", "--quiet", "--zero-omit", f"--duration={duration_s}", f"--cpu-list={cpu_list(cpus)}", f"--cpu-main-thread={main_cpu}",
            f"--bucket-size={OSLAT_BUCKETS}", f"--json={report}"]


def hwlatdetect_argv(cpus: frozenset[int], duration_s: int, threshold_us: int) -> list[str]:
    return ["hwlatdetect", f"--duration={duration_s}s", f"--threshold={threshold_us}us", f"--cpu-list={cpu_list(cpus)}"]


def json_measured(tool: str, text: str, cpus: frozenset[int]) -> Measured:
    """What the JSON of cyclictest or oslat says; HostError when it is none of theirs."""
    try:
        report = {key.rstrip(":"): value for key, value in json.loads(text).items()}
        threads = [report["thread"][name] for name in sorted(report["thread"], key=int)]
        found = [_cpu_latency(tool, thread, cpu) for thread, cpu in zip(threads, sorted(cpus))]
        return Measured(str(report["rt_test_version"]), max(one.max_us for one in found), sorted(found, key=lambda one: one.cpu))
    except (AttributeError, KeyError, TypeError, ValueError) as wrong:
        what = f"{type(wrong).__name__}: {wrong}"
        raise HostError(f"{tool}: its JSON is not that of rt-tests 2.0 or later ({what}); update rt-tests") from wrong


def _cpu_latency(tool: str, thread: dict[str, Any], nth_cpu: int) -> CpuLatency:
    histogram = {int(microseconds): int(count) for microseconds, count in thread["histogram"].items() if int(count) > 0}
    if tool == "oslat":
        longest = int(thread["max"])
        overflow = histogram.pop(OSLAT_BUCKETS, 0) if longest > OSLAT_BUCKETS else 0
        samples = sum(histogram.values()) + overflow
    else:
        samples = int(thread["cycles"])
        overflow = max(samples - sum(histogram.values()), 0)
    # Versions before 2.3 do not name the CPU; both tools give the n-th thread the n-th CPU.
    cpu, times = int(thread.get("cpu", nth_cpu)), (int(thread["min"]), float(thread["avg"]), int(thread["max"]))
    return CpuLatency(cpu, samples, overflow, *times, histogram)


def hwlatdetect_measured(text: str, version: str) -> Measured:
    found = re.search(r"^Max Latency: (?:(\d+)us|Below threshold)$", text, re.MULTILINE)
    if found is None:
        raise HostError("hwlatdetect: its output has no line 'Max Latency:'; update rt-tests")
    return Measured(version, int(found[1] or 0))
