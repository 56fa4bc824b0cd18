# Copyright: (c) hft.ops contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

from typing import Any

import pytest
from ansible.errors import AnsibleFilterError
from ansible_collections.hft.ops.plugins.filter.engine_transfers import (
    transfer_decision,
    transfer_gap_ms,
    transfer_outcome,
    transfer_phases,
    transfer_switch_ms,
)


def _row(name: str = "mm", holder: str | None = "e1/aa", epoch: int = 4, killed: bool = False, state: str = "running") -> dict:
    return {"id": name, "holder": holder, "epoch": epoch, "killed": killed, "state": state}


def _info(name: str, *rows: dict, **more: Any) -> dict:
    """What hft.ops.engine_info returned for one engine."""
    return {"reason": "", "status": {"engine": name, "holder": f"{name}/aa", "version": f"1.{name[-1]}", "killswitch": False,
                                     "strategies": list(rows), **more}}


def _engines(*rows: dict, names: tuple[str, ...] = ("e1", "e2")) -> dict:
    """Engines that all see the same rows."""
    return {name: _info(name, *rows) for name in names}


_PAIR = _engines(_row())
_TWO = _engines(_row("mm"), _row("arb"))
_SPLIT = _engines(_row("mm"), _row("arb", "e2/aa", 7))
_THREE = _engines(_row(), names=("e1", "e2", "e3"))
_NOBODY = _engines(_row(holder=None))
_REFUSED = {"status": {}, "reason": "connection refused"}
_UNREACHABLE = {"unreachable": True, "msg": "no route"}


# ---- who gives and who takes ------------------------------------------------------------------------------------------


def test_the_holder_gives_all_that_it_holds_to_the_only_other_one() -> None:
    assert transfer_decision(_TWO) == {
        "move": True, "giver": "e1", "taker": "e2", "strategies": ["arb", "mm"], "stopped": [], "holder": "e1/aa",
        "epochs": {"arb": 4, "mm": 4},
        "from": {"engine": "e1", "version": "1.1"}, "to": {"engine": "e2", "version": "1.2"}, "error": "",
        "say": "arb, mm: from e1 (1.1) to e2 (1.2)"}


@pytest.mark.parametrize("state", ["stopped", "halted"])
def test_what_does_not_run_on_the_giver_is_not_to_run_on_the_taker(state: str) -> None:
    decision = transfer_decision({"e1": _info("e1", _row("mm"), _row("arb", state=state)), "e2": _info("e2", _row("mm"), _row("arb"))})
    assert (decision["strategies"], decision["stopped"]) == (["arb", "mm"], ["arb"])


@pytest.mark.parametrize(("engines", "wishes", "giver", "taker", "moved"), [
    (_PAIR, {"to": "e2"}, "e1", "e2", ["mm"]),
    (_TWO, {"strategies": ["arb"]}, "e1", "e2", ["arb"]),
    (_THREE, {"to": "e3"}, "e1", "e3", ["mm"]),
    (_PAIR, {"away_from": "e1"}, "e1", "e2", ["mm"]),
    (_THREE, {"away_from": "e1", "to": "e2"}, "e1", "e2", ["mm"]),
    (_SPLIT, {"strategies": ["arb"], "to": "e1"}, "e2", "e1", ["arb"]),
    (_SPLIT, {"away_from": "e2", "to": "e1"}, "e2", "e1", ["arb"]),
    # The only other one takes, also when it holds something else; of several the idle one.
    (_SPLIT, {"away_from": "e2"}, "e2", "e1", ["arb"]),
    (_engines(_row("mm"), _row("arb", "e2/aa"), names=("e1", "e2", "e3")), {"strategies": ["mm"]}, "e1", "e3", ["mm"]),
    # A silent bystander is none of the two.
    ({**_PAIR, "e3": _UNREACHABLE}, {}, "e1", "e2", ["mm"]),
    # What nobody holds stays where it is.
    (_engines(_row("mm"), _row("arb", None)), {}, "e1", "e2", ["mm"]),
])
def test_what_is_wished_decides_who_gives_what_to_whom(engines: dict, wishes: dict, giver: str, taker: str, moved: list) -> None:
    found = transfer_decision(engines, **wishes)
    assert found["error"] == ""
    assert (found["move"], found["giver"], found["taker"], found["strategies"]) == (True, giver, taker, moved)
    assert sorted(found["epochs"]) == moved


@pytest.mark.parametrize(("engines", "wishes", "said"), [
    (_PAIR, {"to": "e1"}, "e1 holds mm already"),
    (_SPLIT, {"to": "e1", "strategies": ["mm"]}, "e1 holds mm already"),
    (_PAIR, {"away_from": "e2"}, "e2 holds nothing of it: nothing to move"),
    (_SPLIT, {"away_from": "e2", "strategies": ["mm"]}, "e2 holds nothing of it: nothing to move"),
    (_NOBODY, {"away_from": "e1"}, "e1 holds nothing of it: nothing to move"),
    ({**_PAIR, "e3": _UNREACHABLE}, {"away_from": "e3"}, "e3 holds nothing of it: nothing to move"),
])
def test_nothing_moves_where_it_is_as_wished(engines: dict, wishes: dict, said: str) -> None:
    found = transfer_decision(engines, **wishes)
    assert (found["move"], found["error"], found["say"]) == (False, "", said)


@pytest.mark.parametrize("epoch", [4, "4"])
def test_the_epochs_that_are_expected_let_it_pass(epoch: object) -> None:
    assert transfer_decision(_TWO, expect={"mm": epoch, "arb": 4})["move"]


@pytest.mark.parametrize(("engines", "wishes", "words"), [
    (_PAIR, {"expect": {"mm": 3}}, ["mm has epoch 4, expected 3", "moved since"]),
    (_PAIR, {"expect": {"mm": 4, "gone": 2}}, ["gone has epoch unknown, expected 2"]),
    # What an old command would find done already is refused all the same: it may have been done, and taken back.
    (_PAIR, {"to": "e1", "expect": {"mm": 3}}, ["mm has epoch 4, expected 3"]),
    (_PAIR, {"expect": "mm"}, ["expect: expected the epoch of each strategy, found 'mm'"]),
    (_PAIR, {"to": "e9"}, ["to=e9", "no such engine", "e1, e2"]),
    (_PAIR, {"away_from": "e9"}, ["away_from=e9", "no such engine", "e1, e2"]),
    (_PAIR, {"to": "e1", "away_from": "e1"}, ["to=e1", "is the engine that is to give"]),
    (_PAIR, {"strategies": ["mm", "xx"]}, ["strategies xx", "on no engine that answers", "mm"]),
    (_PAIR, {"strategies": "mm"}, ["strategies", "expected a list", "'mm'"]),
    # nobody holds, nobody answers
    (_NOBODY, {}, ["mm", "held by nobody", "trading_action=start"]),
    (_NOBODY, {"strategies": ["mm"], "to": "e2"}, ["mm", "held by nobody", "trading_action=start"]),
    (_engines(_row("mm", None), _row("arb", None)), {}, ["nobody holds anything", "trading_action=start"]),
    ({"e1": _REFUSED, "e2": _UNREACHABLE}, {}, ["no engine answers", "killswitch.yml"]),
    # the holder is silent: another engine, or another process of the same
    ({"e1": _REFUSED, "e2": _info("e2", _row())}, {}, ["mm", "held by e1/aa (epoch 4)", "does not answer", "failover"]),
    ({"e1": _UNREACHABLE, "e2": _info("e2", _row())}, {"away_from": "e1"}, ["held by e1/aa (epoch 4)", "does not answer"]),
    (_engines(_row(holder="e1/old")), {"to": "e2"}, ["held by e1/old", "does not answer"]),
    # two holders
    (_SPLIT, {}, ["e1 holds mm; e2 holds arb", "one giver", "name the strategies of one"]),
    (_SPLIT, {"to": "e2"}, ["e1 holds mm; e2 holds arb", "one giver"]),
    # who takes
    (_THREE, {}, ["who takes from e1?", "e2, e3", "name one"]),
    (_engines(_row("mm"), _row("arb", "e2/aa"), _row("xs", "e3/aa"), names=("e1", "e2", "e3")), {"strategies": ["mm"]},
     ["who takes from e1?", "e2, e3"]),
    ({**_PAIR, "e2": _REFUSED}, {}, ["who takes from e1?", "no other engine answers"]),
    ({**_PAIR, "e2": _REFUSED}, {"to": "e2"}, ["e2: cannot take", "connection refused"]),
    ({**_PAIR, "e2": _UNREACHABLE}, {"to": "e2"}, ["e2: cannot take", "host cannot be reached"]),
    ({"e1": _info("e1", _row("mm"), _row("arb")), "e2": _info("e2", _row("mm"))}, {}, ["e2: cannot take", "no strategy arb"]),
    # kill switch
    ({**_PAIR, "e1": _info("e1", _row(), killswitch=True)}, {}, ["e1: kill switch is latched in the engine itself", "killswitch_clear"]),
    ({**_PAIR, "e2": _info("e2", _row(), killswitch=True)}, {}, ["e2: kill switch is latched in the engine itself"]),
    (_engines(_row(killed=True)), {}, ["e1: kill switch is latched in the lease row of mm"]),
    (_engines(_row("mm", killed=True), _row("arb")), {}, ["the lease row of mm"]),
])
def test_a_transfer_that_must_not_be_made_is_refused_in_one_line(engines: dict, wishes: dict, words: list) -> None:
    found = transfer_decision(engines, **wishes)
    assert [word for word in words if word not in found["error"]] == []
    assert "\n" not in found["error"]
    assert (found["move"], found["giver"], found["taker"], found["strategies"], found["say"]) == (False, "", "", [], "")


def test_a_kill_switch_of_what_stays_holds_nothing_up() -> None:
    engines = _engines(_row("mm"), _row("arb", killed=True))
    assert transfer_decision(engines, strategies=["mm"])["move"]


def test_what_an_engine_without_the_database_saw_last_does_not_count() -> None:
    stale = _info("e3", _row(holder="e3/aa", epoch=3))
    for engines in ({**_PAIR, "e3": stale}, {"e3": stale, **_PAIR}):
        found = transfer_decision(engines, to="e2")
        assert (found["error"], found["giver"], found["epochs"]) == ("", "e1", {"mm": 4})


def test_answers_that_are_no_dictionary_are_a_fault_of_the_play() -> None:
    with pytest.raises(AnsibleFilterError, match="expected engines as a dictionary, found list"):
        transfer_decision([])


# ---- how long nobody traded -------------------------------------------------------------------------------------------


def _result(*strategies: str, **accepted: tuple[int, int]) -> dict:
    return {"record": {"strategies": list(strategies)},
            "accepted": {name: {"epoch": 1, "first_venue_ns": first, "last_venue_ns": last} for name, (first, last) in accepted.items()}}


def test_the_gap_is_the_worst_of_what_moved_by_the_venue_s_clock() -> None:
    giver = _result(mm=(1, 10_000_000), arb=(1, 20_000_000), xs=(1, 1))
    taker = _result("mm", "arb", mm=(12_345_678, 99_000_000), arb=(21_000_000, 99_000_000), xs=(90_000_000, 99_000_000))
    assert transfer_gap_ms(giver, taker) == 2.346


def test_a_strategy_without_orders_of_the_giver_has_no_gap() -> None:
    giver, taker = _result(mm=(0, 0), arb=(1, 5_000_000)), _result("mm", "arb", mm=(9_000_000, 9_000_000), arb=(6_000_000, 9_000_000))
    assert transfer_gap_ms(giver, taker) == 1.0
    assert transfer_gap_ms(_result(mm=(0, 0)), _result("mm", mm=(9, 9))) is None
    assert transfer_gap_ms(_result(mm=(1, 1)), _result("mm", mm=(0, 0))) is None


# ---- where the time went ----------------------------------------------------------------------------------------------


def _record(**steps: int) -> dict:
    return {"steps": [{"step": step.replace("_", " "), "wall_ns": 1_000_000_000 + at_us * 1000} for step, at_us in steps.items()]}


_GIVER = _record(under_way=0, drained=400, committed=1900, done=1950)
_TAKER = _record(armed=-5_000_000, woken=2100, claimed=3000, fenced=3600, done=3650)


def test_each_phase_begins_where_the_one_before_ended() -> None:
    assert transfer_phases(_GIVER, _TAKER) == [
        {"part": "giver", "phase": "drain", "at_us": 0, "took_us": 400},
        {"part": "giver", "phase": "commit", "at_us": 400, "took_us": 1500},
        {"part": "taker", "phase": "wake", "at_us": 1900, "took_us": 200},
        {"part": "taker", "phase": "claim", "at_us": 2100, "took_us": 900},
        {"part": "taker", "phase": "fence", "at_us": 3000, "took_us": 600},
    ]


def test_nobody_may_trade_from_the_freeze_to_the_fence() -> None:
    assert transfer_switch_ms(transfer_phases(_GIVER, _TAKER)) == 3.6


def test_a_refused_attempt_before_is_no_time_without_a_right() -> None:
    refused = {"steps": _record(under_way=-3_000_000, drained=-2_900_000, refused=-2_800_000)["steps"] + _GIVER["steps"]}
    withdrawn = {"steps": _record(armed=-4_000_000, disarmed=-2_700_000)["steps"] + _TAKER["steps"]}
    assert transfer_phases(refused, withdrawn) == transfer_phases(_GIVER, _TAKER)


@pytest.mark.parametrize("giver", [{}, {"steps": []}, _record(done=5)])
def test_where_the_giver_s_steps_are_not_known_nothing_is_made_up(giver: dict) -> None:
    assert transfer_phases(giver, _TAKER) == []
    assert transfer_switch_ms([]) is None


# ---- what became of it ------------------------------------------------------------------------------------------------

_MOVE = {"error": "", "move": True}
_FINE: dict = {}
_FAILED = {"failed": True, "msg": "it is killed"}
_SILENT = {"unreachable": True, "msg": "no route"}
_CARRIED_OUT = {"failed": True, "outcome": "done", "msg": "was carried out already"}


@pytest.mark.parametrize(("decision", "giver", "taker", "verdict", "problem"), [
    ({"error": "who takes?", "move": False}, {}, {}, "refused", "who takes?"),
    ({"error": "", "move": False}, {}, {}, "nothing", ""),
    (_MOVE, {"ready": _FINE}, {"ready": _FINE}, "done", ""),
    (_MOVE, {"ready": _FAILED}, {"ready": _FINE}, "refused", "it is killed"),
    (_MOVE, {"ready": _FAILED}, {"ready": _SILENT}, "refused", "it is killed; no route"),
    (_MOVE, {"ready": _FINE, "given": _FAILED}, {"ready": _FINE}, "refused", "it is killed"),
    (_MOVE, {"ready": _FINE, "given": _FAILED}, {"ready": _FINE, "withdrawn": {"outcome": "disarmed"}}, "refused", "it is killed"),
    # The giver was lost in the middle: the taker's word counts.
    (_MOVE, {"ready": _FINE, "given": _SILENT}, {"ready": _FINE, "withdrawn": _CARRIED_OUT, "taken": _FINE}, "done", ""),
    (_MOVE, {"ready": _FINE, "given": _SILENT}, {"ready": _FINE, "withdrawn": _SILENT}, "in doubt", "no route; no route; the rows tell"),
    (_MOVE, {"ready": _FINE, "given": _FINE}, {"ready": _FINE, "taken": _FAILED}, "unproven", "it is killed"),
    (_MOVE, {"ready": _FINE, "given": _FINE}, {"ready": _FINE, "taken": _SILENT}, "unproven", "no route"),
    (_MOVE, {"ready": {"unreachable": True}}, {"ready": _FINE}, "refused", "could not be asked"),
])
def test_the_outcome_is_what_the_two_sides_said(decision: dict, giver: dict, taker: dict, verdict: str, problem: str) -> None:
    found = transfer_outcome(decision, "t1", giver, taker)
    assert (found["id"], found["verdict"]) == ("t1", verdict)
    assert found["problem"].startswith(problem)
    assert bool(found["problem"]) == bool(problem)
    assert (found["gap_ms"], found["phases"]) == (None, [])


def test_an_outcome_with_records_has_its_gap_and_phases() -> None:
    record = {"strategies": ["mm"], "steps": [{"step": "under way", "wall_ns": 1_000_000}, {"step": "drained", "wall_ns": 3_000_000}]}
    taken = {"strategies": ["mm"], "steps": [{"step": "armed", "wall_ns": 500_000}, {"step": "woken", "wall_ns": 4_000_000}]}
    order = {"mm": {"last_venue_ns": 2_000_000, "first_venue_ns": 9_000_000}}
    found = transfer_outcome(_MOVE, "t1", {"given": {"record": record, "accepted": order}}, {"taken": {"record": taken, "accepted": order}})
    assert (found["gap_ms"], found["switch_ms"]) == (7.0, 3.0)
    assert [one["phase"] for one in found["phases"]] == ["drain", "wake"]
    assert found["records"] == {"giver": record, "taker": taken}
