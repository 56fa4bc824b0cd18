# Copyright: (c) hft.ops contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import pytest
from ansible.errors import AnsibleFilterError
from ansible_collections.hft.ops.plugins.filter.region_rollout import (
    region_budget,
    region_decision,
    region_matrix,
    region_result,
    region_returns,
    region_rows,
    region_verdict,
)

_REGIONS = [{"name": "ny", "engines": ["n1", "n2"]}, {"name": "ld", "engines": ["l1", "l2"]}, {"name": "ty", "engines": ["t1", "t2"]}]


def _engine(name: str, version: str, holds: bool) -> dict:
    return {"status": {"version": version, "holder": f"{name}/1", "strategies": [{"id": "mm", "holder": f"{name}/1" if holds else "x/1"}]}}


def _engines(**trades: str) -> dict:
    """The version that each region trades on its first engine; its second one stands by on version 1."""
    found = {}
    for one in _REGIONS:
        first, second = one["engines"]
        found[first] = _engine(first, trades.get(one["name"], "1"), True)
        found[second] = _engine(second, "1", False)
    return found


def _matrix(**trades: str) -> list:
    return region_matrix(_REGIONS, _engines(**trades))


def _told(name: str, verdict: str, gap_ms: float | None = 100.0, failed_bake: bool = False) -> dict:
    return {"region": name, "verdict": verdict, "why": "" if verdict == "done" else f"{name} is bad", "gap_ms": gap_ms,
            "failed_bake": failed_bake}


def test_the_matrix_tells_what_trades_and_what_is_installed() -> None:
    engines = {**_engines(ny="2"), "l1": {"reason": "timed out"}}
    rows = region_rows(region_matrix(_REGIONS, engines))
    assert rows[0] == {"region": "ny", "trades": "2", "on": "n1", "installed": "1 on 1, 1 on 2", "no answer": ""}
    assert rows[1] == {"region": "ld", "trades": "nobody", "on": "", "installed": "1 on 1", "no answer": "l1"}


@pytest.mark.parametrize(("trades", "only", "todo", "done"), [
    ({}, [], ["ny", "ld", "ty"], []),
    ({"ny": "2"}, [], ["ld", "ty"], ["ny"]),
    ({"ny": "2", "ld": "2", "ty": "2"}, [], [], ["ny", "ld", "ty"]),
    # A control node in each region.
    ({"ny": "2"}, ["ld"], ["ld"], ["ny"]),
    ({}, ["ny"], ["ny"], []),
])
def test_what_is_left_is_read_from_what_trades(trades: dict, only: list, todo: list, done: list) -> None:
    found = region_decision(_matrix(**trades), "2", only)
    assert (found["todo"], found["done"], found["error"]) == (todo, done, "")


@pytest.mark.parametrize(("matrix", "version", "only", "said"), [
    (_matrix(), "", [], "no release"),
    (_matrix(), "2", ["mars"], "regions_only mars: no such region; there are ny, ld, ty"),
    (_matrix(), "2", ["ty"], "ny, ld comes before ty and does not trade 2 yet"),
    (_matrix(ld="3"), "2", [], "3 versions would trade at once (1, 2, 3), at most 2 may"),
    (region_matrix(_REGIONS, {**_engines(), "t2": {}}), "2", [], "no answer from ty (t2)"),
    (region_matrix(_REGIONS, {**_engines(), "l1": _engine("l1", "1", False)}), "2", [], "nobody trades in ld"),
    (_matrix() + _matrix(), "2", [], "expected 1 to 6 regions of different names"),
    ([], "2", [], "found none"),
])
def test_what_may_not_be_begun_is_one_line(matrix: list, version: str, only: list, said: str) -> None:
    assert said in region_decision(matrix, version, only)["error"]


def test_a_region_that_is_silent_hinders_only_a_run_that_needs_it() -> None:
    matrix = region_matrix(_REGIONS, {**_engines(), "t1": {}, "t2": {}})
    assert region_decision(matrix, "2", ["ny"])["error"] == ""


_MOVED = {"gap_ms": 120.5}


@pytest.mark.parametrize(("cutover", "transfer", "bake", "verdict", "failed_bake"), [
    ({"verdict": "done", "say": ""}, _MOVED, {}, "done", False),
    ({"verdict": "done", "say": ""}, _MOVED, {"failed": True, "measured": True, "msg": "stopped"}, "hold", True),
    ({"verdict": "done", "say": ""}, _MOVED, {"failed": True, "measured": False, "msg": "silent"}, "hold", False),
    ({"verdict": "done", "say": ""}, _MOVED, {"unreachable": True}, "hold", False),
    ({"verdict": "rolled_back", "say": "worse"}, _MOVED, {}, "back", False),
    ({"verdict": "refused", "say": "market"}, {"gap_ms": None}, {}, "back", False),
    ({"verdict": "failed", "say": "in doubt"}, _MOVED, {}, "hold", False),
])
def test_how_a_region_went(cutover: dict, transfer: dict, bake: dict, verdict: str, failed_bake: bool) -> None:
    found = region_result("ny", cutover, transfer, {"giver": "n1", "taker": "n2", "strategies": ["mm"]}, bake)
    assert (found["verdict"], found["failed_bake"]) == (verdict, failed_bake)
    assert bool(found["why"]) == (verdict != "done")


@pytest.mark.parametrize(("budget", "said"), [
    ({}, ""), ({"max_s": 60, "max_gap_ms": 500}, ""), ({"max_s": 59}, "59 s have passed, the budget is 59 s"),
    ({"max_gap_ms": 200}, "nobody traded for 200 ms in all, the budget is 200 ms"),
])
def test_the_budget_is_of_all_regions_together(budget: dict, said: str) -> None:
    assert region_budget([_told("ny", "done"), _told("ld", "done"), _told("ty", "back", None)], 59, budget) == said


def test_a_budget_of_other_words_is_no_budget() -> None:
    with pytest.raises(AnsibleFilterError, match="expected max_s and max_gap_ms"):
        region_budget([], 0, {"max_min": 1})


@pytest.mark.parametrize(("told", "problem", "policy", "back"), [
    ([_told("ny", "done"), _told("ld", "hold", failed_bake=True)], "", "rollback", ["ld", "ny"]),
    ([_told("ny", "done"), _told("ld", "hold", failed_bake=True)], "", "hold", []),
    ([_told("ny", "done"), _told("ld", "back")], "", "rollback", ["ny"]),  # it went back by itself
    ([_told("ny", "done")], "the budget is used up", "rollback", ["ny"]),
    # Refused (a closed window), or not measured: nothing moves.
    ([_told("ny", "done"), _told("ld", "back", None)], "", "rollback", []),
    ([_told("ny", "done"), _told("ld", "hold")], "", "rollback", []),
    ([_told("ny", "done")], "", "rollback", []),
])
def test_who_goes_back(told: list, problem: str, policy: str, back: list) -> None:
    assert [one["region"] for one in region_returns(told, problem, policy)] == back


def test_the_policy_has_two_words() -> None:
    with pytest.raises(AnsibleFilterError, match="regions_on_failure=maybe: expected rollback or hold"):
        region_returns([], "", "maybe")


@pytest.mark.parametrize(("told", "problem", "returned", "ok", "said"), [
    ([_told("ny", "done"), _told("ld", "done"), _told("ty", "done")], "", [], True, "ny, ld, ty on the release"),
    ([_told("ny", "done"), _told("ld", "back", None)], "", [], False, "ld: ld is bad; stays on the release: ny; run it again"),
    ([_told("ny", "done"), _told("ld", "back")], "", [{"region": "ny", "problem": ""}], False,
     "ld: ld is bad; went back: ny; run it again"),
    ([_told("ny", "done")], "no time", [{"region": "ny", "problem": "n1 has no venue"}], False,
     "no time; DID NOT GO BACK: ny (n1 has no venue); run it again"),
])
def test_how_it_ends(told: list, problem: str, returned: list, ok: bool, said: str) -> None:
    found = region_verdict({"todo": ["ny", "ld", "ty"], "done": []}, told, problem, returned)
    assert found["ok"] is ok
    assert said in found["say"]


def test_one_region_of_a_control_node_is_all_of_its_run() -> None:
    assert region_verdict({"todo": ["ld"], "done": ["ny"]}, [_told("ld", "done")], "", []) == {"ok": True, "say": "ny, ld on the release"}
