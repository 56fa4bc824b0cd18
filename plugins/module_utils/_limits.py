# Copyright: (c) hft.ops contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Private to hft.ops. Resource limits: one file for sessions, one drop-in for each unit, and what running services have."""

from __future__ import annotations

import posixpath
import re
from dataclasses import dataclass
from typing import Any

from ansible_collections.hft.ops.plugins.module_utils._host import Host, HostError
from ansible_collections.hft.ops.plugins.module_utils._item import APPLIED, DRIFTED, NOT_APPLICABLE, Item
from ansible_collections.hft.ops.plugins.module_utils._plan import Plan
from ansible_collections.hft.ops.plugins.module_utils._rlimits import RESOURCES, Amount, Resource, ceilings, process_limits
from ansible_collections.hft.ops.plugins.module_utils._systemd import Systemctl, Unit

_LIMITS_D = "/etc/security/limits.d"
_UNITS_D = "/etc/systemd/system"
_DROP_IN = "90-hft-limits.conf"
_HEADER = "# Managed by hft.ops.limits as a whole: edits and additions are removed by the next run.\n"
_UNIT_NAME = re.compile(r"[A-Za-z0-9:_.\\@-]+\.(service|socket|mount|swap)")
# What pam_limits counts itself, without a limit of the kernel.
_PAM_ONLY = {
    "maxlogins": Resource("maxlogins", ""),
    "maxsyslogins": Resource("maxsyslogins", ""),
    "priority": Resource("priority", "", 1, -20, 19, may_be_unlimited=False),
}
_PAM_ITEMS = {**RESOURCES, **_PAM_ONLY}
_PAM_TYPE = {"soft": "soft", "hard": "hard", "both": "-"}

EntryKey = "tuple[str, str, str]"  # domain, type as written in the file, item

SPEC: dict[str, Any] = {
    "entries": {
        "type": "list", "elements": "dict", "default": [],
        "options": {
            "domain": {"type": "str", "required": True},
            "type": {"type": "str", "choices": ["soft", "hard", "both"], "default": "both"},
            "item": {"type": "str", "required": True, "choices": [*RESOURCES, *_PAM_ONLY]},
            "value": {"type": "str", "required": True},
        },
    },
    "units": {
        "type": "list", "elements": "dict", "default": [],
        "options": {
            "name": {"type": "str", "required": True},
            "limits": {"type": "dict", "required": True},
        },
    },
    "path": {"type": "path", "default": f"{_LIMITS_D}/90-hft.conf"},
    "purge": {"type": "bool", "default": True},
}


@dataclass(frozen=True)
class Wanted:
    """One limit of a unit: what to write, and what the kernel shall then hold."""

    resource: Resource
    text: str
    soft: Amount
    hard: Amount

    @property
    def directive(self) -> str:
        return f"Limit{self.resource.name.upper()}"

    def of(self, soft: Amount, hard: Amount) -> str:
        """Other amounts of this resource, as one number when both are equal."""
        parts = [self.resource.shown(soft), self.resource.shown(hard)]
        return parts[0] if soft == hard else ":".join(parts)


def apply(params: dict[str, Any], host: Host, systemctl: Systemctl, plan: Plan) -> dict[str, Any]:
    """Plan and, outside check mode, run; returns the module's own result keys."""
    problems: list[str] = []
    entries = _entries(params["entries"], host, problems)
    units = _units(params["units"], host, problems)
    if posixpath.dirname(params["path"]) != _LIMITS_D or not params["path"].endswith(".conf"):
        problems.append(f"path {params['path']}: PAM does not read it; choose a name ending in .conf in {_LIMITS_D}")
    if problems:
        raise HostError("; ".join(problems))

    file = host.owned_file(params["path"])
    kept = {} if params["purge"] else {key: value for key, value in _parsed(file.before or "").items() if key not in entries}
    plan.file(file, _rendered({**kept, **entries}), mode=0o644, owner=host.system_owner, group=host.system_owner)
    drop_ins = {_drop_in(name): _unit_text(name, limits) for name, limits in units.items()}
    if params["purge"]:
        drop_ins.update(dict.fromkeys(_owned_drop_ins(host) - drop_ins.keys()))
    touched = [plan.file(host.owned_file(path), text, mode=0o644, owner=host.system_owner, group=host.system_owner)
               for path, text in sorted(drop_ins.items())]
    if any(touched):
        plan.follow_up(lambda: systemctl.do("daemon-reload"))
    plan.run()

    top = ceilings(host)
    after = _parsed(host.read(params["path"]) or "")
    unit_items = _unit_items(units, host, systemctl, top)
    return {
        "entries": [_entry_item(key, value, after.get(key), top).shown() for key, value in entries.items()],
        "units": [item.shown() for _name, _due, item in unit_items],
        "restart_required": sorted({name for name, due, _item in unit_items if due}),
        "conflicts": _conflicts(entries, host, params["path"]),
    }


def warnings(result: dict[str, Any]) -> list[str]:
    """What of a result a module warns of."""
    said = "{entry}: {path} is read later and sets {value}, not {wanted}; remove it there"
    return [said.format(**conflict) for conflict in result["conflicts"]]


# Sessions


def _entries(wanted: list[dict[str, Any]], host: Host, problems: list[str]) -> dict[EntryKey, str]:
    """Entries by key, sorted; adds to problems what is wrong with them."""
    entries: dict[EntryKey, str] = {}
    amounts: dict[tuple[str, str], dict[str, Amount]] = {}
    for entry in wanted:
        domain, item, value = entry["domain"], entry["item"], entry["value"].strip()
        where = f"entries: {domain} {entry['type']} {item}"
        key = (domain, _PAM_TYPE[entry["type"]], item)
        if not domain or domain.split() != [domain] or domain.startswith("#"):
            problems.append(f"{where}: domain is not one name; expected a user, @group, %group or *")
        if key in entries:
            problems.append(f"{where}: stands twice; keep one")
        try:
            amount = _PAM_ITEMS[item].parse(value, _PAM_ITEMS[item].pam_unit)
        except ValueError as wrong:
            problems.append(f"{where}: {wrong}")
            continue
        problems += _above_nr_open(where, item, amount, host)
        kinds = ("soft", "hard") if entry["type"] == "both" else (entry["type"],)
        for kind in kinds:
            if kind in amounts.setdefault((domain, item), {}):
                problems.append(f"{where}: {kind} is given by another entry too; keep one")
            amounts[domain, item][kind] = amount
        entries[key] = "unlimited" if value in ("infinity", "-1") and item != "nice" and item != "priority" else value
    for (domain, item), found in amounts.items():
        if found.get("soft", 0) > found.get("hard", found.get("soft", 0)):
            problems.append(f"entries: {domain} {item}: the soft limit is above the hard one; lower it or raise the hard one")
    return dict(sorted(entries.items()))


def _above_nr_open(where: str, item: str, amount: Amount, host: Host) -> list[str]:
    most = int(host.read("/proc/sys/fs/nr_open") or 1048576)
    if item == "nofile" and amount > most:
        return [f"{where}: above fs.nr_open ({most}), the kernel refuses it; raise fs.nr_open first"]
    return []


def _rendered(entries: dict[EntryKey, str]) -> str | None:
    if not entries:
        return None
    return _HEADER + "".join(f"{domain} {kind} {item} {value}\n" for (domain, kind, item), value in sorted(entries.items()))


def _parsed(text: str) -> dict[EntryKey, str]:
    rows = (line.split("#", 1)[0].split() for line in text.splitlines())
    return {(row[0], row[1], row[2]): row[3] for row in rows if len(row) == 4}


def _conflicts(entries: dict[EntryKey, str], host: Host, path: str) -> list[dict[str, str]]:
    found = []
    for name in host.names(_LIMITS_D):
        if name.endswith(".conf") and name > posixpath.basename(path):
            other = _parsed(host.read(f"{_LIMITS_D}/{name}") or "")
            found += [{"entry": " ".join(key), "path": f"{_LIMITS_D}/{name}", "value": other[key], "wanted": entries[key]}
                      for key in sorted(entries.keys() & other.keys()) if other[key] != entries[key]]
    return found


def _entry_item(key: EntryKey, value: str, filed: str | None, top: dict[str, Amount]) -> Item:
    item = key[2]
    status, reason = APPLIED, ""
    amount = _PAM_ITEMS[item].parse(value, _PAM_ITEMS[item].pam_unit)
    if filed != value:
        status = DRIFTED
    elif item in top and amount > top[item]:
        status, reason = NOT_APPLICABLE, _clamped(RESOURCES[item], amount, top[item])
    return Item(" ".join(key), status, value, filed, reason=reason)


def _clamped(resource: Resource, wanted: Amount, most: Amount) -> str:
    return (f"EPERM: the first process of this host has a hard limit of {resource.shown(most)} and no CAP_SYS_RESOURCE, "
            f"so nothing here can be given {resource.shown(wanted)}")


# Services


def _units(wanted: list[dict[str, Any]], host: Host, problems: list[str]) -> dict[str, list[Wanted]]:
    """Wanted limits by unit; adds to problems what is wrong with them."""
    units: dict[str, list[Wanted]] = {}
    for unit in wanted:
        name = unit["name"]
        if not _UNIT_NAME.fullmatch(name):
            problems.append(f"units: {name}: expected the full name of a service, socket, mount or swap unit")
        if name in units:
            problems.append(f"units: {name}: listed twice; keep one")
        units[name] = []
        for resource_name, value in sorted(unit["limits"].items()):
            where = f"units: {name}: {resource_name}"
            if resource_name not in RESOURCES:
                problems.append(f"{where}: no such limit; one of {', '.join(RESOURCES)}")
                continue
            try:
                limit = _unit_limit(RESOURCES[resource_name], str(value).strip())
            except ValueError as wrong:
                problems.append(f"{where}: {wrong}")
                continue
            problems += _above_nr_open(where, resource_name, limit.hard, host)
            units[name].append(limit)
    return units


def _unit_limit(resource: Resource, text: str) -> Wanted:
    soft, _colon, hard = text.partition(":")
    amounts = [resource.parse(part) for part in (soft, hard or soft)]
    if amounts[0] > amounts[1]:
        raise ValueError(f"the soft limit is above the hard one in {text}")
    if resource.name == "nice":
        # systemd reads a signed number as a nice level and a bare one as the kernel's own count.
        text = ":".join(f"{int(part):+d}" for part in text.split(":"))
    return Wanted(resource, text.replace("unlimited", "infinity"), *amounts)


def _drop_in(unit: str) -> str:
    return f"{_UNITS_D}/{unit}.d/{_DROP_IN}"


def _unit_text(unit: str, limits: list[Wanted]) -> str | None:
    if not limits:
        return None
    section = unit.rpartition(".")[2].capitalize()
    return f"{_HEADER}[{section}]\n" + "".join(f"{limit.directive}={limit.text}\n" for limit in limits)


def _owned_drop_ins(host: Host) -> set[str]:
    paths = [f"{_UNITS_D}/{folder}/{_DROP_IN}" for folder in host.names(_UNITS_D) if folder.endswith(".d")]
    return {path for path in paths if host.read(path) is not None}


def _unit_items(units: dict[str, list[Wanted]], host: Host, systemctl: Systemctl, top: dict[str, Amount]) -> list[tuple[str, bool, Item]]:
    """For each limit of each unit: the unit, whether only a restart is missing, and how it stands."""
    # A template is no unit itself and cannot be asked for.
    asked = [name for name in units if "@." not in name]
    extra = sorted({f"{limit.directive}{kind}" for name in asked for limit in units[name] for kind in ("", "Soft")})
    found = systemctl.units(asked, extra) if asked else {}
    items = []
    for name, limits in units.items():
        filed = dict(line.split("=", 1) for line in (host.read(_drop_in(name)) or "").splitlines() if line.startswith("Limit"))
        items += [(name, *_unit_item(name, limit, filed.get(limit.directive), found.get(name), host, top)) for limit in limits]
    return items


def _unit_item(name: str, limit: Wanted, filed: str | None, unit: Unit | None, host: Host, top: dict[str, Amount]) -> tuple[bool, Item]:
    resource = limit.resource.name
    given = live = None
    status, reason, due = APPLIED, "", False
    if unit is not None and unit.exists:
        given = _manager_limit(limit, unit)
        running = process_limits(host, unit.main_pid) if unit.main_pid else None
        live = limit.of(running.soft[resource], running.hard[resource]) if running is not None else None
    wanted = limit.of(limit.soft, limit.hard)
    if filed != limit.text:
        status = DRIFTED
    elif resource in top and limit.hard > top[resource]:
        status, reason = NOT_APPLICABLE, _clamped(limit.resource, limit.hard, top[resource])
    elif given not in (None, wanted):
        status, reason = DRIFTED, f"systemd gives {given}: another drop-in of {name} is read later; run systemctl cat {name}"
    elif live not in (None, wanted):
        status, reason, due = DRIFTED, f"runs with {live} since before the change; restart {name}", True
    return due, Item(f"{name} {resource}", status, limit.text, filed, given, live, reason)


def _manager_limit(limit: Wanted, unit: Unit) -> str | None:
    hard = unit.properties.get(limit.directive)
    soft = unit.properties.get(f"{limit.directive}Soft", hard)
    return hard if soft == hard else f"{soft}:{hard}"
