# Copyright: (c) hft.ops contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import pytest
from ansible.errors import AnsibleFilterError
from ansible_collections.hft.ops.plugins.filter.canary_decision import (
    canary_decision,
    canary_plan,
    limits_share,
    shadow_strategies,
    strategy_risks,
)

_STEPS = [10, 25, 50, 75, 100]
_FIVE = dict.fromkeys(("a", "b", "c", "d", "e"), 3)


def _engine(holder: str, version: str, rows: dict, holders: dict | None = None, killed: bool = False) -> dict:
    """rows: epoch by strategy; holders: who holds it, where it is not this engine."""
    return {"status": {"holder": holder, "version": version, "killswitch": killed, "strategies": [
        {"id": name, "epoch": epoch, "holder": (holders or {}).get(name, holder), "state": "running", "killed": False}
        for name, epoch in rows.items()]}}


def _pair(canary_holds: tuple = (), canary_version: str = "2") -> dict:
    holders = {name: "new/1" if name in canary_holds else "old/1" for name in _FIVE}
    return {"old": _engine("old/1", "1", _FIVE, holders), "new": _engine("new/1", canary_version, _FIVE, holders)}


def _decide(engines: dict, **given: object) -> dict:
    return canary_decision(engines, "2", given.pop("steps", _STEPS), **given)


def test_the_least_risk_goes_first_and_shares_round_up() -> None:
    found = _decide(_pair(), risks={"e": 1, "d": 2, "c": 3, "a": 4})
    assert [(one["percent"], one["moves"]) for one in found["steps"]] == [
        (10, ["e"]), (25, ["d"]), (50, ["c"]), (75, ["a"]), (100, ["b"])]  # b has no number: the last
    assert [one["share"] for one in found["steps"]] == [20, 40, 60, 80, 100]
    assert (found["giver"], found["taker"], found["move"]) == ("old", "new", True)
    assert found["steps"][1]["left"] == ["c", "a", "b"]


def test_steps_that_would_move_nothing_are_left_out() -> None:
    found = _decide(_pair(), strategies=["a", "b"])
    assert [(one["percent"], one["names"]) for one in found["steps"]] == [(10, ["a"]), (75, ["a", "b"])]


def test_a_share_may_be_the_end() -> None:
    assert _decide(_pair(), steps=[20])["steps"][-1]["left"] == ["b", "c", "d", "e"]


def test_the_step_is_read_from_the_rows() -> None:
    """What the canary holds already is looked at again, then it goes on from there, also where others were moved than the plan's."""
    found = _decide(_pair(("d", "e")))
    assert found["held"] == ["d", "e"]
    assert [one["moves"] for one in found["steps"]] == [[], ["a"], ["b"], ["c"]]
    assert found["steps"][0]["percent"] == 40
    assert found["taker"] == "new"


def test_the_same_rows_give_the_same_name_and_others_another() -> None:
    first, again, later = _decide(_pair()), _decide(_pair()), _decide(_pair(("a",)))
    assert [one["name"] for one in first["steps"]] == [one["name"] for one in again["steps"]]
    # A step that is due again is the same one.
    assert len({one["name"] for one in first["steps"] + later["steps"][1:2]}) == len(first["steps"])


def test_one_that_holds_everything_is_looked_at_only_when_it_is_named() -> None:
    assert _decide(_pair(tuple(_FIVE)))["steps"] == []
    named = _decide(_pair(tuple(_FIVE)), to="new")
    assert [one["moves"] for one in named["steps"]] == [[]]
    assert (named["giver"], named["move"]) == ("old", False)


@pytest.mark.parametrize(("engines", "given", "said"), [
    (_pair(), {"steps": [50, 10]}, "ascending"),
    (_pair(), {"steps": [0, 10]}, "whole percentages from 1 to 100"),
    (_pair(), {"steps": []}, "expected 1 to 8"),
    (_pair(), {"steps": "10"}, "expected 1 to 8"),
    (_pair(), {"to": "nowhere"}, "to=nowhere: no such engine"),
    (_pair(), {"strategies": "a"}, "strategies: expected a list"),
    (_pair(), {"strategies": ["z"]}, "strategies z: on no engine that answers"),
    ({**_pair(), "new": {"reason": "timed out"}}, {"to": "new"}, "new: cannot be the canary, it does not answer (timed out)"),
    ({"new": _engine("new/1", "2", _FIVE, dict.fromkeys(_FIVE, "old/1"))}, {}, "which does not answer; that is a failover, not a canary"),
    ({}, {}, "no engine answers"),
    (_pair(("a",), "3"), {"to": "new"}, "new holds a on 3, and 2 is wanted: take them back first"),
    ({**_pair(), "third": _engine("third/1", "1", {}, {})}, {}, "which engine is the canary? new, third"),
    ({"old": _engine("old/1", "1", {"a": 1}), "more": _engine("more/1", "1", {"b": 1}), "new": _engine("new/1", "2", {}, {})},
     {"to": "new"}, "more and old hold strategies beside new: name those of one"),
    ({"old": _engine("old/1", "1", _FIVE), "new": _engine("new/1", "2", {}, {})}, {"to": "new"},
     "new: cannot take, it has no strategy a, b"),
    ({**_pair(), "new": _engine("new/1", "2", _FIVE, dict.fromkeys(_FIVE, "old/1"), killed=True)}, {"to": "new"},
     "new: kill switch is latched"),
    ({"old": _engine("old/1", "1", _FIVE, dict.fromkeys(_FIVE)), "new": _engine("new/1", "2", _FIVE, dict.fromkeys(_FIVE))}, {},
     "nobody holds anything"),
])
def test_what_may_not_be_done_is_one_line(engines: dict, given: dict, said: str) -> None:
    found = _decide(engines, **given)
    assert said in found["error"]
    assert not found["steps"]


def test_risks_are_limits_unless_somebody_knows_better() -> None:
    strategies = [{"id": "a", "limits": {"max_notional": 250000.0}}, {"id": "b", "limits": {"max_notional": 1.0}}, {"id": "c"}]
    assert strategy_risks(strategies, {"b": 9, "d": 2}) == {"a": 250000.0, "b": 9.0, "d": 2.0}


def test_what_is_on_paper_goes_last_unless_somebody_knows_better() -> None:
    strategies = [{"id": "probe", "limits": {"max_notional": 1.0}, "paper_trading": True}, {"id": "a", "limits": {"max_notional": 2.0}}]
    risks = strategy_risks(strategies)
    assert sorted(risks, key=risks.get) == ["a", "probe"]
    assert strategy_risks(strategies, {"probe": 1})["probe"] == 1


def test_limits_shrink_where_they_are_amounts() -> None:
    strategies = [{"id": "a", "limits": {"max_position": 2.0, "max_notional": 100.0, "daily_loss_usd": 50.0, "max_order_rate_per_s": 200}}]
    assert limits_share(strategies, 10)[0]["limits"] == {"max_position": 0.2, "max_notional": 10.0, "daily_loss_usd": 5.0,
                                                         "max_order_rate_per_s": 200}
    assert limits_share(strategies, 100) == strategies
    for wrong in (0, 101):
        with pytest.raises(AnsibleFilterError, match="at most 100 percent"):
            limits_share(strategies, wrong)


def test_the_plan_is_a_table() -> None:
    rows = canary_plan(_decide(_pair(("e",)))["steps"])
    assert rows[0] == {"step": "20 %", "share": "20 %", "moves": "(looked at again)", "canary holds": "e", "baseline holds": "a b c d"}


def test_a_shadow_is_the_strategy_on_paper_under_a_name_of_its_own() -> None:
    strategies = [{"id": "a", "type": "mm", "parameters": {"size": 1}}, {"id": "b", "type": "mm"}]
    assert shadow_strategies(strategies, ["a"]) == [{"id": "shadow-a", "type": "mm", "parameters": {"size": 1}, "paper_trading": True}]
    assert strategies[0] == {"id": "a", "type": "mm", "parameters": {"size": 1}}
    with pytest.raises(AnsibleFilterError, match="names of at most 25"):
        shadow_strategies([{"id": "x" * 26}], ["x" * 26])
