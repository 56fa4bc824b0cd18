# SPDX-License-Identifier: GPL-3.0-or-later
"""The arithmetic of make bench-monitoring: quantiles of a window, the interval of a median, what is said of it."""

from __future__ import annotations

import random
import statistics

import pytest
from monitoring import conclusions, interval, missed, verdict
from scraped_engine import quantile

_BUCKETS = {1e-5: 10.0, 2e-5: 60.0, 5e-5: 99.0, float("inf"): 100.0}


@pytest.mark.parametrize(("share", "expected"), [(0.05, 5e-6), (0.35, 1.5e-5), (0.795, 3.5e-5), (0.995, 5e-5)])
def test_quantile(share: float, expected: float) -> None:
    assert quantile(_BUCKETS, share) == pytest.approx(expected)


def test_the_interval_holds_the_median_as_often_as_it_says() -> None:
    chance = random.Random(1)  # noqa: S311 - nothing secret
    held = sum(low <= 0 <= high for low, high in (interval([chance.gauss(0, 1) for _pair in range(60)]) for _trial in range(400)))
    assert 0.93 <= held / 400 <= 1
    assert interval([1.0] * 5) == (float("-inf"), float("inf"))
    # The published one of 60 values: the 22nd and the 39th.
    assert interval([float(i) for i in range(1, 61)]) == (22, 39)


def test_verdict() -> None:
    assert (verdict(-1, 4.9), verdict(-1, 5), verdict(5, 9), verdict(float("-inf"), 1)) == (
        "under 5 %", "not resolvable", "5 % or more", "under 5 %")


def _measured(factor: float, answers: int = 0, slowest_ms: float = 1.0) -> dict:
    chance = random.Random(2)  # noqa: S311 - nothing secret
    pairs = [{way: {"orders": 800, "p50_us": 10.0, "p99_us": chance.gauss(50, 2) * (factor if way == "with" else 1)}
              for way in ("with", "without")} for _pair in range(60)]
    return conclusions({"window_s": 2.0, "scrapes_per_s": 1.0, "pairs": pairs, "scrape_ms": [1.0] * 196 + [slowest_ms] * 4,
                        "page_bytes": 9000, "threads": {"answers": 20, "answers_of_the_hot_thread": answers}})


def test_what_is_missed() -> None:
    assert missed(_measured(1.0)) == []
    assert _measured(1.0)["change"] == "under 5 %"
    assert [fault.split(":")[0] for fault in missed(_measured(1.2, answers=1, slowest_ms=6))] == ["change_p99_pct", "scrape_ms", "threads"]
    assert statistics.median([_measured(1.2)["change_p99_pct"]["median"]]) == pytest.approx(20, abs=2)
