# SPDX-License-Identifier: GPL-3.0-or-later
"""One moment of the whole: database, engines, network, venue."""

from __future__ import annotations

from typing import NamedTuple

from protocol.rules import MARGIN, TTL, Bounds

VACANT = "-"
VACATED = "~"  # by a promotion that lost commits: nobody gave it back


class Row(NamedTuple):
    holder: str
    epoch: int
    beat: int
    way: str = "claimed"  # how its holder got it: claimed, handed (and may accept it), accepted

    def __str__(self) -> str:
        return f"{self.holder}/{self.epoch} beat {self.beat}{'' if self.way == 'claimed' else ' ' + self.way}"


class Request(NamedTuple):
    """A compare-and-set on its way to the database, or its answer on the way back."""

    kind: str  # claim, beat, handover, accept, release
    by: str
    seen: Row
    holder: str
    epoch: int
    right: int  # what is left of the right that it gives, counted from when it was sent
    answer: str = ""  # then acknowledged or refused

    def __str__(self) -> str:
        return f"{self.kind} of {self.seen}{' ' + self.answer if self.answer else ''}"


class Engine(NamedTuple):
    name: str
    life: int = 0
    mode: str = "standby"  # waiting, fencing, trading, frozen, doubt
    epoch: int = 0
    floor: int = 0  # highest epoch tried here or told by the venue
    right: int = 0
    wait: int = 0
    request: Request | None = None
    latched: bool = False  # by the kill switch

    @property
    def incarnation(self) -> str:
        return self.name + "'" * self.life


class Order(NamedTuple):
    """The latest order that an incarnation may still have on the way to the venue."""

    holder: str
    epoch: int
    left: int  # ticks until it has arrived or never will


class Venue(NamedTuple):
    epoch: int  # highest seen, and who used it
    holder: str


class State(NamedTuple):
    row: Row
    standby: Row  # what the most advanced synchronous standby has
    backup: Row  # what a promotion that loses commits comes back to
    engines: tuple[Engine, Engine]
    venue: Venue
    late: tuple[Request, ...]  # given up by their engine, not by the network
    orders: tuple[Order, ...]
    given: Venue  # highest epoch that a commit on two servers gave, and to whom
    moves: int
    beats: int
    faults: int
    losses: int
    kills: int = 0
    shut: int = 0  # everything below this epoch is shut out, says a kill
    broken: str = ""

    def __str__(self) -> str:
        parts = [f"row {self.row}"]
        if self.standby != self.row:
            parts.append(f"standby server {self.standby}")
        for one in self.engines:
            text = f"{one.incarnation} {one.mode}" + (f" {one.epoch}" if one.mode != "standby" else "")
            text += f" right {one.right}" if one.right else ""
            text += f" wait {one.wait}" if one.wait else ""
            text += " latched" if one.latched else ""
            parts.append(text + (f" ({one.request})" if one.request else ""))
        parts.append(f"venue {self.venue.epoch}/{self.venue.holder}")
        parts += [f"order of {one.holder}/{one.epoch} on the way" for one in self.orders]
        parts += [f"late {one}" for one in self.late]
        return "; ".join(parts)


def start(bounds: Bounds) -> State:
    """A trades under epoch 1, B stands by."""
    row = Row("A", 1, 0)
    engines = (Engine("A", mode="trading", epoch=1, floor=1, right=TTL - MARGIN), Engine("B"))
    seen = Venue(1, "A")
    return State(row, row, row, engines, seen, (), (), seen, bounds.moves, bounds.beats, bounds.faults, bounds.losses,
                 bounds.kills)
