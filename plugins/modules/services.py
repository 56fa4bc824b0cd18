#!/usr/bin/python
# Copyright: (c) hft.ops contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: services
short_description: Bring all systemd units of a concern into their wanted state in one call
version_added: 0.1.0
description:
  - States for a list of units whether each is enabled, masked and running, and changes what differs with one C(systemctl)
    call per verb.
  - Reloads systemd's own view first when a unit file was changed, so a playbook needs no separate C(daemon_reload).
  - After the writes every unit is read back. A unit that did not reach its state fails the task with its name and result.
author: hft.ops contributors (@hft-ops)
extends_documentation_fragment: hft.ops.attributes
options:
  units:
    description: The units, each at most once.
    type: list
    elements: dict
    required: true
    suboptions:
      name:
        description: Full name of the unit with its suffix, for example V(chrony.service).
        type: str
        required: true
      enabled:
        description:
          - Whether the unit starts at boot. Left alone when not given.
          - A unit without an C([Install]) section (V(static)) counts as both, as it does for C(systemctl is-enabled).
        type: bool
      masked:
        description: Whether the unit is masked, so that nothing can start it. Left alone when not given.
        type: bool
      state:
        description:
          - Whether the unit runs now. Left alone when not given.
          - V(restarted) and V(reloaded) are for handlers.
        type: str
        choices: [started, stopped, restarted, reloaded]
      stale_after:
        description:
          - Files that the unit reads at its start; only with O(units[].state=restarted) and O(units[].state=reloaded).
          - The unit is restarted (reloaded) only when it was started before the newest of these was written, so a unit that was
            just started with the new file is left alone. A unit that does not run is not started.
          - In check mode the file is not written, so its time proves nothing; a running unit is then always reported as changed.
            A handler runs only when something changed, so that is what the real run does.
        type: list
        elements: path
notes:
  - A unit that is wanted (enabled, started or restarted) and does not exist is a planned change in check mode, because the package that
    brings it may not be installed yet, and an error otherwise.
  - A unit that is not wanted (disabled, masked, stopped) and does not exist is C(not_applicable).
  - When a start fails, units that were enabled or started before stay so; run the task again after mending the cause.
seealso:
  - module: ansible.builtin.systemd_service
"""

EXAMPLES = r"""
- name: Time daemon on, services that a trading host does not need off
  hft.ops.services:
    units:
      - name: chrony.service
        enabled: true
        state: started
      - name: bluetooth.service
        enabled: false
        masked: true
        state: stopped

- name: Handler | restart only when the running daemon is older than its files
  hft.ops.services:
    units:
      - name: prometheus.service
        state: restarted
        stale_after:
          - /etc/prometheus/prometheus.yml
          - /etc/default/prometheus
"""

RETURN = r"""
units:
  description: How each unit stands, in the order given; in check mode before the change.
  returned: success
  type: list
  elements: dict
  contains:
    name: {description: Name of the unit., type: str}
    status: {description: 'C(applied), C(drifted), C(not_applicable) or C(failed).', type: str}
    reason: {description: Why it is not C(applied)., type: str}
    wanted: {description: What was asked., type: dict}
    persisted: {description: 'Enablement: C(enabled), C(disabled), C(static), C(masked), C(not installed).', type: str}
    booted: {description: Always null., type: str}
    live: {description: 'Active state: C(active), C(inactive), C(failed).', type: str}
differences:
  description: Every difference between wanted and found, with its layer, path, before and after.
  returned: always
  type: list
  elements: dict
daemon_reloaded:
  description: Whether systemd was told to read its unit files again.
  returned: success
  type: bool
"""

from typing import Any

from ansible.module_utils.basic import AnsibleModule
from ansible_collections.hft.ops.plugins.module_utils._change_record import ChangeRecord
from ansible_collections.hft.ops.plugins.module_utils._host import Host, HostError
from ansible_collections.hft.ops.plugins.module_utils._item import APPLIED, DRIFTED, NOT_APPLICABLE, Item
from ansible_collections.hft.ops.plugins.module_utils._plan import Difference, Plan
from ansible_collections.hft.ops.plugins.module_utils._systemd import UNIT_SUFFIXES, Systemctl, Unit

# What `systemctl is-enabled` answers with success, without the enablement that ends at the next boot.
_ENABLED = ("enabled", "static", "alias", "indirect", "generated")
_NOT_ENABLED = ("disabled", "static", "indirect", "generated", "transient", "masked", "masked-runtime", "")
_ON = ("started", "restarted", "reloaded")


def main() -> None:
    module = AnsibleModule(
        argument_spec={
            "units": {
                "type": "list", "elements": "dict", "required": True,
                "options": {
                    "name": {"type": "str", "required": True},
                    "enabled": {"type": "bool"},
                    "masked": {"type": "bool"},
                    "state": {"type": "str", "choices": ["started", "stopped", "restarted", "reloaded"]},
                    "stale_after": {"type": "list", "elements": "path"},
                },
            },
        },
        supports_check_mode=True,
    )
    plan = Plan(module.check_mode, ChangeRecord("services"))
    try:
        result = apply(module.params["units"], Host(), Systemctl(module.run_command), plan)
    except HostError as wrong:
        module.fail_json(msg=str(wrong), **plan.failure())
    module.exit_json(**result, **plan.result())


def apply(wanted: list[dict[str, Any]], host: Host, systemctl: Systemctl, plan: Plan) -> dict[str, Any]:
    """Plan and, outside check mode, run; returns the module's own result keys."""
    _refuse_bad_input(wanted)
    names = [unit["name"] for unit in wanted]
    found, reloaded = _read(names, wanted, systemctl, plan.check_mode)
    _refuse_impossible(wanted, found, plan.check_mode)
    _plan(wanted, found, host, systemctl, plan)

    def verify() -> None:
        after = systemctl.units(names)
        problems = [problem for unit in wanted for problem in _problems(unit, after[unit["name"]], systemctl)]
        if problems:
            raise HostError("; ".join(problems))
        found.update(after)

    plan.run(verify)
    planned = {difference.path for difference in plan.differences} if plan.check_mode else set()
    return {
        "units": [_item(unit, found[unit["name"]], unit["name"] in planned, systemctl).shown() for unit in wanted],
        "daemon_reloaded": reloaded,
    }


def _wanted_on(unit: dict[str, Any]) -> bool:
    return bool(unit["enabled"]) or unit["state"] in _ON


def _refuse_bad_input(wanted: list[dict[str, Any]]) -> None:
    problems = []
    seen = set()
    for unit in wanted:
        name = unit["name"]
        if not name.endswith(UNIT_SUFFIXES):
            problems.append(f"units: {name}: expected the full name with its suffix, such as {name}.service")
        if name in seen:
            problems.append(f"units: {name}: listed twice")
        seen.add(name)
        if unit["masked"] and _wanted_on(unit):
            problems.append(f"units: {name}: masked and enabled or running exclude each other; drop one")
        if unit["stale_after"] and unit["state"] not in ("restarted", "reloaded"):
            problems.append(f"units: {name}: stale_after needs state restarted or reloaded")
        if unit["enabled"] is None and unit["masked"] is None and unit["state"] is None:
            problems.append(f"units: {name}: nothing is wanted of it; give enabled, masked or state")
    if problems:
        raise HostError("; ".join(problems))


def _read(names: list[str], wanted: list[dict[str, Any]], systemctl: Systemctl, check_mode: bool) -> tuple[dict[str, Unit], bool]:
    """The units as systemd sees them, after it has read unit files that were changed behind its back."""
    found = systemctl.units(names)
    missing = [unit["name"] for unit in wanted if _wanted_on(unit) and not found[unit["name"]].exists]
    stale = missing or any(unit.properties.get("NeedDaemonReload") == "yes" for unit in found.values())
    if not stale or check_mode:
        return found, False
    systemctl.do("daemon-reload")
    return systemctl.units(names), True


def _refuse_impossible(wanted: list[dict[str, Any]], found: dict[str, Unit], check_mode: bool) -> None:
    problems = []
    for unit in wanted:
        now = found[unit["name"]]
        if not _wanted_on(unit):
            continue
        if not now.exists and not check_mode:
            problems.append(f"{now.name}: no such unit on this host; install the package that brings it, or correct the name")
        elif now.masked and unit["masked"] is not False:
            problems.append(f"{now.name}: is masked on this host; add masked: false to unmask it, or leave it out")
        elif now.properties.get("LoadState") in ("bad-setting", "error"):
            problems.append(f"{now.name}: systemd cannot read its unit file; run systemd-analyze verify {now.name}")
    if problems:
        raise HostError("; ".join(problems))


def _plan(wanted: list[dict[str, Any]], found: dict[str, Unit], host: Host, systemctl: Systemctl, plan: Plan) -> None:
    """One systemctl call per verb, in the order in which one must come before the other."""
    by_verb: dict[str, list[Difference]] = {}
    for unit in wanted:
        for verb, difference in _differences(unit, found[unit["name"]], host, systemctl, plan.check_mode):
            by_verb.setdefault(verb, []).append(difference)
    # systemd reads every unit file of the host anew after each of these; once, after the last of them, is enough.
    early = [verb for verb in ("disable", "mask", "unmask", "enable") if verb in by_verb][:-1]
    for verb in ("stop", "disable", "mask", "unmask", "enable", "start", "restart", "reload"):
        differences = by_verb.get(verb, [])
        if differences:
            names = [difference.path for difference in differences]
            options = ("--no-reload",) if verb in early else ()
            plan.change(*differences, write=lambda verb=verb, names=names, options=options: _do(systemctl, verb, names, options))


def _do(systemctl: Systemctl, verb: str, names: list[str], options: tuple[str, ...]) -> None:
    try:
        systemctl.do(verb, names, *options)
    except HostError as wrong:
        # systemctl names no unit when one of several fails to start; the units themselves know.
        guilty = [_ending(unit) for unit in systemctl.units(names).values() if not unit.running] if verb in ("start", "restart") else []
        raise HostError("; ".join(guilty) or str(wrong)) from wrong


def _differences(unit: dict[str, Any], now: Unit, host: Host, systemctl: Systemctl, check_mode: bool) -> list[tuple[str, Difference]]:
    if not now.exists and not _wanted_on(unit):
        return []
    found = []
    if unit["masked"] is not None and unit["masked"] != now.masked:
        verb, after = ("mask", "masked") if unit["masked"] else ("unmask", "unmasked")
        found.append((verb, Difference("persisted", now.name, now.enablement, after)))
    if unit["enabled"] is True and now.enablement not in _ENABLED:
        found.append(("enable", Difference("persisted", now.name, now.enablement, "enabled")))
    if unit["enabled"] is False and now.enablement not in _NOT_ENABLED:
        found.append(("disable", Difference("persisted", now.name, now.enablement, "disabled")))
    if unit["state"] == "started" and not now.running and systemctl.unmet_condition(now) is None:
        found.append(("start", Difference("live", now.name, now.active_state, "active")))
    if unit["state"] == "stopped" and now.running:
        found.append(("stop", Difference("live", now.name, now.active_state, "inactive")))
    if unit["state"] in ("restarted", "reloaded") and _due(unit, now, host, check_mode):
        verb = {"restarted": "restart", "reloaded": "reload"}[unit["state"]] if now.running else "start"
        found.append((verb, Difference("live", now.name, now.active_state, unit["state"])))
    return found


def _due(unit: dict[str, Any], now: Unit, host: Host, check_mode: bool) -> bool:
    """Whether a restart or reload that a handler asks for is still to be done."""
    if not unit["stale_after"]:
        return True
    if not now.running:
        return False
    if check_mode:
        return True
    return any(_written_at(host, path) > now.started_at for path in unit["stale_after"])


def _written_at(host: Host, path: str) -> float:
    """Newest of a file's time and, for a link, the link's own: switching a link makes what lies behind it new."""
    real = host.path(path)
    return max(real.stat().st_mtime, real.lstat().st_mtime) if real.exists() else 0.0


def _problems(unit: dict[str, Any], now: Unit, systemctl: Systemctl) -> list[str]:
    """What is still not as wanted after the writes."""
    problems = []
    if unit["enabled"] is True and now.enablement not in _ENABLED:
        problems.append(f"{now.name}: wanted enabled, is {now.enablement or 'without an enablement'}")
    if unit["masked"] is not None and now.exists and now.masked != unit["masked"]:
        problems.append(f"{now.name}: wanted {'masked' if unit['masked'] else 'unmasked'}, is {now.enablement}")
    if unit["state"] == "started" and not now.running and systemctl.unmet_condition(now) is None:
        problems.append(_ending(now))
    if unit["state"] == "stopped" and now.running:
        problems.append(f"{now.name}: wanted stopped, is {now.active_state}; something starts it again, mask it")
    return problems


def _ending(now: Unit) -> str:
    how = f"{now.properties.get('Result', 'unknown')}, exit status {now.properties.get('ExecMainStatus', 'unknown')}"
    return f"{now.name}: wanted running, is {now.active_state} ({how}); read journalctl -u {now.name}"


def _item(unit: dict[str, Any], now: Unit, planned: bool, systemctl: Systemctl) -> Item:
    wanted = {key: unit[key] for key in ("enabled", "masked", "state") if unit[key] is not None}
    live = now.active_state if now.exists else None
    if not now.exists and not _wanted_on(unit):
        return Item(now.name, NOT_APPLICABLE, wanted, now.enablement, reason="not installed")
    if planned:
        return Item(now.name, DRIFTED, wanted, now.enablement, live=live, reason="" if now.exists else "not installed yet")
    unmet = systemctl.unmet_condition(now) if unit["state"] == "started" and not now.running else None
    if unmet is not None:
        return Item(now.name, NOT_APPLICABLE, wanted, now.enablement, live=live, reason=unmet)
    return Item(now.name, APPLIED, wanted, now.enablement, live=live)


if __name__ == "__main__":
    main()
