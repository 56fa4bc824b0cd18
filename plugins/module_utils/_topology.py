# Copyright: (c) hft.ops contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Private to hft.ops. CPUs, cores, sockets, NUMA nodes and network cards of a host, as sysfs tells them.

Forms: Documentation/admin-guide/cputopology.rst and Documentation/ABI/stable/sysfs-devices-node.
"""

from __future__ import annotations

import os
import re
from dataclasses import dataclass

from ansible_collections.hft.ops.plugins.module_utils._cpu_list import cpu_set
from ansible_collections.hft.ops.plugins.module_utils._host import Host, HostError

_CPU = "/sys/devices/system/cpu"
_NODE = "/sys/devices/system/node"
_NET = "/sys/class/net"


@dataclass(frozen=True)
class Node:
    cpus: frozenset[int]
    memory_bytes: int


@dataclass(frozen=True)
class Nic:
    """A network card with hardware behind it. node: None where the firmware names none."""

    node: int | None
    driver: str | None
    up: bool


class Topology:
    """present: what the host has; online: what runs now. siblings: the threads of a CPU's core, itself included."""

    def __init__(self, host: Host) -> None:
        present = host.read(f"{_CPU}/present")
        if present is None:
            raise HostError(f"{_CPU}/present: does not exist, so the CPUs of this host are not known; mount sysfs on /sys")
        self.present = cpu_set(present)
        self.online = cpu_set(host.read(f"{_CPU}/online") or present)
        self.siblings: dict[int, frozenset[int]] = {}
        self.sockets: dict[int, frozenset[int]] = {}
        for cpu in sorted(self.online):
            # core_cpus_list is the name since Linux 5.3.
            threads = _first(host, f"{_CPU}/cpu{cpu}/topology", "core_cpus_list", "thread_siblings_list")
            self.siblings[cpu] = (cpu_set(threads) if threads else frozenset()) | {cpu}
            socket = int(_first(host, f"{_CPU}/cpu{cpu}/topology", "physical_package_id") or 0)
            self.sockets[socket] = self.sockets.get(socket, frozenset()) | {cpu}
        self.nodes = _nodes(host, self.online)
        self.nics = _nics(host)

    @property
    def cores(self) -> list[frozenset[int]]:
        """Every core as the set of its threads, in the order of their lowest CPU."""
        return sorted(set(self.siblings.values()), key=min)


def listed(host: Host, path: str) -> frozenset[int] | None:
    """A CPU list that the kernel shows, such as isolated or nohz_full; None when this kernel has no such file."""
    text = host.read(path)
    # The kernel prints "(null)" for a set that was never made.
    return None if text is None else cpu_set("" if text.strip() == "(null)" else text)


def _first(host: Host, folder: str, *names: str) -> str | None:
    for name in names:
        text = host.read(f"{folder}/{name}")
        if text is not None and text.strip():
            return text.strip()
    return None


def _nodes(host: Host, online: frozenset[int]) -> dict[int, Node]:
    found = {}
    for name in host.names(_NODE):
        number = re.fullmatch(r"node(\d+)", name)
        if number:
            memory = re.search(r"MemTotal:\s*(\d+) kB", host.read(f"{_NODE}/{name}/meminfo") or "")
            cpus = cpu_set(host.read(f"{_NODE}/{name}/cpulist") or "") & online
            found[int(number[1])] = Node(cpus, int(memory[1]) * 1024 if memory else 0)
    if not found:  # a kernel without CONFIG_NUMA is one node
        memory = re.search(r"MemTotal:\s*(\d+) kB", host.read("/proc/meminfo") or "")
        found[0] = Node(online, int(memory[1]) * 1024 if memory else 0)
    return dict(sorted(found.items()))


def _nics(host: Host) -> dict[str, Nic]:
    found = {}
    for name in host.names(_NET):
        if not host.path(f"{_NET}/{name}/device").exists():
            continue
        node = int((host.read(f"{_NET}/{name}/device/numa_node") or "-1").strip())
        try:
            driver = os.path.basename(os.readlink(host.path(f"{_NET}/{name}/device/driver")))
        except OSError:
            driver = None
        found[name] = Nic(node if node >= 0 else None, driver, (host.read(f"{_NET}/{name}/operstate") or "").strip() == "up")
    return found
