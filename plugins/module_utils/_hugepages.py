# Copyright: (c) hft.ops contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Private to hft.ops. Pools of huge pages: wanted, persisted, booted and live.

Sources: Documentation/admin-guide/mm/hugetlbpage.rst, Documentation/ABI/testing/sysfs-kernel-mm-hugepages, tmpfiles.d(5).
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Any

from ansible_collections.hft.ops.plugins.module_utils._cmdline import CommandLine
from ansible_collections.hft.ops.plugins.module_utils._host import Host, HostError
from ansible_collections.hft.ops.plugins.module_utils._host_guard import HOST_GUARD_SPEC, live_changes, refusal
from ansible_collections.hft.ops.plugins.module_utils._hugetlbfs import Mounts
from ansible_collections.hft.ops.plugins.module_utils._item import (
    APPLIED,
    DRIFTED,
    FAILED,
    NOT_APPLICABLE,
    PENDING_REBOOT,
    Item,
    reboot_result,
)
from ansible_collections.hft.ops.plugins.module_utils._plan import Difference, Plan
from ansible_collections.hft.ops.plugins.module_utils._systemd import RunCommand
from ansible_collections.hft.ops.plugins.module_utils._topology import Topology

OWNER = "hugepages"
BYTES = {"2M": 2 << 20, "1G": 1 << 30}
_FILE = "/etc/tmpfiles.d/60-hft-hugepages.conf"
_HEADER = "# Managed by hft.ops.hugepages as a whole: edits are removed by the next run.\n"
_LINE = re.compile(r"^w (/sys/\S+/nr_hugepages) - - - - (\d+)$", re.MULTILINE)
_GLOBAL = "/sys/kernel/mm/hugepages"
_NODE = "/sys/devices/system/node/node{node}/hugepages"

_SIZE = {"type": "str", "choices": ["2M", "1G"], "required": True}
SPEC: dict[str, Any] = {
    "pools": {"type": "list", "elements": "dict", "default": [],
              "options": {"size": _SIZE, "count": {"type": "int", "required": True}, "node": {"type": "int"}}},
    "allocate": {"type": "str", "choices": ["live", "boot"], "default": "live"},
    "on_shortage": {"type": "str", "choices": ["fail", "reboot"], "default": "fail"},
    "memory_max_percent": {"type": "int", "default": 75},
    "mounts": {"type": "list", "elements": "dict", "default": [],
               "options": {"path": {"type": "path", "required": True}, "size": _SIZE, "mode": {"type": "str", "default": "0755"},
                           "group": {"type": "str"}}},
    "fallback": {"type": "bool", "default": True},
    "state": {"type": "str", "choices": ["present", "absent"], "default": "present"},
    "guard": HOST_GUARD_SPEC,
}


@dataclass(frozen=True)
class Pool:
    """One pool as the kernel has it. node: None for one that the kernel spreads. live: None when this kernel has none such."""

    size: str
    node: int | None
    count: int
    live: int | None
    refusal: str | None

    @property
    def name(self) -> str:
        return f"hugepages {self.size}" + ("" if self.node is None else f" node {self.node}")

    @property
    def path(self) -> str:
        return path_of(self.size, self.node)

    @property
    def absent(self) -> str | None:
        """Why this host cannot have the pool."""
        if self.live is None:
            return f"ENOENT: {self.path}"
        if self.refusal is not None:
            return f"{self.refusal}: {self.path} cannot be written on this host; it says {self.live}"
        return None


def path_of(size: str, node: int | None) -> str:
    folder = _GLOBAL if node is None else _NODE.format(node=node)
    return f"{folder}/hugepages-{BYTES[size] >> 10}kB/nr_hugepages"


def apply(params: dict[str, Any], host: Host, run_command: RunCommand, plan: Plan) -> dict[str, Any]:
    """Plan and, outside check mode, run; returns the module's own result keys."""
    present, live = params["state"] == "present", params["allocate"] == "live"
    pools = _wanted(params if present else {**params, "pools": []}, host)
    owned = {path: int(count) for path, count in _LINE.findall(host.read(_FILE) or "")}
    applicable = [pool for pool in pools if pool.absent is None]
    line = _command_line(params, applicable if present and not live else [], host, run_command)
    absent = {pool.size: pool.absent for pool in pools if pool.absent}
    mounts = Mounts(params["mounts"] if present else [], absent, host, run_command, plan.check_mode)
    short: dict[str, str] = {}
    if live:
        for pool in [*applicable, *_orphans(pools, owned, host)]:
            if params["on_shortage"] == "reboot" and owned.get(pool.path) == pool.count != pool.live:
                short[pool.name] = _shortage(pool, pool.live or 0, host)  # asked for before; another try would not find more
            else:
                _plan_live(pool, params["on_shortage"], short, host, plan)
    text = "".join(f"w {pool.path} - - - - {pool.count}\n" for pool in applicable if pool.count) if live else ""
    plan.file(host.owned_file(_FILE), _HEADER + text if text else None, 0o644, host.system_owner, host.system_owner)
    if line is not None:
        line.stage(plan)
    mounts.stage(plan)
    refused = refusal(params["guard"], live_changes(plan), host, run_command, plan.check_mode)

    def verify() -> None:
        if line is not None:
            line.verify()

    plan.run(verify)
    pools = _read(pools, host)
    items = [_item(pool, live, line, short.get(pool.name, ""), host) for pool in pools] + mounts.items()
    if line is not None:
        # What the command line says about a pool stands in the item of the pool.
        items += [item for item in line.items() if not item.name.startswith("hugepages") or not line.keys]
    return {"items": [item.shown() for item in items], "refused": refused, **reboot_result(items)}


def warnings(result: dict[str, Any]) -> list[str]:
    """What of a result a module warns of."""
    failed = [f"{item['name']}: {item['reason']}" for item in result["items"] if item["status"] == FAILED]
    return [*([result["refused"]] if result["refused"] else []), *failed]


def _wanted(params: dict[str, Any], host: Host) -> list[Pool]:
    """The pools as the kernel has them; HostError for all that is wrong with the input at once."""
    problems = []
    if not 1 <= params["memory_max_percent"] <= 95:
        problems.append(f"memory_max_percent {params['memory_max_percent']}: expected 1 to 95")
    nodes = Topology(host).nodes if params["pools"] else {}
    seen: dict[str, set[int | None]] = {}
    for given in params["pools"]:
        size, node, count = given["size"], given["node"], given["count"]
        place = size if node is None else f"{size} node {node}"
        if count < 0:
            problems.append(f"pools: {place}: count {count}: expected 0 or more")
        if node is not None and node not in nodes:
            problems.append(f"pools: {place}: no such node; this host has {', '.join(map(str, nodes))}")
        if node in seen.setdefault(size, set()):
            problems.append(f"pools: {place}: listed twice; keep one")
        seen[size].add(node)
    problems += [f"pools: {size}: is listed with and without a node; choose one of the two" for size, places in seen.items()
                 if None in places and len(places) > 1]
    if not problems:
        problems = _too_much(params, host)
    if problems:
        raise HostError("; ".join(problems))
    return _read([Pool(given["size"], given["node"], given["count"], None, None) for given in params["pools"]], host)


def _too_much(params: dict[str, Any], host: Host) -> list[str]:
    if not params["pools"]:
        return []
    nodes, percent = Topology(host).nodes, params["memory_max_percent"]
    places: list[tuple[str, int, int]] = [
        (f"node {number}", sum(_bytes(one) for one in params["pools"] if one["node"] == number), node.memory_bytes)
        for number, node in nodes.items()
    ]
    places.append(("this host", sum(map(_bytes, params["pools"])), sum(node.memory_bytes for node in nodes.values())))
    problems = []
    for place, wanted, memory in places:
        safe = memory * percent // 100
        if wanted > safe:
            problems.append(f"pools: {shown(wanted)} of huge pages on {place}, which has {shown(memory)}, of which {shown(safe)} "
                            f"({percent} %) are safe; ask for less, or raise memory_max_percent")
    if problems or params["allocate"] == "boot":
        return problems
    available = re.search(r"MemAvailable:\s*(\d+) kB", host.read("/proc/meminfo") or "")
    pools = _read([Pool(one["size"], one["node"], one["count"], None, None) for one in params["pools"]], host)
    more = sum((pool.count - pool.live) * BYTES[pool.size] for pool in pools if pool.live is not None and pool.absent is None)
    if available and more > int(available[1]) * 1024:
        had = shown(int(available[1]) * 1024)
        text = f"pools: {shown(more)} more of huge pages are wanted, and {had} of memory can be had now"
        return [f"{text}; stop what uses it, or set allocate to boot"]
    return []


def _bytes(given: dict[str, Any]) -> int:
    return given["count"] * BYTES[given["size"]]


def shown(size: int) -> str:
    return f"{size / (1 << 30):.1f} GiB" if size >= 1 << 30 else f"{size >> 20} MiB"


def _read(pools: list[Pool], host: Host) -> list[Pool]:
    return [Pool(pool.size, pool.node, pool.count, _live(pool.path, host), host.refusal(pool.path)) for pool in pools]


def _live(path: str, host: Host) -> int | None:
    text = host.read(path)
    return None if text is None else int(text)


def _orphans(pools: list[Pool], owned: dict[str, int], host: Host) -> list[Pool]:
    """Pools that our file fills and nobody wants any more."""
    kept = {pool.path for pool in pools}
    found = []
    for path in owned:
        if path not in kept:
            size = next((size for size, one in BYTES.items() if f"-{one >> 10}kB/" in path), None)
            node = re.search(r"/node(\d+)/", path)
            if size is not None:
                found.append(Pool(size, int(node[1]) if node else None, 0, None, None))
    # A size without a node is the sum of its nodes: when both change hands, nothing is emptied that is wanted.
    return [pool for pool in _read(found, host) if pool.absent is None and not any(one.size == pool.size for one in pools)]


def _plan_live(pool: Pool, on_shortage: str, short: dict[str, str], host: Host, plan: Plan) -> None:
    before = pool.live
    if before == pool.count or before is None:
        return

    def write() -> None:
        host.poke(pool.path, str(pool.count))
        given = _live(pool.path, host)
        if given == pool.count:
            return
        why = _shortage(pool, given or 0, host)
        # Pages that are in use come free when their user ends; what is missing is there at the next boot.
        if on_shortage == "reboot":
            short[pool.name] = why
            return
        host.poke(pool.path, str(before))
        raise HostError(f"{pool.name}: {why}; it is back at {before} pages. Ask for fewer, or set allocate to boot")

    plan.change(Difference("live", pool.name, before, pool.count), write=write, undo=lambda: host.poke(pool.path, str(before)))


def _shortage(pool: Pool, given: int, host: Host) -> str:
    page = BYTES[pool.size]
    text = f"wanted {pool.count} pages ({shown(pool.count * page)}), the kernel gave {given} ({shown(given * page)})"
    if given > pool.count:
        return f"{text}: the others are in use"
    source = "/proc/meminfo" if pool.node is None else f"/sys/devices/system/node/node{pool.node}/meminfo"
    free = re.search(r"MemFree:\s*(\d+) kB", host.read(source) or "")
    return f"{text}: free memory is fragmented or in use" + (f" ({shown(int(free[1]) * 1024)} are free)" if free else "")


def _command_line(params: dict[str, Any], pools: list[Pool], host: Host, run_command: RunCommand) -> CommandLine | None:
    """The pools as arguments; None where there is nothing to state and nothing to take back."""
    words: list[tuple[str, str]] = []
    for size in sorted({pool.size for pool in pools}):
        counts = [(pool.node, pool.count) for pool in pools if pool.size == size]
        value = ",".join(str(count) if node is None else f"{node}:{count}" for node, count in sorted(counts, key=str))
        words += [("hugepagesz", size), ("hugepages", value)]
    line = CommandLine({
        "name": OWNER, "state": "present" if words else "absent", "fallback": params["fallback"], "retry": False, "kernel_release": None,
        "arguments": [{"name": name, "value": value, "action": "replace", "needs": None} for name, value in words],
    }, host, run_command)
    nothing = not words and (line.loader is None or not line.loader.owned(OWNER))
    return None if nothing else line


def _item(pool: Pool, live: bool, line: CommandLine | None, short: str, host: Host) -> Item:
    if pool.absent is not None:
        return Item(pool.name, NOT_APPLICABLE, pool.count, live=pool.live, reason=pool.absent)
    if not live:
        return _boot_item(pool, line, host)
    filed = {path: int(count) for path, count in _LINE.findall(host.read(_FILE) or "")}.get(pool.path, 0)
    if filed != pool.count or (pool.live != pool.count and not short):
        return Item(pool.name, DRIFTED, pool.count, filed, live=pool.live, reason=short)
    if short:
        return Item(pool.name, PENDING_REBOOT, pool.count, filed, live=pool.live, reason=short)
    return Item(pool.name, APPLIED, pool.count, filed, live=pool.live)


def _boot_item(pool: Pool, line: CommandLine | None, host: Host) -> Item:
    if line is None:  # no pages on the command line: nothing fills the pool
        return Item(pool.name, APPLIED if pool.live == pool.count else PENDING_REBOOT, pool.count, live=pool.live)
    stated = {item.name: item for item in line.items()}["hugepages"]
    persisted, booted = stated.persisted, stated.booted
    if stated.status == NOT_APPLICABLE:
        return Item(pool.name, NOT_APPLICABLE, pool.count, booted=booted, live=pool.live, reason=stated.reason)
    if stated.status in (DRIFTED, FAILED):
        return Item(pool.name, stated.status, pool.count, persisted, booted, pool.live, stated.reason)
    if pool.live == pool.count:
        return Item(pool.name, APPLIED, pool.count, persisted, booted, pool.live)
    if stated.status == PENDING_REBOOT:
        reason = f"has {pool.live} of {pool.count} pages until then"
        return Item(pool.name, PENDING_REBOOT, pool.count, persisted, booted, pool.live, reason)
    return Item(pool.name, FAILED, pool.count, persisted, booted, pool.live, f"booted with it, and {_shortage(pool, pool.live or 0, host)}")
