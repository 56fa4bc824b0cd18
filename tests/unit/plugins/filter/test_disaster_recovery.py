# SPDX-License-Identifier: GPL-3.0-or-later
"""Whether the recovery site is ready, what a move there and back has to do, and what it cost."""

from __future__ import annotations

from typing import Any

import pytest
from ansible_collections.hft.ops.plugins.filter.disaster_recovery import (
    dr_decision,
    dr_hosts,
    dr_positions,
    dr_readiness,
    dr_resumed,
    dr_return,
)

_HERE, _THERE = ["old", "db"], ["new"]


def _status(name: str, holder: str | None, **more: Any) -> dict[str, Any]:
    rows = [{"id": one, "holder": holder, "epoch": 3, "killed": False, "position": 1.5, "open_orders": 2} for one in ("a", "b")]
    return {"holder": f"{name}/1", "version": "1.0", "killswitch": False, "database": {"connected": True},
            "exchanges": [{"name": "paper", "status": "connected"}], "strategies": rows, **more}


def _engine(name: str, **more: Any) -> dict[str, Any]:
    return {"dr_engine": {"answering": True, "status": _status(name, "old/1", **more)},
            "ansible_facts": {"processor_vcpus": 4, "memtotal_mb": 1000}}


def _member(state: str, **more: Any) -> dict[str, Any]:
    return {"timescaledb_state": {"state": state, "timeline": 1, "synchronous_standby_names": "ANY 1 (x)", "standbys": [], **more}}


_STREAMS = [{"name": "new", "state": "streaming", "sync_state": "quorum", "flush_lag_bytes": 10}]


def _hosts(**changed: dict[str, Any]) -> dict[str, Any]:
    both = {"old": {**_engine("old"), **_member("standby")}, "db": _member("primary", standbys=_STREAMS),
            "new": {**_engine("new"), **_member("standby")}}
    return dr_hosts({**both, **changed})


_SILENT: dict[str, Any] = {"dr_engine": {"unreachable": True}, "timescaledb_state": {"unreachable": True}}


def test_all_that_is_needed_is_there() -> None:
    assert {row["check"]: row["ready"] for row in dr_readiness(_hosts(), _HERE, _THERE)} == dict.fromkeys(
        ["hosts", "engine new", "version", "strategies", "database", "cpus", "memory (MiB)"], "yes")


@pytest.mark.parametrize(("changed", "check"), [
    ({"new": _SILENT}, "hosts"),
    ({"new": {**_engine("new", version="0.9"), **_member("standby")}}, "version"),
    ({"new": {**_engine("new", exchanges=[{"name": "paper", "status": "disconnected"}]), **_member("standby")}}, "engine new"),
    ({"new": {**_engine("new", strategies=[]), **_member("standby")}}, "strategies"),
    ({"db": _member("primary")}, "database"),
    ({"db": _member("primary", standbys=[{**_STREAMS[0], "flush_lag_bytes": 1 << 30}])}, "database"),
    ({"new": {**_engine("new"), **_member("standby"), "ansible_facts": {"processor_vcpus": 2, "memtotal_mb": 1000}}}, "cpus"),
    ({"old": _SILENT}, "version"),
])
def test_what_lacks_is_told(changed: dict, check: str) -> None:
    rows = {row["check"]: row["ready"] for row in dr_readiness(_hosts(**changed), _HERE, _THERE)}
    assert rows[check] == "NO"


def test_a_site_that_answers_hands_the_database_over() -> None:
    found = dr_decision(_hosts(), _HERE, _THERE)
    assert found["error"] == ""
    assert (found["taker"], found["database_from"], found["database_to"]) == ("new", "db", "new")
    assert (found["promote"], found["planned"], found["alone"]) == (True, True, False)
    assert (found["reached"], found["silent"]) == (["old"], [])


def test_a_lost_site_leaves_one_that_acknowledges_alone() -> None:
    found = dr_decision(_hosts(old=_SILENT, db=_SILENT), _HERE, _THERE)
    assert found["error"] == ""
    assert (found["promote"], found["planned"], found["alone"], found["silent"]) == (True, False, True, ["db", "old"])


def test_a_move_that_was_interrupted_goes_on() -> None:
    latched = {"dr_latch": {"killswitch": {"latched": True, "reason": "dr: no power", "strategies": []}}}
    found = dr_decision(_hosts(new={**_engine("new"), **_member("primary"), **latched}, db=_member("standby")), _HERE, _THERE)
    assert found["error"] == ""
    assert not found["promote"]


@pytest.mark.parametrize(("changed", "sites", "said"), [
    ({"new": _SILENT}, (_HERE, _THERE), "no engine answers that could take over"),
    ({}, (_HERE, ["old"]), "old: is in both sites"),
    ({"new": {**_engine("new", exchanges=[{"name": "paper", "status": "disconnected"}]), **_member("standby")}}, (_HERE, _THERE),
     "venue paper is disconnected"),
    ({"new": {**_engine("new"), **_member("standby"), "dr_latch": {"killswitch": {"latched": False, "strategies": [
        {"latched": True, "reason": "prices are wrong"}]}}}}, (_HERE, _THERE), "the kill switch is latched (new: prices are wrong)"),
    ({"new": _engine("new")}, (_HERE, _THERE), "no database member of the recovery site answers"),
    ({"new": {**_engine("new"), **_member("primary")}}, (_HERE, _THERE), "two primaries: db, new"),
])
def test_a_move_that_must_not_be_begun_is_refused(changed: dict, sites: tuple, said: str) -> None:
    assert said in dr_decision(_hosts(**changed), *sites)["error"]


def test_the_way_back_is_one_transfer_and_one_switchover() -> None:
    alone = {**_engine("new"), **_member("primary", timeline=8, synchronous_standby_names="")}
    after = _hosts(new=alone, db=_member("primary", timeline=7))
    found = dr_return(after, _HERE, _THERE, database="db")
    assert (found["error"], found["engine"], found["database_to"], found["degraded"]) == ("", "old", "db", True)
    assert "from new to db" in found["say"]


@pytest.mark.parametrize(("changed", "wish", "said"), [
    ({"db": _SILENT}, {}, "db: does not answer"),
    ({"db": _member("standby")}, {}, "no database primary answers"),
    ({}, {"engine": "new"}, "dr_back_engine=new: no engine of the primary site; one of old"),
])
def test_a_way_back_that_must_not_be_begun_is_refused(changed: dict, wish: dict, said: str) -> None:
    assert said in dr_return(_hosts(**changed), _HERE, _THERE, **wish)["error"]


def test_killed_rows_that_nobody_explains_need_a_word() -> None:
    rows = [{"id": "a", "holder": None, "epoch": 3, "killed": True, "position": 0.0, "open_orders": 0}]
    hosts = _hosts(new={**_engine("new", strategies=rows), **_member("standby")})
    assert "no engine that answers tells why" in dr_decision(hosts, _HERE, _THERE)["error"]
    assert dr_decision(hosts, _HERE, _THERE, resume=True)["error"] == ""


def test_positions_are_those_of_the_holder() -> None:
    assert [row["found"] for row in dr_positions(_hosts(), _HERE)] == ["1.5, 2 open", "1.5, 2 open"]
    assert dr_positions(_hosts(), _THERE) == []


def test_the_slowest_strategy_counts() -> None:
    status = {"strategies": [{"id": "a", "epoch": 5, "accepted": {"epoch": 5, "first_venue_ns": 3_000_000_000}},
                             {"id": "b", "epoch": 5, "accepted": {"epoch": 5, "first_venue_ns": 4_500_000_000}}]}
    assert dr_resumed(status, 1_000_000_000) == {"rto_s": 3.5, "strategies": {"a": 2.0, "b": 3.5}}
    status["strategies"][1]["accepted"]["epoch"] = 4
    assert dr_resumed(status, 1_000_000_000)["rto_s"] is None
