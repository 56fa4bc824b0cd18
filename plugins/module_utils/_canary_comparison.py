# Copyright: (c) hft.ops contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Private to hft.ops. A canary's series held against a baseline's, by the rules of Kayenta's judge.

Three differences, because trading rests on it: too few samples and holes are inconclusive instead of a pass; nothing is drawn by chance
where all values are equal; and where most pairs are equal (errors are rare), so that the shift is 0, the test itself decides.
"""

from __future__ import annotations

import math
import statistics
from collections.abc import Sequence
from dataclasses import dataclass, fields
from typing import Any

from ansible_collections.hft.ops.plugins.module_utils._mann_whitney import Shift, shift
from ansible_collections.hft.ops.plugins.module_utils._metric_condition import ConditionWrong

_MOST_STEPS = 1000
_FENCE = 3.0  # of the distance of the quartiles, as Kayenta's


class TooLittle(Exception):
    """What was measured does not suffice to say anything."""


@dataclass(frozen=True)
class Judgement:
    bad: bool
    critical: bool  # one is enough, whatever the limits of the metric
    reason: str
    detail: dict[str, Any]


@dataclass(frozen=True)
class Comparison:
    baseline_query: str
    window_s: float = 600
    step_s: float = 5
    direction: str = "either"  # which way is bad
    confidence: float = 0.98
    tolerance: float = 0.25
    effect_size: str = "mean_ratio"
    allowed_increase: float | None = None
    allowed_decrease: float | None = None
    critical_increase: float | None = None
    critical_decrease: float | None = None
    critical: bool = False
    min_samples: int = 50
    nan: str = "remove"
    outliers: str = "keep"

    @property
    def steps(self) -> int:
        return round(self.window_s / self.step_s)

    @property
    def middle(self) -> float:
        """The effect that is none."""
        return 0.5 if self.effect_size == "cles" else 1.0

    def query(self, text: str) -> str:
        return text.replace("$step", f"{self.step_s:g}s")

    def judge(self, baseline: Sequence[float], canary: Sequence[float]) -> Judgement:
        """Whether the canary is worse; TooLittle when nobody can say."""
        kept = {name: self._kept(name, samples) for name, samples in (("baseline", baseline), ("canary", canary))}
        found = shift(kept["baseline"], kept["canary"], self.confidence)
        effect = self._effect(found, kept)
        way = "" if sorted(kept["baseline"]) == sorted(kept["canary"]) else self._way(found, effect)
        limit = {"increase": self.critical_increase, "decrease": self.critical_decrease}.get(way)
        beyond = limit is not None and (effect >= limit if way == "increase" else effect <= limit)
        bad = bool(way) and self.direction in (way, "either")
        told = {"increase": "higher than", "decrease": "lower than"}.get(way, "no different from")
        reason = (f"canary {told} baseline: median {statistics.median(kept['canary']):.4g} to {statistics.median(kept['baseline']):.4g}, "
                  f"{self.effect_size} {effect:.4g}, p {found.p_value:.2g}")
        detail = {"classification": {"increase": "high", "decrease": "low"}.get(way, "pass"), "effect_size": effect,
                  "shift": found.estimate, "shift_low": found.low, "shift_high": found.high, "p_value": found.p_value, "exact": found.exact,
                  **{name: {"samples": len(values), "median": statistics.median(values), "mean": statistics.fmean(values)}
                     for name, values in kept.items()}}
        return Judgement(bad, bad and (self.critical or beyond), reason, detail)

    def _kept(self, name: str, samples: Sequence[float]) -> list[float]:
        """What of a series is compared."""
        infinite = sum(math.isinf(one) for one in samples)
        if infinite:
            raise TooLittle(f"{name}: {infinite} of {len(samples)} samples are infinite, which is no amount")
        if self.nan == "replace":
            samples = [0.0 if math.isnan(one) else one for one in samples]
        # To nine digits: how a mean was rounded is no difference.
        kept = [float(f"{one:.9g}") for one in samples if not math.isnan(one)]
        if 2 * len(kept) < self.steps:
            raise TooLittle(f"{name}: measured in {len(kept)} of {self.steps} steps, less than half of the window"
                            + (f" ({len(samples) - len(kept)} NaN)" if len(kept) < len(samples) else ""))
        kept = _without_outliers(kept) if self.outliers == "remove" else kept
        if len(kept) < self.min_samples:
            raise TooLittle(f"{name}: {len(kept)} samples, at least {self.min_samples} are needed")
        return kept

    def _effect(self, found: Shift, kept: dict[str, list[float]]) -> float:
        if self.effect_size == "cles":
            return found.superiority
        before, after = statistics.fmean(kept["baseline"]), statistics.fmean(kept["canary"])
        if before == after:
            return 1.0
        if before < 0 or after < 0:
            raise TooLittle(f"a mean is below 0 (baseline {before:.4g}, canary {after:.4g}), so their ratio means nothing; take cles")
        return after / before if before else math.inf

    def _way(self, found: Shift, effect: float) -> str:
        """increase, decrease, or nothing when there is no difference that counts."""
        certain = self.tolerance * abs(found.estimate)
        # Most pairs are equal: the shift is 0, but the rest may be more than chance.
        rare = found.estimate == 0 and found.p_value < 1 - self.confidence
        if (found.low > certain or (rare and found.superiority > 0.5)) and effect >= _or(self.allowed_increase, self.middle):
            return "increase"
        if (found.high < -certain or (rare and found.superiority < 0.5)) and effect <= _or(self.allowed_decrease, self.middle):
            return "decrease"
        return ""


def comparison_of(name: str, given: dict[str, Any]) -> Comparison:
    """From a module's options; ConditionWrong says what of them makes no sense."""
    made = Comparison(**{one.name: given[one.name] for one in fields(Comparison)})
    highest = 1.0 if made.effect_size == "cles" else math.inf
    middle = made.middle
    expected = [
        ("step_s", made.step_s > 0, "seconds above 0"),
        ("window_s", made.step_s <= 0 or 2 <= made.window_s / made.step_s <= _MOST_STEPS, f"2 to {_MOST_STEPS} times step_s"),
        ("confidence", 0.5 < made.confidence < 1, "more than 0.5 and less than 1"),
        ("tolerance", 0 <= made.tolerance < 1, "0 or more and less than 1"),
        ("min_samples", made.step_s <= 0 or 8 <= made.min_samples <= made.steps,
         f"8 or more, and no more than the {made.steps if made.step_s > 0 else 0} steps of the window"),
        *((key, value is None or middle <= value <= highest, f"{middle:g} or more for {made.effect_size}")
          for key, value in (("allowed_increase", made.allowed_increase), ("critical_increase", made.critical_increase))),
        *((key, value is None or 0 <= value <= middle, f"0 to {middle:g} for {made.effect_size}")
          for key, value in (("allowed_decrease", made.allowed_decrease), ("critical_decrease", made.critical_decrease))),
    ]
    for key, holds, wanted in expected:
        if not holds:
            raise ConditionWrong(f"metric {name}: comparison.{key} is {given[key]:g}; expected {wanted}")
    return made


def _or(value: float | None, otherwise: float) -> float:
    return otherwise if value is None else value


def _without_outliers(values: list[float]) -> list[float]:
    """Without what lies far beyond the quartiles, the fence no nearer than the 1st and 99th percentile: Kayenta's rule."""
    if len(values) < 4:
        return values
    cuts = statistics.quantiles(values, n=100, method="inclusive")
    spread = _FENCE * (cuts[74] - cuts[24])
    low, high = min(cuts[0], cuts[24] - spread), max(cuts[98], cuts[74] + spread)
    return [one for one in values if low <= one <= high]
