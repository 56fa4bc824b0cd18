# Copyright: (c) hft.ops contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Private to hft.ops. What a systemd service may really use of its host: memory, CPUs, space on a disk.

Limits are systemd's own words for the service and for every slice above it, because they count before the service is started too;
above the root slice stands the control group that a container was given.
"""

from __future__ import annotations

import os
import re
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from ansible_collections.hft.ops.plugins.module_utils._host import Host, HostError
from ansible_collections.hft.ops.plugins.module_utils._systemd import Systemctl, Unit

LIMITS = ("Slice", "MemoryMax", "CPUQuotaPerSecUSec", "AllowedCPUs", "CPUAffinity")
_UNITS_OF_TIME = {"us": 1e-6, "ms": 1e-3, "s": 1.0, "min": 60.0, "h": 3600.0}
_ROOT = "the control group of this host"


@dataclass(frozen=True)
class Memory:
    """mb: 0 where nothing limits it; limited_by: who does."""

    mb: int
    limited_by: str


@dataclass(frozen=True)
class Cpus:
    """numbers: those that its threads may run on; count: fewer than these where a quota says so."""

    numbers: tuple[int, ...]
    count: int


@dataclass(frozen=True)
class Disk:
    """Of the file system that holds a path, which need not exist yet."""

    total_mb: int
    free_mb: int


def chain(systemctl: Systemctl, unit: str, slice_before_install: str) -> list[Unit]:
    """The service and the slices above it, the innermost first."""
    service = systemctl.units([unit], LIMITS)[unit]
    inner = service.properties.get("Slice") if service.exists else ""
    names = slices(inner or slice_before_install)
    return [service, *systemctl.units(names, LIMITS).values()]


def slices(innermost: str) -> list[str]:
    """a-b.slice lies in a.slice, and that in the root slice -.slice."""
    parts = innermost[:-len(".slice")].split("-") if innermost != "-.slice" else []
    return ["-".join(parts[:length]) + ".slice" for length in range(len(parts), 0, -1)] + ["-.slice"]


def memory(host: Host, units: Iterable[Unit]) -> Memory:
    """The lowest limit, and never more than the host has beside its reserved huge pages."""
    limits = {unit.name: unit.properties.get("MemoryMax", "infinity") for unit in units}
    limits[_ROOT] = (host.read("/sys/fs/cgroup/memory.max") or "max").strip()
    found = [(int(value), name) for name, value in limits.items() if value.isdigit()]
    if not found:
        return Memory(0, "")
    least, name = min(found)
    return Memory(min(least, (meminfo(host, "MemTotal") - meminfo(host, "Hugetlb")) * 1024) >> 20, name)


def cpus(host: Host, units: Iterable[Unit]) -> Cpus:
    """Those present that are not isolated, that no unit takes away, and that its quota pays for."""
    units = list(units)
    allowed = numbers(host.read("/sys/devices/system/cpu/present") or "0") - numbers(host.read("/sys/devices/system/cpu/isolated") or "")
    affinity = units[0].properties.get("CPUAffinity") or _status(host, "Cpus_allowed_list")
    sets = [affinity, host.read("/sys/fs/cgroup/cpuset.cpus.effective"), *(unit.properties.get("AllowedCPUs") for unit in units)]
    for text in sets:
        if text and text.strip():
            allowed &= numbers(text)
    if not allowed:
        raise HostError(f"{units[0].name}: no CPU is left for it; its CPUAffinity and the AllowedCPUs of its slices name isolated or "
                        "missing CPUs alone")
    quotas = [seconds(unit.properties.get("CPUQuotaPerSecUSec", "infinity")) for unit in units] + [_quota(host)]
    return Cpus(tuple(sorted(allowed)), max(1, int(min([len(allowed), *quotas]))))


def disk(host: Host, path: str) -> Disk:
    """Asked of the nearest parent that exists; what is free for a user who is not root."""
    there = host.path(path)
    while not there.exists() and there != Path("/"):
        there = there.parent
    found = os.statvfs(there)
    return Disk(found.f_blocks * found.f_frsize >> 20, found.f_bavail * found.f_frsize >> 20)


def meminfo(host: Host, name: str) -> int:
    """A figure of /proc/meminfo (kB, or a number of pages); 0 where the kernel has none."""
    match = re.search(rf"^{name}:\s+(\d+)", host.read("/proc/meminfo") or "", re.MULTILINE)
    return int(match.group(1)) if match else 0


def numbers(text: str) -> set[int]:
    """A list of CPUs such as 0-3,8 or 0-3 8."""
    found: set[int] = set()
    for part in text.replace(",", " ").split():
        first, _dash, last = part.partition("-")
        found |= set(range(int(first), int(last or first) + 1))
    return found


def shown(cpu_numbers: Iterable[int]) -> str:
    """The same list, written: 0-3,8."""
    runs: list[list[int]] = []
    for number in sorted(cpu_numbers):
        if runs and number == runs[-1][-1] + 1:
            runs[-1].append(number)
        else:
            runs.append([number])
    return ",".join(f"{run[0]}-{run[-1]}" if len(run) > 1 else str(run[0]) for run in runs)


def seconds(text: str) -> float:
    """systemd's way to write a time: 1.500000s, 1min 20s, infinity."""
    if text in ("", "infinity"):
        return float("inf")
    parts = re.findall(r"([\d.]+)(us|ms|min|s|h)", text)
    return sum(float(value) * _UNITS_OF_TIME[unit] for value, unit in parts)


def _status(host: Host, name: str) -> str:
    """Of the first process, from which services inherit."""
    match = re.search(rf"^{name}:\s+(\S+)", host.read("/proc/1/status") or "", re.MULTILINE)
    return match.group(1) if match else ""


def _quota(host: Host) -> float:
    limit, _space, period = (host.read("/sys/fs/cgroup/cpu.max") or "max").strip().partition(" ")
    return int(limit) / int(period) if limit.isdigit() and period.isdigit() else float("inf")
