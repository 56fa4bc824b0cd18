#!/usr/bin/python
# Copyright: (c) hft.ops contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: sysctl
short_description: Set all kernel parameters of a host in one call, and read back what the kernel did
version_added: 0.1.0
description:
  - Keeps one file in C(sysctl.d) that holds exactly the given settings, and makes the running kernel equal to it.
  - Reads every key back from C(/proc/sys). A value that the kernel refuses or changes fails the task, and every key that was
    written before gets its old value back; the file is written last.
  - What is wrong with the input is reported in one error before anything is written.
author: hft.ops contributors (@hft-ops)
extends_documentation_fragment: hft.ops.attributes
options:
  settings:
    description:
      - Every key with its value, the whole wanted state. Lists such as C(net.ipv4.tcp_rmem) are strings with spaces; they are compared
        by their numbers, whatever white space the kernel uses.
      - A key that this kernel does not know fails the task, with the nearest existing key. A few real keys that a kernel may be
        built without, such as C(kernel.numa_balancing) on PREEMPT_RT, are C(not_applicable) there.
      - Booleans are refused, because it is not clear what they mean to the kernel. Write V(1) or V(0).
    type: dict
    required: true
  path:
    description: The file that is owned as a whole. systemd reads it at boot, so it lies in one of its directories and ends in C(.conf).
    type: path
    default: /etc/sysctl.d/90-hft.conf
  purge:
    description:
      - Whether keys that stand in O(path) and not in O(settings) are removed from it.
      - The kernel keeps the value of a removed key until the next boot, which is reported as C(pending_reboot).
    type: bool
    default: true
  apply:
    description: Whether the running kernel is changed now (V(live)), or at the next boot only (V(boot)).
    type: str
    choices: [live, boot]
    default: live
notes:
  - Whether the running kernel can be changed is found per key by opening it for writing. Where that is refused, as in a container with
    a read-only C(/proc/sys), the key is C(not_applicable) with the error number, and the file is still written.
seealso:
  - module: ansible.posix.sysctl
  - module: hft.ops.limits
"""

EXAMPLES = r"""
- name: Kernel parameters of a trading host
  hft.ops.sysctl:
    settings:
      net.core.rmem_max: 134217728
      net.ipv4.tcp_rmem: 4096 87380 67108864
      vm.swappiness: 1

- name: Audit the same settings, change nothing
  hft.ops.sysctl:
    settings: "{{ sysctl_settings }}"
  check_mode: true
  diff: true
"""

RETURN = r"""
settings:
  description: How each key stands after the run, in the order of the keys; in check mode as found.
  returned: success
  type: list
  elements: dict
  contains:
    name: {description: The key., type: str}
    status:
      description: 'C(applied), C(not_applicable), C(pending_reboot) or C(drifted).'
      type: str
    reason: {description: Why it is not C(applied)., type: str}
    wanted: {description: The wanted value., type: str}
    persisted: {description: The value in O(path)., type: str}
    booted: {description: Always null., type: str}
    live: {description: What the kernel says., type: str}
conflicts:
  description: Keys that another file, read later at boot, sets to another value. Each is also a warning.
  returned: success
  type: list
  elements: dict
  contains:
    key: {description: The key., type: str}
    path: {description: The file that has the last word., type: str}
    value: {description: The value that it sets., type: str}
    wanted: {description: The value wanted here., type: str}
differences:
  description: Every difference between wanted and found, with its layer, path, before and after.
  returned: always
  type: list
  elements: dict
reboot_required:
  description: Whether something takes effect at the next boot only.
  returned: success
  type: bool
reboot_reasons:
  description: What does, and why.
  returned: success
  type: list
  elements: str
"""

import difflib
import errno
import posixpath
from dataclasses import dataclass
from typing import Any

from ansible.module_utils.basic import AnsibleModule
from ansible_collections.hft.ops.plugins.module_utils._change_record import ChangeRecord
from ansible_collections.hft.ops.plugins.module_utils._host import Host, HostError
from ansible_collections.hft.ops.plugins.module_utils._item import APPLIED, DRIFTED, NOT_APPLICABLE, PENDING_REBOOT, Item, reboot_result
from ansible_collections.hft.ops.plugins.module_utils._plan import Difference, Plan
from ansible_collections.hft.ops.plugins.module_utils._sysctl_files import SEARCH_PATH, assignments, dotted_name, proc_name, read_after
from ansible_collections.hft.ops.plugins.module_utils._sysctl_keys import DEAD, MAY_BE_ABSENT

_HEADER = "# Managed by hft.ops.sysctl as a whole: edits and additions are removed by the next run.\n"


def main() -> None:
    module = AnsibleModule(
        argument_spec={
            "settings": {"type": "dict", "required": True},
            "path": {"type": "path", "default": "/etc/sysctl.d/90-hft.conf"},
            "purge": {"type": "bool", "default": True},
            "apply": {"type": "str", "choices": ["live", "boot"], "default": "live"},
        },
        supports_check_mode=True,
    )
    plan = Plan(module.check_mode, ChangeRecord("sysctl"))
    try:
        result = apply(module.params, Host(), plan)
    except HostError as wrong:
        module.fail_json(msg=str(wrong), **plan.failure())
    for conflict in result["conflicts"]:
        module.warn("{key}: {path} is read later at boot and sets {value}, not {wanted}; remove it there".format(**conflict))
    module.exit_json(**result, **plan.result())


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


if __name__ == "__main__":
    main()
