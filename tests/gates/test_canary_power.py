# SPDX-License-Identifier: GPL-3.0-or-later
"""The tables of docs/canary_comparison.md are what their script gives; a cell is drawn anew, for all take a minute."""

from __future__ import annotations

import re

import canary
import pytest


def _row(first: str) -> list[float]:
    line = next(line for line in canary.DOCUMENT.read_text().splitlines() if line.startswith(first))
    return [float(number) for number in re.findall(r"([\d.]+) %", line)]


@pytest.mark.parametrize("worse_pct", [0, 10])
def test_power(worse_pct: int) -> None:
    told = _row("| 10 % | 50 |")[1:]
    assert told[canary.WORSE_PCT.index(worse_pct)] == canary.told_pct(10, 50, worse_pct)


def test_false_alarms_of_overlapping_samples() -> None:
    assert _row("| 6 steps") == [canary.told_pct(10, 100, 0, 6)]
