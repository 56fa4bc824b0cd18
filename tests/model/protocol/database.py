# SPDX-License-Identifier: GPL-3.0-or-later
"""The database: compare-and-set on one row, a synchronous standby, failover with and without loss."""

from __future__ import annotations

from collections.abc import Iterator

from protocol.rules import EPOCH_JUMP, Rules
from protocol.state import VACANT, VACATED, Request, Row, State, Venue

Step = tuple[str, State]
# What a request makes of the way in which the row was come by; a beat leaves it.
_WAY = {"claim": "claimed", "handover": "handed", "accept": "accepted", "release": "claimed"}


def swap(rules: Rules, row: Row, request: Request) -> Row | None:
    """The row after the request, or nothing when the comparison failed."""
    seen = request.seen
    if (row.holder, row.epoch) != (seen.holder, seen.epoch):
        return None
    if row.beat != seen.beat and not (rules.swap_without_beat and request.kind == "handover"):
        return None
    if request.kind == "claim" and rules.claim_keeps_handover:
        return Row(request.holder, request.epoch, row.beat + 1, row.way)
    return Row(request.holder, request.epoch, row.beat + 1, _WAY.get(request.kind, row.way))


def committed(rules: Rules, state: State, row: Row) -> State:
    """A row that primary and standby have: what it gives is given."""
    state = state._replace(row=row, standby=state.standby if rules.answer_without_standby else row)
    if row.holder in (VACANT, VACATED):
        return state
    if row.epoch < state.given.epoch:
        state = state._replace(broken=f"epoch {row.epoch} was given after {state.given.epoch}")
    elif row.epoch == state.given.epoch and row.holder != state.given.holder:
        state = state._replace(broken=f"epoch {row.epoch} was given to {state.given.holder} and to {row.holder}")
    return without_dead(rules, state._replace(given=max(state.given, Venue(row.epoch, row.holder))))


def carried_out(rules: Rules, state: State, request: Request, row: Row) -> State:
    """A handover does not wait for the standby: the claim or the question behind it does. Everything else does."""
    return without_dead(rules, state._replace(row=row)) if request.kind == "handover" else committed(rules, state, row)


def without_dead(rules: Rules, state: State) -> State:
    """Late requests whose comparison can never hold again are forgotten: epoch and beat only rise while they can arrive."""
    if not state.late:
        return state
    row = state.row
    return state._replace(late=tuple(
        one for one in state.late
        if one.seen.epoch >= row.epoch and (one.seen.beat >= row.beat or (rules.swap_without_beat and one.kind == "handover"))))


def late_requests(rules: Rules, state: State) -> Iterator[Step]:
    """What its engine gave up waiting for may be carried out all the same."""
    for one in set(state.late):
        row = swap(rules, state.row, one)
        if row is None:
            continue
        rest = list(state.late)
        rest.remove(one)
        left = state._replace(late=tuple(rest))
        yield f"the late {one.kind} of {one.by} is carried out", carried_out(rules, left, one, row)
        if state.faults and one.kind != "handover":
            yield (f"the late {one.kind} of {one.by} is carried out, seen by readers, and on no standby",
                   without_dead(rules, left._replace(row=row, faults=state.faults - 1)))


def failures(rules: Rules, state: State) -> Iterator[Step]:
    if state.standby != state.row:
        yield "the standby server catches up", state._replace(standby=state.row)
        if state.faults:
            yield "the standby server is promoted", _promoted(state)
    elif state.faults and (state.late or any(one.request for one in state.engines)):
        yield "the standby server is promoted", _promoted(state)
    if state.losses:
        yield "a promotion loses commits", _restored(rules, state)
        if state.backup != state.standby:
            yield "a copy is made that a later promotion may come back to", state._replace(backup=state.standby)


def _cut_off(state: State, row: Row) -> State:
    """Connections to the old primary end: what had not been answered is of unknown outcome and will not be carried out."""
    engines = tuple(one._replace(request=None) if one.request and not one.request.answer else one for one in state.engines)
    return state._replace(row=row, standby=row, engines=engines, late=())


def _promoted(state: State) -> State:
    lost = state.standby.epoch < state.given.epoch
    broken = f"a promotion without loss went back to epoch {state.standby.epoch}, {state.given.epoch} was given" if lost else state.broken
    return _cut_off(state, state.standby)._replace(faults=state.faults - 1, broken=broken)


def _restored(rules: Rules, state: State) -> State:
    old = state.backup
    epoch = old.epoch + EPOCH_JUMP
    if rules.epochs_not_raised:
        epoch = old.epoch
    elif rules.raised_by_clock:
        epoch = state.given.epoch + EPOCH_JUMP
    return _cut_off(state, Row(VACATED, epoch, old.beat + 1))._replace(losses=state.losses - 1)
