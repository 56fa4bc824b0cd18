# Copyright: (c) hft.ops contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

from typing import Any

import pytest
from ansible_collections.hft.ops.plugins.filter.failover_drill import drill_verdict

_DECISION = {"giver": "e1", "taker": "e2", "strategies": ["mm"], "say": "mm: from e1 to e2"}
_LIMITS = {"switch_ms": "50", "gap_ms": 1000}
_DONE: dict[str, Any] = {"verdict": "done", "problem": "", "switch_ms": 40.0, "gap_ms": 200.0, "phases": [],
                         "records": {"giver": {"id": "d"}, "taker": {"id": "d"}}}
_WATCH = {"looks": [{}, {}]}
_SICK = {"failed": True, "msg": "mm is halted"}


def _judge(there: dict, back: dict, watch: dict | None = None) -> dict:
    came_back = {**_DONE, **back} if back.get("verdict") != "" else {}
    return drill_verdict(_DECISION, {**_DONE, **there}, came_back, _WATCH if watch is None else watch, _LIMITS)


def test_there_and_back_within_the_limits_is_done() -> None:
    verdict = _judge({}, {"gap_ms": 250.0})
    assert (verdict["verdict"], verdict["gap_ms"]) == ("done", 250.0)
    assert verdict["detail"] == "mm: to e2 and back to e1 within the limits"
    assert {row["verdict"] for row in verdict["rows"]} == {"pass"}


@pytest.mark.parametrize(("there", "back", "watch", "words"), [
    ({"switch_ms": 50.1}, {}, _WATCH, "there: asked at most 50 ms without a right to trade, found 50.1 ms; e1 trades"),
    ({}, {"gap_ms": 1000.5}, _WATCH, "back: asked at most 1000 ms between two orders at the venue, found 1000.5 ms; e1 trades"),
    ({"switch_ms": None}, {}, _WATCH, "without a right to trade, found no order before"),
    ({"verdict": "refused", "problem": "drain"}, {"verdict": ""}, {}, "found drain; e1 trades"),
    ({}, {"verdict": "refused", "problem": "killed"}, _WATCH, "back: asked e2 gives, e1 takes, found killed; e2 trades"),
    ({"verdict": "unproven", "problem": "no orders"}, {}, _SICK, "found no orders; watch: asked e2 trades, found mm is halted; e1 trades"),
    ({"verdict": "in doubt", "problem": "silent"}, {"verdict": ""}, {}, "found silent; the rows tell who holds: status.yml"),
    ({}, {"verdict": "in doubt", "problem": "silent"}, _WATCH, "found silent; the rows tell who holds: status.yml"),
])
def test_whatever_is_not_within_the_limits_fails_and_tells_who_trades(there: dict, back: dict, watch: dict, words: str) -> None:
    verdict = _judge(there, back, watch)
    assert verdict["verdict"] == "failed"
    assert words in verdict["detail"]


def test_a_check_tells_what_could_move_and_judges_no_limit() -> None:
    verdict = _judge({"switch_ms": None, "gap_ms": None, "records": {"giver": {}, "taker": {}}}, {"verdict": ""}, {})
    assert (verdict["verdict"], verdict["detail"]) == ("done", "mm: from e1 to e2, and back")


def test_who_sent_no_order_before_has_no_gap() -> None:
    verdict = _judge({"gap_ms": None}, {"gap_ms": None})
    assert (verdict["verdict"], verdict["gap_ms"]) == ("done", None)
