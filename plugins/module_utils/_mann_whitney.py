# Copyright: (c) hft.ops contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Private to hft.ops. The test of Mann and Whitney with the shift of Hodges and Lehmann, of two samples of numbers.

Exact where both samples are small and nothing is tied; else by the normal distribution, corrected for ties and continuity. The interval
of the shift is made of the pairwise differences, so it holds every shift that the test does not refuse.
"""

from __future__ import annotations

import math
from bisect import bisect_left, bisect_right
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import accumulate
from statistics import NormalDist

_EXACT_BELOW = 50


@dataclass(frozen=True)
class Shift:
    """What lifts the first sample to the second."""

    u: float  # pairs in which the second is higher; a tie counts half
    p_value: float  # of no shift, on both sides
    estimate: float
    low: float
    high: float
    exact: bool
    superiority: float  # that one of the second is higher than one of the first: 0 to 1


def shift(first: Sequence[float], second: Sequence[float], confidence: float) -> Shift:
    """second against first: finite numbers, one of each at least. Where they are too few for the confidence the interval has no end."""
    pairs = len(first) * len(second)
    differences = sorted(after - before for after in second for before in first)
    below, up_to = bisect_left(differences, 0.0), bisect_right(differences, 0.0)
    u = pairs - up_to + (up_to - below) / 2
    repeated = [number for number in Counter([*first, *second]).values() if number > 1]
    exact = not repeated and max(len(first), len(second)) < _EXACT_BELOW
    if exact:
        p_value, cut = _exact(len(first), len(second), u, (1 - confidence) / 2)
    else:
        p_value, cut = _normal(len(first), len(second), u, (1 - confidence) / 2, repeated)
    low, high = (differences[cut - 1], differences[pairs - cut]) if cut > 0 else (-math.inf, math.inf)
    middle = (differences[(pairs - 1) // 2] + differences[pairs // 2]) / 2
    return Shift(u, p_value, middle, low, high, exact, u / pairs)


def _exact(first: int, second: int, u: float, tail: float) -> tuple[float, int]:
    """p, and the how manieth difference from either end bounds the interval; 0: none does."""
    ways = list(accumulate(_ways(first, second)))
    p_value = 2 * ways[int(min(u, first * second - u))] / ways[-1]
    return min(1.0, p_value), bisect_right(ways, tail * ways[-1])


def _ways(first: int, second: int) -> list[int]:
    """In how many orders of the two samples u is 0, 1, 2, ...: the coefficients of the Gaussian binomial."""
    ways = [1] + [0] * (first * second)
    for size in range(1, first + 1):
        for u in range(first * second, second + size - 1, -1):
            ways[u] -= ways[u - second - size]
        for u in range(size, first * second + 1):
            ways[u] += ways[u - size]
    return ways


def _normal(first: int, second: int, u: float, tail: float, repeated: list[int]) -> tuple[float, int]:
    pairs, both = first * second, first + second
    ties = sum(number ** 3 - number for number in repeated) / (both * (both - 1))
    deviation = math.sqrt(max(0.0, pairs / 12 * (both + 1 - ties)))
    distance = max(0.0, abs(u - pairs / 2) - 0.5)
    p_value = math.erfc(distance / deviation / math.sqrt(2)) if deviation else 1.0
    cut = math.floor(pairs / 2 + 0.5 - NormalDist().inv_cdf(1 - tail) * deviation)
    return p_value, max(0, min(cut, (pairs + 1) // 2))
