# Copyright: (c) hft.ops contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Private to hft.ops. Units of systemd: enabled, masked and running as wanted, by one call of systemctl for each verb."""

from __future__ import annotations

from typing import Any

from ansible_collections.hft.ops.plugins.module_utils._host import Host, HostError
from ansible_collections.hft.ops.plugins.module_utils._item import APPLIED, DRIFTED, NOT_APPLICABLE, Item
from ansible_collections.hft.ops.plugins.module_utils._plan import Difference, Plan
from ansible_collections.hft.ops.plugins.module_utils._systemd import UNIT_SUFFIXES, Systemctl, Unit

# What `systemctl is-enabled` answers with success, without the enablement that ends at the next boot.
_ENABLED = ("enabled", "static", "alias", "indirect", "generated")
_NOT_ENABLED = ("disabled", "static", "indirect", "generated", "transient", "masked", "masked-runtime", "")
_ON = ("started", "restarted", "reloaded")

SPEC: dict[str, Any] = {
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
}


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
