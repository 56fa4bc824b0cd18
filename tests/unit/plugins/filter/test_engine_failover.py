# SPDX-License-Identifier: GPL-3.0-or-later
"""Who takes over what a dead host held, and what shuts that host out."""

from __future__ import annotations

from typing import Any

import pytest
from ansible_collections.hft.ops.plugins.filter.engine_failover import failover_decision, failover_fenced

_FENCES = {"paper": "epoch"}


def _row(name: str, holder: str | None = "blue/1", **more: Any) -> dict[str, Any]:
    return {"id": name, "holder": holder, "epoch": 4, "venue": "paper", "killed": False, **more}


def _answer(holder: str, *rows: dict[str, Any], killed: bool = False, database: bool = True) -> dict[str, Any]:
    return {"status": {"holder": holder, "killswitch": killed, "database": {"connected": database}, "strategies": list(rows)}}


def _engines(*rows: dict[str, Any], **more: Any) -> dict[str, Any]:
    return {"blue": {"unreachable": True}, "green": _answer("green/2", *(rows or (_row("a"), _row("b"))), **more)}


def test_the_only_other_takes_all_that_the_dead_one_held() -> None:
    found = failover_decision(_engines(_row("b"), _row("a"), _row("c", "red/9"), _row("d", None)), "blue", fences=_FENCES)
    assert found["error"] == ""
    assert (found["move"], found["taker"], found["strategies"], found["holders"]) == (True, "green", ["a", "b"], ["blue/1"])
    assert found["shut_out"]
    assert not found["ended"]


def test_the_engine_may_have_another_name_than_its_host() -> None:
    found = failover_decision(_engines(_row("a", "engine-1/7")), "blue", "engine-1")
    assert found["strategies"] == ["a"]


def test_one_venue_without_a_fence_is_enough_to_ask_for_more() -> None:
    found = failover_decision(_engines(_row("a"), _row("b", venue="other")), "blue", fences={**_FENCES, "other": "none"})
    assert not found["shut_out"]


def test_an_engine_that_came_back_has_ended_by_itself() -> None:
    found = failover_decision({**_engines(), "blue": _answer("blue/2", _row("a"), _row("b"))}, "blue")
    assert (found["move"], found["ended"]) == (True, True)


def test_the_epochs_that_are_expected_let_it_pass() -> None:
    assert failover_decision(_engines(), "blue", expect={"a": 4, "b": 4})["move"]


def test_nothing_held_is_nothing_to_do() -> None:
    found = failover_decision(_engines(_row("a", "green/2")), "blue")
    assert (found["move"], found["error"]) == (False, "")


@pytest.mark.parametrize(("engines", "wish", "said"), [
    ({**_engines(), "blue": _answer("blue/1", _row("a"))}, {}, "blue: answers, and holds a; move it with transfer.yml"),
    (_engines(), {"dead": "grey"}, "failover_from=grey: no such engine"),
    (_engines(), {"to": "grey"}, "failover_to=grey: no such engine"),
    (_engines(), {"to": "blue"}, "failover_to=blue: is the host that is lost"),
    ({**_engines(), "red": _answer("red/3", _row("a"))}, {}, "which engine takes over? green, red"),
    ({"blue": {}, "green": {}}, {}, "which engine takes over? no other answers"),
    ({"blue": {}, "green": {"reason": "no route"}}, {"to": "green"}, "green: cannot take over, it does not answer (no route)"),
    (_engines(), {"strategies": ["z"]}, "it has no strategy z; there are a, b"),
    (_engines(_row("a"), _row("b", "red/9")), {"strategies": ["a", "b"]}, "b is held by red/9, not by blue"),
    (_engines(database=False), {}, "green: no database that takes its claim"),
    (_engines(_row("a", killed=True)), {}, "kill switch is latched in the lease row of a"),
    (_engines(killed=True), {}, "kill switch is latched in the engine itself"),
    (_engines(), {"expect": {"a": 4, "b": 3}}, "b has epoch 4, expected 3: it was moved since"),
])
def test_what_must_not_be_done_is_refused(engines: dict, wish: dict, said: str) -> None:
    found = failover_decision(engines, **{"dead": "blue", **wish})
    assert said in found["error"]
    assert not found["move"]


@pytest.mark.parametrize(("decision", "given", "said"), [
    ({"ended": True}, {"confirmed": False}, "its engine has ended"),
    ({}, {"confirmed": True}, "it was seen to be off"),
    ({}, {"confirmed": False, "word": "pulled its plug"}, "a person says so: pulled its plug"),
    ({"shut_out": True}, {"confirmed": False}, "its venues refuse every lower epoch"),
])
def test_one_of_these_shuts_it_out(decision: dict, given: dict, said: str) -> None:
    found = failover_fenced({"ended": False, "shut_out": False, "holders": ["blue/1"], **decision}, **given)
    assert said in found["how"]
    assert found["error"] == ""


def test_nothing_that_shuts_it_out_is_a_refusal() -> None:
    found = failover_fenced({"ended": False, "shut_out": False, "holders": ["blue/1"]}, False, problem="no answer from the controller")
    assert found["how"] == ""
    assert "nothing shuts blue/1 out: no answer from the controller" in found["error"]
