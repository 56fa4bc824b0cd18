# SPDX-License-Identifier: GPL-3.0-or-later
"""The venue's own log: the ground truth about orders."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

Event = dict[str, Any]


class VenueLog:
    def __init__(self, path: Path) -> None:
        self._path = path

    def mark(self) -> int:
        """A place in the log: what is written from now on comes behind it."""
        return self._path.stat().st_size

    def after(self, mark: int = 0) -> list[Event]:
        with self._path.open("rb") as log:
            log.seek(mark)
            text = log.read()
        whole = text[:text.rfind(b"\n") + 1]
        return [json.loads(line) for line in whole.splitlines() if line]

    def accepted(self, mark: int, holder: str | None = None) -> list[Event]:
        return [e for e in self.after(mark) if e["ev"] == "accepted" and holder in (None, e["holder"])]

    def highest_epoch(self, strategy: str) -> int:
        return max((e["epoch"] for e in self.after() if e.get("strategy") == strategy and "epoch" in e and not e.get("stale")), default=0)


def orders_open_at_fences(events: list[Event]) -> list[Event]:
    """Orders that were still open when a fence of a higher epoch came: a drained giver leaves none."""
    is_open: dict[int, Event] = {}
    found = []
    for event in events:
        kind = event["ev"]
        if kind == "accepted":
            is_open[event["order_id"]] = event
        elif kind == "cancelled" or (kind == "fill" and event["cumulative"] >= event["qty"]):
            is_open.pop(event["order_id"], None)
        elif kind == "fence":
            found += [o for o in is_open.values() if o["strategy"] == event["strategy"] and o["epoch"] < event["epoch"]]
    return found


def unfenced(events: list[Event]) -> list[Event]:
    """First orders of an epoch without a fence of the same holder before."""
    fenced: set[tuple[str, int, str]] = set()
    found = []
    for event in events:
        if event["ev"] not in ("fence", "accepted"):
            continue
        key = (event["strategy"], event["epoch"], event["holder"])
        if event["ev"] == "fence":
            fenced.add(key)
        elif key not in fenced:
            found.append(event)
            fenced.add(key)
    return found


def overlaps(events: list[Event]) -> list[Event]:
    """Orders accepted under an epoch after a higher one was seen, or under one that another incarnation used."""
    highest: dict[str, int] = {}
    user: dict[tuple[str, int], str] = {}
    found = []
    for event in events:
        if event["ev"] not in ("accepted", "fence"):
            continue
        strategy, epoch, holder = event["strategy"], event["epoch"], event["holder"]
        foreign = user.setdefault((strategy, epoch), holder) != holder
        if event["ev"] == "accepted" and (epoch < highest.get(strategy, 0) or foreign):
            found.append(event)
        highest[strategy] = max(highest.get(strategy, 0), epoch)
    return found


def duplicates(events: list[Event]) -> list[Event]:
    """Orders with the intent (strategy, venue's tick, leg) of an earlier one."""
    seen: set[tuple[str, int, int]] = set()
    found = []
    for event in events:
        if event["ev"] != "accepted":
            continue
        intent = (event["strategy"], event["tick"], event["leg"])
        if intent in seen:
            found.append(event)
        seen.add(intent)
    return found
