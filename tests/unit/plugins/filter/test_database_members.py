# Copyright: (c) hft.ops contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import copy

import pytest
from ansible_collections.hft.ops.plugins.filter.database_members import (
    database_degrade,
    database_failover,
    database_followers,
    database_leave,
    database_primary,
    database_rejoin,
    database_rows,
    database_switchover,
    database_taker,
    database_upgrade,
)

_SET = 'ANY 1 ("db", "p1", "p2")'


def _follower(name: str, lag: int = 0, sync: str = "quorum") -> dict:
    return {"name": name, "state": "streaming", "sync_state": sync, "lag_bytes": lag}


def _member(state: str, follows: str = "", standbys: tuple = (), timeline: int = 1, **more: object) -> dict:
    return {"state": state, "follows": follows, "standbys": list(standbys), "timeline": timeline, "system_identifier": "7",
            "server_version": "17.6", "synchronous_standby_names": _SET, **more}


_HEALTHY = {"db": _member("primary", standbys=(_follower("p1", 100), _follower("p2", 5))), "p1": _member("standby", "db"),
            "p2": _member("standby", "db")}


def _cluster(**more: dict | None) -> dict:
    return {**copy.deepcopy(_HEALTHY), **more}


def test_the_standby_that_is_least_behind_takes_over() -> None:
    found = database_switchover(_cluster())
    assert (found["error"], found["primary"], found["taker"], found["others"], found["move"]) == ("", "db", "p2", ["p1"], True)


def test_a_wish_wins_and_the_primary_itself_is_no_move() -> None:
    assert database_switchover(_cluster(), "p1")["taker"] == "p1"
    assert database_switchover(_cluster(), "db")["move"] is False


@pytest.mark.parametrize(("answers", "wanted", "said"), [
    (_cluster(), "p9", "database_to=p9: no such member"),
    ({}, "", "no host was asked: expected the members of a cluster in the group timescaledb"),
    (_cluster(p1=None), "p1", "p1: is silent"),
    (_cluster(p1=_member("primary", timeline=2)), "", "two primaries: db (timeline 1), p1 (timeline 2)"),
    (_cluster(db={"msg": "down"}), "", "no primary answers"),
    (_cluster(db=_member("primary", standbys=(_follower("p1", sync="async"),))), "p1", "p1: does not stream as a synchronous standby"),
    (_cluster(db=_member("primary", standbys=(_follower("p1", 1 << 30),))), "p1", "p1: is 1073741824 bytes behind"),
    (_cluster(p2=_member("standby", "db", server_version="17.5")), "p2", "p2: runs PostgreSQL 17.5, db 17.6"),
    (_cluster(p2=_member("standby", "db", system_identifier="8")), "", "members of different clusters"),
    (_cluster(p2=_member("standby", "db", synchronous_standby_names='ANY 1 ("p2", "p9")')), "p2", "every commit would wait for ever"),
])
def test_a_move_that_must_not_be_begun_is_refused(answers: dict, wanted: str, said: str) -> None:
    found = database_switchover(answers, wanted)
    assert said in found["error"]
    assert found["move"] is False


def test_a_silent_bystander_does_not_keep_the_primary_from_moving() -> None:
    found = database_switchover(_cluster(p1=None))
    assert (found["taker"], found["others"]) == ("p2", [])
    assert "silent: p1" in found["say"]


def test_a_lost_primary_is_known_by_whom_the_standbys_follow() -> None:
    found = database_failover(_cluster(db=None))
    assert (found["error"], found["primary"], found["members"]) == ("", "db", ["p1", "p2"])


def test_after_the_cut_the_one_that_is_away_was_the_primary() -> None:
    found = database_failover({"db": None, "p1": _member("standby"), "p2": _member("standby")})
    assert found["primary"] == "db"


@pytest.mark.parametrize(("answers", "wishes", "said"), [
    (_cluster(), (), "db: is a running primary"),
    ({"db": None, "p1": None}, (), "no standby answers"),
    (_cluster(db=None, p2=None), ("p2",), "p2: is silent"),
    ({"db": None, "p1": _member("standby"), "p2": None}, (), "who was the primary cannot be told"),
])
def test_a_promotion_that_must_not_be_begun_is_refused(answers: dict, wishes: tuple, said: str) -> None:
    assert said in database_failover(answers, *wishes)["error"]


def test_the_one_that_flushed_the_most_is_taken_whatever_the_wish() -> None:
    cuts = [{"name": "p1", "timeline": 1, "flushed_lsn": "0/A0"}, {"name": "p2", "timeline": 1, "flushed_lsn": "0/9FF"}]
    assert database_taker(cuts, "p1") == "p2"
    cuts[0]["timeline"] = 2
    assert database_taker(cuts) == "p1"
    assert database_taker([{**cuts[0], "name": name} for name in ("p1", "p2")], "p1") == "p1"


def test_whoever_does_not_follow_the_newest_primary_rejoins() -> None:
    answers = {"db": _member("primary", timeline=1), "p1": _member("primary", timeline=2, standbys=(_follower("p2"),)),
               "p2": _member("standby", "p1", timeline=2)}
    found = database_rejoin(answers)
    assert (found["primary"], found["others"], found["move"]) == ("p1", ["db"], True)
    answers["db"]["timeline"] = 2
    assert "same timeline" in database_rejoin(answers)["error"]
    assert "is the primary" in database_rejoin(_cluster(), ["db"])["error"]
    assert database_rejoin(_cluster())["move"] is False
    sent_away = {**_follower("p2"), "state": "startup"}
    assert database_rejoin(_cluster(db=_member("primary", standbys=(_follower("p1"), sent_away))))["others"] == ["p2"]
    assert database_rejoin({"db": None, "p1": _member("stopped")})["error"].startswith("no primary answers")


def test_one_that_starts_is_not_left_out_of_those_that_rejoin() -> None:
    answers = _cluster(db=_member("primary", standbys=(_follower("p1"),)), p2=_member("starting"))
    assert database_rejoin(answers)["error"].startswith("p2: starts and does not answer; ")
    assert database_rejoin(answers, ["p1"])["others"] == ["p1"]
    assert not database_rejoin(_cluster(p2=_member("starting")))["error"], "it follows already"


def _versions(installed: str = "17.10", candidate: str = "17.11", library: str = "2.19.3", restart: bool = False) -> dict:
    return {"packages": {"postgresql-17": {"installed": installed, "candidate": candidate}}, "restart_needed": restart,
            "catalog": {"hft_db": "2.19.3"}, "library": library}


def _all(**more: dict) -> dict:
    return {**{host: _versions() for host in ("db", "p1", "p2")}, **more}


def _both() -> dict:
    """Both standbys stream."""
    return _cluster(db=_member("primary", standbys=(_follower("p1"), _follower("p2"))))


def test_an_upgrade_goes_over_the_standbys_to_the_primary() -> None:
    found = database_upgrade(_both(), _all())
    assert (found["error"], found["primary"], found["others"], found["behind"]) == ("", "db", ["p1", "p2"], ["p1", "p2", "db"])
    assert (found["packages"], found["takers"], found["move"]) == (["postgresql-17=17.11"], ["p1", "p2"], True)


def test_an_upgrade_that_broke_off_is_continued_where_it_was() -> None:
    done, installed = _versions("17.11"), _versions("17.11", restart=True)
    assert database_upgrade(_both(), _all(p1=done, p2=installed))["behind"] == ["p2", "db"]
    found = database_upgrade(_both(), {host: _versions("17.11", library="2.20.0") for host in ("db", "p1", "p2")})
    assert (found["behind"], found["move"]) == ([], True)
    assert found["say"].endswith("hft_db names TimescaleDB 2.19.3")
    assert database_upgrade(_both(), dict.fromkeys(_HEALTHY, done))["move"] is False


@pytest.mark.parametrize(("answers", "versions", "said"), [
    (_both(), _all(p2=_versions(candidate="17.12")), "postgresql-17: db is offered 17.11, p1 is offered 17.11, p2 is offered 17.12"),
    (_both(), _all(p2=_versions(candidate="")), "p2 is offered nothing"),
    ({**_both(), "p1": _member("stopped")}, _all(), "p1: is stopped; every member must have the new library"),
    (_cluster(db=_member("primary", standbys=(_follower("p1"),))), _all(), "p2: streams from nobody"),
    (_cluster(db=_member("standby", "x")), _all(), "no primary answers"),
])
def test_an_upgrade_is_refused_where_members_would_differ(answers: dict, versions: dict, said: str) -> None:
    found = database_upgrade(answers, versions)
    assert said in found["error"]
    assert found["move"] is False


def test_a_primary_degrades_once_every_candidate_is_marked_or_off() -> None:
    alone = _cluster(db=_member("primary"), p1=_member("stopped"), p2=None)
    assert "p2: does not answer, so it may be promoted elsewhere" in database_degrade(alone)["error"]
    found = database_degrade(alone, lost=["p2"])
    assert (found["error"], found["primary"], found["others"], found["system_identifier"]) == ("", "db", ["p1"], "7")
    assert "database_lost=p9: no such member" in database_degrade(alone, lost=["p9"])["error"]
    assert "no primary answers" in database_degrade(_cluster(db=None))["error"]


def test_the_way_back_asks_for_no_candidate() -> None:
    assert database_degrade(_cluster(p2=None), end=True)["others"] == ["p1"]


def test_a_standby_of_a_standby_follows_its_upstream_and_no_move() -> None:
    hostvars = {"db": {}, "p1": {"timescaledb_upstream_host": ""}, "p2": {"timescaledb_upstream_host": "p1"}}
    assert database_followers(["db", "p1", "p2", "named"], hostvars) == ["db", "p1", "named"]
    assert database_followers(["p1", "p2"], hostvars, "p1") == ["p2"]


def test_primaries_of_two_regions_are_no_split() -> None:
    said = database_switchover(_cluster(p1=_member("primary", system_identifier="8")))["error"]
    assert said.startswith("primaries of different clusters: db (system 7), p1 (system 8); name the members of one region")


def test_a_move_to_a_newer_minor_version_is_how_an_upgrade_goes_on() -> None:
    newer = _member("standby", "db", server_version="17.11 (Debian 17.11-1)")
    assert database_switchover(_cluster(p2=newer), "p2")["error"] == ""


def test_rows_tell_the_lag_that_the_sender_knows() -> None:
    assert database_rows(_cluster()) == [
        {"member": "db", "state": "primary", "timeline": 1, "follows": "", "lag": ""},
        {"member": "p1", "state": "standby", "timeline": 1, "follows": "db", "lag": "100 bytes"},
        {"member": "p2", "state": "standby", "timeline": 1, "follows": "db", "lag": "5 bytes"},
    ]


def test_a_standby_that_lacks_nothing_is_told_from_one_that_nobody_sends_to() -> None:
    rows = database_rows(_cluster(db=_member("primary", standbys=(_follower("p1"),))))
    assert [row["lag"] for row in rows] == ["", "0 bytes", ""]


def test_rows_tell_why_a_member_is_silent() -> None:
    rows = database_rows({"p2": None, "p1": {"unreachable": True, "msg": "no route"}, "db": _member("stopped", timeline=0)})
    assert [(row["member"], row["state"], row["lag"]) for row in rows] == [
        ("db", "stopped", ""), ("p1", "silent", "no route"), ("p2", "silent", "host cannot be reached")]


def test_the_primary_is_the_one_member_that_says_so() -> None:
    assert database_primary({"a": {"state": "standby"}, "b": {"state": "primary"}, "c": None}) == "b"
    assert database_primary({"a": {"state": "primary"}, "b": {"state": "primary"}}) == ""
    assert database_primary({"a": {"msg": "no route"}}) == ""


def _managed(answers: dict) -> dict:
    return {host: {**one, "managed_by": "patroni", "synchronous_standby_names": ""} if one else one for host, one in answers.items()}


def test_where_patroni_decides_it_is_asked_and_no_set_is_held_against_it() -> None:
    found = database_switchover(_managed(_cluster()))
    assert (found["error"], found["taker"], found["managed"]) == ("", "p2", True)
    assert database_switchover(_cluster())["managed"] is False
    found = database_failover(_managed(_cluster(db=None)))
    assert (found["error"], found["members"], found["managed"]) == ("", ["p1", "p2"], True)
    assert "is a running primary" in database_failover(_managed(_cluster()))["error"]
    assert "Patroni manages the cluster" in database_degrade(_managed(_cluster()))["error"]


def _slot(name: str, active: bool = True) -> dict:
    return {"name": name, "active": active}


def test_a_member_leaves_and_the_others_acknowledge_without_it() -> None:
    found = database_leave(_both(), "p1")
    assert (found["error"], found["primary"], found["others"], found["synchronous"]) == ("", "db", ["p2"], ["db", "p2"])
    assert database_leave(_both(), "mon")["move"] is False


def test_a_member_that_is_gone_may_be_the_last_one_where_other_metal_comes_back() -> None:
    lone = _cluster(p1=None, p2=None, db=_member("primary", slots=[_slot("p1", False)]))
    assert database_leave(lone, "p1", returns=True)["error"] == ""
    assert "without p1 no synchronous standby streams" in database_leave(lone, "p1")["error"]


@pytest.mark.parametrize(("answers", "host", "said"), [
    (_both(), "db", "db: is the database primary; move it away first (playbook database_switchover)"),
    (_cluster(db=_member("primary", standbys=(_follower("p1"),))), "p1", "db: without p1 no synchronous standby streams"),
    (_cluster(p1=_member("standby", "db", standbys=(_follower("x"),))), "p1", "p1: x follows it"),
    (_cluster(p1=None, p2=_member("standby", "p1")), "p1", "p1: p2 follows it"),
    (_cluster(p1=None, db=_member("primary", standbys=(_follower("p1"), _follower("p2")), slots=[_slot("p1")])), "p1",
     "p1: does not answer, and slot p1 on db is in use"),
    (_cluster(db=_member("primary", managed_by="patroni")), "p1", "p1: Patroni manages its cluster"),
    (_cluster(db=None), "p1", "no primary answers"),
])
def test_a_member_that_must_stay_is_refused(answers: dict, host: str, said: str) -> None:
    found = database_leave(answers, host)
    assert said in found["error"]
    assert found["move"] is False
