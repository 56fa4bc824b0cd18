# Copyright: (c) hft.ops contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Private to hft.ops. A metric in one window held against the same metric in another.

Each window is cut into slices, each measured by itself. The medians are compared; a difference counts when it is larger than the limit
and larger than what the metric varied by in the window before. What was measured in less than half of the slices is not compared.
"""

from __future__ import annotations

import math
import statistics
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any, Callable

from ansible_collections.hft.ops.plugins.module_utils._prometheus import NotMeasured

BETTER, SAME, WORSE, UNKNOWN = "better", "same", "worse", "no data"


@dataclass(frozen=True)
class Window:
    """What ran from begin to end, in seconds since the epoch."""

    engine: str
    begin: float
    end: float

    def slices(self, count: int) -> list[tuple[int, int]]:
        """End and length of each, in whole seconds."""
        length = (self.end - self.begin) / count
        return [(round(self.begin + (i + 1) * length), max(1, math.floor(length))) for i in range(count)]


def query_of(text: str, engine: str, at: int, length_s: int) -> str:
    """The query of one slice: $engine, and $range with its place in time, as in rate(x{instance=~"$engine:.*"}$range)."""
    return text.replace("$engine", engine).replace("$range", f"[{length_s}s] @ {at}").replace("$seconds", str(length_s))


def compare(metrics: list[dict[str, Any]], before: Window, after: Window, slices: int,
            query: Callable[[str], list[float]]) -> list[dict[str, Any]]:
    """One row a metric, in their order."""
    asked = [(index, side, query_of(metric["query"], window.engine, at, length))
             for index, metric in enumerate(metrics) for side, window in (("before", before), ("after", after))
             for at, length in window.slices(slices)]
    with ThreadPoolExecutor(max_workers=8) as pool:
        answers = list(pool.map(lambda one: _measure(one[2], query), asked))
    rows = []
    for index, metric in enumerate(metrics):
        sides: dict[str, list[float | str]] = {"before": [], "after": []}
        for (which, side, _text), answer in zip(asked, answers):
            if which == index:
                sides[side].append(answer)
        rows.append(judge(metric, sides["before"], sides["after"]))
    return rows


def judge(metric: dict[str, Any], before: list[float | str], after: list[float | str]) -> dict[str, Any]:
    """Verdict on one metric. before, after: a number a slice, or why there is none."""
    row: dict[str, Any] = {"metric": metric["name"], "unit": metric["unit"], "before": None, "after": None, "allowed": None,
                           "verdict": UNKNOWN, "reason": ""}
    known = {}
    for side, values in (("before", before), ("after", after)):
        known[side] = [one for one in values if not isinstance(one, str)]
        if 2 * len(known[side]) < len(values):
            why = next(one for one in values if isinstance(one, str))
            row["reason"] = row["reason"] or f"{side}: {len(known[side])} of {len(values)} slices measured ({why})"
        if known[side]:
            row[side] = statistics.median(known[side])
    if row["reason"]:
        return row
    spread = _spread(known["before"])
    allowed = max(metric["limit"], abs(row["before"]) * metric["limit_pct"] / 100, spread)
    rise = row["after"] - row["before"]
    gain = rise if metric["better"] == "higher" else -rise
    row["allowed"] = allowed
    row["verdict"] = WORSE if gain < -allowed else BETTER if gain > allowed else SAME
    row["reason"] = f"varied by {spread:.4g} before" if spread == allowed and spread else ""
    return {**row, **{key: float(f"{row[key]:.5g}") for key in ("before", "after", "allowed")}}  # as many digits as mean something


def overall(rows: list[dict[str, Any]]) -> str:
    """The worst of all: what was not measured is not good."""
    verdicts = {row["verdict"] for row in rows}
    return next((one for one in (WORSE, UNKNOWN, BETTER) if one in verdicts), SAME)


def _measure(text: str, query: Callable[[str], list[float]]) -> float | str:
    try:
        samples = query(text)
    except NotMeasured as why:
        return str(why)
    if len(samples) != 1:
        return f"{len(samples)} samples" if samples else "no sample"
    return samples[0] if math.isfinite(samples[0]) else f"{samples[0]}"


def _spread(values: list[float]) -> float:
    """Distance between the quartiles: what the metric varies by on its own, blind to single outliers."""
    if len(values) < 4:
        return 0.0
    low, _median, high = statistics.quantiles(values, n=4, method="inclusive")
    return high - low
