# Copyright: (c) hft.ops contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

from typing import Any

import pytest
from ansible_collections.hft.ops.plugins.filter.engine_trading import killswitch_fences, killswitch_rows, trading_decision, trading_rows


def _info(name: str, holder: str | None = None, role: str = "standby", **more: Any) -> dict:
    """What hft.ops.engine_info returned for one engine; holder: as its lease row says."""
    strategy = {"id": "mm", "state": "running" if role == "primary" else "stopped", "trading": role == "primary", "holder": holder,
                "epoch": 4, "killed": False, "performance": {"orders": 9}}
    return {"reason": "", "status": {"role": role, "version": "1", "engine": name, "holder": f"{name}/aa", "killswitch": False,
                                     "trading_enabled": role == "primary", "strategies": [strategy], **more}}


_NOBODY = {"e1": _info("e1"), "e2": _info("e2")}
_E1_HOLDS = {"e1": _info("e1", "e1/aa", "primary"), "e2": _info("e2", "e1/aa")}
_SILENT = {"status": {}, "reason": "connection refused"}
_UNREACHABLE = {"unreachable": True, "msg": "no route"}


@pytest.mark.parametrize(("engines", "action", "wanted", "act"), [
    (_NOBODY, "status", "", []),
    (_NOBODY, "start", "e2", ["e2"]),
    (_NOBODY, "stop", "", []),
    (_E1_HOLDS, "start", "", ["e1"]),
    (_E1_HOLDS, "start", "e1", ["e1"]),
    (_E1_HOLDS, "stop", "", ["e1"]),
    (_E1_HOLDS, "stop", "e2", []),
    ({**_E1_HOLDS, "e3": _SILENT}, "stop", "", ["e1"]),
    ({"e1": _info("e1", "e1/old"), "e2": _UNREACHABLE}, "start", "e1", ["e1"]),
])
def test_decision(engines: dict, action: str, wanted: str, act: list) -> None:
    decision = trading_decision(engines, action, wanted)
    assert decision["error"] == ""
    assert decision["engines"] == {host: [] for host in act}


@pytest.mark.parametrize(("role", "words"), [
    ("primary", "mm is held by e1/aa (epoch 4); stop it first"),
    ("standby", "mm is held by e1/aa (epoch 4); e1 does not trade any more: start it there, or stop it first"),
])
def test_another_engine_is_not_started_beside_the_holder(role: str, words: str) -> None:
    engines = {"e1": _info("e1", "e1/aa", role), "e2": _info("e2", "e1/aa")}
    assert trading_decision(engines, "start", "e2")["error"].startswith(f"e2: cannot be started, {words}")


def _split() -> dict:
    """e1 holds and runs mm, e2 holds arb, nobody holds mom."""
    def has(name: str, **holder: str | None) -> dict:
        info = _info(name, role="primary")
        row = info["status"]["strategies"][0]
        info["status"]["strategies"] = [{**row, "id": one, "holder": who, "state": "running" if who == f"{name}/aa" else "stopped"}
                                        for one, who in holder.items()]
        return info
    holder = {"mm": "e1/aa", "arb": "e2/aa", "mom": None}
    return {"e1": has("e1", **holder), "e2": has("e2", **holder)}


@pytest.mark.parametrize(("action", "wanted", "strategies", "act"), [
    ("stop", "", ["mm", "arb"], {"e1": ["mm"], "e2": ["arb"]}),
    ("stop", "e2", ["mm"], {}),
    ("stop", "", ["mom"], {}),
    ("start", "", ["arb"], {"e2": ["arb"]}),
    ("start", "e2", ["arb", "mom"], {"e2": ["arb", "mom"]}),
    ("flatten", "", [], {"e1": ["mm"], "e2": ["arb"]}),
    ("flatten", "e2", [], {"e2": ["arb"]}),
    ("flatten", "", ["mm"], {"e1": ["mm"]}),
])
def test_strategies_are_acted_on_where_they_are_held(action: str, wanted: str, strategies: list, act: dict) -> None:
    decision = trading_decision(_split(), action, wanted, strategies, "weekend")
    assert decision["error"] == ""
    assert decision["engines"] == act


@pytest.mark.parametrize(("action", "wanted", "strategies", "words"), [
    ("start", "", ["mom"], ["trading_engine: required", "nobody holds mom", "e1, e2"]),
    ("start", "e2", ["mm"], ["e2: cannot start mm", "held by e1", "transfer.yml"]),
    ("stop", "", ["none"], ["none on no engine that answers", "there are arb, mm, mom"]),
    ("flatten", "", ["mom"], ["no engine holds it", "trading_action=start"]),
    ("flatten", "e1", ["arb"], ["e1 holds none of it"]),
    ("stop", "", "mm", ["expected a list", '["mm"]']),
])
def test_strategies_that_cannot_be_acted_on_are_refused(action: str, wanted: str, strategies: list, words: list) -> None:
    decision = trading_decision(_split(), action, wanted, strategies, "weekend")
    assert decision["engines"] == {}
    assert [word for word in words if word not in decision["error"]] == []


def test_positions_are_closed_for_a_reason() -> None:
    assert "trading_reason: required" in trading_decision(_split(), "flatten")["error"]


def test_a_latched_strategy_is_neither_started_nor_made_flat_and_the_others_are() -> None:
    engines = _split()
    engines["e1"]["status"]["strategies"][0]["killed"] = True
    for action in ("start", "flatten"):
        assert "kill switch is latched in the lease row of mm" in trading_decision(engines, action, "", ["mm"])["error"]
        assert trading_decision(engines, action, "", ["arb"], "weekend")["engines"] == {"e2": ["arb"]}


@pytest.mark.parametrize(("engines", "action", "wanted", "words"), [
    (_NOBODY, "begin", "", ["trading_action=begin", "start, stop, flatten, status"]),
    (_NOBODY, "start", "e9", ["trading_engine=e9", "e1, e2"]),
    (_NOBODY, "start", "", ["trading_engine", "required", "e1, e2"]),
    (_E1_HOLDS, "start", "e2", ["e2", "mm is held by e1/aa (epoch 4)", "trading_action=stop"]),
    ({"e1": _SILENT, "e2": _info("e2")}, "start", "e1", ["e1", "connection refused"]),
    ({"e1": _UNREACHABLE, "e2": _info("e2")}, "start", "e1", ["e1", "cannot be reached"]),
    ({"e1": _info("e1", killswitch=True)}, "start", "e1", ["e1", "kill switch", "the engine itself"]),
    ({"e1": _UNREACHABLE, "e2": _info("e2", "e1/aa")}, "stop", "", ["mm is held by e1/aa (epoch 4)", "does not answer", "systemctl kill"]),
    ({"e1": _SILENT}, "stop", "", ["no engine answers", "connection refused"]),
    ({"e1": _SILENT}, "stop", "e1", ["e1", "connection refused", "systemctl kill"]),
    ({"e1": _UNREACHABLE, "e2": _info("e2", "e1/aa")}, "flatten", "", ["mm is held by e1/aa (epoch 4)", "does not answer"]),
    ({"e1": _SILENT, "e2": _info("e2")}, "flatten", "e1", ["e1: cannot be made flat", "connection refused"]),
    (_NOBODY, "flatten", "", ["no engine holds it", "trading_action=start"]),
])
def test_refusal_is_one_line_that_names_what_to_do(engines: dict, action: str, wanted: str, words: list) -> None:
    decision = trading_decision(engines, action, wanted)
    assert decision["engines"] == {}
    assert "\n" not in decision["error"]
    assert [word for word in words if word not in decision["error"]] == []


def test_rows_show_silent_and_killed_engines() -> None:
    rows = trading_rows({"e2": _SILENT, "e1": _info("e1", "e1/aa", "primary"), "e3": _info("e3", killswitch=True)})
    assert [(row["engine"], row["role"]) for row in rows] == [("e1", "primary"), ("e2", "NO ANSWER"), ("e3", "KILLED")]
    assert rows[0]["holder"] == "e1/aa"
    assert rows[0]["trading"] == "yes"


def test_only_a_holder_s_position_is_shown() -> None:
    engines = {"e1": _info("e1", "e1/aa", "primary"), "e2": _info("e2", "e1/aa")}
    for info in engines.values():
        info["status"]["strategies"][0].update(position=0.5, open_orders=2)
    assert [(row["position"], row["open"]) for row in trading_rows(engines)] == [(0.5, 2), ("", "")]


def test_row_of_an_ended_process_is_marked() -> None:
    rows = trading_rows({"e1": _info("e1", "e1/old")})
    assert rows[0]["holder"] == "e1/old (not answering)"


def _pressed(info: dict, **more: Any) -> dict:
    """Variables of a host after the kill switch was pressed; info: what its engine said then."""
    return {"killswitch_latched": {"changed": True, "killswitch": {"latched": True}}, "killswitch_after": info, **more}


_STOPPED = _info("e1", "e1/aa", killswitch=True)


def test_an_engine_that_is_latched_and_stands_still_has_confirmed() -> None:
    assert killswitch_rows({"e1": _pressed(_STOPPED)}) == [
        {"engine": "e1", "confirmed": "yes", "strategy": "mm", "holder": "e1/aa", "trading": "no", "detail": ""}]
    by_row = _info("e1")
    by_row["status"]["strategies"][0]["killed"] = True
    assert [(row["confirmed"], row["holder"]) for row in killswitch_rows({"e1": _pressed(by_row)}, "mm")] == [("yes", "nobody")]


@pytest.mark.parametrize(("known", "trading", "detail"), [
    (_pressed(_info("e1", "e1/aa", "primary", killswitch=True)), "YES", ""),
    (_pressed(_info("e1", "e1/aa")), "no", ""),
    (_pressed(_STOPPED, killswitch_problem="it does not say that it is latched"), "no", "it does not say that it is latched"),
    ({"killswitch_latched": {"unreachable": True, "changed": False, "msg": "no route"}, "killswitch_after": _STOPPED}, "no", "no route"),
    ({"killswitch_after": _STOPPED}, "no", "host cannot be reached"),
])
def test_whoever_trades_on_or_was_not_latched_has_not_confirmed(known: dict, trading: str, detail: str) -> None:
    rows = killswitch_rows({"e1": known})
    assert [(row["confirmed"], row["trading"], row["detail"]) for row in rows] == [("NO", trading, detail)]


@pytest.mark.parametrize(("known", "detail"), [
    ({}, "host cannot be reached"),
    ({"killswitch_latched": _UNREACHABLE, "killswitch_after": _UNREACHABLE}, "no route"),
    ({"killswitch_latched": {"failed": True}, "killswitch_problem": "not latched: no", "killswitch_after": _SILENT}, "not latched: no"),
    (_pressed(_SILENT), "does not answer any more"),
])
def test_an_engine_that_is_silent_has_not_confirmed(known: dict, detail: str) -> None:
    assert killswitch_rows({"e1": known}) == [{"engine": "e1", "confirmed": "NO", "detail": detail}]


def test_of_one_strategy_only_its_rows_are_asked_for() -> None:
    two = _info("e1", "e1/aa")
    arb = {**two["status"]["strategies"][0], "id": "arb", "killed": True}
    two["status"]["strategies"] = [{**arb, "id": "mm", "killed": False, "trading": True}, arb]
    assert [(row["strategy"], row["confirmed"]) for row in killswitch_rows({"e1": _pressed(two)}, "arb")] == [("arb", "yes")]
    assert [(row["strategy"], row["confirmed"]) for row in killswitch_rows({"e1": _pressed(two)})] == [("mm", "NO"), ("arb", "yes")]


def test_an_engine_without_the_strategy_has_nothing_to_confirm_unless_nobody_has_it() -> None:
    has, has_not = _info("e1", killswitch=True), _info("e2", strategies=[])
    refused = _pressed(has_not, killswitch_problem='no strategy "mm"')
    rows = killswitch_rows({"e2": refused, "e1": _pressed(has)}, "mm")
    assert [(row["engine"], row["confirmed"]) for row in rows] == [("e1", "yes"), ("e2", "yes")]
    assert [(row["confirmed"], row["detail"]) for row in killswitch_rows({"e2": refused}, "mm")] == [("NO", "has no such strategy")]
    # A silent one may be the one that has it.
    assert [row["confirmed"] for row in killswitch_rows({"e1": _pressed(_SILENT), "e2": refused}, "mm")] == ["NO", "NO"]


def test_an_engine_without_strategies_confirms_its_own_switch() -> None:
    for latched, confirmed in ((True, "yes"), (False, "NO")):
        rows = killswitch_rows({"e1": _pressed(_info("e1", strategies=[], killswitch=latched))})
        assert [row["confirmed"] for row in rows] == [confirmed]


def test_what_a_silent_engine_may_hold_is_fenced_by_one_that_confirmed() -> None:
    silent = {"killswitch_latched": _UNREACHABLE, "killswitch_after": _UNREACHABLE}
    standby = _pressed(_info("e2", "e1/aa", killswitch=True))
    third = _pressed(_info("e3", "e1/aa", killswitch=True))
    assert killswitch_fences({"e1": silent, "e2": standby, "e3": third}) == [{"engine": "e2", "strategy": "mm"}]
    assert killswitch_fences({"e1": silent, "e2": standby}, "mm") == [{"engine": "e2", "strategy": "mm"}]
    assert killswitch_fences({"e1": silent, "e2": standby}, "arb") == []
    # What a confirmed engine holds stands still already; where all confirmed there is nobody to shut out.
    assert killswitch_fences({"e1": silent, "e2": _pressed(_info("e2", "e2/aa", killswitch=True))}) == []
    assert killswitch_fences({"e1": _pressed(_STOPPED), "e2": standby}) == []
    assert killswitch_fences({"e1": silent}) == []
