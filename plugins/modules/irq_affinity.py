#!/usr/bin/python
# Copyright: (c) hft.ops contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: irq_affinity
short_description: Keep all interrupts off the isolated CPUs and the queues of network cards on chosen ones
version_added: 0.1.0
description:
  - Moves every interrupt off the isolated CPUs, gives each queue of a network card its CPU, and sets where new interrupts start
    (C(default_smp_affinity)). Masks are compared as sets of CPUs, and the kernel is asked afterwards where each interrupt goes
    (C(effective_affinity)).
  - A driver that gives its interrupts back (when it is loaded anew, its queues are counted anew, or the link goes down) gets new ones,
    which are not pinned. The module installs C(hft-irq-affinity.service), which listens to the kernel and pins them at every change of
    a link. Its program is the very file by which the module decides. Enable and start it with M(hft.ops.services), or use the role
    C(hft.ops.irq_affinity).
  - An interrupt that the kernel manages itself refuses every mask, with EIO or on newer kernels EPERM. It is C(not_applicable);
    C(isolcpus=managed_irq) keeps such interrupts away.
author: hft.ops contributors (@hft-ops)
extends_documentation_fragment:
  - hft.ops.attributes
  - hft.ops.host_guard
options:
  state:
    description: V(absent) removes the files; the kernel keeps what it has until the next boot.
    type: str
    choices: [present, absent]
    default: present
  isolated:
    description:
      - The CPUs to keep free, as a list such as V(2-5,8). At least one CPU must be left for the interrupts.
      - When empty, those that the kernel says are isolated or without a tick (C(isolcpus), C(nohz_full)).
    type: str
    default: ''
  interfaces:
    description: Network cards whose queues get CPUs of their own, isolated or not.
    type: list
    elements: dict
    default: []
    suboptions:
      name: {description: Name of the interface; it must have a device of its own., type: str, required: true}
      cpus:
        description: CPU list. The n-th queue (its receive and its send side) goes to the n-th of these CPUs, round again when they end.
        type: str
        required: true
  ban_irqbalance:
    description:
      - Whether irqbalance is told to leave the isolated CPUs and their interrupts alone (C(IRQBALANCE_BANNED_CPULIST), irqbalance 1.9
        or later), in a drop-in of its unit. It must be restarted then.
      - Where irqbalance is masked this is not needed. Pinned queues need it masked.
    type: bool
    default: false
notes:
  - Moving interrupts disturbs the host for an instant, so a host whose engine trades is refused (O(guard)).
  - Whether an interrupt can be moved is found by writing back the mask that it has, which changes nothing; in check mode too.
seealso:
  - module: hft.ops.nic_tuning
  - module: hft.ops.services
"""

EXAMPLES = r"""
- name: Nothing but the market data card on CPU 2 and 3
  hft.ops.irq_affinity:
    isolated: 2-7
    interfaces:
      - {name: ens1f0, cpus: 2-3}

- name: The service that keeps it so
  hft.ops.services:
    units:
      - {name: hft-irq-affinity.service, enabled: true, state: started}
      - {name: irqbalance.service, masked: true, state: stopped}
"""

RETURN = r"""
items:
  description: 'How default_smp_affinity, each queue, the other interrupts together, and each that cannot be moved stand.'
  returned: success
  type: list
  elements: dict
  contains:
    name: {description: The thing., type: str}
    status: {description: 'C(applied), C(not_applicable), C(pending_reboot) or C(drifted).', type: str}
    reason: {description: Why it is not C(applied)., type: str}
    wanted: {description: Wanted CPUs., type: str}
    persisted: {description: CPUs by the file of the service., type: str}
    booted: {description: Always null., type: str}
    live: {description: CPUs by the kernel., type: str}
housekeeping:
  description: The CPUs on which interrupts may be.
  returned: success
  type: str
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
import inspect
import os
import sys
from typing import Any

from ansible.module_utils.basic import AnsibleModule
from ansible_collections.hft.ops.plugins.module_utils import _irq_pinning
from ansible_collections.hft.ops.plugins.module_utils._change_record import ChangeRecord
from ansible_collections.hft.ops.plugins.module_utils._cpu_choice import chosen, isolated, online
from ansible_collections.hft.ops.plugins.module_utils._cpu_list import cpu_list, cpu_mask
from ansible_collections.hft.ops.plugins.module_utils._host import Host, HostError
from ansible_collections.hft.ops.plugins.module_utils._host_guard import HOST_GUARD_SPEC, live_changes, refusal
from ansible_collections.hft.ops.plugins.module_utils._irq_pinning import CONFIG, DEFAULT, MANAGED, Config, Irq, irqs, mask_cpus
from ansible_collections.hft.ops.plugins.module_utils._item import (
    APPLIED,
    DRIFTED,
    NOT_APPLICABLE,
    PENDING_REBOOT,
    Item,
    reboot_result,
)
from ansible_collections.hft.ops.plugins.module_utils._owned_units import plan_units
from ansible_collections.hft.ops.plugins.module_utils._plan import Difference, Plan
from ansible_collections.hft.ops.plugins.module_utils._systemd import RunCommand

_HEADER = "# Managed by hft.ops.irq_affinity as a whole: edits and additions are removed by the next run.\n"
_PROGRAM = "/usr/local/lib/hft-irq-affinity.py"
_UNIT = "hft-irq-affinity.service"
_BAN = "irqbalance.service.d/90-hft.conf"
_UNIT_TEXT = _HEADER + """[Unit]
Description=Interrupts off the isolated CPUs, pinned again at every change of a link
ConditionPathIsReadWrite=/proc/irq

[Service]
Type=notify
ExecStart={python} -I {program}
Restart=on-failure
CapabilityBoundingSet=
NoNewPrivileges=yes
PrivateTmp=yes
ProtectHome=yes
ProtectSystem=strict
RestrictAddressFamilies=AF_NETLINK AF_UNIX

[Install]
WantedBy=multi-user.target
"""


def main() -> None:
    module = AnsibleModule(
        argument_spec={
            "state": {"type": "str", "choices": ["present", "absent"], "default": "present"},
            "isolated": {"type": "str", "default": ""},
            "interfaces": {
                "type": "list", "elements": "dict", "default": [],
                "options": {"name": {"type": "str", "required": True}, "cpus": {"type": "str", "required": True}},
            },
            "ban_irqbalance": {"type": "bool", "default": False},
            "guard": HOST_GUARD_SPEC,
        },
        supports_check_mode=True,
    )
    plan = Plan(module.check_mode, ChangeRecord("irq_affinity"))
    try:
        result = apply(module.params, Host(), module.run_command, plan)
    except HostError as wrong:
        module.fail_json(msg=str(wrong), **plan.failure())
    if result["refused"]:
        module.warn(result["refused"])
    module.exit_json(**result, **plan.result())


def apply(params: dict[str, Any], host: Host, run_command: RunCommand, plan: Plan) -> dict[str, Any]:
    """Plan and, outside check mode, run; returns the module's own result keys."""
    free, config = _wanted(params, host)
    had = host.read(CONFIG)
    units = _plan_files(config, params["ban_irqbalance"], free, host, run_command, plan)
    stuck = _plan_live(config, host, plan) if config else {}
    refused = refusal(params["guard"], live_changes(plan), host, run_command, plan.check_mode)

    def verify() -> None:
        left = [irq for irq in irqs(host, config) if not irq.fits(config) and irq.number not in stuck] if config else []
        if left:
            raise HostError("; ".join(f"irq {irq.number} {irq.name}: wanted on CPU {cpu_list(irq.wanted(config))}, but it was moved to "
                                      f"CPU {cpu_list(irq.allowed)} after that was written; stop what moves it" for irq in left))

    plan.run(verify)
    items = _items(free, config, stuck, host) if config else [_nothing_wanted(params, had is not None and bool(plan.differences))]
    return {"items": [item.shown() for item in items], "housekeeping": cpu_list(online(host) - free), "refused": refused, **units,
            **reboot_result(items)}


def _wanted(params: dict[str, Any], host: Host) -> tuple[frozenset[int], Config | None]:
    """The CPUs to keep free and the configuration; None when there is nothing to keep."""
    if params["state"] == "absent":
        return frozenset(), None
    problems = []
    free: frozenset[int] = frozenset()
    try:
        free = chosen(host, "isolated", params["isolated"]) or isolated(host) & online(host)
        if free == online(host):
            problems.append(f"isolated: {cpu_list(free)} are all CPUs of this host; leave at least one for the interrupts")
    except HostError as wrong:
        problems.append(str(wrong))
    queues = {}
    for interface in params["interfaces"]:
        name = interface["name"]
        if name in queues:
            problems.append(f"interfaces: {name}: listed twice; keep one")
        queues[name] = _queue_cpus(interface, host, problems)
    if problems:
        raise HostError("; ".join(problems))
    return free, Config(online(host) - free, queues) if free or queues else None


def _queue_cpus(interface: dict[str, Any], host: Host, problems: list[str]) -> tuple[int, ...]:
    name = interface["name"]
    cards = [card for card in host.names("/sys/class/net") if _irq_pinning.interface_irqs(host, card)]
    if name not in cards:
        what = "has no interrupts of its own" if name in host.names("/sys/class/net") else "no such network interface"
        problems.append(f"interfaces: {name}: {what}; those with interrupts here are {', '.join(cards) or 'none'}")
    try:
        cpus = chosen(host, f"interfaces: {name}: cpus", interface["cpus"])
    except HostError as wrong:
        problems.append(str(wrong))
        return ()
    if not cpus:
        problems.append(f"interfaces: {name}: cpus is empty; expected a CPU list such as 2-3")
    return tuple(sorted(cpus))


def _plan_files(config: Config | None, ban: bool, free: frozenset[int], host: Host, run_command: RunCommand, plan: Plan) -> dict[str, Any]:
    for path, text in ((CONFIG, config and _HEADER + config.text()), (_PROGRAM, config and inspect.getsource(_irq_pinning))):
        plan.file(host.owned_file(path), text, owner=host.system_owner, group=host.system_owner)
    return plan_units(plan, host, run_command, {
        _UNIT: config and _UNIT_TEXT.format(python=sys.executable or "/usr/bin/python3", program=_PROGRAM),
        _BAN: f'{_HEADER}[Service]\nEnvironment="IRQBALANCE_BANNED_CPULIST={cpu_list(free)}"\n' if ban and free else None,
    })


def _plan_live(config: Config, host: Host, plan: Plan) -> dict[int, OSError]:
    """State every interrupt that has to move; returns those that cannot, with what the kernel said."""
    default = (host.read(DEFAULT) or "").strip()
    if default and not mask_cpus(default) <= config.housekeeping and host.refusal(DEFAULT) is None:
        plan.change(Difference("live", "default_smp_affinity", cpu_list(mask_cpus(default)), cpu_list(config.housekeeping)),
                    write=lambda: _poke(host, DEFAULT, config.housekeeping), undo=lambda: host.poke(DEFAULT, default))
    stuck = {}
    for irq in irqs(host, config):
        if irq.fits(config):
            continue
        wanted = irq.wanted(config)
        try:
            host.poke(irq.path, cpu_mask(irq.allowed))
        except OSError as why:
            stuck[irq.number] = why
            continue
        plan.change(Difference("live", f"irq {irq.number} {irq.name}", cpu_list(irq.allowed), cpu_list(wanted)),
                    write=lambda irq=irq, wanted=wanted: _poke(host, irq.path, wanted),
                    undo=lambda irq=irq: host.poke(irq.path, cpu_mask(irq.allowed)))
    return stuck


def _why_stuck(why: OSError, irq: Irq) -> str:
    name = errno.errorcode.get(why.errno or 0, str(why.errno))
    if why.errno in MANAGED:
        return f"{name}: {irq.path}: the kernel manages this interrupt itself; isolcpus=managed_irq keeps such off isolated CPUs"
    return f"{name}: {irq.path}: {os.strerror(why.errno or 0)}"


def _poke(host: Host, path: str, cpus: frozenset[int]) -> None:
    try:
        host.poke(path, cpu_mask(cpus))
    except OSError as why:
        name = errno.errorcode.get(why.errno or 0, str(why.errno))
        hint = "; these CPUs have no interrupt vector left, list more" if why.errno == errno.ENOSPC else ""
        raise HostError(f"{path}: the kernel refuses CPU {cpu_list(cpus)} ({name}: {why.strerror}){hint}") from why


def _nothing_wanted(params: dict[str, Any], was_there: bool) -> Item:
    if params["state"] == "absent":
        status, reason = (PENDING_REBOOT, "the kernel keeps where interrupts are until the next boot") if was_there else (APPLIED, "")
        return Item("interrupts pinned", status, "", reason=reason)
    return Item("interrupts off the isolated CPUs", NOT_APPLICABLE,
                reason="no CPU is isolated (/sys/devices/system/cpu/isolated and nohz_full are empty) and none is listed")


def _items(free: frozenset[int], config: Config, stuck: dict[int, OSError], host: Host) -> list[Item]:
    try:
        filed = _irq_pinning.parse(host.read(CONFIG) or "")
    except ValueError:
        filed = Config(frozenset(), {})
    now = irqs(host, config)
    items = [_default_item(config, filed, host)]
    managed = {number for number, why in stuck.items() if why.errno in MANAGED}
    for irq in now:
        if irq.number in stuck and (irq.queue or (irq.number in managed and irq.effective & free)):
            items.append(Item(f"irq {irq.number} {irq.name}", NOT_APPLICABLE, cpu_list(irq.wanted(config)), live=cpu_list(irq.effective),
                              reason=_why_stuck(stuck[irq.number], irq)))
        elif irq.queue:
            items.append(_queue_item(irq, config, filed))
    others = [irq for irq in now if not irq.queue and irq.number not in managed]
    blocked = [_why_stuck(stuck[irq.number], irq) for irq in others if irq.number in stuck]
    items.append(_others_item(free, others, blocked, config, filed))
    return items


def _default_item(config: Config, filed: Config, host: Host) -> Item:
    wanted, live = cpu_list(config.housekeeping), host.read(DEFAULT)
    status, reason = APPLIED, ""
    if live is None:
        status, reason = NOT_APPLICABLE, f"ENOENT: {DEFAULT}"
    elif not mask_cpus(live) <= config.housekeeping:
        refused = host.refusal(DEFAULT)
        status, reason = (NOT_APPLICABLE, f"{refused}: {DEFAULT}") if refused else (DRIFTED, "")
    elif filed.housekeeping != config.housekeeping:
        status = DRIFTED
    return Item("default_smp_affinity", status, wanted, cpu_list(filed.housekeeping), live=cpu_list(mask_cpus(live)), reason=reason)


def _queue_item(irq: Irq, config: Config, filed: Config) -> Item:
    name, number = irq.queue or ("", 0)
    cpus = filed.queues.get(name)
    persisted = cpu_list({cpus[number % len(cpus)]}) if cpus else None
    status, reason = (APPLIED, _not_yet([irq], config)) if irq.fits(config) and cpus == config.queues[name] else (DRIFTED, "")
    wanted, live = cpu_list(irq.wanted(config)), cpu_list(irq.effective)
    return Item(f"irq {irq.number} {irq.name}", status, wanted, persisted, live=live, reason=reason)


def _others_item(free: frozenset[int], others: list[Irq], blocked: list[str], config: Config, filed: Config) -> Item:
    """All interrupts without a CPU of their own, as one; blocked: why some cannot be moved, though the kernel does not manage them."""
    wrong = [irq for irq in others if not irq.fits(config)]
    reason = _not_yet([irq for irq in others if irq.fits(config)], config)
    if wrong:
        reason = f"may go to CPU {cpu_list(free)}: " + ", ".join(f"irq {irq.number} {irq.name}" for irq in wrong)
    status = DRIFTED if wrong or filed.housekeeping != config.housekeeping else APPLIED
    if blocked:
        status, reason = NOT_APPLICABLE, f"{blocked[0]} (so for {len(blocked)} interrupts)"
    live = cpu_list(frozenset().union(*(irq.effective for irq in others)))
    wanted, persisted = cpu_list(config.housekeeping), cpu_list(filed.housekeeping)
    return Item("other interrupts", status, wanted, persisted, live=live, reason=reason)


def _not_yet(fitting: list[Irq], config: Config) -> str:
    late = [irq for irq in fitting if not irq.effective <= irq.wanted(config)]
    return "; ".join(f"irq {irq.number} {irq.name} leaves CPU {cpu_list(irq.effective)} at its next interrupt" for irq in late)


if __name__ == "__main__":
    main()
