# Copyright: (c) hft.ops contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import copy
from typing import Any

import pytest
from ansible.errors import AnsibleFilterError
from ansible_collections.hft.ops.plugins.filter.deployment_gates import deployment_gates

_SHA256 = "ab" * 32
_POLICY = {"max_open_orders": 100, "max_position": 5, "max_replication_lag_bytes": 16 << 20, "max_clock_offset_ms": 50.0,
           "max_backup_age_s": 86_400, "min_free_mb": 1024, "ticket": True, "approvals": ["vp_engineering", "trading_desk"],
           "evidence": ["tests", "load"], "alerts": True}
_MOVE = {"move": True, "giver": "e1", "taker": "e2", "strategies": ["mm", "arb"], "say": "mm, arb: from e1 to e2", "error": ""}
_STUCK = {"move": False, "giver": "", "taker": "", "strategies": [], "say": "", "error": "mm: held by nobody"}


def _engine(*strategies: tuple[str, int, float], venue: str = "connected") -> dict:
    return {"status": {"strategies": [{"id": name, "open_orders": orders, "position": position} for name, orders, position in strategies],
                       "exchanges": [{"name": "paper", "status": venue}]}}


def _standby(name: str, lag: int = 0) -> dict:
    return {"name": name, "lag_bytes": lag}


_GOOD = {
    "decision": _MOVE,
    "engines": {"e1": _engine(("mm", 60, -5.0), ("arb", 40, 2.5), ("xs", 999, 999.0)), "e2": _engine(("mm", 0, 0))},
    "databases": {"db": {"state": "primary", "standbys": [_standby("p1", 5), _standby("p2", 16 << 20)]}, "p1": {"state": "standby"},
                  "p2": {"state": "standby"}},
    "backup_age_s": {"db": 86_400},
    "clock_offset_ms": {"e1": 0.2, "e2": -50},
    "free_mb": {"e1": 1024, "e2": 90_000},
    "ticket": "CHG-7",
    "approvals": [{"role": "vp_engineering", "name": "Ada"}, {"role": "trading_desk", "name": "Bo"}],
    "evidence": [{"kind": kind, "sha256": _SHA256, "passed": True} for kind in ("tests", "load")],
    "release": {"version": "2", "sha256": _SHA256},
    "alerts": [{"state": "pending", "labels": {"alertname": "Soon"}}],
}


def _measured(**more: Any) -> dict:
    return {**copy.deepcopy(_GOOD), **more}


def _without(*names: str) -> dict:
    return {name: value for name, value in copy.deepcopy(_GOOD).items() if name not in names}


def _row(measured: dict, gate: str, policy: dict | None = None) -> dict:
    return next(row for row in deployment_gates(measured, policy or _POLICY) if row["gate"] == gate)


def _failing(rows: list) -> list:
    return [row["gate"] for row in rows if row["verdict"] == "fail"]


def test_what_is_at_its_limit_passes_and_every_gate_has_its_row() -> None:
    rows = deployment_gates(_GOOD, _POLICY)
    assert [row["gate"] for row in rows] == [
        "one holder, one taker", "open orders", "open positions", "venues", "replication lag", "backup age", "clock offset", "free disk",
        "ticket", "approvals", "evidence: tests", "evidence: load", "active alerts"]
    assert {row["verdict"] for row in rows} == {"pass"}
    assert {row["reason"] for row in rows} == {""}


@pytest.mark.parametrize(("more", "gate", "found"), [
    ({"decision": _STUCK}, "one holder, one taker", "mm: held by nobody"),
    ({"engines": {**_GOOD["engines"], "e1": _engine(("mm", 101, 0), ("arb", 0, 0))}}, "open orders", "101"),
    ({"engines": {**_GOOD["engines"], "e1": _engine(("mm", 0, -5.5), ("arb", 0, 5))}}, "open positions", "5.5"),
    ({"engines": {**_GOOD["engines"], "e2": _engine(venue="disconnected")}}, "venues", "e2: paper disconnected"),
    ({"databases": {"db": {"state": "primary", "standbys": [_standby("p1", (16 << 20) + 1), _standby("p2")]}}}, "replication lag",
     "16777217 bytes (p1)"),
    ({"backup_age_s": {"db": 86_401}}, "backup age", "86401 s (db)"),
    ({"clock_offset_ms": {"e1": 0.2, "e2": -50.1}}, "clock offset", "50.1 ms (e2)"),
    ({"free_mb": {"e1": 1023, "e2": 90_000}}, "free disk", "1023 MB (e1)"),
    ({"ticket": ""}, "ticket", "none"),
    ({"approvals": [{"role": "vp_engineering", "name": "Ada"}]}, "approvals", "vp_engineering: Ada"),
    ({"approvals": [*_GOOD["approvals"][:1], {"role": "trading_desk", "name": ""}]}, "approvals", "vp_engineering: Ada"),
    ({"evidence": [{"kind": "tests", "sha256": _SHA256, "passed": False}]}, "evidence: tests", "of another release, or failed"),
    ({"evidence": [{"kind": "tests", "sha256": "cd" * 32, "passed": True}]}, "evidence: tests", "of another release, or failed"),
    ({"evidence": [{"kind": "tests", "sha256": _SHA256, "passed": "no"}]}, "evidence: tests", "of another release, or failed"),
    ({"alerts": [{"state": "firing", "labels": {"alertname": name}} for name in ("Lag", "Disk", "Lag")]}, "active alerts", "Disk, Lag"),
])
def test_what_is_beyond_its_limit_fails_and_says_what_was_found(more: dict, gate: str, found: str) -> None:
    row = _row(_measured(**more), gate)
    assert (row["verdict"], row["found"]) == ("fail", found)


@pytest.mark.parametrize(("measured", "gate", "found"), [
    (_without("databases"), "replication lag", "not measured"),
    (_measured(databases={"db": None, "p1": {"state": "standby"}}), "replication lag", "not measured"),
    (_measured(databases={one: {"state": "primary", "standbys": [_standby("p2")]} for one in ("db", "p1")}), "replication lag",
     "not measured"),
    (_measured(databases={"db": {"state": "primary", "standbys": []}}), "replication lag", "not measured"),
    # A member that follows nobody is not in the primary's list.
    (_measured(databases={"db": {"state": "primary", "standbys": [_standby("p1")]}, "p1": {"state": "standby"}, "p2": {"state": "standby"},
                          "p3": None}), "replication lag", "not measured on p2, p3"),
    (_measured(backup_age_s={"db": None}), "backup age", "not measured on db"),
    (_without("backup_age_s"), "backup age", "not measured"),
    (_without("clock_offset_ms"), "clock offset", "not measured"),
    (_measured(clock_offset_ms={"e1": 0.1, "e2": None}), "clock offset", "not measured on e2"),
    (_measured(clock_offset_ms={"e1": 0.1, "e2": ""}), "clock offset", "not measured on e2"),
    (_without("free_mb"), "free disk", "not measured"),
    (_measured(free_mb={"e1": None, "e2": 5}), "free disk", "not measured on e1"),
    (_without("ticket"), "ticket", "none"),
    (_without("approvals"), "approvals", "none"),
    (_without("evidence"), "evidence: load", "none"),
    (_without("alerts"), "active alerts", "Prometheus did not answer"),
    (_measured(alerts=None), "active alerts", "Prometheus did not answer"),
    (_measured(alerts=""), "active alerts", "Prometheus did not answer"),
])
def test_no_answer_is_no_consent(measured: dict, gate: str, found: str) -> None:
    row = _row(measured, gate)
    assert (row["verdict"], row["found"]) == ("fail", found)


@pytest.mark.parametrize("release", [None, {}, {"sha256": ""}])
def test_evidence_of_no_release_passes_nothing(release: dict | None) -> None:
    measured = _measured(release=release, evidence=[{"kind": "tests", "sha256": "", "passed": True}])
    assert _row(measured, "evidence: tests")["verdict"] == "fail"


def test_no_alert_at_all_passes() -> None:
    assert _row(_measured(alerts=[]), "active alerts")["verdict"] == "pass"


def test_a_limit_that_is_null_is_not_asked_for() -> None:
    policy = dict.fromkeys(_POLICY)
    rows = deployment_gates({"decision": _MOVE, "engines": _GOOD["engines"]}, policy)
    assert [row["gate"] for row in rows] == ["one holder, one taker", "venues"]
    assert _failing(rows) == []


def test_numbers_that_a_template_made_text_of_count_as_numbers() -> None:
    policy = {**_POLICY, **{name: str(_POLICY[name]) for name in ("max_open_orders", "max_replication_lag_bytes", "min_free_mb")},
              "max_clock_offset_ms": ""}
    assert _failing(deployment_gates(_measured(free_mb={"e1": "9999"}), policy)) == []
    assert _failing(deployment_gates(_measured(free_mb={"e1": "999"}), policy)) == ["free disk"]
    assert _row(_GOOD, "replication lag", policy)["asked"] == "at most 16777216 bytes"


def test_without_a_giver_and_a_taker_the_gates_of_engines_are_not_measured() -> None:
    rows = deployment_gates(_measured(decision=_STUCK), _POLICY)
    assert _failing(rows) == ["one holder, one taker", "open orders", "open positions", "venues"]


def test_where_nothing_is_to_move_engines_are_not_asked() -> None:
    decision = {**_STUCK, "error": "", "say": "e2 holds mm already"}
    rows = deployment_gates(_measured(decision=decision), _POLICY)
    assert (_failing(rows), rows[0]["found"], rows[1]["gate"]) == ([], "e2 holds mm already", "replication lag")


# ---- the lock -----------------------------------------------------------------------------------------------------------

_BOB = {"id": "b", "who": "bob@control-1", "say": "b by bob@control-1, since 22:00, until 23:00 at the latest"}


@pytest.mark.parametrize(("lock", "verdict", "found"), [
    ({"lock": {**_BOB, "say": "a by me"}, "former": {}}, "pass", "a by me"),
    ({"lock": {}}, "pass", "none"),
    ({"lock": {"say": "a by me"}, "former": _BOB}, "fail", _BOB["say"]),
    ({"msg": f"another deployment runs: {_BOB['say']}"}, "fail", f"another deployment runs: {_BOB['say']}"),
    ({"skipped": True}, "fail", "not measured, no database primary answers"),
    ({}, "fail", "not measured, no database primary answers"),
])
def test_the_lock_is_a_gate_of_its_own_and_the_first_one(lock: dict, verdict: str, found: str) -> None:
    assert deployment_gates({"lock": lock}, {}) == [
        {"gate": "deployment lock", "asked": "no other deployment runs", "found": found, "verdict": verdict, "reason": ""}]
    assert deployment_gates(_measured(lock=lock), _POLICY)[0]["verdict"] == verdict


def test_a_lock_that_was_taken_over_stands_in_the_table_with_the_reason() -> None:
    row = deployment_gates({"lock": {"lock": {"say": "a by me"}, "former": _BOB}}, {}, {"deployment lock": "bob's control node is gone"})[0]
    assert (row["verdict"], row["found"], row["reason"]) == ("overridden", _BOB["say"], "bob's control node is gone")


# ---- gates of the user, and overrides ---------------------------------------------------------------------------------


@pytest.mark.parametrize(("ok", "verdict"), [
    (True, "pass"), ("yes", "pass"), (False, "fail"), ("no", "fail"), ("False", "fail"), (0, "fail"),
])
def test_a_gate_of_one_s_own_passes_only_when_it_says_so(ok: object, verdict: str) -> None:
    row = deployment_gates(_GOOD, _POLICY, {}, [{"gate": "session", "asked": "open", "found": "?", "ok": ok}])[-1]
    assert row == {"gate": "session", "asked": "open", "found": "?", "verdict": verdict, "reason": ""}


@pytest.mark.parametrize("ok", ["", None, "maybe"])
def test_a_gate_of_one_s_own_without_a_verdict_is_an_error(ok: object) -> None:
    with pytest.raises(AnsibleFilterError, match="gate 'session': expected ok to be true or false"):
        deployment_gates(_GOOD, _POLICY, {}, [{"gate": "session", "asked": "open", "found": "?", "ok": ok}])


def test_an_override_with_a_reason_lets_that_gate_through_and_is_recorded() -> None:
    measured = _measured(free_mb={"e1": 1}, ticket="")
    rows = deployment_gates(measured, _POLICY, {"free disk": " cleaned up at noon "})
    assert _failing(rows) == ["ticket"]
    row = next(row for row in rows if row["gate"] == "free disk")
    assert (row["verdict"], row["reason"], row["found"]) == ("overridden", "cleaned up at noon", "1 MB (e1)")


def test_gates_of_one_s_own_and_of_engines_that_could_not_be_asked_can_be_overridden() -> None:
    more = [{"gate": "session", "asked": "open", "found": "closed", "ok": False}]
    rows = deployment_gates(_measured(decision=_STUCK), _POLICY, {"session": "agreed", "open orders": "known"}, more)
    assert _failing(rows) == ["one holder, one taker", "open positions", "venues"]


def test_an_override_of_a_gate_that_passes_leaves_no_trace() -> None:
    row = next(row for row in deployment_gates(_GOOD, _POLICY, {"ticket": "just in case"}) if row["gate"] == "ticket")
    assert (row["verdict"], row["reason"]) == ("pass", "")


@pytest.mark.parametrize("reason", ["", "  ", None])
@pytest.mark.parametrize("ticket", ["", "CHG-7"])
def test_an_override_needs_a_reason(reason: str | None, ticket: str) -> None:
    with pytest.raises(AnsibleFilterError, match="override of gate 'ticket': expected a reason, which is recorded"):
        deployment_gates(_measured(ticket=ticket), _POLICY, {"ticket": reason})


def test_an_override_of_no_gate_is_an_error_that_names_the_gates() -> None:
    with pytest.raises(AnsibleFilterError, match=r"override of gate 'tickets': no such gate; there are one holder, .*free disk, ticket"):
        deployment_gates(_GOOD, _POLICY, {"tickets": "a typo"})


def _installed(version: str = "1", archive: str = "aa" * 32, **more: Any) -> dict:
    return {"version": version, "current": version, "archive_sha256": archive, "wrong": [], **more}


_PAIR = {"e1": _installed(), "e2": _installed()}


def test_what_runs_is_what_lies_on_the_disks_and_the_two_may_run_different_versions() -> None:
    """After a cutover the former engine is warm on the former release."""
    measured = _measured(releases={"e1": _installed("2", "bb" * 32), "e2": _installed()}, release={"version": "3", "sha256": _SHA256})
    rows = {row["gate"]: row for row in deployment_gates(measured, {}) if row["gate"] in ("release on disk", "versions", "artifacts")}
    assert {gate: (row["found"], row["verdict"]) for gate, row in rows.items()} == {
        "release on disk": ("2: as its manifest says", "pass"), "versions": ("e1 2, e2 1", "pass"),
        "artifacts": ("1: e2 aaaaaaaaaaaa; 2: e1 bbbbbbbbbbbb", "pass")}


@pytest.mark.parametrize(("releases", "versions", "gate", "found"), [
    ({"e1": _installed(wrong=["/r/1/bin/hft_system"])}, {}, "release on disk", "1: not so: /r/1/bin/hft_system"),
    ({"e1": _installed(wrong=list("abcde"))}, {}, "release on disk", "1: not so: a, b, c and 2 more"),
    ({"e1": {}}, {}, "release on disk", "not measured"),
    ({"e1": _installed(current="0")}, {}, "versions", "e1 1, e2 1"),
    ({"e1": {}}, {}, "versions", "e1 not measured, e2 1"),
    ({}, {"e2": "2"}, "versions", "e1 1, e2 1"),
    ({}, {"e9": "1"}, "versions", "e1 1, e2 1, e9 not measured"),
    ({"e3": _installed("4")}, {"e3": "1"}, "versions", "e1 1, e2 1, e3 4"),
    ({"e2": _installed(archive="cc" * 32)}, {}, "artifacts", "1: e1 aaaaaaaaaaaa, e2 cccccccccccc"),
    ({"e2": _installed(archive="")}, {}, "artifacts", "1: e1 aaaaaaaaaaaa, e2 not measured"),
    ({"e1": _installed("2"), "e2": _installed("2", _SHA256)}, {}, "artifacts",
     "2: e1 aaaaaaaaaaaa, e2 abababababab, the release abababababab"),
])
def test_what_runs_and_is_not_what_lies_there_fails(releases: dict, versions: dict, gate: str, found: str) -> None:
    row = _row(_measured(releases={**_PAIR, **releases}), gate, {"versions": versions})
    assert (row["found"], row["verdict"]) == (found, "fail")


def test_a_version_that_is_asked_for_need_not_be_the_current_one_and_an_unbuilt_release_is_no_archive() -> None:
    measured = _measured(releases={**_PAIR, "e3": _installed("7")}, release={"version": "1", "sha256": ""})
    assert _failing(deployment_gates(measured, {"versions": {"e3": "7", "e1": "1"}})) == []


def test_where_nothing_moves_no_release_is_asked_for() -> None:
    gates = [row["gate"] for row in deployment_gates(_measured(decision=_STUCK, releases={}), {})]
    assert not {"release on disk", "versions", "artifacts"} & set(gates)
