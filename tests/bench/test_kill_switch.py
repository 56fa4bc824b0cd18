# SPDX-License-Identifier: GPL-3.0-or-later
"""Which presses count as those with a free core, and what is told of all."""

from __future__ import annotations

import json

from kill_switch import CORE_FREE_MS, Press, press_of, summary
from venue_truth import Truth


def _accepted(received_ns: int, sent_ns: int) -> str:
    return json.dumps({"ev": "accepted", "t": received_ns, "sent_ns": sent_ns, "strategy": "mm", "epoch": 1, "holder": "blue/1"}) + "\n"


def test_a_press_is_timed_by_the_last_order_behind_it() -> None:
    log = Truth(0)
    log.read(_accepted(3_000_000, 1_500_000) + _accepted(4_000_000, 2_000_000))
    assert press_of({"at_ns": 1_000_000, "waited_ns": 250_000, "waited_most_ns": 150_000}, log) == Press(3.0, 1.0, 0.25, 0.15)
    assert press_of({"at_ns": 5_000_000, "waited_ns": 0, "waited_most_ns": 0}, log) == Press(0.0, 0.0, 0.0, 0.0)


def test_a_late_press_leaves_the_free_ones_only_for_what_it_waited() -> None:
    late, waited = Press(9.0, 8.0, CORE_FREE_MS * 3, CORE_FREE_MS / 2), Press(5.0, 4.0, CORE_FREE_MS * 3, CORE_FREE_MS)
    found = summary([late, waited])
    assert found["core_free"]["engine_ms"] == {"n": 1, "p50": 9.0, "p99": 9.0, "max": 9.0}
    assert found["core_free"]["sent_ms"]["max"] == 8.0
    assert found["engine_ms"]["n"] == found["waited_ms"]["n"] == len(found["presses"]) == 2
    assert summary([waited])["core_free"]["engine_ms"] == {"n": 0}
