# Copyright: (c) hft.ops contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Verdicts on recorded series are those that recorded_series.yml works out from the rules of Argo Rollouts and Kayenta."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import yaml
from ansible_collections.hft.ops.plugins.module_utils._metric_analysis import Analysis, Clock, metric_of
from ansible_collections.hft.ops.plugins.module_utils._prometheus import NotMeasured
from ansible_collections.hft.ops.plugins.modules.metric_analysis import _COMPARISON, _METRIC

_CASES = yaml.safe_load((Path(__file__).parent / "recorded_series.yml").read_text())
_DEFAULTS = {name: option.get("default") for name, option in _METRIC.items()}
_COMPARED = {name: option.get("default") for name, option in _COMPARISON.items()}


class _Still(Clock):
    at = 1000.0

    def now(self) -> float:
        return self.at

    def sleep(self, seconds: float) -> None:
        self.at += seconds


class _Recorded:
    """A Prometheus that gives what was recorded, measurement by measurement."""

    def __init__(self, measurements: list[Any]) -> None:
        self.left = list(measurements)

    def _next(self) -> Any:
        measured = self.left.pop(0) if len(self.left) > 1 else self.left[0]
        if measured == "away":
            raise NotMeasured("http://mon:9090: connection refused")
        return measured

    def query(self, _text: str) -> list[float]:
        return [float(one) for one in self._next()]

    def now(self) -> float:
        return 0.0

    def series(self, text: str, _end: float, _window_s: float, _step_s: float) -> list[float]:
        if text == "canary":  # asked first
            self.both = self._next()
        return _series(self.both[text])


def _series(text: str) -> list[float]:
    out: list[float] = []
    for part in text.split():
        values, times = part.rsplit("x", 1)
        out += [] if values == "_" else [float(one) for one in values.split(",")] * int(times)
    return out


def _metric(case: dict[str, Any]) -> dict[str, Any]:
    metric = {**_DEFAULTS, "name": "m", "query": "canary", "interval_s": 15}
    if "windows" in case:
        return {**metric, "count": 1, **case.get("metric", {}),
                "comparison": {**_COMPARED, "baseline_query": "baseline", **case.get("comparison", {})}}
    return {**metric, "count": 5, "success_condition": "result < 10", **case.get("metric", {})}


@pytest.mark.parametrize("case", _CASES, ids=lambda case: case["name"])
def test_verdict(case: dict[str, Any]) -> None:
    recorded = _Recorded(case.get("answers") or case["windows"])
    outcome = Analysis([metric_of(_metric(case))], recorded, _Still(), 10, case.get("duration_s", 0)).run()
    assert outcome["verdict"] == case["verdict"], outcome["reason"]
    assert case.get("reason", "") in outcome["reason"]


def test_there_are_as_many_as_promised() -> None:
    assert len([case for case in _CASES if "answers" in case]) >= 15
    assert len([case for case in _CASES if "windows" in case]) >= 30
