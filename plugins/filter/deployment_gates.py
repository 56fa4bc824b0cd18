# SPDX-License-Identifier: GPL-3.0-or-later
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Filter that holds what was measured against a policy: one row a gate, with what was asked, what was found and the verdict.

A gate whose measure is missing fails: no answer is no consent.
"""

from __future__ import annotations

from collections.abc import Iterator

from ansible.errors import AnsibleFilterError

PASS, FAIL, OVERRIDDEN = "pass", "FAIL", "overridden"


def deployment_gates(measured: dict, policy: dict, overrides: dict | None = None, more: list | None = None) -> list:
    """Rows of gate, asked, found, verdict and reason.

    measured: decision, engines, databases, clock_offset_ms, free_mb, ticket, approvals, evidence, release, alerts, as far as they are there;
    policy: the defaults of the role hft.ops.gates; a limit that is null is not asked for;
    overrides: reason by gate; more: gates of the user, each with gate, asked, found and ok.
    """
    overrides = dict(overrides or {})
    rows = list(_own(measured, policy)) + [_row(one["gate"], one["asked"], one["found"], bool(one["ok"])) for one in more or []]
    unknown = sorted(set(overrides) - {row["gate"] for row in rows})
    if unknown:
        raise AnsibleFilterError(f"override of gate {unknown[0]!r}: no such gate; there are {', '.join(row['gate'] for row in rows)}")
    for row in rows:
        reason = str(overrides.get(row["gate"], "")).strip()
        if row["gate"] in overrides and not reason:
            raise AnsibleFilterError(f"override of gate {row['gate']!r}: expected a reason, which is recorded")
        if row["verdict"] == FAIL and reason:
            row.update(verdict=OVERRIDDEN, reason=reason)
    return rows


def _row(gate: str, asked: object, found: object, ok: bool) -> dict:
    return {"gate": gate, "asked": str(asked), "found": str(found), "verdict": PASS if ok else FAIL, "reason": ""}


def _own(measured: dict, policy: dict) -> Iterator[dict]:
    yield _holder(measured)
    yield from _engines(measured, policy)
    yield from _largest("replication lag", _lags(measured), policy.get("max_replication_lag_bytes"), "bytes")
    yield from _largest("clock offset", measured.get("clock_offset_ms"), policy.get("max_clock_offset_ms"), "ms")
    yield from _smallest("free disk", measured.get("free_mb"), policy.get("min_free_mb"), "MB")
    yield from _paperwork(measured, policy)
    yield from _alerts(measured, policy)


def _holder(measured: dict) -> dict:
    decision = measured["decision"]
    found = decision["error"] or decision["say"]
    return _row("one holder, one taker", "a holder that answers and an engine that can take", found, not decision["error"])


def _engines(measured: dict, policy: dict) -> Iterator[dict]:
    decision = measured["decision"]
    if not decision.get("move"):
        return
    rows = [one for one in measured["engines"][decision["giver"]]["status"]["strategies"] if one["id"] in decision["strategies"]]
    if policy.get("max_open_orders") is not None:
        count = sum(one["open_orders"] for one in rows)
        yield _row("open orders", f"at most {policy['max_open_orders']}", count, count <= policy["max_open_orders"])
    if policy.get("max_position") is not None:
        worst = max(abs(one["position"]) for one in rows)
        yield _row("open positions", f"at most {policy['max_position']} each", worst, worst <= policy["max_position"])
    down = [f"{host}: {one['name']} {one['status']}" for host in (decision["giver"], decision["taker"])
            for one in measured["engines"][host]["status"]["exchanges"] if one["status"] != "connected"]
    yield _row("venues", "connected from both engines", ", ".join(down) or "connected", not down)


def _lags(measured: dict) -> dict | None:
    primaries = [one for one in (measured.get("databases") or {}).values() if (one or {}).get("state") == "primary"]
    if len(primaries) != 1:
        return None
    return {one["name"]: one["lag_bytes"] for one in primaries[0]["standbys"]}


def _largest(gate: str, values: dict | None, limit: float | None, unit: str) -> Iterator[dict]:
    if limit is None:
        return
    known = {host: abs(float(value)) for host, value in (values or {}).items() if value is not None}
    silent = sorted(set(values or {}) - set(known))
    if not known or silent:
        yield _row(gate, f"at most {limit:g} {unit}", f"not measured on {', '.join(silent)}" if silent else "not measured", False)
        return
    host = max(known, key=lambda one: known[one])
    yield _row(gate, f"at most {limit:g} {unit}", f"{known[host]:g} {unit} ({host})", known[host] <= limit)


def _smallest(gate: str, values: dict | None, limit: float | None, unit: str) -> Iterator[dict]:
    if limit is None:
        return
    known = {host: float(value) for host, value in (values or {}).items() if value is not None}
    silent = sorted(set(values or {}) - set(known))
    if not known or silent:
        yield _row(gate, f"at least {limit:g} {unit}", f"not measured on {', '.join(silent)}" if silent else "not measured", False)
        return
    host = min(known, key=lambda one: known[one])
    yield _row(gate, f"at least {limit:g} {unit}", f"{known[host]:g} {unit} ({host})", known[host] >= limit)


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
    if alerts is None:
        yield _row("active alerts", "none", "Prometheus did not answer", False)
        return
    names = sorted({one["labels"].get("alertname", "?") for one in alerts if one.get("state") == "firing"})
    yield _row("active alerts", "none", ", ".join(names) or "none", not names)


class FilterModule:
    """The filters of this file."""

    def filters(self) -> dict:
        return {"deployment_gates": deployment_gates}
