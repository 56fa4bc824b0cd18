# Copyright: (c) hft.ops contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import pytest
from ansible_collections.hft.ops.plugins.filter.cutover_verdict import cutover_verdict

_DECISION = {"giver": "e1", "taker": "e2"}
_DONE = {"verdict": "done", "problem": ""}
_UNPROVEN = {"verdict": "unproven", "problem": "no order of mm accepted within 15 s"}
_HEALTHY = {"looks": []}
_SICK = {"failed": True, "measured": True, "msg": "measured 3 times in a row: mm is stopped"}
_BLIND = {"failed": True, "measured": False, "msg": "not measured 3 times in a row: timed out"}
_SILENT = {"unreachable": True, "msg": "no route"}
_BAD_METRIC = {"verdict": "failed", "reason": "latency: failed 3 times"}
_NO_METRIC = {"failed": True, "verdict": "error", "msg": "latency: no data"}


@pytest.mark.parametrize(("transfer", "watch", "analysis", "verdict", "move_back", "said"), [
    (_DONE, _HEALTHY, {}, "done", False, "e2 trades; e1 is warm for rollback.yml"),
    (_UNPROVEN, _HEALTHY, {}, "done", False, "its proof came late: no order of mm"),
    ({"verdict": "refused", "problem": "e2 is killed"}, {}, {}, "refused", False, "e2 is killed; nothing was moved, e1 trades as before"),
    ({"verdict": "in doubt", "problem": "nobody tells"}, {}, {}, "failed", False, "nobody tells; nothing more was moved"),
    (_DONE, _SICK, {}, "rolled_back", True, "mm is stopped; trading goes back to e1"),
    (_UNPROVEN, _SICK, {}, "rolled_back", True, "mm is stopped"),
    (_DONE, _HEALTHY, _BAD_METRIC, "rolled_back", True, "latency: failed 3 times"),
    # What was not measured never moves trading.
    (_DONE, _BLIND, {}, "failed", False, "nothing was measured, so nothing was moved: look at e2"),
    (_DONE, _SILENT, {}, "failed", False, "no route; nothing was measured"),
    (_UNPROVEN, _SILENT, {}, "failed", False, "no order of mm accepted within 15 s; no route; nothing was measured"),
    (_DONE, _HEALTHY, _NO_METRIC, "failed", False, "latency: no data; nothing was measured"),
])
def test_only_what_was_measured_moves_trading_back(transfer: dict, watch: dict, analysis: dict, verdict: str, move_back: bool,
                                                   said: str) -> None:
    found = cutover_verdict(transfer, _DECISION, watch, analysis)
    assert (found["verdict"], found["move_back"]) == (verdict, move_back)
    assert said in found["say"]
    assert bool(found["detail"]) == (verdict != "done")


@pytest.mark.parametrize(("back", "verdict", "said"), [
    (_DONE, "rolled_back", "mm is stopped; trading was moved back to e1"),
    ({"verdict": "nothing", "problem": ""}, "rolled_back", "trading was moved back to e1"),
    ({"verdict": "refused", "problem": "e1 has no venue"}, "failed",
     "mm is stopped; the way back: e1 has no venue; killswitch.yml stops everything"),
    ({"verdict": "in doubt", "problem": "nobody tells"}, "failed", "the way back: nobody tells"),
    (_UNPROVEN, "failed", "the way back: no order of mm accepted"),
])
def test_a_way_back_that_fails_is_no_way_back(back: dict, verdict: str, said: str) -> None:
    found = cutover_verdict(_DONE, _DECISION, _SICK, {}, back)
    assert (found["verdict"], found["move_back"]) == (verdict, False)
    assert said in found["say"]


def test_where_no_giver_is_known_nobody_is_said_to_trade() -> None:
    found = cutover_verdict({"verdict": "refused", "problem": "another deployment runs"}, {"giver": "", "taker": ""}, {}, {})
    assert found["say"] == "another deployment runs; nothing was moved"
