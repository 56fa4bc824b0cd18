#!/usr/bin/python
# Copyright: (c) hft.ops contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: nic_tuning
short_description: Set queues, rings, coalescing, offloads and busy polling of network cards, and read back what the card did
version_added: 0.1.0
description:
  - States all of it for all cards in one call. ethtool is asked what each card has and could have; a value that the card cannot take
    fails the task before anything is written, and a value that the card changed on its way is put back.
  - Everything is kept in one unit, C(hft-nic-tuning.service), that sets it at boot before the network comes up. Enable it with
    M(hft.ops.services), or use the role C(hft.ops.nic).
  - What a driver does not have, or does not let change, is C(not_applicable) with the words of ethtool.
author: hft.ops contributors (@hft-ops)
extends_documentation_fragment:
  - hft.ops.attributes
  - hft.ops.host_guard
options:
  interfaces:
    description: The cards, each at most once; the whole wanted state. With an empty list the unit is removed, and the cards keep what they
      have until the next boot.
    type: list
    elements: dict
    required: true
    suboptions:
      name: {description: Name of the interface., type: str, required: true}
      channels:
        description: Queues by kind (V(combined), V(rx), V(tx), V(other)), as a number or V(max).
        type: dict
        default: {}
      rings:
        description: Length of rings in descriptors (V(rx), V(tx), V(rx-mini), V(rx-jumbo)), as a number or V(max).
        type: dict
        default: {}
      coalescing:
        description: Coalescing by the names of C(ethtool -C), such as V(rx-usecs) in microseconds; V(adaptive-rx) is a boolean.
        type: dict
        default: {}
      offloads:
        description: Features by the names of C(ethtool -k), or the short ones such as V(gro), as booleans.
        type: dict
        default: {}
      napi_defer_hard_irqs:
        description: How many empty polls pass before the card's interrupt is armed again, from 0 to 2147483647. Together with
          O(interfaces[].gro_flush_timeout_ns) it lets a busy polling thread keep interrupts away.
        type: int
      gro_flush_timeout_ns:
        description: Nanoseconds until the card is polled again when nobody polls it, from 0 to 1000000000.
        type: int
notes:
  - Changing queues or rings takes the link of most cards down for an instant, so a host whose engine trades is refused (O(guard)).
  - Busy polling in system calls (C(net.core.busy_poll), C(net.core.busy_read)) belongs to M(hft.ops.sysctl).
seealso:
  - module: hft.ops.irq_affinity
  - module: hft.ops.sysctl
"""

EXAMPLES = r"""
- name: No waiting for more packets
  hft.ops.nic_tuning:
    interfaces:
      - name: ens1f0
        channels: {combined: 2}
        rings: {rx: max, tx: max}
        coalescing: {adaptive-rx: false, rx-usecs: 0}
        offloads: {gro: false, lro: false}
"""

RETURN = r"""
items:
  description: How each setting of each card stands.
  returned: success
  type: list
  elements: dict
  contains:
    name: {description: 'Interface, group and name, for example C(eth0 rings rx).', type: str}
    status: {description: 'C(applied), C(not_applicable), C(pending_reboot) or C(drifted).', type: str}
    reason: {description: Why it is not C(applied)., type: str}
    wanted: {description: The wanted value., type: str}
    persisted: {description: The value in the unit., type: str}
    booted: {description: Always null., type: str}
    live: {description: What the card says., type: str}
refused:
  description: In check mode, the refusal that a run would meet; empty where it would meet none.
  returned: success
  type: str
units:
  description: The units that are to be enabled and started; those that are no longer wanted were stopped and removed.
  returned: success
  type: list
  elements: str
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

import errno
import re
from dataclasses import dataclass
from typing import Any

from ansible.module_utils.basic import AnsibleModule
from ansible_collections.hft.ops.plugins.module_utils._change_record import ChangeRecord
from ansible_collections.hft.ops.plugins.module_utils._ethtool import GROUPS, NO_ETHTOOL, SHORT_NAMES, Ethtool, NotSupported, Settings
from ansible_collections.hft.ops.plugins.module_utils._host import Host, HostError
from ansible_collections.hft.ops.plugins.module_utils._host_guard import HOST_GUARD_SPEC, live_changes, refusal
from ansible_collections.hft.ops.plugins.module_utils._item import APPLIED, DRIFTED, NOT_APPLICABLE, PENDING_REBOOT, Item, reboot_result
from ansible_collections.hft.ops.plugins.module_utils._owned_units import FOLDER, plan_units
from ansible_collections.hft.ops.plugins.module_utils._plan import Difference, Plan
from ansible_collections.hft.ops.plugins.module_utils._systemd import RunCommand

_NET = "/sys/class/net"
_UNIT = "hft-nic-tuning.service"
_PATH = f"{FOLDER}/{_UNIT}"
_HEADER = "# Managed by hft.ops.nic_tuning as a whole: edits and additions are removed by the next run.\n"
# Options and the files below /sys/class/net/NAME that they mean, with their range.
_FILES = {"napi_defer_hard_irqs": ("napi_defer_hard_irqs", 2**31 - 1), "gro_flush_timeout_ns": ("gro_flush_timeout", 10**9)}
_NAME = re.compile(r"[^\s/]{1,15}")


def main() -> None:
    module = AnsibleModule(
        argument_spec={
            "interfaces": {
                "type": "list", "elements": "dict", "required": True,
                "options": {
                    "name": {"type": "str", "required": True},
                    **{group: {"type": "dict", "default": {}} for group in GROUPS},
                    **{option: {"type": "int"} for option in _FILES},
                },
            },
            "guard": HOST_GUARD_SPEC,
        },
        supports_check_mode=True,
    )
    plan = Plan(module.check_mode, ChangeRecord("nic_tuning"))
    try:
        result = apply(module.params, Host(), module.run_command, plan)
    except HostError as wrong:
        module.fail_json(msg=str(wrong), **plan.failure())
    if result["refused"]:
        module.warn(result["refused"])
    module.exit_json(**result, **plan.result())


@dataclass(frozen=True)
class Knob:
    """One setting of one card. group: one of ethtool's, or file for one below /sys; stuck: why it cannot be set, "" when it can."""

    interface: str
    group: str
    name: str
    wanted: str
    live: str | None
    stuck: str

    @property
    def title(self) -> str:
        return f"{self.interface} {self.name}" if self.group == "file" else f"{self.interface} {self.group} {self.name}"

    @property
    def path(self) -> str:
        return f"{_NET}/{self.interface}/{self.name}"


def apply(params: dict[str, Any], host: Host, run_command: RunCommand, plan: Plan) -> dict[str, Any]:
    """Plan and, outside check mode, run; returns the module's own result keys."""
    ethtool = Ethtool(run_command)
    knobs = _knobs(params["interfaces"], host, ethtool)
    had = host.read(_PATH)
    units = plan_units(plan, host, run_command, {_UNIT: _unit(knobs)})
    _plan_live(knobs, host, ethtool, plan)
    refused = refusal(params["guard"], live_changes(plan), host, run_command, plan.check_mode)
    after = knobs

    def verify() -> None:
        nonlocal after
        after = _knobs(params["interfaces"], host, ethtool)
        wrong = [knob for knob in after if not knob.stuck and knob.live != knob.wanted]
        if wrong:
            raise HostError("; ".join(f"{knob.title}: wanted {knob.wanted}, but the card made it {knob.live}" for knob in wrong))

    plan.run(verify)
    items = [_item(knob, host.read(_PATH) or "") for knob in after]
    if not items and had is not None:
        items = [Item("network cards", PENDING_REBOOT, "", reason="they keep what they have until the next boot")]
    return {"items": [item.shown() for item in items], "refused": refused, **units, **reboot_result(items)}


def _knobs(interfaces: list[dict[str, Any]], host: Host, ethtool: Ethtool) -> list[Knob]:
    """Every wanted setting as the card has it; HostError that names everything wrong with the input."""
    problems: list[str] = []
    knobs: list[Knob] = []
    seen = set()
    for wanted in interfaces:
        name = wanted["name"]
        if not _NAME.fullmatch(name) or not host.path(f"{_NET}/{name}").exists():
            problems.append(f"interfaces: {name}: no such network interface; this host has {', '.join(host.names(_NET)) or 'none'}")
            continue
        if name in seen:
            problems.append(f"interfaces: {name}: listed twice; keep one")
        seen.add(name)
        for group in GROUPS:
            if wanted[group]:
                knobs += _group_knobs(name, group, wanted[group], ethtool, problems)
        for option in _FILES:
            if wanted[option] is not None:
                knobs.append(_file_knob(name, option, wanted[option], host, problems))
    if problems:
        raise HostError("; ".join(problems))
    return knobs


def _group_knobs(interface: str, group: str, wanted: dict[str, Any], ethtool: Ethtool, problems: list[str]) -> list[Knob]:
    settings, missing = Settings({}, {}), ""
    try:
        settings = ethtool.read(interface, group)
    except NotSupported as why:
        missing = str(why)
    knobs = []
    for given, value in sorted(wanted.items()):
        name = SHORT_NAMES.get(given, given) if group == "offloads" else given
        where = f"interfaces: {interface}: {group}: {given}"
        text = _text(group, value, settings.most.get(name))
        if text is None:
            problems.append(f"{where} {value!r}: expected {_expected(group, name, settings)}")
            continue
        if text.isdigit() and int(text) > settings.most.get(name, int(text)):
            problems.append(f"{where} {value}: beyond what the card can; its maximum is {settings.most[name]}")
        if not missing and group == "offloads" and name not in settings.values:
            problems.append(f"{where}: no such feature; ethtool -k {interface} lists those it has")
        knobs.append(Knob(interface, group, name, text, settings.values.get(name), missing or _why_stuck(group, name, text, settings)))
    return knobs


def _text(group: str, value: Any, most: int | None) -> str | None:
    """A wanted value as ethtool takes it; None when it is none."""
    if value == "max" and group in ("channels", "rings"):
        return str(most) if most is not None else "max"
    if isinstance(value, bool):
        return None if group in ("channels", "rings") else "on" if value else "off"
    if group == "offloads" or not re.fullmatch(r"\d{1,9}", str(value)):
        return None
    return str(int(value))


def _expected(group: str, name: str, settings: Settings) -> str:
    if group == "offloads":
        return "true or false"
    if group == "coalescing":
        return "a whole number, or true or false for adaptive-rx and adaptive-tx"
    return f"a whole number up to {settings.most[name]}, or max" if name in settings.most else "a whole number, or max"


def _why_stuck(group: str, name: str, wanted: str, settings: Settings) -> str:
    if name not in settings.values:
        return f"EOPNOTSUPP: the driver has no {group} {name}; it has {', '.join(sorted(settings.values)) or 'none'}"
    if name in settings.fixed and settings.values[name] != wanted:
        return f"EOPNOTSUPP: the driver keeps {name} {settings.values[name]} (fixed)"
    return ""


def _file_knob(interface: str, option: str, value: int, host: Host, problems: list[str]) -> Knob:
    name, most = _FILES[option]
    if not 0 <= value <= most:
        problems.append(f"interfaces: {interface}: {option} {value}: expected a number from 0 to {most}")
    path = f"{_NET}/{interface}/{name}"
    live = host.read(path)
    stuck = f"ENOENT: {path}" if live is None else ""
    if live is not None and live.strip() != str(value):
        refused = host.refusal(path)
        stuck = f"{refused}: {path}" if refused else ""
    return Knob(interface, "file", name, str(value), live and live.strip(), stuck)


def _plan_live(knobs: list[Knob], host: Host, ethtool: Ethtool, plan: Plan) -> None:
    """One call of ethtool for each card and group, so that rings of one card change together."""
    due = [knob for knob in knobs if not knob.stuck and knob.live != knob.wanted]
    for interface, group in dict.fromkeys((knob.interface, knob.group) for knob in due):
        some = [knob for knob in due if (knob.interface, knob.group) == (interface, group)]
        differences = [Difference("live", knob.title, knob.live, knob.wanted) for knob in some]
        after, before = {knob.name: knob.wanted for knob in some}, {knob.name: str(knob.live) for knob in some}
        if group == "file":
            for knob, difference in zip(some, differences):
                plan.change(difference, write=lambda knob=knob: _poke(host, knob), undo=lambda knob=knob: host.poke(knob.path, knob.live))
            continue
        plan.change(*differences, write=lambda where=(interface, group, after): ethtool.write(*where),
                    undo=lambda where=(interface, group, before): ethtool.write(*where))


def _poke(host: Host, knob: Knob) -> None:
    try:
        host.poke(knob.path, knob.wanted)
    except OSError as why:
        name = errno.errorcode.get(why.errno or 0, str(why.errno))
        raise HostError(f"{knob.path}: the kernel refuses {knob.wanted} ({name}: {why.strerror})") from why


def _unit(knobs: list[Knob]) -> str | None:
    """The whole unit; None when nothing is wanted that a card has."""
    # Before ethtool is installed nobody knows what a card has.
    knobs = [knob for knob in knobs if not knob.stuck or (knob.stuck == NO_ETHTOOL and knob.wanted != "max")]
    if not knobs:
        return None
    devices = [f"sys-subsystem-net-devices-{_escaped(name)}.device" for name in dict.fromkeys(knob.interface for knob in knobs)]
    # Before the network is brought up: a ring that changes later takes the link down. The early dependencies of a service would make
    # a circle with programs that want the network before that, such as cloud-init.
    return _HEADER + "\n".join([
        "[Unit]",
        "Description=Queues, rings, coalescing and offloads of network cards",
        "DefaultDependencies=no",
        f"Wants=network-pre.target {' '.join(devices)}",
        f"After={' '.join(devices)}",
        "Before=network-pre.target shutdown.target",
        "Conflicts=shutdown.target",
        "",
        "[Service]",
        "Type=oneshot",
        "RemainAfterExit=yes",
        # The minus: what the card already has is an error to older versions of ethtool, and one refusal does not keep the others.
        *(f"ExecStart=-{line}" for line in _commands(knobs)),
        "",
        "[Install]",
        "WantedBy=multi-user.target",
        "",
    ])


def _commands(knobs: list[Knob]) -> list[str]:
    lines = []
    for interface, group in dict.fromkeys((knob.interface, knob.group) for knob in knobs):
        some = {knob.name: knob.wanted for knob in knobs if (knob.interface, knob.group) == (interface, group)}
        name = interface.replace("%", "%%")
        if group == "file":
            lines += [f"/bin/sh -c 'echo {value} > {_NET}/{name}/{file}'" for file, value in some.items()]
        else:
            lines.append(" ".join(Ethtool.argv(name, group, some)))
    return lines


def _escaped(name: str) -> str:
    """As systemd-escape: everything but letters, digits, colons, underscores and dots as its byte."""
    kept = re.compile(rb"[A-Za-z0-9:_.]")
    return "".join(chr(byte) if kept.match(bytes([byte])) else f"\\x{byte:02x}" for byte in name.encode())


def _item(knob: Knob, unit: str) -> Item:
    persisted = _persisted(knob, unit)
    status, reason = APPLIED, ""
    if knob.stuck:
        status, reason = NOT_APPLICABLE, knob.stuck
    elif knob.live != knob.wanted or persisted != knob.wanted:
        status = DRIFTED
    return Item(knob.title, status, knob.wanted, persisted, live=knob.live, reason=reason)


def _persisted(knob: Knob, unit: str) -> str | None:
    """The value that the unit sets."""
    for line in unit.splitlines():
        words = line.replace("%%", "%").partition("=-")[2].split()
        if knob.group == "file" and words[-1:] == [f"{knob.path}'"]:
            return words[3]
        if knob.group != "file" and words[1:3] == [GROUPS[knob.group][1], knob.interface]:
            return dict(zip(words[3::2], words[4::2])).get(knob.name)
    return None


if __name__ == "__main__":
    main()
