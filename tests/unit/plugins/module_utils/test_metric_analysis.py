# Copyright: (c) hft.ops contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Counters, limits and ends of an analysis, on a clock that does not wait. What was not measured is never a success."""

from __future__ import annotations

import math
from types import SimpleNamespace

import pytest
from ansible_collections.hft.ops.plugins.module_utils._metric_analysis import Analysis, Clock, assess_samples, metric_of
from ansible_collections.hft.ops.plugins.module_utils._metric_condition import ConditionWrong
from ansible_collections.hft.ops.plugins.module_utils._prometheus import NotMeasured

NAN = math.nan
AWAY = NotMeasured("http://mon:9090: connection refused")
_METRIC = {"name": "m", "query": "q", "success_condition": "result < 10", "failure_condition": None, "interval_s": 15, "count": 5,
           "initial_delay_s": 0, "failure_limit": 0, "inconclusive_limit": 0, "consecutive_error_limit": 4,
           "consecutive_success_limit": 0, "dry_run": False}
_BOTH = {"success_condition": "result < 10", "failure_condition": "result > 20"}
_FAILURE = {"success_condition": None, "failure_condition": "result > 20"}


class TestClock(Clock):
    __test__ = False

    def __init__(self) -> None:
        self.at = 1000.0

    def now(self) -> float:
        return self.at

    def wall(self) -> str:
        return f"{self.at:g}"

    def sleep(self, seconds: float) -> None:
        self.at += seconds


def _run(answers: dict[str, list], *metrics: dict, **more: float) -> dict:
    """answers: by query what each try gives; the last one stays."""
    left = {query: list(given) for query, given in answers.items()}

    def query(text: str) -> list[float]:
        answer = left[text].pop(0) if len(left[text]) > 1 else left[text][0]
        if isinstance(answer, NotMeasured):
            raise answer
        return answer

    clock = TestClock()
    outcome = Analysis([metric_of({**_METRIC, **one}) for one in metrics], SimpleNamespace(query=query), clock, **more).run()
    return {**outcome, "took": clock.at - 1000.0}


_PHASES = [
    ([5], {}, "successful"),
    ([10], {}, "failed"),
    ([5], _BOTH, "successful"),
    ([15], _BOTH, "inconclusive"),
    ([25], _BOTH, "failed"),
    ([15], _FAILURE, "successful"),
    ([25], _FAILURE, "failed"),
    ([], {}, "error"),
    ([], _FAILURE, "error"),
    ([NAN], {}, "inconclusive"),
    ([NAN], _FAILURE, "inconclusive"),
    ([1, NAN], {"success_condition": "max(result) < 10"}, "inconclusive"),
    ([1, 2], {}, "error"),
    # Absence is a failure only where a failure condition asks for it, and never a success.
    ([], {"success_condition": None, "failure_condition": "len(result) == 0"}, "failed"),
    ([NAN], {"success_condition": None, "failure_condition": "isnan(result)"}, "failed"),
    ([], {"success_condition": None, "failure_condition": "default(result, 0) < 1"}, "failed"),
    ([], {"success_condition": "len(result) == 0"}, "error"),
    ([NAN], {"success_condition": "isnan(result)"}, "inconclusive"),
    ([], {"success_condition": "default(result, 0) < 10"}, "error"),
    ([], {"success_condition": None, "failure_condition": "isnan(result) or result > 20"}, "error"),
]


def test_phase_of_a_measurement() -> None:
    told = [(samples, given, assess_samples(metric_of({**_METRIC, **given}), samples)[0]) for samples, given, _told in _PHASES]
    assert told == _PHASES


_VERDICTS = [
    ([[1]], {}, "successful", "1 metric successful"),
    ([[1], [11]], {}, "failed", "m: failed once, the limit is 0: not result < 10 (measured 11)"),
    ([[11], [1], [11], [11], [1]], {"failure_limit": 3}, "successful", ""),
    ([[11], [11], [11], [11]], {"failure_limit": 3}, "failed", "m: failed 4 times, the limit is 3"),
    ([[11]], {"failure_limit": -1}, "inconclusive", "none of them a success"),
    ([[15]], _BOTH, "inconclusive", "m: inconclusive once, the limit is 0: neither result > 20 nor result < 10 (measured 15)"),
    ([[15], [15], [1], [1], [1]], {**_BOTH, "inconclusive_limit": 2}, "successful", ""),
    ([[15], [15], [15]], {**_BOTH, "inconclusive_limit": 2}, "inconclusive", "inconclusive 3 times, the limit is 2"),
    ([AWAY], {}, "error", "m: not measured 5 times in a row, the limit is 4: http://mon:9090: connection refused"),
    ([AWAY, AWAY, AWAY, AWAY, [1]], {}, "successful", ""),
    ([[]], {}, "error", "no data: the query gave no sample"),
    ([AWAY, [1]], {"consecutive_error_limit": 0}, "error", "not measured once"),
    ([AWAY, [1], AWAY, [1], AWAY, [1], AWAY, [1], AWAY, [1]], {"consecutive_error_limit": 1}, "successful", ""),
    ([[NAN]], {}, "inconclusive", "NaN"),
    # Whole counts, whatever happened before within the limits.
    ([[1]], {"count": 0, "interval_s": 0}, "successful", ""),
    ([[1], [1], [11], [1], [1], [1]], {"failure_limit": 1, "consecutive_success_limit": 3, "count": 10}, "successful", ""),
    ([[1], [11]] * 5, {"failure_limit": 9, "consecutive_success_limit": 3, "count": 10}, "inconclusive",
     "10 measurements without 3 successes in a row"),
    ([[1], AWAY, [1], AWAY, [1], [11]], {"consecutive_success_limit": 2, "count": 10}, "failed", "failed once"),
]


def test_verdict_of_a_metric() -> None:
    for answers, metric, verdict, reason in _VERDICTS:
        outcome = _run({"q": answers}, metric)
        assert (answers, metric, outcome["verdict"]) == (answers, metric, verdict)
        assert reason in outcome["reason"]
        assert "\n" not in outcome["reason"]


def test_a_failed_metric_ends_the_run_and_what_was_not_decided_is_no_success() -> None:
    outcome = _run({"q": [[1]], "r": [[1], [11]]}, {}, {"name": "n", "query": "r"})
    assert outcome["verdict"] == "failed"
    assert outcome["reason"].startswith("n: failed once")
    other = outcome["metrics"][0]
    assert (other["name"], other["verdict"], other["reason"]) == ("m", "inconclusive", "the run ended before it was decided")
    assert outcome["took"] == 15


def test_a_measured_failure_weighs_more_than_not_knowing() -> None:
    outcome = _run({"q": [AWAY], "r": [[11]]}, {"consecutive_error_limit": 0}, {"name": "n", "query": "r"})
    assert outcome["verdict"] == "failed"
    assert outcome["metrics"][0]["verdict"] == "error"


def test_a_dry_run_has_no_say() -> None:
    outcome = _run({"q": [[1]], "r": [[11]]}, {}, {"name": "n", "query": "r", "dry_run": True})
    assert outcome["verdict"] == "successful"
    assert outcome["metrics"][1]["verdict"] == "failed"


def test_each_metric_keeps_its_own_interval_and_delay() -> None:
    outcome = _run({"q": [[1]], "r": [[1]]}, {"count": 3}, {"name": "n", "query": "r", "initial_delay_s": 10, "interval_s": 20, "count": 2})
    assert [one["at"] for one in outcome["metrics"][0]["measurements"]] == ["1000", "1015", "1030"]
    assert [one["at"] for one in outcome["metrics"][1]["measurements"]] == ["1010", "1030"]


def test_an_error_is_tried_again_soon_whatever_the_interval() -> None:
    outcome = _run({"q": [AWAY, [1]]}, {"interval_s": 300, "count": 1}, error_retry_s=10)
    assert outcome["took"] == 10


def test_the_end_of_the_run() -> None:
    without_count = _run({"q": [[1]]}, {"count": 0}, duration_s=40)
    assert (without_count["verdict"], without_count["took"]) == ("successful", 40)
    too_short = _run({"q": [[1]]}, {}, duration_s=40)
    assert too_short["reason"] == "m: the run ended after 3 of 5 measurements"
    assert too_short["verdict"] == "inconclusive"
    never = _run({"q": [[1]]}, {"initial_delay_s": 60, "count": 0}, duration_s=40)
    assert (never["verdict"], never["reason"]) == ("error", "m: the run ended without a measurement")


def test_numbers_that_json_does_not_have_are_text() -> None:
    outcome = _run({"q": [[NAN, math.inf, 1.0]]}, {})
    assert outcome["metrics"][0]["measurements"][0]["samples"] == ["nan", "inf", 1.0]


_REFUSED = [
    ({"success_condition": None}, "metric m: expected success_condition, failure_condition or both"),
    ({"success_condition": "result >"}, "metric m: 'result >' cannot be read"),
    ({"failure_limit": -2}, "metric m: failure_limit is -2"),
    ({"count": -1}, "metric m: count is -1"),
    ({"interval_s": 0}, "metric m: count 5 without interval_s"),
]


def test_a_metric_that_makes_no_sense_is_refused() -> None:
    for change, why in _REFUSED:
        with pytest.raises(ConditionWrong, match=why):
            metric_of({**_METRIC, **change})
