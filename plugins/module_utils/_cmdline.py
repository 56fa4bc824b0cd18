# Copyright: (c) hft.ops contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Private to hft.ops. One owner's arguments of the kernel's command line: checked, written, and how each stands in its three layers."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Any

from ansible_collections.hft.ops.plugins.module_utils._boot_grub import Grub
from ansible_collections.hft.ops.plugins.module_utils._boot_loader import BootLoader, boot_loader
from ansible_collections.hft.ops.plugins.module_utils._boot_owned import variable
from ansible_collections.hft.ops.plugins.module_utils._boot_trial import OWNER as TRIAL
from ansible_collections.hft.ops.plugins.module_utils._boot_trial import BootTrial
from ansible_collections.hft.ops.plugins.module_utils._cpu_list import cpu_list, cpu_set
from ansible_collections.hft.ops.plugins.module_utils._host import Host, HostError
from ansible_collections.hft.ops.plugins.module_utils._item import (
    APPLIED,
    DRIFTED,
    FAILED,
    NOT_APPLICABLE,
    PENDING_REBOOT,
    Item,
    reboot_result,
)
from ansible_collections.hft.ops.plugins.module_utils._kernel_arguments import (
    CPU_KEYS,
    LIMIT_BYTES,
    Argument,
    cpu_argument,
    line_of,
    meaning,
    parsed,
    with_key,
    wrong_form,
)
from ansible_collections.hft.ops.plugins.module_utils._kernel_config import KernelConfig
from ansible_collections.hft.ops.plugins.module_utils._plan import Plan
from ansible_collections.hft.ops.plugins.module_utils._systemd import RunCommand
from ansible_collections.hft.ops.plugins.module_utils._topology import listed

_NEEDS = {"isolcpus": "CPU_ISOLATION", "nohz_full": "NO_HZ_FULL", "rcu_nocbs": "RCU_NOCB_CPU", "rcu_nocb_poll": "RCU_NOCB_CPU",
          "hugepages": "HUGETLBFS", "hugepagesz": "HUGETLBFS", "default_hugepagesz": "HUGETLBFS"}
_MANAGER = "/proc/1/status"
_LIVE = {"isolcpus": "/sys/devices/system/cpu/isolated", "nohz_full": "/sys/devices/system/cpu/nohz_full", "systemd.cpu_affinity": _MANAGER}
_TUNED = "/etc/tuned/bootcmdline"

SPEC: dict[str, Any] = {
    "name": {"type": "str", "required": True},
    "arguments": {
        "type": "list", "elements": "dict", "default": [],
        "options": {
            "name": {"type": "str", "required": True},
            "value": {"type": "str"},
            "action": {"type": "str", "choices": ["replace", "add", "remove"], "default": "replace"},
            "needs": {"type": "str"},
        },
    },
    "state": {"type": "str", "choices": ["present", "absent"], "default": "present"},
    "kernel_release": {"type": "str"},
    "fallback": {"type": "bool", "default": True},
    "retry": {"type": "bool", "default": False},
}


@dataclass(frozen=True)
class Key:
    """All that one owner wants of one key. absent: why this kernel cannot take it."""

    name: str
    arguments: tuple[Argument, ...]
    action: str
    absent: str | None = None

    def fits(self, line: list[Argument], last: int) -> bool:
        found = [meaning(one, last) for one in with_key(line, self.name)]
        wanted = [meaning(one, last) for one in self.arguments]
        if self.action == "add":
            return all(one in found for one in wanted)
        return found == wanted


class CommandLine:
    """What one owner wants of the command line. Raises HostError for all that is wrong with it, before anything is staged.

    params: the options of kernel_cmdline. missing: why this host has no boot loader that is known.
    """

    def __init__(self, params: dict[str, Any], host: Host, run_command: RunCommand) -> None:
        self._params, self._host, self._run_command = params, host, run_command
        self._owner, self._removed = params["name"], params["state"] == "absent"
        self._last = _last_cpu(host)
        self.keys, problems = _wanted(params, host, self._last)
        if problems:
            raise HostError("; ".join(problems))
        self.loader, self.missing = boot_loader(host, run_command)
        self._trial: BootTrial | None = None
        self._impossible: str | None = None
        self._before: list[Argument] = []
        self._stated: list[Key] = []
        if self.loader is not None:
            config = KernelConfig(host, params["kernel_release"] or _release(self.loader, host))
            self.keys = [_on_kernel(key, params, config) for key in self.keys]
            self._before = self.loader.owned(self._owner)
            self._stated = [] if self._removed else [key for key in self.keys if key.absent is None]
            if self._stated:
                _refuse_conflicts(self.loader, self._owner, self._stated, self._before, host)

    def stage(self, plan: Plan) -> None:
        """State the files, and the trial of what they change."""
        if self.loader is None:
            return
        words = [] if self._removed else [Argument(given["name"], given["value"]) for given in self._params["arguments"]]
        arguments = [self._as_written(one) for one in words if any(one in key.arguments for key in self._stated)]
        self.loader.stage(plan, self._owner, arguments, [key.name for key in self._stated if key.action != "add"])
        self._impossible = getattr(self.loader, "no_trial", None)
        if isinstance(self.loader, Grub):
            self._trial = BootTrial(self._host, self._run_command, self.loader)
            self._impossible = self._trial.impossible()
            _stage_trial(self._params, self.loader, self._trial, self._impossible, plan)

    def _as_written(self, one: Argument) -> Argument:
        """The argument as it stands in the file already when it means the same: 2,3 for 2-3 is no change."""
        return next((old for old in self._before if old.key == one.key and meaning(old, self._last) == meaning(one, self._last)), one)

    def verify(self) -> None:
        """After the writes: HostError when the default entry did not become what was wanted."""
        if self.loader is not None:
            _verify(self._stated, self.loader, self._owner, self._last)

    @property
    def fell_back(self) -> bool:
        return self._trial is not None and self._trial.fell_back

    def items(self) -> list[Item]:
        """How each key stands, those that are no longer wanted after the others, and the fallback."""
        if self.loader is None:
            return [_item(key, None, self._host, self._last, self.missing) for key in self.keys]
        gone = dict.fromkeys(Key(one.key, (), "remove") for one in self._before if not any(one.key == key.name for key in self.keys))
        items = [_removed(key, self.loader, self._host) if self._removed
                 else _item(key, self.loader, self._host, self._last, None, self.fell_back) for key in self.keys]
        items += [_removed(key, self.loader, self._host) for key in gone]
        if self._trial is not None and self._params["fallback"] and not self._removed:
            items.append(self._trial.item(self._impossible))
        return items


def apply(params: dict[str, Any], host: Host, run_command: RunCommand, plan: Plan) -> dict[str, Any]:
    """Plan and, outside check mode, run; returns the keys of kernel_cmdline's result."""
    line = CommandLine(params, host, run_command)
    line.stage(plan)
    plan.run(line.verify)
    items = line.items()
    return {
        "items": [item.shown() for item in items],
        "boot_loader": None if line.loader is None else line.loader.name,
        "command_line": {"persisted": None if line.loader is None else line.loader.command_line,
                         "booted": (host.read("/proc/cmdline") or "").strip()},
        "fell_back": line.fell_back,
        **reboot_result(items),
    }


def warnings(result: dict[str, Any]) -> list[str]:
    """What of a result a module warns of."""
    return [f"{item['name']}: {item['reason']}" for item in result["items"] if item["status"] == FAILED]


def _stage_trial(params: dict[str, Any], loader: BootLoader, trial: BootTrial, impossible: str | None, plan: Plan) -> None:
    """A change is tried once; with the last owner goes the machinery for it."""
    if params["state"] == "absent" and not set(loader.owners()) - {params["name"], TRIAL}:
        trial.disarm(plan)
    elif params["fallback"] and impossible is None and (plan.differences or (params["retry"] and trial.fell_back)):
        trial.arm(plan)


def _verify(stated: list[Key], loader: BootLoader, owner: str, last: int) -> None:
    line = parsed(loader.command_line)
    for key in stated:
        if not key.fits(line, last):
            found = line_of(with_key(line, key.name)) or "none"
            raise HostError(f"{key.name}: {loader.path(owner)} was written, but the default entry has {found}; "
                            "look for what changes it, such as a file in /etc/default/grub.d")


def _wanted(params: dict[str, Any], host: Host, last: int) -> tuple[list[Key], list[str]]:
    problems = []
    if not re.fullmatch(r"[a-z0-9_]+", params["name"]) or params["name"] == TRIAL:
        problems.append(f"name {params['name']!r}: expected lower case letters, digits and _, such as cpu_isolation")
    by_key: dict[str, list[tuple[Argument, str]]] = {}
    for given in params["arguments"]:
        one, action = Argument(given["name"], given["value"]), given["action"]
        wrong = wrong_form(one) or _wrong_cpus(one, host, last)
        if wrong:
            problems.append(f"arguments: {wrong}")
        if action == "remove" and one.value is not None:
            problems.append(f"arguments: {one.name}: action remove takes no value; it keeps out every value of the key")
        by_key.setdefault(one.key, []).append((one, action))
    keys = []
    for name, found in by_key.items():
        if len({action for _one, action in found}) > 1 or (found[0][1] == "remove" and len(found) > 1):
            problems.append(f"arguments: {name}: stands several times with different actions; choose one")
        keys.append(Key(name, tuple(one for one, action in found if action != "remove"), found[0][1]))
    return keys, problems


def _wrong_cpus(one: Argument, host: Host, last: int) -> str | None:
    if one.key not in CPU_KEYS or one.value is None:
        return None
    try:
        _flags, cpus = cpu_argument(one, last)
    except ValueError as wrong:
        return f"{one.name}: {wrong}"
    absent = cpus - (listed(host, "/sys/devices/system/cpu/present") or cpus)
    return f"{one.name}: CPU {cpu_list(absent)}: not present; this host has 0-{last}" if absent else None


def _on_kernel(key: Key, params: dict[str, Any], config: KernelConfig) -> Key:
    options = [given["needs"] for given in params["arguments"] if given["needs"] and Argument(given["name"]).key == key.name]
    option = (options or [_NEEDS.get(key.name)])[0]
    missing = config.missing(option) if option and key.action != "remove" else None
    return Key(key.name, key.arguments, key.action, missing and f"{missing}, so this kernel ignores it")


def _release(loader: BootLoader, host: Host) -> str | None:
    """The kernel that boots by default, when its build options can be read; else the running one counts."""
    image = next((one.value or "" for one in parsed(loader.command_line) if one.name == "BOOT_IMAGE"), "")
    release = image.rpartition("vmlinuz-")[2]
    return release if release and KernelConfig(host, release).path else None


def _refuse_conflicts(loader: BootLoader, owner: str, stated: list[Key], before: list[Argument], host: Host) -> None:
    problems = loader.conflicts(owner)
    names = {key.name for key in stated if key.action != "add"}
    for other, theirs in loader.owners().items():
        if other not in (owner, TRIAL) and names & theirs:
            problems.append(f"{', '.join(sorted(names & theirs))}: {loader.path(other)} states it too; keep it in one of the two")
    tuned = {one.key for one in parsed(variable(host.read(_TUNED), "TUNED_BOOT_CMDLINE"))}
    if names & tuned:
        problems.append(f"{', '.join(sorted(names & tuned))}: tuned sets it too ({_TUNED}); run tuned-adm off, or leave it to tuned")
    line = [one for one in parsed(loader.command_line) if one not in before and one.key not in names]
    whole = line_of([*line, *(one for key in stated for one in key.arguments)])
    if len(whole.encode()) > LIMIT_BYTES:
        problems.append(f"the command line would have {len(whole.encode())} bytes, of which the kernel reads {LIMIT_BYTES}; "
                        "leave arguments out, or write CPUs as ranges")
    if problems:
        raise HostError("; ".join(problems))


def _item(key: Key, loader: BootLoader | None, host: Host, last: int, missing: str | None, fell_back: bool = False) -> Item:
    booted_line = parsed(host.read("/proc/cmdline") or "")
    line = None if loader is None else parsed(loader.command_line)
    wanted = line_of(key.arguments) if key.arguments else None
    persisted = None if line is None else line_of(with_key(line, key.name)) or None
    booted = line_of(with_key(booted_line, key.name)) or None
    live = _live(key.name, host)
    status, reason = APPLIED, ""
    if missing is not None or key.absent is not None:
        status, reason = NOT_APPLICABLE, missing or key.absent or ""
    elif line is None or not key.fits(line, last):
        status = DRIFTED
    elif not key.fits(booted_line, last):
        status, reason = PENDING_REBOOT, f"booted with {booted or 'none'}"
        if fell_back:
            status, reason = FAILED, "the boot with it did not come up, and the host runs the entry before; change it, or set retry"
    elif live is not None and key.arguments and not _took(key, live, last):
        status, reason = FAILED, f"booted with it, but {_LIVE[key.name]} says {cpu_list(live) or 'none'}"
    return Item(key.name, status, wanted, persisted, booted, None if live is None else cpu_list(live), reason)


def _live(name: str, host: Host) -> frozenset[int] | None:
    """The CPUs that the running system made of the argument; None where it does not tell."""
    if _LIVE.get(name) != _MANAGER:
        return listed(host, _LIVE[name]) if name in _LIVE else None
    allowed = re.search(r"^Cpus_allowed_list:\s*(\S+)$", host.read(_MANAGER) or "", re.MULTILINE)
    return cpu_set(allowed[1]) if allowed else None


def _took(key: Key, live: frozenset[int], last: int) -> bool:
    flags, cpus = cpu_argument(key.arguments[-1], last)
    return live == cpus or (key.name == "isolcpus" and "domain" not in flags)


def _removed(key: Key, loader: BootLoader, host: Host) -> Item:
    """A key that is no longer stated: what others give it is what the next boot gets."""
    persisted = line_of(with_key(parsed(loader.command_line), key.name)) or None
    booted = line_of(with_key(parsed(host.read("/proc/cmdline") or ""), key.name)) or None
    if persisted == booted:
        return Item(key.name, APPLIED, None, persisted, booted)
    return Item(key.name, PENDING_REBOOT, None, persisted, booted, reason=f"is no longer stated; booted with {booted or 'none'}")


def _last_cpu(host: Host) -> int:
    return max(listed(host, "/sys/devices/system/cpu/present") or {0})
