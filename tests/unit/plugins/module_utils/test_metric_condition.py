# Copyright: (c) hft.ops contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The language of conditions: what holds, what cannot be decided, and everything else refused before anything is measured."""

from __future__ import annotations

import math

import pytest
from ansible_collections.hft.ops.plugins.module_utils._metric_condition import Condition, ConditionWrong, Undecided

NAN, INF = math.nan, math.inf

_HOLDS = [
    ("result > 5", [6], True),
    ("result > 5", [5], False),
    ("1 < result <= 5", [5], True),
    ("1 < result <= 5", [1], False),
    ("result[1] == 2", [1, 2], True),
    ("max(result) < 5 and min(result) >= 1", [1, 4], True),
    ("max(result) < 5", [1, NAN], False),
    ("not result != 2", [2], True),
    ("result * 2 + 1 == 5 or result / 0 > 1", [2], True),
    ("-result < -1", [2], True),
    ("len(result) == 0", [], True),
    ("len(result) == 3", [1, 2, 3], True),
    ("isnan(result)", [NAN], True),
    ("isnan(result)", [], False),
    ("isnan(result[0] - 1)", [NAN], True),
    ("isinf(result) and result > 0", [INF], True),
    ("default(result, 0) < 1", [], True),
    ("default(result, 7) == 7", [NAN], True),
    ("default(result, 7) == 3", [3], True),
    ("result < 1e-4", [5e-5], True),
]


def test_what_holds() -> None:
    assert [(text, samples, Condition(text).holds(samples)) for text, samples, _holds in _HOLDS] == _HOLDS


_UNDECIDED = [
    ("result > 5", [], "no data"),
    ("max(result) > 5", [], "no data"),
    ("result[0] > 5", [], "no data"),
    ("result > 5", [1, 2], "gave 2 series where the condition asks for one; use max"),
    ("result[2] > 5", [1, 2], "the query gave 2 series"),
    ("1 / result > 5", [0], "division by zero"),
]


def test_what_cannot_be_decided() -> None:
    for text, samples, why in _UNDECIDED:
        with pytest.raises(Undecided, match=why):
            Condition(text).holds(samples)


_NO_CONDITION = [
    ("", "expected a condition"),
    ("1 < " * 200 + "2", "expected a condition of 1 to 500"),
    ("result >", "cannot be read"),
    ("result > 5 && result < 6", "cannot be read"),
    ("result", "neither true nor false; compare it, for example result > 0"),
    ("result + 1", "neither true nor false"),
    ("value > 1", "has the name value"),
    ("__import__('os').system('x')", "calls '__import__.*system'"),
    ("result.real > 1", "has Attribute"),
    ("result ** 9 > 1", "has Pow"),
    ("result > 'a'", "has 'a'"),
    ("True", "has True"),
    ("(lambda: 1)() > 0", "calls"),
    ("[1 for x in result] == 1", "has ListComp"),
    ("result[-1] > 0", r"expected result\[NUMBER\]"),
    ("result[result] > 0", r"expected result\[NUMBER\]"),
    ("result in result", "has In"),
    ("isnan(result, 1)", "isnan takes 1 argument, found 2"),
    ("default(result) > 1", "default takes 2 arguments, found 1"),
    ("len(result=1) > 1", "calls 'len'"),
    ("not result", "expected true or false at 'result'"),
    ("(result > 1) + 1 > 2", "expected a number at 'result > 1'"),
    ("result > 1 if result else 0", "has IfExp"),
    ("len(1) > 1", "expected a number"),
]


def test_what_is_no_condition() -> None:
    for text, why in _NO_CONDITION:
        with pytest.raises(ConditionWrong, match=why):
            Condition(text)
