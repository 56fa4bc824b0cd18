# SPDX-License-Identifier: GPL-3.0-or-later
"""The parts of the conformance kit that read a venue's log, and the faults it is proved with, without an engine."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest
from harness import patch
from kit import venue_log

from repository import ROOT

_KIT = ROOT / "tests" / "conformance"
_FAULTS = sorted((_KIT / "broken").glob("*.patch"))


def _event(kind: str, epoch: int, holder: str = "a/1", **more: Any) -> dict[str, Any]:
    return {"ev": kind, "strategy": "s", "epoch": epoch, "holder": holder, **more}


def test_an_order_without_a_fence_of_its_holder_is_seen_once_an_epoch() -> None:
    events = [_event("accepted", 1), _event("accepted", 1), _event("fence", 2), _event("accepted", 2), _event("accepted", 2, "b/1")]
    assert venue_log.unfenced(events) == [events[0], events[4]]


def test_an_order_under_a_lower_epoch_or_of_another_incarnation_overlaps() -> None:
    events = [_event("fence", 1), _event("accepted", 1), _event("fence", 2, "b/1"), _event("accepted", 1), _event("accepted", 2, "c/1"),
              _event("accepted", 2, "b/1")]
    assert venue_log.overlaps(events) == [events[3], events[4]]


def test_an_intent_accepted_twice_is_a_duplicate() -> None:
    events = [_event("accepted", 1, tick=7, leg=0), _event("accepted", 1, tick=7, leg=1), _event("accepted", 2, "b/1", tick=7, leg=0)]
    assert venue_log.duplicates(events) == [events[2]]


def test_orders_that_a_fence_finds_open_are_not_drained() -> None:
    events = [_event("accepted", 1, order_id=1, qty=5), _event("accepted", 1, order_id=2, qty=5), _event("accepted", 1, order_id=3, qty=5),
              _event("cancelled", 1, order_id=1), _event("fill", 1, order_id=2, qty=5, cumulative=5), _event("fill", 1, order_id=3, qty=5,
                                                                                                          cumulative=4),
              _event("fence", 2, "b/1")]
    assert venue_log.orders_open_at_fences(events) == [events[2]]


def test_a_line_that_is_not_whole_yet_is_left_for_later(tmp_path: Path) -> None:
    log = tmp_path / "venue.jsonl"
    log.write_bytes(b'{"ev": "fence"}\n{"ev": "acc')
    assert venue_log.VenueLog(log).after() == [{"ev": "fence"}]


@pytest.mark.parametrize("source", _FAULTS, ids=lambda source: source.stem)
def test_each_fault_names_checks_that_exist(source: Path) -> None:
    checks = "".join(group.read_text() for group in (_KIT / "kit").glob("*.py"))
    assert not [name for name in patch.read(source).fails if f'@check("{name}"' not in checks]


@pytest.mark.parametrize("source", _FAULTS, ids=lambda source: source.stem)
def test_each_fault_applies_to_todays_engine(source: Path, tmp_path: Path) -> None:
    fault = patch.read(source)
    for file in {file for file, _before, _after in fault.hunks}:
        (tmp_path / file).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / file).write_text((ROOT / "engine" / file).read_text())
    patch.apply(fault, tmp_path)


def test_a_patch_whose_lines_are_gone_says_so(tmp_path: Path) -> None:
    source = tmp_path / "01_x.patch"
    source.write_text("What: w\nFails: c\n\n--- a/core/x.cpp\n+++ b/core/x.cpp\n@@ -1,2 +1,2 @@\n one\n-two\n+three\n")
    fault = patch.read(source)
    (tmp_path / "core").mkdir()
    target = tmp_path / "core" / "x.cpp"
    target.write_text("zero\none\ntwo\nfour\n")
    patch.apply(fault, tmp_path)
    assert target.read_text() == "zero\none\nthree\nfour\n"
    with pytest.raises(patch.NoLongerApplies, match=r"^01_x\.patch no longer applies: in core/x\.cpp these lines stand 0 times"):
        patch.apply(fault, tmp_path)


def test_the_kit_speaks_the_wire_version_of_the_venue() -> None:
    kit = re.search(r"^_VERSION = (\d+)", (ROOT / "tests/conformance/kit/venue_session.py").read_text(), re.MULTILINE)
    venue = re.search(r"kVersion = (\d+);", (ROOT / "engine/io/wire.hpp").read_text())
    assert kit
    assert venue
    assert kit.group(1) == venue.group(1)
