# Copyright: (c) hft.ops contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import pytest
from ansible_collections.hft.ops.plugins.filter.canary_verdict import (
    canary_metrics,
    canary_rows,
    canary_step,
    canary_verdict,
)

_MOVED = {"verdict": "done", "problem": "", "records": {"taker": {"id": "x"}}}
_GOOD = {"verdict": "successful", "reason": "9 metrics successful"}
_SICK = {"failed": True, "measured": True, "msg": "measured 3 times in a row: mm is stopped"}
_BLIND = {"failed": True, "measured": False, "msg": "not measured 3 times in a row"}
_WORSE = {"verdict": "failed", "reason": "tick to order p99: failed 3 times"}
_UNSURE = {"verdict": "inconclusive", "reason": "p99: NaN"}
_DECISION = {"giver": "old", "taker": "new", "held": [], "steps": [{"share": 50, "names": ["a"]}, {"share": 100, "names": ["a", "b"]}]}


@pytest.mark.parametrize(("transfer", "watch", "analysis", "verdict", "said"), [
    (_MOVED, {}, _GOOD, "pass", "9 metrics successful"),
    (_MOVED, {}, {}, "pass", "watched"),
    ({}, {}, _GOOD, "pass", "9 metrics"),
    (_MOVED, _SICK, {}, "fail", "mm is stopped"),
    (_MOVED, {}, _WORSE, "fail", "p99: failed 3 times"),
    (_MOVED, _BLIND, _WORSE, "fail", "p99: failed 3 times"),
    # What is not known holds.
    (_MOVED, _BLIND, {}, "hold", "not measured 3 times"),
    (_MOVED, {"unreachable": True, "msg": "no route"}, {}, "hold", "no route"),
    (_MOVED, {}, _UNSURE, "hold", "inconclusive: p99: NaN"),
    (_MOVED, {}, {"verdict": "error", "reason": "no data"}, "hold", "error: no data"),
    (_MOVED, {}, {"failed": True, "msg": "metrics: nothing would decide"}, "hold", "nothing would decide"),
    ({"verdict": "unproven", "problem": "no order of a", "records": {"taker": {}}}, _BLIND, {}, "hold", "no order of a; not measured"),
    ({"verdict": "refused", "problem": "old is killed"}, {}, {}, "hold", "old is killed"),
    ({"verdict": "in doubt", "problem": "nobody tells"}, {}, {}, "hold", "nobody tells"),
    # Check mode moves nothing, and the plan goes on.
    ({"verdict": "done", "problem": "", "records": {"taker": {}}}, {}, {}, "pass", "would be moved"),
])
def test_only_what_was_measured_takes_anything_back(transfer: dict, watch: dict, analysis: dict, verdict: str, said: str) -> None:
    found = canary_step(transfer, watch, analysis)
    assert found["verdict"] == verdict
    assert said in found["why"]


@pytest.mark.parametrize(("analysis", "verdict"), [(_UNSURE, "pass"), (_WORSE, "fail"), ({"failed": True, "msg": "gone"}, "hold")])
def test_a_person_may_let_through_what_is_not_decided_and_nothing_else(analysis: dict, verdict: str) -> None:
    assert canary_step({}, {}, analysis, "the feed was late")["verdict"] == verdict


def _told(*verdicts: str) -> list:
    return [{"verdict": one, "why": f"why {one}", "step": _DECISION["steps"][i]} for i, one in enumerate(verdicts)]


@pytest.mark.parametrize(("told", "problem", "asked", "back", "verdict", "move_back", "said"), [
    (_told("pass", "pass"), "", "", None, "done", False, "new holds 100 % of the strategies; old is warm"),
    (_told("pass"), "", "", None, "done", False, "new holds 50 %"),
    (_told("pass", "fail"), "", "", None, "rolled_back", True, "why fail; everything goes back to old"),
    (_told("pass", "fail"), "", "", {"verdict": "done", "problem": ""}, "rolled_back", False, "was moved back to old"),
    (_told("fail"), "", "", {"verdict": "nothing", "problem": ""}, "rolled_back", False, "was moved back to old"),
    (_told("fail"), "", "", {"verdict": "refused", "problem": "old has no venue"}, "failed", False, "the way back: old has no venue"),
    (_told("pass", "hold"), "", "", None, "paused", False, "why hold; nothing more is moved, new keeps what it has. Within 60 s"),
    ([], "", "I do not like it", None, "rolled_back", True, "I do not like it"),
    ([], "no ticket", "", None, "refused", False, "no ticket; nothing was moved"),
    ([], "no ticket", "take it back", None, "refused", False, "no ticket"),
])
def test_how_it_ends(told: list, problem: str, asked: str, back: dict | None, verdict: str, move_back: bool, said: str) -> None:
    found = canary_verdict(_DECISION, told, problem, asked, back, 60)
    assert (found["verdict"], found["move_back"]) == (verdict, move_back)
    assert said in found["say"]


def test_a_refusal_says_what_the_canary_keeps() -> None:
    assert "new keeps a" in canary_verdict({**_DECISION, "held": ["a"]}, [], "no ticket")["say"]


def test_queries_are_filled_in_and_spread_over_the_step() -> None:
    metrics = [{"name": "p99", "query": 'f{i="$canary"}$range / f{i="$baseline"}$range $ago', "failure_limit": 2},
               {"name": "own", "query": "$canary$range"}]
    first, second = canary_metrics(metrics, "new", "old", 300, 4, 0)
    assert first == {"name": "p99", "query": 'f{i="new"}[75s] / f{i="old"}[75s] ', "failure_limit": 2,
                     "interval_s": 75, "initial_delay_s": 75, "count": 4}
    assert second["query"] == "new[75s]"
    assert canary_metrics(metrics, "new", "old", 300, 4, 315)[0]["query"] == 'f{i="new"}[75s] / f{i="old"}[75s] offset 315s'
    # Nobody knows when the baseline traded last.
    assert [one["name"] for one in canary_metrics(metrics, "new", "old", 300, 4, None)] == ["own"]


def test_a_comparison_is_made_once_over_the_whole_step() -> None:
    compared = {"name": "p99", "query": 'f{i="$canary"}[$step]',
                "comparison": {"baseline_query": 'f{i="$baseline"}[$step] $ago', "direction": "increase"}}
    (found,) = canary_metrics([compared], "new", "old", 300, 4, 315, 5)
    assert found == {"name": "p99", "query": 'f{i="new"}[$step]', "initial_delay_s": 300, "count": 1,
                     "comparison": {"baseline_query": 'f{i="old"}[$step] offset 315s', "direction": "increase",
                                    "window_s": 300, "step_s": 5}}
    # Nobody knows when the baseline traded last; and too short a step for it.
    assert canary_metrics([compared], "new", "old", 300, 4, None, 5) == []
    assert canary_metrics([compared], "new", "old", 12, 3, 0) == []


def test_steps_stand_in_the_record() -> None:
    rows = canary_rows(_told("pass", "hold"))
    assert [(one["gate"], one["verdict"]) for one in rows] == [("canary 50 %", "pass"), ("canary 100 %", "skipped")]


def test_a_shadow_is_the_first_gate_and_no_step() -> None:
    shadow = {"verdict": "pass", "why": "570 of 570 decisions agree", "step": {"share": 0, "names": ["a", "b"], "moves": []}}
    [row] = canary_rows([shadow])
    assert (row["gate"], row["asked"], row["verdict"]) == ("canary as a shadow", "a, b: the same decisions", "pass")
    assert "new holds 50 %" in canary_verdict(_DECISION, [shadow, *_told("pass")], "", "", None, 60)["say"]


@pytest.mark.parametrize(("compared", "accept", "verdict"), [
    ({"verdict": "successful", "reason": "all agree"}, "", "pass"),
    ({"verdict": "failed", "reason": "a: 0 of 30 decisions agree"}, "seen and meant", "fail"),
    ({"verdict": "inconclusive", "reason": "a: 3 decisions"}, "", "hold"),
    ({"verdict": "inconclusive", "reason": "a: 3 decisions"}, "a quiet market", "pass"),
    ({"failed": True, "msg": "no database"}, "", "hold"),
    ({"reason": "would be observed for 60 s"}, "", "pass"),
])
def test_a_shadow_gates_as_an_analysis_does(compared: dict, accept: str, verdict: str) -> None:
    assert canary_step({}, {}, compared, accept)["verdict"] == verdict
