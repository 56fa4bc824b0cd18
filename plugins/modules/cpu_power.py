#!/usr/bin/python
# Copyright: (c) hft.ops contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: cpu_power
short_description: Keep the CPUs of a host awake and fast, and read back what the kernel did
version_added: 0.1.0
description:
  - Sets frequency governor, energy preference, turbo and SMT of all CPUs in one call, and limits how long a CPU may take to wake up.
  - Everything is kept in one file that C(hft-cpu-power.service) applies at boot. The limit of the wake-up time holds only as long as a
    process keeps C(/dev/cpu_dma_latency) open, which is what C(hft-cpu-dma-latency.service) does. Enable and start both with
    M(hft.ops.services), or use the role C(hft.ops.cpu_power).
  - What an option does not name is left alone.
author: hft.ops contributors (@hft-ops)
extends_documentation_fragment:
  - hft.ops.attributes
  - hft.ops.host_guard
options:
  state:
    description: V(absent) removes the files; the kernel keeps its settings until the next boot.
    type: str
    choices: [present, absent]
    default: present
  governor:
    description: Frequency governor of all CPUs, one that the host's driver offers, for example V(performance).
    type: str
  energy_preference:
    description:
      - Energy preference (EPP) of all CPUs, one that the host's driver offers, for example V(performance).
      - With the governor V(performance) intel_pstate takes no other preference than V(performance).
    type: str
  max_wakeup_us:
    description:
      - The longest that a CPU may take to wake up, in microseconds, from 0 to 100000; deeper C-states are then not entered.
      - With V(0) idle CPUs spin, which keeps them warm and takes turbo away from the others.
    type: int
  smt:
    description: Whether both threads of a core are used. V(false) takes the second thread of every core offline.
    type: bool
  turbo:
    description: Whether CPUs may run faster than their nominal frequency.
    type: bool
notes:
  - Whether a knob can be changed is found by writing back the value that it has, which changes nothing; in check mode too. One that is
    missing or refuses is C(not_applicable) with the missing path or the error number.
  - Taking CPUs offline and changing frequencies disturbs the host, so a host whose engine trades is refused (O(guard)).
seealso:
  - module: hft.ops.services
"""

EXAMPLES = r"""
- name: Fast and awake
  hft.ops.cpu_power:
    governor: performance
    energy_preference: performance
    max_wakeup_us: 2
    smt: false

- name: The services that keep it so
  hft.ops.services:
    units:
      - {name: hft-cpu-power.service, enabled: true, state: started}
      - {name: hft-cpu-dma-latency.service, enabled: true, state: started}
"""

RETURN = r"""
items:
  description: How each knob that an option names stands.
  returned: success
  type: list
  elements: dict
  contains:
    name: {description: 'C(scaling_governor), C(energy_performance_preference), C(cpu_dma_latency), C(smt) or C(turbo).', type: str}
    status: {description: 'C(applied), C(not_applicable), C(pending_reboot) or C(drifted).', type: str}
    reason: {description: Why it is not C(applied)., type: str}
    wanted: {description: The wanted value., type: str}
    persisted: {description: The value in the file or unit., type: str}
    booted: {description: Always null., type: str}
    live: {description: What the kernel says; several values where the CPUs differ., type: str}
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
import os
import re
import struct
from dataclasses import dataclass
from typing import Any

from ansible.module_utils.basic import AnsibleModule
from ansible_collections.hft.ops.plugins.module_utils._change_record import ChangeRecord
from ansible_collections.hft.ops.plugins.module_utils._host import Host, HostError
from ansible_collections.hft.ops.plugins.module_utils._host_guard import HOST_GUARD_SPEC, live_changes, refusal
from ansible_collections.hft.ops.plugins.module_utils._item import APPLIED, DRIFTED, NOT_APPLICABLE, PENDING_REBOOT, Item, reboot_result
from ansible_collections.hft.ops.plugins.module_utils._owned_units import FOLDER, plan_units
from ansible_collections.hft.ops.plugins.module_utils._plan import Difference, Plan
from ansible_collections.hft.ops.plugins.module_utils._systemd import RunCommand

_CPU = "/sys/devices/system/cpu"
_POLICIES = f"{_CPU}/cpufreq"
_DMA = "/dev/cpu_dma_latency"
_HEADER = "# Managed by hft.ops.cpu_power as a whole: edits and additions are removed by the next run.\n"
_CONFIG = "/etc/hft-cpu-power.conf"
_UNIT = "hft-cpu-power.service"
_DMA_UNIT = "hft-cpu-dma-latency.service"
_UNIT_TEXT = _HEADER + f"""[Unit]
Description=Frequency, turbo and SMT of the CPUs
ConditionPathIsReadWrite=/sys

[Service]
Type=oneshot
RemainAfterExit=yes
ExecStart=systemd-tmpfiles --create {_CONFIG}

[Install]
WantedBy=multi-user.target
"""
# The kernel takes a number of ten characters as hexadecimal text, and forgets it when the file is closed.
_DMA_UNIT_TEXT = _HEADER + f"""[Unit]
Description=CPUs wake up within {{limit}} microseconds
ConditionPathExists={_DMA}

[Service]
ExecStart=/bin/sh -c 'exec 3>{_DMA} && printf 0x%%08x {{limit}} >&3 && exec sleep infinity'
ExecStartPost=/bin/sh -c 'until [ $$(od -An -td4 -N4 {_DMA}) -le {{limit}} ]; do sleep 0.05; done'
Restart=always
CapabilityBoundingSet=
DeviceAllow={_DMA} rw
DevicePolicy=closed
NoNewPrivileges=yes
PrivateNetwork=yes
ProtectHome=yes
ProtectSystem=strict

[Install]
WantedBy=multi-user.target
"""
_GOVERNORS = ("conservative", "ondemand", "performance", "powersave", "schedutil", "userspace")
_PREFERENCES = ("default", "performance", "balance_performance", "balance_power", "power")


def main() -> None:
    module = AnsibleModule(
        argument_spec={
            "state": {"type": "str", "choices": ["present", "absent"], "default": "present"},
            "governor": {"type": "str"},
            "energy_preference": {"type": "str"},
            "max_wakeup_us": {"type": "int"},
            "smt": {"type": "bool"},
            "turbo": {"type": "bool"},
            "guard": HOST_GUARD_SPEC,
        },
        supports_check_mode=True,
    )
    plan = Plan(module.check_mode, ChangeRecord("cpu_power"))
    try:
        result = apply(module.params, Host(), module.run_command, plan)
    except HostError as wrong:
        module.fail_json(msg=str(wrong), **plan.failure())
    if result["refused"]:
        module.warn(result["refused"])
    module.exit_json(**result, **plan.result())


@dataclass(frozen=True)
class Knob:
    """One setting, in one file of the kernel or in one for each frequency policy.

    pattern: the path as the file of the service has it; offered: values that all files take, none where the kernel does not say;
    good: values that are as good as the wanted one.
    """

    name: str
    pattern: str
    paths: tuple[str, ...]
    wanted: str
    offered: tuple[str, ...] = ()
    good: tuple[str, ...] = ()

    def fits(self, value: str) -> bool:
        return value == self.wanted or value in self.good


def apply(params: dict[str, Any], host: Host, run_command: RunCommand, plan: Plan) -> dict[str, Any]:
    """Plan and, outside check mode, run; returns the module's own result keys."""
    present = params["state"] == "present"
    knobs = _knobs(params, host) if present else []
    limit = params["max_wakeup_us"] if present else None
    _refuse_bad_input(params, knobs)
    had = [path for path in (_CONFIG, f"{FOLDER}/{_DMA_UNIT}") if host.read(path) is not None]
    units = _plan_files(knobs, limit, host, run_command, plan)
    stuck = {knob.name: _plan_live(knob, host, plan) for knob in knobs}
    refused = refusal(params["guard"], live_changes(plan), host, run_command, plan.check_mode)

    def verify() -> None:
        for knob in knobs:
            for path in knob.paths:
                if not stuck[knob.name] and not knob.fits(_value(host, path)):
                    raise HostError(f"{path}: wanted {knob.wanted}, but the kernel made it {_value(host, path)}")

    plan.run(verify)
    items = [_item(knob, stuck[knob.name], host) for knob in knobs]
    items += [_dma_item(limit, host)] if limit is not None else []
    if not present:
        status, reason = (PENDING_REBOOT, "the kernel keeps frequency, turbo and SMT until the next boot") if had else (APPLIED, "")
        items = [Item("power settings", status, "", reason=reason)]
    return {"items": [item.shown() for item in items], "refused": refused, **units, **reboot_result(items)}


def _knobs(params: dict[str, Any], host: Host) -> list[Knob]:
    """The knobs that options name, in the order in which they are written."""
    knobs = []
    if params["governor"]:
        knobs.append(_policy_knob(host, "scaling_governor", params["governor"], "scaling_available_governors", _GOVERNORS))
    if params["energy_preference"]:
        preference = _policy_knob(host, "energy_performance_preference", params["energy_preference"],
                                  "energy_performance_available_preferences", _PREFERENCES)
        # Under the governor performance intel_pstate refuses every change of the preference, so that governor comes after it.
        knobs.insert(0 if params["governor"] == "performance" else len(knobs), preference)
    if params["turbo"] is not None:
        knobs.append(_turbo(params["turbo"], host))
    if params["smt"] is not None:
        control = f"{_CPU}/smt/control"
        # Where there is no second thread, or none until the next boot, it is off.
        knobs.append(Knob("smt", control, _there(host, control), "on" if params["smt"] else "off",
                          good=() if params["smt"] else ("forceoff", "notsupported", "notimplemented")))
    return knobs


def _policy_knob(host: Host, name: str, wanted: str, list_name: str, known: tuple[str, ...]) -> Knob:
    policies = [policy for policy in host.names(_POLICIES) if re.fullmatch(r"policy\d+", policy)]
    lists = [set((host.read(f"{_POLICIES}/{policy}/{list_name}") or "").split()) for policy in policies]
    offered = sorted(set.intersection(*lists)) if lists and all(lists) else known
    paths = [f"{_POLICIES}/{policy}/{name}" for policy in policies]
    return Knob(name, f"{_POLICIES}/policy*/{name}", tuple(path for path in paths if host.read(path) is not None), wanted, tuple(offered))


def _turbo(wanted: bool, host: Host) -> Knob:
    no_turbo, boost = f"{_CPU}/intel_pstate/no_turbo", f"{_CPU}/cpufreq/boost"
    if host.read(no_turbo) is not None:
        return Knob("turbo", no_turbo, (no_turbo,), "0" if wanted else "1")
    return Knob("turbo", boost, _there(host, boost), "1" if wanted else "0")


def _there(host: Host, path: str) -> tuple[str, ...]:
    return (path,) if host.read(path) is not None else ()


def _refuse_bad_input(params: dict[str, Any], knobs: list[Knob]) -> None:
    names = {"scaling_governor": "governor", "energy_performance_preference": "energy_preference"}
    problems = [f"{names[knob.name]} {knob.wanted}: this host offers {', '.join(knob.offered)}"
                for knob in knobs if knob.offered and knob.wanted not in knob.offered]
    if params["max_wakeup_us"] is not None and not 0 <= params["max_wakeup_us"] <= 100_000:
        problems.append(f"max_wakeup_us {params['max_wakeup_us']}: expected a number from 0 to 100000")
    if problems:
        raise HostError("; ".join(problems))


def _plan_files(knobs: list[Knob], limit: int | None, host: Host, run_command: RunCommand, plan: Plan) -> dict[str, Any]:
    lines = "".join(f"w {knob.pattern} - - - - {knob.wanted}\n" for knob in knobs)
    plan.file(host.owned_file(_CONFIG), _HEADER + lines if knobs else None, owner=host.system_owner, group=host.system_owner)
    return plan_units(plan, host, run_command, {
        _UNIT: _UNIT_TEXT if knobs else None,
        _DMA_UNIT: None if limit is None else _DMA_UNIT_TEXT.format(limit=limit),
    })


def _plan_live(knob: Knob, host: Host, plan: Plan) -> str:
    """State every file that has to change; the reason where this host cannot."""
    changes = []
    for path in knob.paths:
        live = _value(host, path)
        if knob.fits(live):
            continue
        try:
            host.poke(path, live)
        except OSError as why:
            return f"{errno.errorcode.get(why.errno or 0, why.errno)}: {path}: {os.strerror(why.errno or 0)}; it says {live}"
        changes.append((path, live))
    for path, live in changes:
        plan.change(Difference("live", path, live, knob.wanted), write=lambda path=path: _poke(host, path, knob.wanted),
                    undo=lambda path=path, live=live: host.poke(path, live))
    return "" if knob.paths else f"ENOENT: {knob.pattern}"


def _value(host: Host, path: str) -> str:
    return (host.read(path) or "").strip()


def _poke(host: Host, path: str, value: str) -> None:
    try:
        host.poke(path, value)
    except OSError as why:
        name = errno.errorcode.get(why.errno or 0, str(why.errno))
        hint = "; under the governor performance only the preference performance is taken" if why.errno == errno.EBUSY else ""
        raise HostError(f"{path}: the kernel refuses {value} ({name}: {why.strerror}){hint}") from why


def _item(knob: Knob, stuck: str, host: Host) -> Item:
    values = sorted({_value(host, path) for path in knob.paths})
    filed = re.search(rf"^w {re.escape(knob.pattern)} - - - - (\S+)$", host.read(_CONFIG) or "", re.MULTILINE)
    persisted = filed[1] if filed else None
    status = APPLIED
    if stuck:
        status = NOT_APPLICABLE
    elif persisted != knob.wanted or not all(knob.fits(value) for value in values):
        status = DRIFTED
    return Item(knob.name, status, knob.wanted, persisted, live=" ".join(values) or None, reason=stuck)


def _dma_item(limit: int, host: Host) -> Item:
    filed = re.search(r"printf 0x%%08x (\d+) ", host.read(f"{FOLDER}/{_DMA_UNIT}") or "")
    persisted = filed[1] if filed else None
    live, status, reason = None, APPLIED, ""
    try:
        with open(host.path(_DMA), "rb") as device:
            live = struct.unpack("i", device.read(4))[0]
    except OSError as why:
        status, reason = NOT_APPLICABLE, f"{errno.errorcode.get(why.errno or 0, why.errno)}: {_DMA}: {os.strerror(why.errno or 0)}"
    except struct.error:
        status, reason = NOT_APPLICABLE, f"{_DMA}: does not tell the limit"
    if live is not None and (live > limit or persisted != str(limit)):
        status, reason = DRIFTED, "" if live <= limit else "hft-cpu-dma-latency.service does not run" if persisted == str(limit) else ""
    return Item("cpu_dma_latency", status, str(limit), persisted, live=None if live is None else str(live), reason=reason)


if __name__ == "__main__":
    main()
