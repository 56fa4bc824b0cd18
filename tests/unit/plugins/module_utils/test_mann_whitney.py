# Copyright: (c) hft.ops contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The test of Mann and Whitney against published examples, published critical values and every order of small samples."""

from __future__ import annotations

import math
import random
from itertools import combinations

import pytest
from ansible_collections.hft.ops.plugins.module_utils._canary_comparison import Comparison
from ansible_collections.hft.ops.plugins.module_utils._mann_whitney import _normal, _ways, shift

# Hollander and Wolfe 1973, page 69: permeability constants; what R's wilcox.test(conf.int = TRUE) gives on them.
_AT_TERM = [0.80, 0.83, 1.89, 1.04, 1.45, 1.38, 1.91, 1.64, 0.73, 1.46]
_EARLIER = [1.15, 0.88, 0.90, 0.74, 1.21]


def test_a_published_example() -> None:
    found = shift(_EARLIER, _AT_TERM, 0.95)
    assert (found.u, found.exact) == (35, True)
    assert (found.p_value, found.estimate, found.low, found.high) == pytest.approx((0.2544123, 0.305, -0.15, 0.76), abs=1e-7)
    assert shift(_AT_TERM, _EARLIER, 0.95).estimate == pytest.approx(-0.305)


# Largest u that is significant on two sides at 0.05 (n, m, u), from the tables of Mann-Whitney's critical values.
_CRITICAL = [(4, 4, 0), (5, 5, 2), (5, 8, 6), (6, 6, 5), (7, 7, 8), (8, 8, 13), (8, 10, 17), (9, 9, 17), (10, 10, 23), (12, 12, 37),
             (15, 15, 64), (20, 20, 127)]


def test_critical_values() -> None:
    for first, second, u in _CRITICAL:
        ways = _ways(first, second)
        at, above = (2 * sum(ways[:limit + 1]) / sum(ways) for limit in (u, u + 1))
        assert at <= 0.05 < above, (first, second, u)


def test_every_order_of_small_samples_is_counted_once() -> None:
    for first, second in ((1, 4), (3, 3), (4, 5)):
        counted = [0] * (first * second + 1)
        for places in combinations(range(first + second), first):
            counted[sum(places) - first * (first - 1) // 2] += 1
        assert _ways(first, second) == counted


def test_ties_worked_out_by_hand() -> None:
    # Ranks of 1 2 2 3 among both: 1 3 3 5.5, so u is 2.5 of 16; variance 16/12 (9 - 30/56); z = (5.5 - 0.5) / 3.3594.
    found = shift([1, 2, 2, 3], [2, 3, 4, 5], 0.9)
    assert (found.u, found.exact) == (13.5, False)
    assert found.p_value == pytest.approx(math.erfc(5 / math.sqrt(16 / 12 * (9 - 30 / 56)) / math.sqrt(2)))


def test_the_normal_distribution_is_near_the_exact_one() -> None:
    for first, second, u in ((20, 20, 127), (30, 40, 450), (49, 49, 900)):
        ways = _ways(first, second)
        exact = 2 * sum(ways[:u + 1]) / sum(ways)
        assert _normal(first, second, u, 0.01, [])[0] == pytest.approx(exact, abs=0.004)


def test_the_ends_of_samples() -> None:
    assert (shift([1] * 60, [1] * 60, 0.98).p_value, shift([1] * 60, [1] * 60, 0.98).low) == (1, 0)
    two = shift([3] * 60, [4] * 60, 0.98)
    assert (two.estimate, two.low, two.high, two.superiority) == (1, 1, 1, 1)
    few = shift([1, 2], [3, 4], 0.98)
    assert (few.low, few.high) == (-math.inf, math.inf)


def test_the_interval_holds_the_shift_as_often_as_it_says() -> None:
    for size in (12, 60):
        chance = random.Random(7)  # noqa: S311  (nothing secret)
        held = 0
        for _trial in range(300):
            found = shift([chance.gauss(0, 1) for _one in range(size)], [chance.gauss(0.4, 1) for _one in range(size)], 0.9)
            held += found.low <= 0.4 <= found.high
        assert 0.86 <= held / 300 <= 0.95


@pytest.mark.parametrize(("worse", "bad"), [(1.1, range(95, 101)), (1.0, range(6))])
def test_a_tenth_worse_fails_and_no_difference_passes(worse: float, bad: range) -> None:
    """p99 of 50 us, 10 % noise, 100 samples: at least 95 of 100 each."""
    chance = random.Random(20260131)  # noqa: S311  (nothing secret)
    comparison = Comparison("", window_s=500)
    told = sum(comparison.judge([chance.gauss(50e-6, 5e-6) for _one in range(100)],
                                [chance.gauss(50e-6 * worse, 5e-6) for _one in range(100)]).bad for _trial in range(100))
    assert told in bad
