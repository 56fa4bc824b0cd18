# SPDX-License-Identifier: GPL-3.0-or-later
"""Breadth first through every state within the bounds; the first violation has the shortest way to it."""

from __future__ import annotations

import gc
import time
from collections.abc import Iterator
from dataclasses import dataclass, field

from protocol import clock, database, engine
from protocol.invariants import able, violation
from protocol.rules import EPOCH_JUMP, Bounds, Rules
from protocol.state import Engine, State, start


@dataclass
class Outcome:
    states: int = 0
    transitions: int = 0
    depth: int = 0
    seconds: float = 0.0
    violation: str = ""
    trace: list[str] = field(default_factory=list)
    reached: set[str] = field(default_factory=set)

    def __str__(self) -> str:
        said = f"{self.states} states, {self.transitions} transitions, depth {self.depth}, {self.seconds:.1f} s"
        return "\n".join([said, *self.trace, *([f"=> {self.violation}"] if self.violation else [])])


def successors(rules: Rules, state: State) -> Iterator[tuple[str, State]]:
    for index in (0, 1):
        yield from engine.steps(rules, state, index)
    yield from database.late_requests(rules, state)
    yield from database.failures(rules, state)
    if rules.timed:
        yield "time passes", clock.tick(rules, state)


def explore(rules: Rules, bounds: Bounds, rows_too: bool = True) -> Outcome:
    # States are made by the hundred thousand and none is ever part of a circle.
    gc.disable()
    try:
        return _explore(rules, bounds, rows_too)
    finally:
        gc.enable()


def _explore(rules: Rules, bounds: Bounds, rows_too: bool) -> Outcome:
    begin = time.monotonic()
    outcome = Outcome()
    first = start(bounds)
    came_from: dict[State, tuple[str, State] | None] = {first: None}
    layer = [first]
    labels: set[str] = set()
    while layer and not outcome.violation:
        following: list[State] = []
        for state in layer:
            for label, after in successors(rules, state):
                outcome.transitions += 1
                labels.add(label)
                if after in came_from:
                    continue
                came_from[after] = (label, state)
                following.append(after)
                outcome.violation = violation(rules, after, rows_too)
                if outcome.violation:
                    outcome.trace = _trace(came_from, after)
                    break
            if outcome.violation:
                break
        layer = following
        outcome.depth += 1
    outcome.states = len(came_from)
    outcome.reached = _reached(rules, came_from) | {label for label in labels if label.endswith("thaws")}
    outcome.seconds = time.monotonic() - begin
    return outcome


def _trace(came_from: dict[State, tuple[str, State] | None], last: State) -> list[str]:
    steps: list[str] = []
    state = last
    while (step := came_from[state]) is not None:
        steps.append(f"{step[0]}\n        {state}")
        state = step[1]
    steps.append(f"to begin with\n        {state}")
    return [f"{number:4}. {text}" for number, text in enumerate(reversed(steps))]


def _reached(rules: Rules, states: dict[State, tuple[str, State] | None]) -> set[str]:
    """What the states show that the protocol does at all: one in which nothing happens is safe too."""
    found: set[str] = set()
    for state in states:
        mays = able(rules, state)
        for one in state.engines:
            if one.mode == "trading" and (one.epoch, one.incarnation) in mays:
                found.update(_story(state, one))
            elif one.mode == "trading" and one.epoch < state.shut:
                found.add("shut out by a kill")
    return found


def _story(state: State, one: Engine) -> Iterator[str]:
    row = state.row
    if (row.holder, row.epoch) == (one.incarnation, one.epoch):
        yield "trading after a handover" if row.way == "accepted" else "trading after a claim" if one.epoch > 1 else "trading"
        if one.life:
            yield "trading after a restart"
        if state.standby != row:
            yield "trading while the standby server is behind"
    else:
        yield "trading on until the row is read"
    if state.shut:
        yield "trading after a kill"
    if one.epoch > EPOCH_JUMP:
        yield "trading after lost commits"
