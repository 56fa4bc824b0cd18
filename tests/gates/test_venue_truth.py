# SPDX-License-Identifier: GPL-3.0-or-later
"""What is read of the venue's log: lost and phantom orders of strategies whose epochs differ."""

from __future__ import annotations

import json

import pytest
from venue_truth import Truth

_ORDERS = [("mm", 4), ("mm", 5), ("mm", 6), ("eth", 8), ("eth", 9), ("eth", 10)]


@pytest.fixture
def truth() -> Truth:
    lines = [{"ev": "accepted", "t": at, "strategy": strategy, "epoch": epoch, "seq": 1, "holder": f"engine/{epoch}", "symbol": "X",
              "tick": at, "leg": 0}
             for at, (strategy, epoch) in enumerate(_ORDERS)]
    found = Truth(0)
    found.read("\n".join(map(json.dumps, lines)))
    return found


def _rows(*more: tuple[str, str, str]) -> list[tuple[str, str, str]]:
    return [(strategy, str(epoch), "1") for strategy, epoch in _ORDERS] + list(more)


def test_rows_that_are_the_venue_s_orders_are_neither_lost_nor_phantom(truth: Truth) -> None:
    assert truth.against(_rows()) == {"lost": 0, "phantom": 0}


def test_a_row_of_before_or_after_the_stretch_is_no_phantom_though_its_epoch_is_another_strategy_s(truth: Truth) -> None:
    assert truth.against(_rows(("mm", "7", "1"), ("mm", "9", "1"), ("eth", "5", "1"))) == {"lost": 0, "phantom": 0}


def test_a_row_that_the_venue_does_not_know_is_a_phantom_and_an_order_without_one_is_lost(truth: Truth) -> None:
    assert truth.against(_rows(("mm", "5", "2"))[1:]) == {"lost": 1, "phantom": 1}
