# Copyright: (c) hft.ops contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from ansible_collections.hft.ops.plugins.module_utils._engine_api import EngineApi
from ansible_collections.hft.ops.plugins.modules.engine_trading import main
from ansible_collections.hft.ops.tests.unit.plugins.modules.played_engine import HOLDER, OTHER, PlayedEngine, strategy

Run = Callable[..., dict[str, Any]]


@pytest.fixture
def engine(played: tuple[PlayedEngine, EngineApi]) -> PlayedEngine:
    """Holds mm and arb, both with a position; mom is held by another."""
    one = played[0]
    one.own(strategy("mm", position=0.35, open_orders=2), strategy("arb", position=-2.0), strategy("mom", OTHER))
    return one


@pytest.fixture
def bring(run_module: Run) -> Run:
    """bring(state, check=False, **options): the module's answer, with waits that suit a test."""
    return lambda state, **options: run_module(main, state=state, timeout=0.5, settle=0.0, **options)


def _differences(answer: dict[str, Any]) -> dict[str, tuple]:
    return {one["path"]: (one["before"], one["after"]) for one in answer["differences"]}


def test_flat_closes_what_is_held_and_is_done_once(engine: PlayedEngine, bring: Run) -> None:
    answer = bring("flat", reason="weekend")
    assert _differences(answer) == {
        "position of mm": (0.35, 0.0), "open orders of mm": (2, 0), "strategy mm": ("running", "stopped"),
        "position of arb": (-2.0, 0.0), "strategy arb": ("running", "stopped")}
    assert engine.asked == [("POST flatten", {"reason": "weekend", "wait_s": 1, "strategies": ["mm", "arb"]})]
    assert not bring("flat", reason="weekend")["changed"]
    assert len(engine.asked) == 1


def test_a_check_tells_what_would_be_closed_and_asks_nothing(engine: PlayedEngine, bring: Run) -> None:
    answer = bring("flat", check=True, reason="weekend", strategies=["arb"])
    assert set(_differences(answer)) == {"position of arb", "strategy arb"}
    assert engine.asked == []


def test_what_is_not_flat_in_time_is_named_and_is_no_change(engine: PlayedEngine, bring: Run) -> None:
    engine.acts["POST flatten"] = lambda _body: engine.mm.update(state="stopped", open_orders=1, position=0.15) or {"flat": False}
    engine.status["exchanges"][0]["status"] = "disconnected"
    answer = bring("flat", reason="weekend", strategies=["mm"])
    assert answer["failed"]
    assert "not flat after 0.5 s: mm stopped, position 0.15, open orders 1 (venue paper is disconnected)" in answer["msg"]
    assert "already done" not in answer["msg"]


@pytest.mark.parametrize(("options", "words"), [
    ({"strategies": ["mom"], "reason": "x"}, ["does not hold mom", f"held by {OTHER} (epoch 4)"]),
    ({"strategies": ["nn"], "reason": "x"}, ["has no strategy nn", "it has mm, arb, mom"]),
    ({"reason": "x" * 201}, ["one line of 1 to 200 characters", "found 201"]),
    ({"reason": "two\nlines"}, ["one line"]),
    ({}, ["reason"]),
])
def test_flat_is_refused_with_the_reason(engine: PlayedEngine, bring: Run, options: dict, words: list[str]) -> None:
    answer = bring("flat", **options)
    assert answer["failed"]
    assert [word for word in words if word not in answer["msg"]] == []
    assert engine.asked == []


def test_the_engine_s_refusal_to_flatten_is_passed_on(engine: PlayedEngine, bring: Run) -> None:
    engine.refusals["POST flatten"] = (409, "the kill switch is latched: nothing can be sent; clear it first")
    assert "does not close positions: the kill switch is latched" in bring("flat", reason="weekend")["msg"]


def test_one_strategy_is_stopped_and_keeps_its_lease(engine: PlayedEngine, bring: Run) -> None:
    answer = bring("stopped", strategies=["mm"])
    assert _differences(answer) == {"strategy mm": ("running", "stopped")}
    assert [name for name, _body in engine.asked] == ["POST strategies/mm/stop"]
    assert engine.mm["holder"] == HOLDER
    assert answer["orders_seen"] == {"mm": 0}


def test_a_stop_is_not_believed_while_an_order_is_open(engine: PlayedEngine, bring: Run) -> None:
    engine.acts["POST strategies/mm/stop"] = lambda _body: engine.mm.update(state="stopped") or {}
    assert "still runs mm, or has open orders of it" in bring("stopped", strategies=["mm"])["msg"]


def test_one_that_was_halted_does_not_run(engine: PlayedEngine, bring: Run) -> None:
    engine.mm.update(state="halted", halt_reason="daily_loss", open_orders=0)
    assert not bring("stopped", strategies=["mm"])["changed"]


def test_one_that_is_held_is_started_beside_the_others(engine: PlayedEngine, bring: Run) -> None:
    engine.run_strategy("mm", False)
    engine.later["GET metrics"] = [lambda: None, lambda: engine.counts["accepted"].update(mm=1)]
    answer = bring("started", strategies=["mm"])
    assert _differences(answer) == {"strategy mm": ("stopped", "running")}
    assert answer["orders_seen"] == {"mm": 1}


def test_one_that_nobody_holds_is_claimed_alone(engine: PlayedEngine, bring: Run) -> None:
    engine.own(strategy("mm"), strategy("mom", None, state="stopped"))
    engine.later["GET metrics"] = [lambda: None, lambda: engine.counts["accepted"].update(mom=1)]
    answer = bring("started", strategies=["mom"])
    assert _differences(answer) == {"lease of mom": (None, HOLDER), "strategy mom": ("stopped", "running")}
    assert engine.asked == [("POST takeover", {"strategies": ["mom"]})]


def test_one_on_paper_is_proven_by_what_it_would_have_sent(engine: PlayedEngine, bring: Run) -> None:
    engine.mm.update(paper_trading=True, performance={"orders": 0, "paper_orders": 5})
    engine.later["GET metrics"] = [lambda: engine.mm["performance"].update(paper_orders=8)]
    answer = bring("started", strategies=["mm"])
    assert not answer["changed"]
    assert answer["orders_seen"] == {"mm": 3}


def test_a_claim_that_leads_to_no_orders_is_taken_back(engine: PlayedEngine, bring: Run) -> None:
    engine.own(strategy("mm"), strategy("mom", None, state="stopped"))
    answer = bring("started", strategies=["mom"])
    assert "no orders of mom accepted within 0.5 s" in answer["msg"]
    # Beside mm, which trades, it can only be stopped: an engine gives back all leases or none.
    assert [name for name, _body in engine.asked] == ["POST takeover", "POST strategies/mom/stop"]
    assert engine.mm["trading"]


def test_what_else_would_begin_to_trade_refuses_a_start_by_name(engine: PlayedEngine, bring: Run) -> None:
    engine.status["trading_enabled"] = False
    assert "would start arb too" in bring("started", strategies=["mm"])["msg"]
    assert engine.asked == []


def test_a_row_that_still_names_the_engine_after_a_kill_is_claimed_anew(engine: PlayedEngine, bring: Run) -> None:
    engine.mm.update(trading=False, lease_seconds_left=0.0)
    bring("started", strategies=["mm"])
    assert engine.asked[0] == ("POST takeover", {"strategies": ["mm"]})
