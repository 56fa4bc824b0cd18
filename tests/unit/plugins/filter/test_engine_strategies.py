# Copyright: (c) hft.ops contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

from typing import Any

import pytest
from ansible_collections.hft.ops.plugins.filter.engine_strategies import strategy_decision
from ansible_collections.hft.ops.tests.unit.plugins.modules.played_engine import HOLDER, strategy

_PAPER = {"id": "new", "paper_trading": True}
_LIVE = {"id": "new"}
_SOAK = {"now": "2026-11-22T10:00:00.000000Z", "soak_s": "3600", "min_orders": "5",
         "records": [{"finished_at": "2026-11-22T08:00:00.000000Z", "to": {"engine": "e1"}}]}


def _host(*loaded: dict[str, Any], entry: dict[str, Any] | None = None, uptime_s: float = 1e6) -> dict[str, Any]:
    """Variables of a host whose engine is HOLDER."""
    return {"strategy_before": {"status": {"engine": "e", "holder": HOLDER, "uptime_seconds": uptime_s, "strategies": list(loaded)}},
            "engine_strategies": [one for one in (entry,) if one]}


def _new(holder: str | None = HOLDER, orders: int = 9, **more: Any) -> dict[str, Any]:
    return strategy("new", holder, **{"paper_trading": True, "performance": {"orders": 0, "paper_orders": orders}, **more})


def _error(action: str, e1: dict[str, Any], e2: dict[str, Any] | None = None) -> str:
    e2 = e2 or _host(entry=(e1["engine_strategies"] or [None])[0])
    return strategy_decision({"e1": e1, "e2": e2}, action, "new")["error"]


@pytest.mark.parametrize(("entry", "good"), [(_PAPER, True), (_LIVE, False), (None, False)])
def test_what_is_loaded_stands_on_paper_in_the_inventory(entry: dict | None, good: bool) -> None:
    assert (_error("load", _host(entry=entry)) == "") is good


def test_on_paper_it_runs_where_nothing_is_held_or_where_it_is_held() -> None:
    busy, idle = _host(strategy("mm"), _new(None)), _host(strategy("mm", "f/bb"), _new(None))
    assert strategy_decision({"e1": busy, "e2": idle}, "paper", "new")["engine"] == "e2"
    assert strategy_decision({"e1": busy, "e2": idle}, "paper", "new", "e1")["engine"] == "e1"
    assert strategy_decision({"e1": _host(_new()), "e2": _host(_new("g/cc"))}, "paper", "new")["engine"] == "e1"
    assert "not one alone holds nothing" in strategy_decision({"e1": idle, "e2": idle}, "paper", "new")["error"]
    assert "engine: asked" in strategy_decision({"e1": _host(_new()), "e2": _host(_new("g/cc"))}, "paper", "new", "e2")["error"]


@pytest.mark.parametrize(("one", "words"), [(_new(None, paper_trading=False), "e1: live"), (strategy("mm"), "e1: not loaded")])
def test_what_is_not_on_paper_everywhere_does_not_start_on_paper(one: dict, words: str) -> None:
    assert words in _error("paper", _host(one), _host(_new(None)))


def test_what_has_soaked_is_promoted() -> None:
    decision = strategy_decision({"e1": _host(_new(), entry=_LIVE)}, "promote", "new", soak=_SOAK)
    assert (decision["error"], decision["engine"]) == ("", "e1")
    assert {row["verdict"] for row in decision["rows"]} == {"pass"}


@pytest.mark.parametrize(("host", "soak", "words"), [
    (_host(_new(), entry=_PAPER), {}, "inventory (engine_strategies): asked live, found e1: on paper"),
    (_host(_new(state="halted"), entry=_LIVE), {}, "found halted on paper on e1"),
    (_host(_new(paper_trading=False), entry=_LIVE), {}, "found running live on e1"),
    (_host(_new("f/bb"), entry=_LIVE), {}, "held by nobody"),
    (_host(_new(), entry=_LIVE), {"soak_s": 7201}, "soak: asked at least 7201 s, found 7200 s"),
    (_host(_new(), entry=_LIVE), {"records": []}, "no record of its start on paper there"),
    (_host(_new(), entry=_LIVE), {"records": [{"finished_at": "2026-11-22T08:00:00Z", "to": {"engine": "e2"}}]}, "no record"),
    (_host(_new(), entry=_LIVE, uptime_s=7199), {}, "engine up: asked since before the soak began, found 7199 s"),
    (_host(_new(orders=4), entry=_LIVE), {}, "orders on paper: asked at least 5, found 4"),
])
def test_what_has_not_soaked_stays_on_paper(host: dict, soak: dict, words: str) -> None:
    assert words in strategy_decision({"e1": host}, "promote", "new", soak={**_SOAK, **soak})["error"]


@pytest.mark.parametrize(("host", "words"), [
    (_host(_new("f/bb")), ""),
    (_host(_new()), ""),
    (_host(_new(), entry=_LIVE), "inventory (engine_strategies): asked not there, found e1: live"),
    (_host(_new(), strategy("mm")), "e holds mm too: move them away first (transfer.yml)"),
    (_host(_new(position=0.5)), "found 0.5, open orders 0"),
    (_host(_new(open_orders=2)), "found 0, open orders 2"),
])
def test_only_what_is_flat_and_held_alone_is_unloaded(host: dict, words: str) -> None:
    error = _error("unload", host, _host())
    assert words in error
    assert bool(error) is bool(words)


@pytest.mark.parametrize(("action", "name", "engine", "words"), [
    ("run", "new", "", "strategy_action=run: expected one of load, paper"),
    ("", "new", "", "strategy_action=: expected"),
    ("load", "", "", "strategy_id: required"),
    ("paper", "new", "e9", "strategy_engine=e9: no such engine in this inventory; one of e1"),
    ("stop", "other", "", "engine: asked one that has it"),
])
def test_a_wrong_wish_is_told(action: str, name: str, engine: str, words: str) -> None:
    assert words in strategy_decision({"e1": _host(_new(), entry=_PAPER)}, action, name, engine)["error"]


def test_an_engine_that_does_not_answer_stops_all() -> None:
    assert "no answer from e2" in _error("load", _host(entry=_PAPER), {"engine_strategies": [_PAPER]})
