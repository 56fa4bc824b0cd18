# Copyright: (c) hft.ops contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The module over a session that answers with rows of real engines."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from typing import Any

import pytest
from ansible_collections.hft.ops.plugins.module_utils._host import HostError
from ansible_collections.hft.ops.plugins.modules import decision_comparison

_GIVEN = {"pairs": [{"live": "mm", "shadow": "shadow-mm"}], "duration_s": 60.0, "settle_s": 2.0, "min_decisions": 2, "min_agreement": 0.99,
          "price_bps": 0.0, "listed": 1, "wait_s": 10.0}


class _Cursor:
    """Answers by the table that is asked."""

    def __init__(self, details: list[str]) -> None:
        self.details = details
        self.asked: list[dict[str, Any]] = []

    def execute(self, query: str, arguments: dict[str, Any] | None) -> None:
        self.asked.append(arguments or {})
        if "now()" in query:
            self.answer, names = [("2026-01-31 22:00:00+00",)], ["since"]
        elif "public.orders" in query:
            names = ["intent_tick", "intent_leg", "side", "price", "quantity"]
            self.answer = [(tick, 0, "buy", 100.0, 1.0) for tick in (1, 2, 3)]
        else:
            self.answer, names = [(one,) for one in self.details], ["detail"]
        self.description = [(name,) for name in names]

    def fetchall(self) -> list[tuple]:
        return self.answer


def _observed(monkeypatch: pytest.MonkeyPatch, prices: list[str], duration_s: float = 60) -> tuple[dict[str, Any], list[float], _Cursor]:
    cursor = _Cursor([f"epoch 1: buy 1.000000 at {price}, tick {tick} leg 0" for tick, price in enumerate(prices, 1)])
    waited: list[float] = []

    @contextlib.contextmanager
    def reading(_cluster: object, _given: object) -> Iterator[_Cursor]:
        yield cursor

    monkeypatch.setattr(decision_comparison, "reading", reading)
    monkeypatch.setattr(decision_comparison.time, "sleep", waited.append)
    return decision_comparison.observe(None, _GIVEN, duration_s), waited, cursor


def test_what_is_observed_begins_when_it_is_asked(monkeypatch: pytest.MonkeyPatch) -> None:
    found, waited, cursor = _observed(monkeypatch, ["100.000000"] * 3)
    assert (found["verdict"], found["strategies"][0]["agreed"], waited) == ("successful", 3, [62])
    since = "2026-01-31 22:00:00+00"
    assert cursor.asked[1:] == [{"live": "mm", "since": since}, {"shadow": "shadow-mm", "since": since}]


def test_differences_are_counted_all_and_listed_in_part(monkeypatch: pytest.MonkeyPatch) -> None:
    found, _waited, _cursor = _observed(monkeypatch, ["99.000000", "99.000000", "100.000000"])
    assert found["verdict"] == "failed"
    assert found["strategies"][0]["kinds"]["price"] == 2
    assert [one["tick"] for one in found["strategies"][0]["differences"]] == [1]


def test_check_mode_waits_for_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    assert _observed(monkeypatch, [], 0)[1] == [0]


def test_all_bad_input_is_told_at_once() -> None:
    with pytest.raises(HostError) as wrong:
        decision_comparison.refuse_bad_input({**_GIVEN, "pairs": [{"live": "a", "shadow": "a"}], "duration_s": 0.0, "min_agreement": 1.5})
    assert str(wrong.value) == ("pairs: a: is its own shadow; duration_s 0: expected 1 to 86400; "
                                "min_agreement 1.5: expected above 0 and at most 1")
    with pytest.raises(HostError, match="pairs: is empty"):
        decision_comparison.refuse_bad_input({**_GIVEN, "pairs": []})
