# SPDX-License-Identifier: GPL-3.0-or-later
"""Eight faults in the middle of a transfer; `make chaos` has the others. What must hold after each: tests/chaos/transfers.py."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
import transfers


@pytest.fixture(scope="module")
def stoppable_engines(demo: dict) -> Iterator[None]:
    with transfers.stoppable_engines():
        yield


@pytest.mark.parametrize(("point", "fault"), transfers.SHORT)
def test_nothing_is_lost_and_nobody_trades_twice(stoppable_engines: None, point: str, fault: str) -> None:
    case = transfers.one(point, fault, f"e2e-{point}-{fault.replace(' ', '-')}")
    assert case.inside, f"the engine did not stand at {point} as the fault began: {case.log}"
    assert case.wrong == []
