# Copyright: (c) hft.ops contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Private to hft.ops. Which CPUs a host has, and which of them an option means."""

from __future__ import annotations

from ansible_collections.hft.ops.plugins.module_utils._cpu_list import cpu_list, cpu_set
from ansible_collections.hft.ops.plugins.module_utils._host import Host, HostError
from ansible_collections.hft.ops.plugins.module_utils._topology import listed

_CPU = "/sys/devices/system/cpu"


def online(host: Host) -> frozenset[int]:
    """CPUs that run now; CPU 0 where the kernel does not say (it has one then)."""
    return cpu_set(host.read(f"{_CPU}/online") or "0")


def isolated(host: Host) -> frozenset[int]:
    """CPUs that the kernel keeps for pinned threads (isolcpus) or without a tick (nohz_full), as it says itself."""
    return frozenset().union(*(listed(host, f"{_CPU}/{name}") or () for name in ("isolated", "nohz_full")))


def chosen(host: Host, option: str, text: str) -> frozenset[int]:
    """The CPUs that an option lists; HostError when the list is malformed or names a CPU that does not run."""
    here = online(host)
    try:
        cpus = cpu_set(text, max(here))
    except ValueError as wrong:
        raise HostError(f"{option}: {wrong}") from wrong
    if not cpus <= here:
        raise HostError(f"{option}: CPU {cpu_list(cpus - here)} is not online on this host; it has {cpu_list(here)}")
    return cpus
