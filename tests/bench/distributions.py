# SPDX-License-Identifier: GPL-3.0-or-later
"""Distributions as every bench writes them: nearest rank."""

from __future__ import annotations

import math
from collections.abc import Sequence


def distribution(values: Sequence[float]) -> dict[str, float]:
    """n, p50, p99 and max, p99.9 where there are 10,000 values; n alone where there are none."""
    if not values:
        return {"n": 0}
    ordered = sorted(values)

    def rank(share: float) -> float:
        return round(ordered[math.ceil(share * len(ordered)) - 1], 3)

    found = {"n": len(ordered), "p50": rank(0.5), "p99": rank(0.99), "max": round(ordered[-1], 3)}
    return {**found, "p99.9": rank(0.999)} if len(ordered) >= 10_000 else found
