# Copyright: (c) hft.ops contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from ansible_collections.hft.ops.plugins.module_utils._engine_api import EngineApi
from ansible_collections.hft.ops.plugins.modules.engine_killswitch import main
from ansible_collections.hft.ops.tests.unit.plugins.modules.played_engine import PlayedEngine, strategy

Played = tuple[PlayedEngine, EngineApi]
Run = Callable[..., dict[str, Any]]


def _bring(run_module: Run, state: str, **more: Any) -> dict[str, Any]:
    return run_module(main, state=state, reason="prices are wrong", **more)


def test_latching_stops_everything_and_says_why(played: Played, run_module: Run) -> None:
    found = _bring(run_module, "latched")
    assert found["changed"]
    assert played[0].asked == [("POST killswitch", {"reason": "prices are wrong"})]
    assert (found["killswitch"]["latched"], found["killswitch"]["reason"]) == (True, "prices are wrong")
    assert found["status"]["killswitch"]
    assert found["differences"] == [{"layer": "live", "path": "kill switch of everything", "before": "cleared", "after": "latched"}]


@pytest.mark.parametrize("state", ["latched", "cleared"])
@pytest.mark.parametrize("scope", ["", "mm"])
def test_the_second_time_nothing_is_asked(played: Played, run_module: Run, state: str, scope: str) -> None:
    if state == "cleared":
        played[0].switch(True, "before", scope)
    assert _bring(run_module, state, strategy=scope)["changed"]
    played[0].asked.clear()
    assert not _bring(run_module, state, strategy=scope)["changed"]
    assert played[0].asked == []


@pytest.mark.parametrize("state", ["latched", "cleared"])
def test_check_mode_presses_nothing(played: Played, run_module: Run, state: str) -> None:
    if state == "cleared":
        played[0].switch(True, "before")
    found = _bring(run_module, state, check=True)
    assert found["changed"]
    assert played[0].asked == []
    assert found["killswitch"]["latched"] is (state == "cleared")


def test_one_strategy_is_latched_alone(played: Played, run_module: Run) -> None:
    one = played[0]
    one.own(strategy("mm"), strategy("arb"))
    found = _bring(run_module, "latched", strategy="arb")
    assert one.asked == [("POST killswitch", {"reason": "prices are wrong", "strategy": "arb"})]
    assert (found["killswitch"]["latched"], [row["killed"] for row in found["status"]["strategies"]]) == (False, [False, True])


def test_each_switch_is_judged_by_itself(played: Played, run_module: Run) -> None:
    one = played[0]
    one.switch(True, "all of it")
    assert _bring(run_module, "latched", strategy="mm")["changed"]
    assert _bring(run_module, "cleared", strategy="mm")["changed"]
    assert one.latch["latched"]
    assert not _bring(run_module, "cleared", strategy="mm")["changed"]


def test_clearing_one_strategy_leaves_the_rows_of_others_alone(played: Played, run_module: Run) -> None:
    one = played[0]
    one.own(strategy("mm"), strategy("arb", killed=True))
    assert not _bring(run_module, "cleared", strategy="mm")["changed"]
    assert one.asked == []


def test_clearing_everything_leaves_the_switch_of_one_strategy_alone(played: Played, run_module: Run) -> None:
    one = played[0]
    one.own(strategy("mm"), strategy("arb"))
    one.switch(True, "arb alone", "arb")
    assert not _bring(run_module, "cleared")["changed"]
    assert (one.asked, [row["latched"] for row in one.latch["strategies"]]) == ([], [True])


def test_rows_that_another_engine_latched_are_cleared_through_this_one(played: Played, run_module: Run) -> None:
    one = played[0]
    one.mm["killed"] = True
    found = _bring(run_module, "cleared")
    assert [row["before"] for row in found["differences"]] == ["latched in the rows"]
    assert one.asked == [("DELETE killswitch", {"reason": "prices are wrong"})]
    assert not one.mm["killed"]


def test_a_refused_look_does_not_keep_the_switch_from_being_pressed(played: Played, run_module: Run) -> None:
    one = played[0]
    one.refusals = {"GET killswitch": (429, "too many requests"), "GET status": (429, "too many requests")}
    found = _bring(run_module, "latched")
    assert one.latch["latched"]
    assert (found["changed"], found["killswitch"]["latched"], found["status"]) == (True, True, {})
    assert "429 too many requests" in _bring(run_module, "cleared")["msg"]
    assert "429 too many requests" in _bring(run_module, "latched", check=True)["msg"]
    assert len(one.asked) == 1


def test_an_engine_that_does_not_confirm_is_a_failure_that_says_how_to_end_it(played: Played, run_module: Run) -> None:
    one = played[0]
    one.acts["POST killswitch"] = lambda _body: one.latch
    found = _bring(run_module, "latched")
    assert found["failed"]
    assert "does not say that it is latched; end the process (systemctl kill --signal=KILL)" in found["msg"]


def test_a_clear_that_is_not_confirmed_does_not_advise_to_end_the_process(played: Played, run_module: Run) -> None:
    one = played[0]
    one.switch(True, "before")
    one.acts["DELETE killswitch"] = lambda _body: one.latch
    found = _bring(run_module, "cleared")
    assert "does not say that it is cleared" in found["msg"]
    assert "systemctl" not in found["msg"]


def test_a_refusal_is_told_with_its_reason(played: Played, run_module: Run) -> None:
    one = played[0]
    one.switch(True, "before")
    one.refusals["DELETE killswitch"] = (503, "still latched: no connection to a writable database")
    assert _bring(run_module, "cleared")["msg"] == (
        "kill switch of everything: not cleared: still latched: no connection to a writable database")
    one.refusals["POST killswitch"] = (404, 'no strategy "xx"')
    assert _bring(run_module, "latched", strategy="xx")["msg"] == 'kill switch of xx: not latched: no strategy "xx"'


def test_an_engine_that_does_not_answer_is_a_failure(played: Played, run_module: Run) -> None:
    assert "Connection refused" in _bring(run_module, "latched", port=1)["msg"]
    played[0].deaf["POST killswitch"] = 1
    assert "POST /api/v1/killswitch" in _bring(run_module, "latched")["msg"]


@pytest.mark.parametrize("reason", ["", "a" * 201, "two\nlines"])
def test_a_reason_that_no_engine_takes_is_refused_before_anything_is_asked(played: Played, run_module: Run, reason: str) -> None:
    found = run_module(main, state="latched", reason=reason)
    assert "reason: expected one line of 1 to 200 characters" in found["msg"]
    assert played[0].seen.total() == 0


def test_a_latched_engine_fences_a_silent_holder(played: Played, run_module: Run) -> None:
    played[0].switch(True, "prices are wrong")
    found = _bring(run_module, "fenced", strategy="mm")
    assert (found["changed"], found["epoch"]) == (True, 9)
    assert played[0].asked == [("POST fence", {"reason": "prices are wrong", "strategy": "mm"})]
    played[0].asked.clear()
    assert _bring(run_module, "fenced", strategy="mm", check=True)["changed"]
    assert played[0].asked == []


def test_a_fence_names_what_hinders_it(played: Played, run_module: Run) -> None:
    played[0].refusals["POST fence"] = (409, "held here: its own kill switch has stopped it")
    assert _bring(run_module, "fenced", strategy="mm")["msg"] == "fence of mm: held here: its own kill switch has stopped it"
    assert _bring(run_module, "fenced")["msg"] == "fenced: strategy is missing; a fence names one"
