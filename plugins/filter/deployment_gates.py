# SPDX-License-Identifier: GPL-3.0-or-later
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Filter that holds what was measured against a policy: one row a gate, with what was asked, what was found and the verdict.

A gate whose measure is missing fails: no answer is no consent.
"""

from __future__ import annotations

from collections.abc import Iterator

from ansible.errors import AnsibleFilterError
from ansible.module_utils.parsing.convert_bool import boolean

_LOCK = "deployment lock"
_VENUES = "connected from both engines"
PASSED = "pass"
FAIL = "fail"
OVERRIDDEN = "overridden"


def deployment_gates(measured: dict, policy: dict, overrides: dict | None = None, more: list | None = None) -> list:
    """Rows of gate, asked, found, verdict and reason.

    measured: lock (what deployment_lock returned, empty where no primary could be asked), decision, engines, databases, backup_age_s,
    clock_offset_ms, free_mb, releases (by host what it runs and has on its disk), ticket, approvals, evidence, release, alerts, markets,
    where known;
    policy: the defaults of the role hft.ops.gates; a limit that is null is not asked for;
    overrides: reason by gate; more: gates of the user, each with gate, asked, found and ok.
    """
    overrides = dict(overrides or {})
    rows = list(_own(measured, policy)) + [_row(one["gate"], one["asked"], one["found"], _truth(one)) for one in more or []]
    unknown = sorted(set(overrides) - {row["gate"] for row in rows})
    if unknown:
        raise AnsibleFilterError(f"override of gate {unknown[0]!r}: no such gate; there are {', '.join(row['gate'] for row in rows)}")
    for row in rows:
        reason = str(overrides.get(row["gate"]) or "").strip()
        if row["gate"] in overrides and not reason:
            raise AnsibleFilterError(f"override of gate {row['gate']!r}: expected a reason, which is recorded")
        if row["verdict"] == FAIL and reason:
            row.update(verdict=OVERRIDDEN, reason=reason)
    return rows


def _row(gate: str, asked: object, found: object, ok: bool) -> dict:
    return {"gate": gate, "asked": str(asked), "found": str(found), "verdict": PASSED if ok else FAIL, "reason": ""}


def _truth(one: dict) -> bool:
    """A verdict as YAML, a template or a command line writes it: the text "false" is none that passes."""
    try:
        return boolean(one["ok"])
    except TypeError as wrong:
        raise AnsibleFilterError(f"gate {one['gate']!r}: expected ok to be true or false, found {one['ok']!r}") from wrong


def _number(value: float) -> str:
    return f"{value:.12g}"


def _limit(policy: dict, name: str) -> float | None:
    """A number, also where a template made text of it; None where it is not asked for."""
    value = policy.get(name)
    return None if value in (None, "") else float(value)


def _own(measured: dict, policy: dict) -> Iterator[dict]:
    if "lock" in measured:
        yield _lock(measured["lock"])
    if "decision" in measured:
        yield _holder(measured)
        yield from _engines(measured, policy)
    yield from _worst("replication lag", _lags(measured), _limit(policy, "max_replication_lag_bytes"), "bytes")
    yield from _worst("backup age", measured.get("backup_age_s"), _limit(policy, "max_backup_age_s"), "s")
    yield from _worst("clock offset", measured.get("clock_offset_ms"), _limit(policy, "max_clock_offset_ms"), "ms")
    yield from _worst("free disk", measured.get("free_mb"), _limit(policy, "min_free_mb"), "MB", least=True)
    if "releases" in measured and measured.get("decision", {}).get("move"):
        yield from _releases(measured, policy.get("versions") or {})
    for one in measured.get("markets") or []:
        yield _row(f"market {one.get('region') or one['venue']}", "closed or quiet until the change and its rollback are over",
                   one["reason"], one["may_change"] is True)
    yield from _paperwork(measured, policy)
    yield from _alerts(measured, policy)


def _lock(lock: dict) -> dict:
    """The row of the lock. One that was taken over from somebody fails too, so that the reason for it stands in the table."""
    asked = "no other deployment runs"
    if "lock" not in lock:
        return _row(_LOCK, asked, lock.get("msg") or "not measured, no database primary answers", False)
    if lock.get("former"):
        return _row(_LOCK, asked, lock["former"]["say"], False)
    return _row(_LOCK, asked, lock["lock"].get("say") or "none", True)


def _holder(measured: dict) -> dict:
    decision = measured["decision"]
    found = decision["error"] or decision["say"]
    return _row("one holder, one taker", "a holder that answers and an engine that can take", found, not decision["error"])


def _engines(measured: dict, policy: dict) -> Iterator[dict]:
    decision = measured["decision"]
    orders, position = _limit(policy, "max_open_orders"), _limit(policy, "max_position")
    if decision["error"]:
        yield from _unmeasured(orders, position)
    if not decision.get("move"):
        return
    rows = [one for one in measured["engines"][decision["giver"]]["status"]["strategies"] if one["id"] in decision["strategies"]]
    if orders is not None:
        count = sum(one["open_orders"] for one in rows)
        yield _row("open orders", f"at most {_number(orders)}", count, count <= orders)
    if position is not None:
        worst = max(abs(one["position"]) for one in rows)
        yield _row("open positions", f"at most {_number(position)} each", worst, worst <= position)
    down = [f"{host}: {one['name']} {one['status']}" for host in (decision["giver"], decision["taker"])
            for one in measured["engines"][host]["status"]["exchanges"] if one["status"] != "connected"]
    yield _row("venues", _VENUES, ", ".join(down) or "connected", not down)


def _releases(measured: dict, versions: dict) -> Iterator[dict]:
    """What runs against what lies on the disks: the giver's files, to which a rollback returns; versions; one archive for each of them."""
    releases, giver = measured["releases"], measured["decision"]["giver"]
    one = releases.get(giver) or {}
    wrong = one.get("wrong", [])
    said = f"{one['version']}: {'not so: ' + _few(wrong) if wrong else 'as its manifest says'}" if one.get("version") else "not measured"
    yield _row("release on disk", f"{giver}: every file as its manifest says", said, bool(one.get("version")) and not wrong)
    hosts = sorted({*releases, *versions})
    found = {host: (releases.get(host) or {}).get("version") or "not measured" for host in hosts}
    asked = {host: str(versions.get(host) or (releases.get(host) or {}).get("current") or "what is current on its disk") for host in hosts}
    yield _row("versions", _told(asked), _told(found), found == asked)
    archives = _archives(measured)
    mixed = {version: by for version, by in archives.items() if len(set(by.values())) > 1 or "" in by.values()}
    yield _row("artifacts", "one archive for each version",
               "; ".join(f"{version}: {_told({host: sha256[:12] or 'not measured' for host, sha256 in by.items()})}"
                         for version, by in sorted((mixed or archives).items())) or "not measured", bool(archives) and not mixed)


def _archives(measured: dict) -> dict:
    """By version, who has it from which archive. The release that is to come is one too, unless it is not built yet."""
    archives: dict[str, dict[str, str]] = {}
    for host, one in sorted(measured["releases"].items()):
        if (one or {}).get("version"):
            archives.setdefault(one["version"], {})[host] = one.get("archive_sha256") or ""
    wanted = measured.get("release") or {}
    if wanted.get("sha256") and wanted.get("version") in archives:
        archives[wanted["version"]]["the release"] = wanted["sha256"]
    return archives


def _told(by_host: dict) -> str:
    return ", ".join(f"{host} {what}" for host, what in by_host.items())


def _few(names: list) -> str:
    """The first of what may be thousands of files."""
    return ", ".join(names[:3]) + (f" and {len(names) - 3} more" if len(names) > 3 else "")


def _unmeasured(orders: float | None, position: float | None) -> Iterator[dict]:
    """The gates of engines where it is not known who gives and who takes."""
    if orders is not None:
        yield _row("open orders", f"at most {_number(orders)}", "not measured", False)
    if position is not None:
        yield _row("open positions", f"at most {_number(position)} each", "not measured", False)
    yield _row("venues", _VENUES, "not measured", False)


def _lags(measured: dict) -> dict | None:
    members = {host: one or {} for host, one in (measured.get("databases") or {}).items()}
    primaries = [host for host, one in members.items() if one.get("state") == "primary"]
    if len(primaries) != 1:
        return None
    # A member that does not follow the primary is not in its list: its lag is not known.
    found = {host: None for host in members if host not in primaries}
    return {**found, **{one["name"]: one["lag_bytes"] for one in members[primaries[0]]["standbys"]}}


def _worst(gate: str, values: dict | None, limit: float | None, unit: str, least: bool = False) -> Iterator[dict]:
    """The host that is the furthest off: nowhere more than the limit, to either side; with least, nowhere less."""
    if limit is None:
        return
    asked = f"at {'least' if least else 'most'} {_number(limit)} {unit}"
    known = {host: float(value) if least else abs(float(value)) for host, value in (values or {}).items() if value not in (None, "")}
    silent = sorted(set(values or {}) - set(known))
    if not known or silent:
        yield _row(gate, asked, f"not measured on {', '.join(silent)}" if silent else "not measured", False)
        return
    host = (min if least else max)(known, key=lambda one: known[one])
    yield _row(gate, asked, f"{_number(known[host])} {unit} ({host})", known[host] >= limit if least else known[host] <= limit)


def _paperwork(measured: dict, policy: dict) -> Iterator[dict]:
    if policy.get("ticket"):
        yield _row("ticket", "a number", measured.get("ticket") or "none", bool(measured.get("ticket")))
    wanted = policy.get("approvals") or []
    if wanted:
        given = {one["role"]: one["name"] for one in measured.get("approvals") or [] if one.get("name")}
        missing = [role for role in wanted if role not in given]
        yield _row("approvals", ", ".join(wanted), ", ".join(f"{role}: {name}" for role, name in given.items()) or "none", not missing)
    sha256 = (measured.get("release") or {}).get("sha256", "")
    evidence = measured.get("evidence") or []
    for kind in policy.get("evidence") or []:
        passed = [one for one in evidence if one.get("kind") == kind and one.get("sha256") == sha256 and one.get("passed") is True]
        other = [one for one in evidence if one.get("kind") == kind]
        found = "passed" if passed else ("of another release, or failed" if other else "none")
        yield _row(f"evidence: {kind}", f"passed with the release {sha256[:12]}", found, bool(passed and sha256))


def _alerts(measured: dict, policy: dict) -> Iterator[dict]:
    if not policy.get("alerts"):
        return
    alerts = measured.get("alerts")
    # No answer is None, or empty text where a template wrote it.
    if not isinstance(alerts, list):
        yield _row("active alerts", "none", "Prometheus did not answer", False)
        return
    names = sorted({one["labels"].get("alertname", "?") for one in alerts if one.get("state") == "firing"})
    yield _row("active alerts", "none", ", ".join(names) or "none", not names)


class FilterModule:
    """The filters of this file."""

    def filters(self) -> dict:
        return {"deployment_gates": deployment_gates}
