# Copyright: (c) hft.ops contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

from collections.abc import Callable
from types import SimpleNamespace
from typing import Any

import pytest
from ansible_collections.hft.ops.plugins.module_utils._engine_api import EngineApi
from ansible_collections.hft.ops.plugins.modules import engine_smoke
from ansible_collections.hft.ops.tests.unit.plugins.modules.played_engine import HOLDER, OTHER, PlayedEngine, strategy

Played = tuple[PlayedEngine, EngineApi]
Smoke = Callable[..., dict[str, Any]]
_COPY = {"id": "mm", "type": "market_maker", "venue": "paper", "paper_trading": False}
_ALL = ["POST strategies/load", "POST takeover", "POST strategies/smoke-mm/stop", "PUT config", "DELETE strategies/smoke-mm"]


def _page(refused: int = 0, trip: float = 0.001) -> str:
    return (f'risk_check_failures_total{{check="notional"}} {refused}\nrisk_check_failures_total{{check="order_rate"}} 999\n'
            f'venue_round_trip_seconds{{venue="paper"}} {trip}\n')


def _show(one: PlayedEngine, **numbers: float) -> None:
    one.page = _page(**numbers)


def _cut(one: PlayedEngine) -> None:
    one.status["exchanges"][0].update(status="disconnected")


_GROWING = iter(range(100, 100_000, 100))


@pytest.fixture
def smoke(played: Played, run_module: Callable[..., dict[str, Any]], monkeypatch: pytest.MonkeyPatch) -> Smoke:
    """An engine that stands by for another, whose copy on paper passes two orders at each look, by a clock that only pauses move."""
    one = played[0]
    one.own(strategy("mm", OTHER))
    one.status.update(role="standby", trading_enabled=False)
    one.page = _page()
    now = [0.0]
    monkeypatch.setattr(engine_smoke, "time", SimpleNamespace(
        monotonic=lambda: now[0], sleep=lambda pause: now.__setitem__(0, now[0] + pause)))

    def load(body: dict[str, Any]) -> dict[str, Any]:
        given = body["strategy"]
        new = strategy(given["id"], None, paper_trading=given["paper_trading"], performance={"orders": 0, "paper_orders": 0})
        one.status["strategies"].append(new)
        return new

    def unload(_body: dict[str, Any]) -> dict[str, Any]:
        one.own(*[row for row in one.status["strategies"] if row["id"] != "smoke-mm"])
        return {}

    def configure(body: dict[str, Any]) -> dict[str, Any]:
        one.status.update(body)
        for row in one.status["strategies"]:
            if row["holder"] == HOLDER:
                row.update(holder=None, trading=False)
        return {}

    one.acts.update({"POST strategies/load": load, "DELETE strategies/smoke-mm": unload, "PUT config": configure})

    def trade() -> None:
        for row in one.status["strategies"]:
            if row["trading"] and row["paper_trading"]:
                row["performance"]["paper_orders"] += 2

    def run(each: Callable[[], Any] = trade, **options: Any) -> dict[str, Any]:
        one.later["GET status"] = [each] * 200
        return run_module(engine_smoke.main, **{"strategy": _COPY, "orders": 5, "timeout": 2, **options})

    return run


def _left(one: PlayedEngine) -> tuple:
    return [row["id"] for row in one.status["strategies"]], one.status["role"], one.status["trading_enabled"]


def test_a_sound_engine_trades_on_paper_and_nothing_stays(played: Played, smoke: Smoke) -> None:
    found = smoke()
    assert (found["changed"], "failed" in found) == (False, False)
    assert [(row["gate"], row["found"], row["verdict"]) for row in found["rows"]] == [
        ("orders on paper", "6 in 0.4 s", "pass"), ("orders refused by limits", "0 of 6", "pass"),
        ("round trip to venues", "paper 1.000 ms", "pass")]
    assert [name for name, _body in played[0].asked] == _ALL
    assert played[0].asked[0][1]["strategy"] == {**_COPY, "id": "smoke-mm", "paper_trading": True}
    assert played[0].asked[1][1] == {"strategies": ["smoke-mm"]}
    assert played[0].asked[3][1] == {"role": "standby", "trading_enabled": False}
    assert _left(played[0]) == (["mm"], "standby", False)


def test_check_mode_asks_nothing(played: Played, smoke: Smoke) -> None:
    assert smoke(check=True)["rows"] == []
    assert played[0].seen.total() == 0


@pytest.mark.parametrize(("spoil", "said"), [
    (_cut, "orders on paper: asked at least 5 of smoke-mm within 2 s, found 0 in 2."),
    (_cut, "(venue paper is disconnected)"),
    (lambda one: _show(one, refused=next(_GROWING)), "orders refused by limits: asked at most 0.05 of all, found"),
    (lambda one: _show(one, trip=1.5), "round trip to venues: asked at most 1000 ms each, found paper 1500.000 ms"),
    (lambda one: _show(one, trip=0), "found paper not measured"),
])
def test_what_does_not_pass_fails_with_its_row_and_is_taken_away(played: Played, smoke: Smoke, spoil: Callable, said: str) -> None:
    one = played[0]

    def each() -> None:
        spoil(one)
        for row in one.status["strategies"]:
            if row["trading"] and row["paper_trading"] and one.status["exchanges"][0]["status"] == "connected":
                row["performance"]["paper_orders"] += 2

    found = smoke(each)
    assert found["failed"]
    assert said in found["msg"]
    assert len(found["rows"]) == 3
    assert _left(one) == (["mm"], "standby", False)


@pytest.mark.parametrize(("name", "said"), [
    ("POST strategies/load", "engine e1: does not load smoke-mm: /type: no such file"),
    ("POST takeover", "engine e1: does not claim smoke-mm: /type: no such file"),
])
def test_what_the_engine_refuses_is_told_and_nothing_stays(played: Played, smoke: Smoke, name: str, said: str) -> None:
    played[0].refusals[name] = (400, "/type: no such file")
    assert smoke()["msg"] == said
    assert _left(played[0]) == (["mm"], "standby", False)


def test_a_claim_without_an_answer_is_given_back(played: Played, smoke: Smoke) -> None:
    played[0].lost["POST takeover"] = 1
    assert "takeover" in smoke()["msg"]
    assert _left(played[0]) == (["mm"], "standby", False)


def test_an_engine_that_holds_something_or_is_killed_is_left_alone(played: Played, smoke: Smoke) -> None:
    played[0].status["killswitch"] = True
    assert "kill switch is latched in the engine itself" in smoke()["msg"]
    played[0].own(strategy("mm"))
    assert smoke()["msg"] == "engine e1: holds mm; a strategy is tried on paper on an engine that stands by"
    assert played[0].asked == []


def test_an_engine_that_takes_over_meanwhile_keeps_what_it_holds(played: Played, smoke: Smoke) -> None:
    one = played[0]

    def each() -> None:
        if one.seen["POST takeover"]:
            one.mm.update(strategy("mm"))

    said = smoke(each)["msg"]
    assert "took over mm meanwhile; smoke-mm stays there, stopped" in said
    assert [name for name, _body in one.asked] == _ALL[:3]
    assert one.mm["holder"] == HOLDER


def test_what_an_interrupted_run_left_is_taken_away_first(played: Played, smoke: Smoke) -> None:
    one = played[0]
    one.status["strategies"].append(strategy("smoke-mm", paper_trading=True, performance={"orders": 0, "paper_orders": 9}))
    one.status.update(role="primary", trading_enabled=True)
    assert "failed" not in smoke()
    assert [name for name, _body in one.asked] == _ALL[2:] + _ALL
    assert _left(one) == (["mm"], "standby", False)


@pytest.mark.parametrize("wrong", [
    {"orders": 0}, {"timeout": 0}, {"max_refused_ratio": 1.5}, {"max_round_trip_ms": -1}, {"strategy": {"type": "x"}}])
def test_input_with_which_any_engine_would_pass_is_refused(played: Played, smoke: Smoke, wrong: dict[str, Any]) -> None:
    assert "expected" in smoke(**wrong)["msg"]
    assert played[0].seen.total() == 0
