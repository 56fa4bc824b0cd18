# Copyright: (c) hft.ops contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

from typing import Any

import pytest
from ansible_collections.hft.ops.plugins.module_utils._metric_comparison import Window, compare, judge, overall, query_of
from ansible_collections.hft.ops.plugins.module_utils._prometheus import NotMeasured
from ansible_collections.hft.ops.plugins.modules.metric_comparison import InputWrong, window_of

_STEADY = [100.0] * 8


def _metric(**more: Any) -> dict[str, Any]:
    return {"name": "m", "query": "rate(x$range)", "unit": "us", "better": "lower", "limit": 0.0, "limit_pct": 10.0, **more}


def _verdict(metric: dict[str, Any], before: list, after: list) -> str:
    return judge(metric, before, after)["verdict"]


@pytest.mark.parametrize(("more", "before", "after", "verdict"), [
    ({}, _STEADY, [110.0] * 8, "same"),
    ({}, _STEADY, [110.1] * 8, "worse"),
    ({}, _STEADY, [89.9] * 8, "better"),
    ({"better": "higher"}, _STEADY, [89.9] * 8, "worse"),
    ({"better": "higher"}, _STEADY, [110.1] * 8, "better"),
    ({"limit": 50.0}, _STEADY, [150.0] * 8, "same"),
    # Of nothing, a percentage is nothing: the limit alone says what is a difference.
    ({"limit": 0.01}, [0.0] * 8, [0.01] * 8, "same"),
    ({"limit": 0.01}, [0.0] * 8, [0.02] * 8, "worse"),
    ({"limit_pct": 0.0}, [-5.0] * 8, [-5.0] * 8, "same"),
    # What it varied by on its own is no difference; one outlier neither makes nor hides one.
    ({}, [80.0, 90.0, 100.0, 110.0, 120.0] * 2, [119.0] * 10, "same"),
    ({}, [80.0, 90.0, 100.0, 110.0, 120.0] * 2, [121.0] * 10, "worse"),
    ({}, _STEADY, [100.0] * 7 + [9000.0], "same"),
    ({}, [100.0] * 7 + [9000.0], [111.0] * 8, "worse"),
])
def test_a_difference_counts_beyond_the_limit_and_beyond_what_it_varied_by(more: dict, before: list, after: list, verdict: str) -> None:
    assert _verdict(_metric(**more), before, after) == verdict


@pytest.mark.parametrize(("before", "after", "reason"), [
    (["no sample"] * 8, _STEADY, "before: 0 of 8 slices measured (no sample)"),
    (_STEADY, ["nan"] * 5 + [1.0] * 3, "after: 3 of 8 slices measured (nan)"),
    (["http://p: timed out"] * 8, ["no sample"] * 8, "before: 0 of 8 slices measured (http://p: timed out)"),
])
def test_what_was_not_measured_is_never_good(before: list, after: list, reason: str) -> None:
    row = judge(_metric(), before, after)
    assert (row["verdict"], row["allowed"], row["reason"]) == ("no data", None, reason)
    assert overall([row, judge(_metric(), _STEADY, [50.0] * 8)]) == "no data"


def test_half_of_the_slices_are_enough() -> None:
    assert _verdict(_metric(), _STEADY, ["nan"] * 4 + [100.0] * 4) == "same"


def test_the_worst_metric_is_the_verdict() -> None:
    same, better, worse = ({"verdict": one} for one in ("same", "better", "worse"))
    assert [overall(rows) for rows in ([same], [same, better], [better, {"verdict": "no data"}], [{"verdict": "no data"}, worse])] \
        == ["same", "better", "no data", "worse"]


def test_each_slice_is_asked_for_at_its_own_time_of_its_own_engine() -> None:
    asked = []

    def query(text: str) -> list[float]:
        asked.append(text)
        if "e2" in text:
            raise NotMeasured("gone")
        return [1.0]

    metric = _metric(query='rate(x{instance=~"$engine:.*"}$range) * $seconds')
    rows = compare([metric], Window("e1", 0, 40), Window("e2", 100, 140), 4, query)
    assert sorted(asked)[:2] == ['rate(x{instance=~"e1:.*"}[10s] @ 10) * 10', 'rate(x{instance=~"e1:.*"}[10s] @ 20) * 10']
    assert len(asked) == 8
    assert rows[0]["reason"] == "after: 0 of 4 slices measured (gone)"


@pytest.mark.parametrize(("answer", "said"), [([], "no sample"), ([1.0, 2.0], "2 samples"), ([float("nan")], "nan")])
def test_only_one_number_is_a_measure(answer: list, said: str) -> None:
    row, = compare([_metric()], Window("e1", 0, 40), Window("e2", 100, 140), 4, lambda _text: answer)
    assert row["reason"] == f"before: 0 of 4 slices measured ({said})"


def test_a_query_without_a_place_for_the_slice_stays_as_it_is() -> None:
    assert query_of("vector(1)", "e1", 10, 5) == "vector(1)"


@pytest.mark.parametrize(("more", "said"), [
    ({"begin": "yesterday"}, "after.begin: expected a moment"),
    ({"end": "2026-01-31T22:01:00"}, "after.end: 2026-01-31T22:01:00 has no zone"),
    ({"end": "2026-01-31T22:00:39Z"}, "after: 39 s are too short for 8 slices"),
    ({"end": "2026-01-31T21:00:00Z"}, "after: -3600 s are too short"),
])
def test_a_window_that_makes_no_sense_is_refused(more: dict, said: str) -> None:
    with pytest.raises(InputWrong, match=said):
        window_of("after", {"engine": "e", "begin": "2026-01-31T22:00:00Z", "end": "2026-01-31T22:01:00Z", **more}, 8)
