# Copyright: (c) hft.ops contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Decisions of two engines, held against each other on what real ones wrote."""

from __future__ import annotations

from pathlib import Path

import pytest
import yaml
from ansible_collections.hft.ops.plugins.module_utils._decision_comparison import (
    FAILED,
    INCONCLUSIVE,
    SUCCESSFUL,
    Decision,
    compare,
    judge,
    overall,
    paper_order,
)

_RECORDED = yaml.safe_load(Path(__file__).with_name("recorded_decisions.yml").read_text())


def _recorded(name: str) -> tuple[list[Decision], list[Decision]]:
    one = _RECORDED[name]
    return [Decision(*row) for row in one["live"]], [paper_order(detail) for detail in one["shadow"]]


def _quotes(*ticks: int, side: str = "buy", price: float = 100.0, quantity: float = 1.0) -> list[Decision]:
    return [Decision(tick, 0, side, price, quantity) for tick in ticks]


def test_the_same_build_decides_the_same() -> None:
    found = compare(*_recorded("same"), 0.5)
    assert (found["compared"], found["agreed"], found["differences"]) == (80, 80, [])
    assert judge("mm", found, 50, 1) == (SUCCESSFUL, "mm: 80 of 80 decisions agree (100.0%, at least 100.0% wanted)")


def test_another_spread_is_another_decision_at_every_tick() -> None:
    found = compare(*_recorded("wider"), 5)
    assert (found["compared"], found["agreed"], found["kinds"]["price"]) == (30, 0, 30)
    verdict, reason = judge("mm", found, 20, 0.95)
    assert verdict == FAILED
    assert reason.endswith("0 of 30 decisions agree (0.0%, at least 95.0% wanted); differing: 30 price")
    assert {one["leg"] for one in found["differences"]} == {0, 1}
    assert found["differences"][0]["live"].startswith("buy 0.05 at ")


def test_too_little_is_no_success() -> None:
    found = compare(*_recorded("same"), 0)
    assert judge("mm", found, 81, 0.5) == (INCONCLUSIVE, "mm: 80 decisions over the same ticks, 81 are needed")
    assert compare(*([], _quotes(1)), 0)["compared"] == 0
    assert compare(_quotes(1, 2), _quotes(3, 4), 0)["compared"] == 0


def test_what_one_began_earlier_or_wrote_later_counts_for_nothing() -> None:
    found = compare(_quotes(1, 2, 3, 4), _quotes(3, 4, 5, 6), 0)
    assert (found["compared"], found["agreed"]) == (2, 2)


@pytest.mark.parametrize(("shadow", "kind"), [
    (_quotes(1, 3), "only_live"),
    (_quotes(1) + _quotes(2, side="sell") + _quotes(3), "side"),
    (_quotes(1) + _quotes(2, quantity=2) + _quotes(3), "quantity"),
    (_quotes(1) + _quotes(2, price=100.02) + _quotes(3), "price"),
    ([*_quotes(1, 2, 3), Decision(2, 1, "sell", 101.0, 1.0)], "only_shadow"),
])
def test_each_kind_of_difference_is_named(shadow: list[Decision], kind: str) -> None:
    found = compare(_quotes(1, 2, 3), shadow, 1)
    assert [(one["tick"], one["kind"]) for one in found["differences"]] == [(2, kind)]
    assert sum(found["kinds"].values()) == 1


def test_prices_within_the_tolerance_are_the_same() -> None:
    assert compare(_quotes(1), _quotes(1, price=100.01), 1)["agreed"] == 1
    assert compare(_quotes(1), _quotes(1, price=100.01), 0.9)["agreed"] == 0


def test_one_strategy_that_fails_is_made_good_by_no_other() -> None:
    good, bad, unknown = (SUCCESSFUL, "a agrees"), (FAILED, "b differs"), (INCONCLUSIVE, "c is not seen")
    assert overall([good, unknown, bad]) == bad
    assert overall([good, unknown]) == unknown
    assert overall([good, (SUCCESSFUL, "d agrees")]) == (SUCCESSFUL, "a agrees; d agrees")
    assert overall([])[0] == INCONCLUSIVE


@pytest.mark.parametrize("detail", ["", "epoch 1: buy 1 at 2", "epoch 1: hold 1.000000 at 2.000000, tick 1 leg 0"])
def test_an_event_of_another_format_is_told(detail: str) -> None:
    with pytest.raises(ValueError, match="expected EPOCH: SIDE QUANTITY at PRICE, tick N leg N"):
        paper_order(detail)
