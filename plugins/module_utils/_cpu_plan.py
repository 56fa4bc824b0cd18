# Copyright: (c) hft.ops contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Private to hft.ops. Which CPUs are isolated and which are left for housekeeping, or why that cannot work."""

from __future__ import annotations

from dataclasses import dataclass

from ansible_collections.hft.ops.plugins.module_utils._cpu_list import cpu_list, cpu_set
from ansible_collections.hft.ops.plugins.module_utils._host import HostError
from ansible_collections.hft.ops.plugins.module_utils._topology import Topology


@dataclass(frozen=True)
class Wish:
    """isolated: an explicit list; else count CPUs on node, or on the node of nic, or anywhere."""

    isolated: str | None = None
    count: int | None = None
    nic: str | None = None
    node: int | None = None
    housekeeping_min: int = 1
    split_siblings: bool = False


def isolated_cpus(topology: Topology, wish: Wish) -> frozenset[int]:
    """The CPUs to isolate; HostError names every reason why the wish cannot be met."""
    if wish.isolated is not None:
        try:
            chosen, name = cpu_set(wish.isolated, last=max(topology.present)), "isolated"
        except ValueError as wrong:
            raise HostError(f"isolated: {wrong}") from wrong
    else:
        chosen, name = _by_rule(topology, wish), "count"
    problems = _problems(topology, wish, chosen)
    if problems:
        raise HostError("; ".join(f"{name}: {problem}" for problem in problems))
    return chosen


def _by_rule(topology: Topology, wish: Wish) -> frozenset[int]:
    """Whole cores from the end of the node's list, so that housekeeping keeps the first ones and always that of CPU 0."""
    count = wish.count or 0
    if count < 0:
        raise HostError(f"count {count}: expected the number of CPUs to isolate, 0 for none")
    node = _node(topology, wish)
    where = topology.online if node is None else topology.nodes[node].cpus
    free = [core for core in topology.cores if 0 not in core and core <= where]
    chosen: set[int] = set()
    for core in reversed(free):
        left = count - len(chosen)
        chosen.update(sorted(core)[-left:] if wish.split_siblings and left else core if len(core) <= left else ())
    if len(chosen) < count:
        place = "this host" if node is None else f"node {node}"
        could = sum(len(core) for core in free)
        size = max(map(len, topology.cores))
        if could >= count:
            raise HostError(f"count {count}: cores of this host have {size} threads, which are not split; "
                            f"ask for {count - count % size} or {count - count % size + size}, or set split_siblings")
        raise HostError(f"count {count}: {place} has {len(where)} CPUs, of which {could} can be isolated "
                        f"({cpu_list(set().union(*free)) or 'none'}; the core of CPU 0 never is); ask for at most {could}")
    return frozenset(chosen)


def _node(topology: Topology, wish: Wish) -> int | None:
    node = wish.node
    if wish.nic is not None:
        if wish.nic not in topology.nics:
            known = ", ".join(sorted(topology.nics)) or "none"
            raise HostError(f"nic {wish.nic}: this host has no such network card; it has {known}")
        node = topology.nics[wish.nic].node
        # A host of one node has nothing to choose; firmware of such hosts often names no node.
        if node is None and len(topology.nodes) > 1:
            raise HostError(f"nic {wish.nic}: the firmware does not say at which node it is; give node instead of nic")
    if node is not None and node not in topology.nodes:
        raise HostError(f"node {node}: this host has the nodes {', '.join(map(str, topology.nodes))}")
    return node


def _problems(topology: Topology, wish: Wish, chosen: frozenset[int]) -> list[str]:
    problems = []
    absent, offline = chosen - topology.present, (chosen & topology.present) - topology.online
    if absent:
        problems.append(f"CPU {cpu_list(absent)}: not present; this host has {cpu_list(topology.present)}")
    if offline:
        problems.append(f"CPU {cpu_list(offline)}: is offline; bring it online first, or leave it out")
    if 0 in chosen:
        problems.append("CPU 0: cannot be isolated, the kernel's own work runs there; leave it out")
    left = topology.online - chosen
    if len(left) < max(1, wish.housekeeping_min):
        kept = f"only {cpu_list(left)} would be left" if left else "no CPU would be left"
        problems.append(f"{kept} for housekeeping, of {cpu_list(topology.online)}; isolate fewer (at least "
                        f"{max(1, wish.housekeeping_min)} must stay)")
    split = [core for core in topology.cores if core & chosen and not core <= chosen]
    if split and not wish.split_siblings:
        cores = "; ".join(f"CPU {cpu_list(core & chosen)} of the core {cpu_list(core)}" for core in split)
        problems.append(f"splits the threads of a core, so housekeeping disturbs what is isolated: {cores}; "
                        "take whole cores, or set split_siblings")
    return problems
