# Copyright: (c) hft.ops contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Private to hft.ops. Kernel parameters: one file in sysctl.d, and the running kernel equal to it."""

from __future__ import annotations

import difflib
import errno
import posixpath
from dataclasses import dataclass
from typing import Any

from ansible_collections.hft.ops.plugins.module_utils._host import Host, HostError
from ansible_collections.hft.ops.plugins.module_utils._item import APPLIED, DRIFTED, NOT_APPLICABLE, PENDING_REBOOT, Item, reboot_result
from ansible_collections.hft.ops.plugins.module_utils._plan import Difference, Plan
from ansible_collections.hft.ops.plugins.module_utils._sysctl_files import SEARCH_PATH, assignments, dotted_name, proc_name, read_after
from ansible_collections.hft.ops.plugins.module_utils._sysctl_keys import DEAD, MAY_BE_ABSENT

_HEADER = "# Managed by hft.ops.sysctl as a whole: edits and additions are removed by the next run.\n"

SPEC: dict[str, Any] = {
    "settings": {"type": "dict", "required": True},
    "path": {"type": "path", "default": "/etc/sysctl.d/90-hft.conf"},
    "purge": {"type": "bool", "default": True},
    "apply": {"type": "str", "choices": ["live", "boot"], "default": "live"},
}


@dataclass(frozen=True)
class Knob:
    """One wanted key as the running kernel has it."""

    key: str
    proc: str
    wanted: str          # as live: words with one space between them
    live: str | None     # None: this kernel does not have it
    refusal: str | None  # why it cannot be written

    @property
    def path(self) -> str:
        return f"/proc/sys/{self.proc}"

    @property
    def fits(self) -> bool:
        return self.live == self.wanted


def apply(params: dict[str, Any], host: Host, plan: Plan) -> dict[str, Any]:
    """Plan and, outside check mode, run; returns the module's own result keys."""
    wanted, problems = _checked(params["settings"], params["path"])
    knobs = _knobs(wanted, host, problems)
    if problems:
        raise HostError("; ".join(problems))
    file = host.owned_file(params["path"])
    before = assignments(file.before or "")
    kept = {} if params["purge"] else {proc: value for proc, value in before.items() if proc not in wanted}
    content = _rendered({**kept, **wanted})

    if params["apply"] == "live":
        for knob in knobs:
            if knob.live is not None and not knob.fits and knob.refusal is None:
                plan.change(Difference("live", knob.key, knob.live, knob.wanted),
                            write=lambda knob=knob: _set(host, knob), undo=lambda knob=knob: host.poke(knob.path, knob.live))
    # The file comes last: values that the kernel refuses never reach it.
    plan.file(file, content, mode=0o644, owner=host.system_owner, group=host.system_owner)

    def verify() -> None:
        for knob in _knobs(wanted, host, []):
            if knob.live is not None and not knob.fits and knob.refusal is None and params["apply"] == "live":
                raise HostError(f"{knob.key}: wanted {knob.wanted}, but the kernel says {knob.live} after all keys were written; "
                                "another of the keys resets it")

    plan.run(verify)
    conflicts = _conflicts(wanted, host, params["path"])
    items = _items(_knobs(wanted, host, []), assignments(host.read(params["path"]) or ""), conflicts, params["apply"])
    items += _purged(set(before) - set(wanted) - set(kept), host)
    return {"settings": [item.shown() for item in items], "conflicts": conflicts, **reboot_result(items)}


def warnings(result: dict[str, Any]) -> list[str]:
    """What of a result a module warns of."""
    said = "{key}: {path} is read later at boot and sets {value}, not {wanted}; remove it there"
    return [said.format(**conflict) for conflict in result["conflicts"]]


def _checked(settings: dict[str, Any], path: str) -> tuple[dict[str, str], list[str]]:
    """The settings by path below /proc/sys, sorted, and all that can be seen to be wrong without the kernel."""
    problems = []
    if posixpath.dirname(path) not in SEARCH_PATH or not path.endswith(".conf"):
        problems.append(f"path {path}: systemd does not read it at boot; choose a name ending in .conf in {SEARCH_PATH[0]}")
    wanted = {}
    for key, value in settings.items():
        proc = proc_name(str(key))
        if proc is None:
            problems.append(f"{key}: is not the name of one sysctl key; write it as vm.swappiness, without patterns")
        elif dotted_name(proc) in DEAD:
            problems.append(f"{key}: {DEAD[dotted_name(proc)]}")
        elif isinstance(value, bool):
            problems.append(f"{key}: value {value} is a YAML boolean; write 1 or 0")
        elif not isinstance(value, (int, str)) or not str(value).strip() or "\n" in str(value).strip():
            problems.append(f"{key}: value {value!r} is not a number or one line of text")
        elif proc in wanted:
            problems.append(f"{key}: stands twice in the settings, in two spellings; keep one")
        else:
            wanted[proc] = " ".join(str(value).split())
    return dict(sorted(wanted.items())), problems


def _knobs(wanted: dict[str, str], host: Host, problems: list[str]) -> list[Knob]:
    """Every wanted key as the kernel has it; adds to problems those that this kernel can never take."""
    knobs = []
    for proc, value in wanted.items():
        key, path = dotted_name(proc), f"/proc/sys/{proc}"
        try:
            live = host.read(path)
        except OSError as why:
            problems.append(f"{key}: {path} cannot be read ({why.strerror}), so it cannot be kept at a value; remove it from the settings")
            continue
        if live is None:
            if key not in MAY_BE_ABSENT:
                problems.append(f"{key}: this kernel has no such key{_nearest(proc, host)}")
            knobs.append(Knob(key, proc, value, None, None))
            continue
        live = " ".join(live.split())
        read_only = not host.path(path).stat().st_mode & 0o222
        if read_only and key not in MAY_BE_ABSENT and live.split() != value.split():
            problems.append(f"{key}: is read-only in the kernel (it says {live}); remove it from the settings")
        knobs.append(Knob(key, proc, value, live, host.refusal(path)))
    return knobs


def _nearest(proc: str, host: Host) -> str:
    root = host.path("/proc/sys")
    known = [path.relative_to(root).as_posix() for path in root.rglob("*") if path.is_file()]
    near = difflib.get_close_matches(proc, known, n=1)
    return f"; the nearest is {dotted_name(near[0])}" if near else "; see /proc/sys for those it has"


def _rendered(values: dict[str, str]) -> str | None:
    """The file's whole content; no file at all when nothing is set."""
    if not values:
        return None
    return _HEADER + "".join(f"{dotted_name(proc)} = {value}\n" for proc, value in sorted(values.items()))


def _set(host: Host, knob: Knob) -> None:
    try:
        host.poke(knob.path, knob.wanted)
    except OSError as why:
        name = errno.errorcode.get(why.errno or 0, str(why.errno))
        hint = "out of its range or not its form" if why.errno == errno.EINVAL else why.strerror
        raise HostError(f"{knob.key}: the kernel refuses {knob.wanted} ({name}: {hint}); it keeps {knob.live}") from why
    now = (host.read(knob.path) or "").strip()
    if now.split() != knob.wanted.split():
        host.poke(knob.path, knob.live or "")
        raise HostError(f"{knob.key}: wanted {knob.wanted}, but the kernel made it {now}; it keeps {knob.live}")


def _conflicts(wanted: dict[str, str], host: Host, path: str) -> list[dict[str, str]]:
    """The last word of the files read after ours, where it is another value."""
    last: dict[str, tuple[str, str]] = {}
    for other, values in read_after(host, path):
        for proc in values.keys() & wanted.keys():
            last[proc] = (other, values[proc])
    return [
        {"key": dotted_name(proc), "path": other, "value": value, "wanted": wanted[proc]}
        for proc, (other, value) in sorted(last.items()) if value.split() != wanted[proc].split()
    ]


def _items(knobs: list[Knob], persisted: dict[str, str], conflicts: list[dict[str, str]], when: str) -> list[Item]:
    outranked = {conflict["key"]: f"{conflict['path']} is read later at boot and sets {conflict['value']}" for conflict in conflicts}
    items = []
    for knob in knobs:
        filed = persisted.get(knob.proc)
        status, reason = APPLIED, ""
        if knob.live is None:
            status, reason = NOT_APPLICABLE, f"ENOENT: {knob.path}: {MAY_BE_ABSENT[knob.key]}"
        elif not knob.fits and knob.refusal is not None:
            status, reason = NOT_APPLICABLE, f"{knob.refusal}: {knob.path} cannot be written on this host; it says {knob.live}"
        elif filed is None or filed.split() != knob.wanted.split() or (not knob.fits and when == "live"):
            status = DRIFTED
        elif knob.key in outranked:
            status, reason = DRIFTED, outranked[knob.key]
        elif not knob.fits:
            status, reason = PENDING_REBOOT, f"the kernel says {knob.live}, {knob.wanted} is set at the next boot"
        items.append(Item(knob.key, status, knob.wanted, filed, live=knob.live, reason=reason))
    return items


def _purged(procs: set[str], host: Host) -> list[Item]:
    reason = "is no longer set; the kernel keeps its value until the next boot"
    return [
        Item(dotted_name(proc), PENDING_REBOOT, live=(host.read(f"/proc/sys/{proc}") or "").strip() or None, reason=reason)
        for proc in sorted(procs)
    ]
