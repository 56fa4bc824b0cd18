# Copyright: (c) hft.ops contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Private to hft.ops. Metrics measured again and again until they are successful, failed, inconclusive or in error.

The counters are those of Argo Rollouts' analysis, with one difference of principle: what was not measured is never a success.
"""

from __future__ import annotations

import math
import time
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from datetime import datetime, timezone
from typing import Any

from ansible_collections.hft.ops.plugins.module_utils._canary_comparison import Comparison, TooLittle, comparison_of
from ansible_collections.hft.ops.plugins.module_utils._metric_condition import Condition, ConditionWrong, Undecided
from ansible_collections.hft.ops.plugins.module_utils._prometheus import NotMeasured, Prometheus

# From best to worst: the worst of its metrics is the verdict of a run.
VERDICTS = ("successful", "inconclusive", "error", "failed")
_OFF = -1
_CUT_SHORT = "the run ended before it was decided"


@dataclass(frozen=True)
class Metric:
    name: str
    query: str
    success: Condition | None
    failure: Condition | None
    comparison: Comparison | None = None  # in place of conditions
    interval_s: float = 0
    count: int = 0  # 0: until the run ends
    initial_delay_s: float = 0
    failure_limit: int = 0  # -1: never fails by count
    inconclusive_limit: int = 0
    consecutive_error_limit: int = 4
    consecutive_success_limit: int = 0  # 0: off
    dry_run: bool = False


@dataclass(frozen=True)
class Measurement:
    at: str
    phase: str
    samples: list[float]
    reason: str
    critical: bool = False
    compared: dict[str, Any] = field(default_factory=dict)

    def public(self) -> dict[str, Any]:
        return _json({"at": self.at, "phase": self.phase, "samples": self.samples, "reason": self.reason, **self.compared})


@dataclass
class Progress:
    """What is known of one metric so far."""

    metric: Metric
    due: float
    measurements: list[Measurement] = field(default_factory=list)
    verdict: str = ""
    reason: str = ""

    def number(self, phase: str) -> int:
        return sum(one.phase == phase for one in self.measurements)

    def in_a_row(self, phase: str) -> int:
        """Of this phase at the end, without a break."""
        run = 0
        while run < len(self.measurements) and self.measurements[-1 - run].phase == phase:
            run += 1
        return run

    @property
    def measured(self) -> int:
        """An error is no measurement."""
        return len(self.measurements) - self.number("error")

    def public(self) -> dict[str, Any]:
        baseline = {"baseline_query": self.metric.comparison.baseline_query} if self.metric.comparison else {}
        return {"name": self.metric.name, "query": self.metric.query, **baseline, "verdict": self.verdict, "reason": self.reason,
                "dry_run": self.metric.dry_run, "counts": {phase: self.number(phase) for phase in VERDICTS},
                "measurements": [one.public() for one in self.measurements]}


class Clock:
    def now(self) -> float:
        return time.monotonic()

    def wall(self) -> str:
        return datetime.now(timezone.utc).isoformat(timespec="milliseconds")

    def sleep(self, seconds: float) -> None:
        time.sleep(seconds)


def metric_of(given: dict[str, Any]) -> Metric:
    """A metric from a module's options; ConditionWrong says what of it makes no sense."""
    try:
        success, failure = (Condition(given[key]) if given.get(key) else None for key in ("success_condition", "failure_condition"))
    except ConditionWrong as wrong:
        raise ConditionWrong(f"metric {given['name']}: {wrong}") from None
    if bool(given.get("comparison")) == bool(success or failure):
        raise ConditionWrong(f"metric {given['name']}: expected success_condition, failure_condition or both, or else comparison; "
                             + ("not conditions beside a comparison" if success or failure else "without one nothing can fail"))
    comparison = comparison_of(given["name"], given["comparison"]) if given.get("comparison") else None
    numbers = {key: given[key] for key in ("interval_s", "count", "initial_delay_s", "failure_limit", "inconclusive_limit",
                                           "consecutive_error_limit", "consecutive_success_limit")}
    for key, value in numbers.items():
        if value < (_OFF if key == "failure_limit" else 0):
            raise ConditionWrong(f"metric {given['name']}: {key} is {value}; expected 0 or more")
    if not numbers["interval_s"]:
        if numbers["count"] > 1:
            raise ConditionWrong(
                f"metric {given['name']}: count {numbers['count']} without interval_s; say how far apart the measurements are")
        numbers["count"] = 1
    return Metric(given["name"], given["query"], success, failure, comparison, dry_run=given["dry_run"], **numbers)


def assess_samples(metric: Metric, samples: list[float]) -> tuple[str, str]:
    """Phase of one measurement, and why. No data and NaN can fail where a failure condition asks for them, and never succeed."""
    absent = "no data: the query gave no sample" if not samples else "NaN" if any(math.isnan(one) for one in samples) else ""
    try:
        if metric.failure and (not absent or metric.failure.about_absence) and metric.failure.holds(samples):
            return "failed", f"{metric.failure.text} ({_told(samples)})"
        if absent:
            return ("inconclusive" if samples else "error"), absent
        if metric.success is None or metric.success.holds(samples):
            return "successful", ""
    except Undecided as why:
        return "error", str(absent or why)
    if metric.failure:
        return "inconclusive", f"neither {metric.failure.text} nor {metric.success.text} ({_told(samples)})"
    return "failed", f"not {metric.success.text} ({_told(samples)})"


def assess(progress: Progress, ended: bool) -> tuple[str, str]:
    """Verdict on a metric and why, or nothing while it goes on. ended: no measurement follows."""
    metric = progress.metric
    last = progress.measurements[-1].reason if progress.measurements else ""
    verdict = _beyond_limits(progress, last)
    if verdict[0]:
        return verdict
    if metric.consecutive_success_limit and progress.in_a_row("successful") >= metric.consecutive_success_limit:
        return "successful", f"{progress.in_a_row('successful')} times in a row"
    if metric.count and progress.measured >= metric.count:
        return _at_the_end(progress)
    if not ended:
        return "", ""
    if not progress.measured:
        return "error", "the run ended without a measurement" + (f": {last}" if last else "")
    if metric.count:
        return "inconclusive", f"the run ended after {progress.measured} of {metric.count} measurements"
    return _at_the_end(progress)


def _beyond_limits(progress: Progress, last: str) -> tuple[str, str]:
    """Verdict of the limits that were passed, or nothing. last: the reason of the last measurement."""
    critical = next((one for one in progress.measurements if one.critical), None)
    if critical:
        return "failed", f"critical: {critical.reason}"
    metric = progress.metric
    verdict = ("", "")
    failed, inconclusive, errors = progress.number("failed"), progress.number("inconclusive"), progress.in_a_row("error")
    # In this order, the later one counts.
    if metric.failure_limit != _OFF and failed > metric.failure_limit:
        verdict = ("failed", f"{_times(failed, 'failed')}, the limit is {metric.failure_limit}: {last}")
    if inconclusive > metric.inconclusive_limit:
        verdict = ("inconclusive", f"{_times(inconclusive, 'inconclusive')}, the limit is {metric.inconclusive_limit}: {last}")
    if errors > metric.consecutive_error_limit:
        verdict = ("error", f"{_times(errors, 'not measured')} in a row, the limit is {metric.consecutive_error_limit}: {last}")
    return verdict


def _at_the_end(progress: Progress) -> tuple[str, str]:
    metric = progress.metric
    if metric.consecutive_success_limit:
        return "inconclusive", (f"{progress.measured} measurements without {metric.consecutive_success_limit} successes in a row")
    if not progress.number("successful"):
        return "inconclusive", f"{progress.measured} measurements, none of them a success"
    return "successful", f"{progress.number('successful')} of {progress.measured} measurements"


def _json(value: Any) -> Any:
    """JSON has neither NaN nor infinity."""
    if isinstance(value, dict):
        return {key: _json(one) for key, one in value.items()}
    if isinstance(value, list):
        return [_json(one) for one in value]
    return str(value) if isinstance(value, float) and not math.isfinite(value) else value


def _times(number: int, phase: str) -> str:
    return f"{phase} {'once' if number == 1 else f'{number} times'}"


def _told(samples: list[float]) -> str:
    shown = ", ".join(f"{one:g}" for one in samples[:5])
    return f"measured {shown}{', …' if len(samples) > 5 else ''}" if samples else "no data"


def _compared(at: str, comparison: Comparison, query: str, prometheus: Prometheus) -> Measurement:
    """One measurement of a canary beside its baseline."""
    now = prometheus.now()
    canary, baseline = (prometheus.series(comparison.query(text), now, comparison.window_s, comparison.step_s)
                        for text in (query, comparison.baseline_query))
    both: dict[str, Any] = {"baseline_samples": baseline}
    absent = " and ".join(name for name, samples in (("canary", canary), ("baseline", baseline)) if not samples)
    if absent:
        return Measurement(at, "error", canary, f"no data: {absent} gave no sample in the window", compared=both)
    try:
        judged = comparison.judge(baseline, canary)
    except TooLittle as why:
        return Measurement(at, "inconclusive", canary, str(why), compared=both)
    return Measurement(at, "failed" if judged.bad else "successful", canary, judged.reason, judged.critical,
                       {**both, "comparison": judged.detail})


class Analysis:
    """One run over all metrics: it ends with the first that is not successful, or when every one is."""

    def __init__(self, metrics: list[Metric], prometheus: Prometheus, clock: Clock, error_retry_s: float = 10,
                 duration_s: float = 0) -> None:
        self.prometheus, self.clock, self.error_retry_s = prometheus, clock, error_retry_s
        begin = clock.now()
        self.end = begin + duration_s if duration_s else math.inf
        self.started_at = clock.wall()
        self.progress = [Progress(metric, begin + metric.initial_delay_s) for metric in metrics]

    def run(self) -> dict[str, Any]:
        while True:
            waiting = [one for one in self.progress if not one.verdict]
            if not waiting or self._gated():
                break
            due = min(one.due for one in waiting)
            if due > self.end:
                self._wait_until(self.end)
                break
            self._wait_until(due)
            self._measure([one for one in waiting if one.due <= self.clock.now()])
        # Where another metric ended the run, that this one had not failed yet is no success.
        cut_short = ("inconclusive", _CUT_SHORT) if self._gated() else None
        for one in self.progress:
            if not one.verdict:
                one.verdict, one.reason = cut_short or assess(one, ended=True)
        return self.public()

    def _wait_until(self, instant: float) -> None:
        self.clock.sleep(max(0.0, instant - self.clock.now()))

    def _gated(self) -> bool:
        return any(one.verdict not in ("", "successful") and not one.metric.dry_run for one in self.progress)

    def _measure(self, due: list[Progress]) -> None:
        """All that are due at once: a slow answer to one query must not delay the others."""
        with ThreadPoolExecutor(max_workers=min(8, len(due))) as pool:
            taken = list(pool.map(lambda one: self._take(one.metric), due))
        for one, measurement in zip(due, taken):
            one.measurements.append(measurement)
            one.due = self.clock.now() + (self.error_retry_s if measurement.phase == "error" else one.metric.interval_s)
            one.verdict, one.reason = assess(one, ended=False)

    def _take(self, metric: Metric) -> Measurement:
        at = self.clock.wall()
        try:
            if metric.comparison:
                return _compared(at, metric.comparison, metric.query, self.prometheus)
            samples = self.prometheus.query(metric.query)
        except NotMeasured as why:
            return Measurement(at, "error", [], str(why))
        phase, reason = assess_samples(metric, samples)
        return Measurement(at, phase, samples, reason)

    def public(self) -> dict[str, Any]:
        gating = [one for one in self.progress if not one.metric.dry_run]
        worst = max(gating, key=lambda one: VERDICTS.index(one.verdict))
        if worst.verdict == "successful":
            reason = f"{len(gating)} metric{'s' if len(gating) > 1 else ''} successful"
        else:
            reason = "; ".join(f"{one.metric.name}: {one.reason}" for one in gating
                               if one.verdict == worst.verdict and one.reason != _CUT_SHORT)
        return {"verdict": worst.verdict, "reason": reason, "started_at": self.started_at, "finished_at": self.clock.wall(),
                "metrics": [one.public() for one in self.progress]}
