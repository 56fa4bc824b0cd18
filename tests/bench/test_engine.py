# SPDX-License-Identifier: GPL-3.0-or-later
"""The bench of the engine works and leaves every key; what is counted holds. No time is asserted: the machine is shared."""

from __future__ import annotations

from typing import Any

import pytest

import engine
from lab import docker_engine

_DISTRIBUTION = {"n", "p50", "p99", "max"}


@pytest.fixture(scope="module")
def result() -> dict[str, Any]:
    docker_engine.ensure()
    return engine.measure(engine.SHORT, host=False)


def test_every_key_is_there(result: dict[str, Any]) -> None:
    assert {"machine", "versions", "commit", "started_at", "seed", "hot_path", "tick_to_order_ns", "ticks_per_s", "ring_round_trip_ns",
            "wire_ns", "peer", "replay"} <= set(result)
    assert {"layout", "wait", "allocations", "locks", "syscalls_per_tick", "instructions_per_tick"} <= set(result["hot_path"])
    for distribution in (result["tick_to_order_ns"], result["wire_ns"], result["peer"]["wire_ns"], *result["ring_round_trip_ns"].values()):
        assert set(distribution) >= _DISTRIBUTION
        assert distribution["n"] > 0
    assert {"ours", "boost_spsc", "readerwriterqueue"} == set(result["ring_round_trip_ns"])
    assert {"name", "ratio"} <= set(result["peer"])


def test_the_hot_path_neither_allocates_nor_locks_nor_calls_the_kernel(result: dict[str, Any]) -> None:
    hot = result["hot_path"]
    assert (hot["allocations"], hot["locks"], hot["syscalls_other"]) == (0, 0, 0), hot["syscalls"]
    assert 0 < hot["syscalls_per_tick"] <= 3.2, hot["syscalls"]


def test_counts_stay_within_their_bars(result: dict[str, Any]) -> None:
    assert engine.missed(result) == []


def test_a_dearer_hot_path_is_told(result: dict[str, Any]) -> None:
    dearer = {**result, "hot_path": {**result["hot_path"], "instructions_per_tick": 2 * result["hot_path"]["instructions_per_tick"]}}
    assert any("instructions_per_tick" in fault for fault in engine.missed(dearer))
