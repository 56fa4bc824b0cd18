# Copyright: (c) hft.ops contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

from collections.abc import Callable
from types import SimpleNamespace
from typing import Any

import pytest
from ansible_collections.hft.ops.plugins.module_utils._engine_api import EngineApi
from ansible_collections.hft.ops.plugins.modules import engine_watch
from ansible_collections.hft.ops.tests.unit.plugins.modules.played_engine import OTHER, PlayedEngine, strategy

Played = tuple[PlayedEngine, EngineApi]
Watch = Callable[..., dict[str, Any]]
_LOOKS = 4


@pytest.fixture
def watch(played: Played, run_module: Callable[..., dict[str, Any]], monkeypatch: pytest.MonkeyPatch) -> Watch:
    """A watch of _LOOKS looks by a clock that only its own pauses move; each step happens before a look, and so do ten accepted orders."""
    one = played[0]
    now = [0.0]
    clock = SimpleNamespace(time=lambda: now[0], monotonic=lambda: now[0], sleep=lambda pause: now.__setitem__(0, now[0] + pause))
    monkeypatch.setattr(engine_watch, "time", clock)

    def run(*steps: Callable[[], Any] | None, **options: Any) -> dict[str, Any]:
        def look(step: Callable[[], Any] | None) -> Callable[[], None]:
            def do() -> None:
                for name in one.counts["accepted"]:
                    one.counts["accepted"][name] += 10
                if step:
                    step()
            return do

        one.later["GET status"] = [look(step) for step in [*steps, *[None] * 20]]
        given = {"strategies": ["mm"], "duration_s": _LOOKS - 1, "interval_s": 1, "failure_limit": 3, **options}
        return run_module(engine_watch.main, **given)

    return run


def _wrong(found: dict[str, Any]) -> list[list[str]]:
    return [look["wrong"] for look in found["looks"]]


def test_a_sound_engine_is_watched_to_the_end_and_nothing_is_asked_of_it(played: Played, watch: Watch) -> None:
    found = watch()
    assert found["changed"] is False
    assert _wrong(found) == [[]] * _LOOKS
    assert [look["orders"] for look in found["looks"]] == [20, 30, 40, 50]
    assert played[0].asked == []


def test_check_mode_does_not_wait_for_anything(played: Played, watch: Watch) -> None:
    found = watch(check=True)
    assert (found["changed"], found["looks"]) == (False, [])
    assert played[0].seen.total() == 0


def test_two_wrong_looks_in_a_row_are_forgiven(played: Played, watch: Watch) -> None:
    one = played[0]
    found = watch(None, lambda: one.mm.update(trading=False), None, lambda: one.mm.update(trading=True))
    assert "failed" not in found
    assert _wrong(found) == [[], ["trading is not enabled"], ["trading is not enabled"], []]


@pytest.mark.parametrize(("change", "said"), [
    (lambda one: one.mm.update(trading=False, state="halted", halt_reason="daily_loss"), "mm is halted: daily_loss"),
    (lambda one: one.mm.update(trading=False, holder=OTHER, epoch=5), "mm is held by e2/bb (epoch 5)"),
    (lambda one: one.mm.update(trading=False, holder=None), "mm is held by nobody (epoch 4)"),
    (lambda one: one.mm.update(trading=False, state="stopped"), "mm is stopped"),
    (lambda one: one.mm.update(trading=False), "trading is not enabled"),
    (lambda one: one.status["exchanges"][0].update(status="disconnected"), "venue paper is disconnected"),
    (lambda one: one.status["database"].update(connected=False), "no database connection for writing"),
    (lambda one: one.own(strategy("arb")), "mm is not on this engine"),
])
def test_what_is_wrong_with_the_engine_three_times_in_a_row_is_measured(
        played: Played, watch: Watch, change: Callable[[PlayedEngine], None], said: str) -> None:
    found = watch(lambda: change(played[0]))
    assert (found["failed"], found["measured"]) == (True, True)
    assert found["msg"] == f"measured 3 times in a row: {said}"
    assert _wrong(found) == [[said]] * 3


def test_orders_that_stand_still_are_measured(played: Played, watch: Watch) -> None:
    one = played[0]

    def stand() -> None:
        one.counts["accepted"]["mm"] = 20

    found = watch(*[stand] * 8)
    assert (found["measured"], found["msg"]) == (True, "measured 3 times in a row: no order of mm accepted since the look before")
    assert len(found["looks"]) == 4


def test_a_strategy_that_stands_still_behind_a_busy_one_is_seen(played: Played, watch: Watch) -> None:
    one = played[0]
    one.own(strategy("mm"), strategy("arb"))

    def stand() -> None:
        one.counts["accepted"]["arb"] = 1

    found = watch(*[stand] * 8, strategies=["mm", "arb"])
    assert found["msg"] == "measured 3 times in a row: no order of arb accepted since the look before"


def test_of_a_strategy_on_paper_no_accepted_order_is_expected(played: Played, watch: Watch) -> None:
    one = played[0]
    one.own(strategy("mm"), strategy("probe", paper_trading=True))
    assert "failed" not in watch(*[lambda: one.counts["accepted"].update(probe=0)] * 8, strategies=["mm", "probe"])


def test_more_rejected_orders_than_allowed_are_measured(played: Played, watch: Watch) -> None:
    one = played[0]
    one.counts["rejected"]["mm"] = 1000  # before the watch: another release's
    found = watch(None, *[lambda: one.counts["rejected"].update(mm=1)] * 8)
    assert (found["measured"], found["msg"]) == (True, "measured 3 times in a row: 3 of 33 orders rejected, at most 0.05 of them allowed")


def test_rejected_orders_at_the_limit_and_before_the_watch_are_forgiven(played: Played, watch: Watch) -> None:
    one = played[0]
    one.counts["rejected"]["mm"] = 1000
    assert "failed" not in watch(None, *[lambda: one.counts["rejected"].update(mm=1)] * 8, max_reject_ratio=0.1)


def test_what_other_strategies_do_is_not_held_against_the_watched_one(played: Played, watch: Watch) -> None:
    one = played[0]
    one.own(strategy("mm"), strategy("arb", OTHER, venue="else", killed=True, state="halted"))
    one.status["exchanges"].append({"name": "else", "status": "disconnected"})
    found = watch(None, *[lambda: one.counts["rejected"].update(arb=500)] * 8)
    assert "failed" not in found
    assert [look["orders"] for look in found["looks"]] == [20, 30, 40, 50]


@pytest.mark.parametrize("press", [
    lambda one: one.status.update(killswitch=True),
    lambda one: one.mm.update(killed=True),
])
def test_a_kill_switch_pressed_during_the_watch_is_no_measured_failure(
        played: Played, watch: Watch, press: Callable[[PlayedEngine], None]) -> None:
    one = played[0]

    def stop() -> None:
        one.mm.update(trading=False)
        press(one)

    found = watch(None, lambda: one.mm.update(trading=False), stop)
    assert (found["failed"], found["measured"]) == (True, False)
    assert "kill switch latched in the" in found["msg"]
    assert len(found["looks"]) == 2


@pytest.mark.parametrize("silence", [
    lambda one: one.deaf.update({"GET status": 99}),
    lambda one: one.deaf.update({"GET metrics": 99}),
    lambda one: one.refusals.update({"GET status": (401, "expected a token")}),
    lambda one: one.refusals.update({"GET metrics": (429, "too many requests")}),
])
def test_an_engine_that_cannot_be_asked_is_no_measured_failure(
        played: Played, watch: Watch, silence: Callable[[PlayedEngine], None]) -> None:
    found = watch(None, lambda: silence(played[0]))
    assert (found["failed"], found["measured"]) == (True, False)
    assert found["msg"].startswith("not measured 3 times in a row: engine API")
    assert [bool(wrong) for wrong in _wrong(found)] == [False, True, True, True]


def test_no_answer_now_and_then_is_forgiven(played: Played, watch: Watch) -> None:
    one = played[0]
    one.deaf["GET status"] = 2
    assert "failed" not in watch()


def test_an_answer_ends_the_silence_whatever_it_says(played: Played, watch: Watch) -> None:
    one = played[0]

    def deaf() -> None:
        one.deaf.update({"GET status": 1})

    def recover() -> None:
        one.mm.update(trading=True)

    one.mm.update(trading=False)
    assert "failed" not in watch(deaf, deaf, None, deaf, deaf, recover)


def test_silence_neither_adds_to_what_was_measured_nor_takes_it_back(played: Played, watch: Watch) -> None:
    one = played[0]
    # wrong, silent, wrong, silent, wrong
    one.mm.update(trading=False)

    def deaf() -> None:
        one.deaf.update({"GET status": 1})

    found = watch(None, deaf, None, deaf, None)
    assert (found["measured"], found["msg"]) == (True, "measured 3 times in a row: trading is not enabled")
    assert len(found["looks"]) == 5


def test_one_wrong_look_at_the_end_does_not_move_trading(played: Played, watch: Watch) -> None:
    one = played[0]
    found = watch(None, None, None, lambda: one.mm.update(trading=False), lambda: one.mm.update(trading=True))
    assert "failed" not in found
    assert _wrong(found) == [[], [], [], ["trading is not enabled"], []]


def test_what_goes_on_being_wrong_at_the_end_is_looked_at_until_it_is_decided(played: Played, watch: Watch) -> None:
    one = played[0]
    found = watch(None, None, None, lambda: one.mm.update(trading=False))
    assert (found["measured"], len(found["looks"])) == (True, 6)
    one.mm.update(trading=True)
    found = watch(None, None, None, lambda: one.deaf.update({"GET status": 99}))
    assert (found["measured"], len(found["looks"])) == (False, 6)


@pytest.mark.parametrize(("options", "said"), [
    ({"strategies": []}, "strategies: expected at least one"),
    ({"failure_limit": 0}, "failure_limit 0: expected 1 to 1000"),
    ({"duration_s": -1}, "duration_s -1: expected 0 to 86400"),
    ({"interval_s": 0}, "interval_s 0: expected 0.01 to 3600"),
    ({"max_reject_ratio": -0.1}, "max_reject_ratio -0.1: expected 0 to 1"),
    ({"max_reject_ratio": 5}, "max_reject_ratio 5: expected 0 to 1"),
    ({"api_url": "ftp://h"}, "expected http://HOST:PORT"),
])
def test_input_with_which_any_engine_would_fail_or_pass_is_refused_and_moves_nothing(
        played: Played, watch: Watch, options: dict[str, Any], said: str) -> None:
    found = watch(**options)
    assert (found["failed"], found["measured"], found["looks"]) == (True, False, [])
    assert said in found["msg"]
    assert played[0].seen.total() == 0
