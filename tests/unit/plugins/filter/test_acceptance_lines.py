# Copyright: (c) hft.ops contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

from typing import Any

import pytest
from ansible.errors import AnsibleFilterError
from ansible_collections.hft.ops.plugins.filter.acceptance_lines import acceptance_lines

_TARGETS = {"max_tick_to_order_us": 1000, "max_cpu_pct": 60, "max_memory_mb": 100, "max_growth_mb": 8, "cores": 2}


def _metrics(accepted: int = 0, cancelled: int = 0, fills: int = 0, booked: int = 0, unknown: int = 0, waiting: int = 0,
             fast: int = 0, slow: int = 0) -> str:
    return f"""# HELP trading_orders_total Orders.
trading_orders_total{{strategy="a",status="sent"}} {accepted}
trading_orders_total{{strategy="a",status="accepted"}} {accepted}
trading_orders_total{{strategy="b",status="accepted"}} 7
trading_orders_total{{strategy="a",status="cancelled"}} {cancelled}
trading_orders_total{{strategy="a",status="unknown"}} {unknown}
trading_fills_total{{strategy="a"}} {fills}
persistence_rows_total{{table="fills"}} {booked}
persistence_rows_total{{table="orders"}} 99
persistence_queue_depth {waiting}
tick_to_order_seconds_bucket{{le="0.0005"}} {fast}
tick_to_order_seconds_bucket{{le="0.001"}} {fast}
tick_to_order_seconds_bucket{{le="+Inf"}} {fast + slow}
"""


def _seen(metrics: str, **more: Any) -> dict[str, Any]:
    return {"metrics": metrics, "cpu_ns": 10**9, "rss_kb": 50 * 1024, "pid": "7", "at": 100.0, **more}


_BEFORE = _seen(_metrics(accepted=5, fills=2, booked=2, fast=1000, slow=1000))
_GOOD = {"accepted": 105, "cancelled": 60, "fills": 12, "booked": 12, "fast": 1990, "slow": 1010}


def _after(**more: Any) -> dict[str, Any]:
    return _seen(_metrics(**{**_GOOD, **{key: value for key, value in more.items() if key not in ("cpu_ns", "rss_kb", "pid", "at")}}),
                 **{"cpu_ns": 11 * 10**9, "at": 120.0, **{key: more[key] for key in ("cpu_ns", "rss_kb", "pid", "at") if key in more}})


def _failed(after: dict, targets: dict | None = None) -> list:
    return [line["check"] for line in acceptance_lines(_BEFORE, after, targets or _TARGETS) if not line["ok"]]


def test_a_run_in_which_all_happened_passes_and_says_what() -> None:
    lines = acceptance_lines(_BEFORE, _after(), _TARGETS)
    assert [line for line in lines if not line["ok"]] == []
    said = {line["check"]: line["detail"] for line in lines}
    assert said["orders submitted"] == "100 sent, 100 accepted"
    assert said["processor"] == "25.0 % of 2 cores over 20 s, at most 60"
    assert said["tick to order, 99th percentile"] == "500.0 us, at most 1000"


@pytest.mark.parametrize(("more", "check"), [
    ({"accepted": 5}, "orders submitted"),
    ({"cancelled": 0}, "orders cancelled"),
    ({"fills": 2, "booked": 12}, "orders filled"),
    ({"booked": 11}, "fills booked"),
    ({"booked": 2, "waiting": 99}, "fills booked"),
    ({"unknown": 1}, "no order of unknown state"),
    ({"slow": 1011}, "tick to order, 99th percentile"),
    ({"fast": 1000, "slow": 1000}, "tick to order, 99th percentile"),
    ({"cpu_ns": 26 * 10**9}, "processor"),
    ({"at": 100.0}, "processor"),
    ({"rss_kb": 59 * 1024}, "memory grown over the run"),
])
def test_each_miss_fails_its_own_line(more: dict, check: str) -> None:
    assert _failed(_after(**more)) == [check]


def test_records_under_way_count_as_booked_soon() -> None:
    assert _failed(_after(booked=11, waiting=1)) == []


def test_memory_beyond_its_target_fails_though_it_did_not_grow() -> None:
    assert _failed(_after(), {**_TARGETS, "max_memory_mb": "49"}) == ["memory"]


def test_a_restart_ends_the_comparison() -> None:
    lines = acceptance_lines(_BEFORE, _after(pid="8"), _TARGETS)
    assert [(line["check"], line["ok"]) for line in lines] == [("one process over the run", False)]


def test_what_the_engine_does_not_tell_is_not_good() -> None:
    bare = _seen('position{strategy="a"} 1\n')
    lines = acceptance_lines(bare, {**bare, "at": 120.0}, _TARGETS)
    assert {line["check"] for line in lines if line["ok"]} == {"processor", "memory", "memory grown over the run"}


def test_text_that_holds_no_metrics_is_an_error() -> None:
    with pytest.raises(AnsibleFilterError, match="expected metrics, found '<html>'"):
        acceptance_lines(_seen("<html>"), _seen("<html>"), _TARGETS)
