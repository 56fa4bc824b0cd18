# SPDX-License-Identifier: GPL-3.0-or-later
"""An engine: claim, fence, trade, freeze, hand over, accept, doubt, give up, shut out, start anew."""

from __future__ import annotations

from collections.abc import Iterator

from protocol.database import Step, carried_out, committed, swap, without_dead
from protocol.rules import MARGIN, TTL, Rules
from protocol.state import VACANT, VACATED, Engine, Request, Row, State
from protocol.venue import accepts, orders_on_the_way, seeing, with_order_under_way

_HELD = ("waiting", "fencing", "trading", "frozen", "doubt")


def steps(rules: Rules, state: State, index: int) -> Iterator[Step]:
    engine = state.engines[index]
    if engine.request:
        yield from _request(rules, state, index)
    elif not engine.latched:
        yield from _asks(rules, state, index)
    if rules.fence and engine.mode == "standby" and not engine.request:
        yield from _kill(rules, state, index)
    if engine.mode == "standby" and not engine.latched:
        yield from _fence_ahead(rules, state, index)
        if rules.trade_on_read and state.row.holder == engine.incarnation:
            right = TTL - MARGIN if rules.timed else 0
            yield (f"{engine.incarnation} reads that it holds, and trades",
                   _with(state, index, mode="trading", epoch=state.row.epoch, right=right, request=None))
    else:
        yield from _holds(rules, state, index)
    if state.faults:
        yield f"{engine.name} starts anew", _restarted(rules, state, index)


def _with(state: State, index: int, **changes: object) -> State:
    engine = state.engines[index]._replace(**changes)
    return state._replace(engines=(engine, state.engines[1]) if index == 0 else (state.engines[0], engine))


# ---- what is asked of the database --------------------------------------------------------------------------------------


def _asks(rules: Rules, state: State, index: int) -> Iterator[Step]:
    engine, row = state.engines[index], state.row
    me = engine.incarnation
    right = TTL - MARGIN if rules.timed else 0
    if engine.mode == "standby":
        if state.moves:
            # By its own clock the holder stood still, or somebody asked: no rule may rest on how long it waited before.
            epoch = 1 + max(row.epoch, engine.floor)
            request = Request("claim", me, row, me, epoch, right)
            yield f"{me} asks for the row", _with(state, index, request=request, floor=epoch)._replace(moves=state.moves - 1)
        if row.holder == me and row.way == "handed":
            yield f"{me} finds the row handed to it", _with(state, index, request=Request("accept", me, row, me, row.epoch, right))
        return
    if row.holder != me or row.epoch != engine.epoch:
        return
    if state.beats:
        request = Request("beat", me, row, me, engine.epoch, right)
        yield f"{me} sends a beat", _with(state, index, request=request)._replace(beats=state.beats - 1)
    if engine.mode == "waiting" and rules.released_while_waiting and state.moves:
        request = Request("release", me, row, VACANT, engine.epoch, 0)
        yield f"{me} gives the row back before its wait is over", _given_up(rules, state, index, request)._replace(moves=state.moves - 1)
    if engine.mode != "frozen" or not state.moves or (rules.timed and orders_on_the_way(state, me)):
        return
    taker = state.engines[1 - index]
    if taker.mode == "standby":
        request = Request("handover", me, row, taker.incarnation, engine.epoch + 1, 0)
        yield (f"{me} hands over to {taker.incarnation}",
               _with(state, index, mode="doubt", request=request)._replace(moves=state.moves - 1))
    request = Request("release", me, row, VACANT, engine.epoch, 0)
    yield f"{me} gives the row back", _given_up(rules, state, index, request)._replace(moves=state.moves - 1)


def _request(rules: Rules, state: State, index: int) -> Iterator[Step]:
    engine = state.engines[index]
    request = engine.request
    assert request is not None
    what = f"the {request.kind} of {request.by}"
    if request.answer:
        thaws = request.kind == "beat" and request.answer == "acknowledged" and engine.mode == "doubt"
        yield f"{what}: {request.answer}{', it thaws' if thaws else ''}", _answered(rules, state, index)
        if state.faults:
            yield f"the answer to {what} is lost", _with(state, index, request=None)._replace(faults=state.faults - 1)
        return
    row = swap(rules, state.row, request)
    if row is None:
        yield from _told(rules, state, index, f"{what} is refused", "refused")
    elif request.kind == "handover":
        # Its answer says nothing that the giver could rest on.
        yield f"{what} is carried out on the primary", carried_out(rules, _with(state, index, request=None), request, row)
    else:
        yield from _told(rules, committed(rules, state, row), index, f"{what} is carried out", "acknowledged")
    if not state.faults:
        return
    unknown = _with(state, index, request=None)._replace(faults=state.faults - 1)
    yield f"{what} is given up waiting for", without_dead(rules, unknown._replace(late=tuple(sorted([*state.late, request]))))
    if row is not None and request.kind != "handover":
        yield f"{what} is carried out, seen by readers, and on no standby; no answer", without_dead(rules, unknown._replace(row=row))
        yield f"{what} is carried out twice", _with(committed(rules, unknown, row), index, request=None)


def _told(rules: Rules, state: State, index: int, what: str, answer: str) -> Iterator[Step]:
    """The answer sets out. Where no clock counts it arrives at once: an engine that does nothing yet has not got it."""
    request = state.engines[index].request
    assert request is not None
    sent = _with(state, index, request=request._replace(answer=answer))
    if rules.timed:
        yield what, sent
        return
    thaws = request.kind == "beat" and answer == "acknowledged" and state.engines[index].mode == "doubt"
    yield f"{what} and answered{', it thaws' if thaws else ''}", _answered(rules, sent, index)
    if state.faults:
        yield f"{what}, the answer is lost", _with(state, index, request=None)._replace(faults=state.faults - 1)


def _answered(rules: Rules, state: State, index: int) -> State:
    engine = state.engines[index]
    request = engine.request
    assert request is not None
    state = _with(state, index, request=None)
    if request.answer == "refused" or request.kind == "release":
        return state
    right = TTL - MARGIN if rules.timed and rules.renewal_from_reply else request.right
    if request.kind == "beat":
        # The beat moved the row: the handover that compares with the beat before can never succeed any more.
        mode = "trading" if engine.mode == "doubt" else engine.mode
        return _with(state, index, mode=mode, right=max(engine.right, right))
    wait = TTL + MARGIN if request.kind == "claim" and _must_wait(rules, request) else 0
    mode = "trading" if rules.timed or rules.fence_left_out else "fencing"
    return _with(state, index, mode="waiting" if wait else mode, epoch=request.epoch, right=right, wait=wait)


def _must_wait(rules: Rules, claim: Request) -> bool:
    """Whether an old right may be running that nothing but time can end: always, unless its holder gave it back."""
    if not rules.timed or rules.no_wait or claim.seen.holder == VACANT:
        return False
    if claim.seen.holder == VACATED and rules.vacated_without_wait:
        return False
    return not (claim.seen.holder == claim.by and rules.own_row_without_wait)


# ---- what a holder does -------------------------------------------------------------------------------------------------


def _holds(rules: Rules, state: State, index: int) -> Iterator[Step]:
    engine, row = state.engines[index], state.row
    me = engine.incarnation
    if row.epoch > engine.epoch or (row.epoch == engine.epoch and row.holder != me):
        yield f"{me} reads that the row is {row.holder}/{row.epoch}, and gives up", _given_up(rules, state, index)
        if engine.mode == "doubt" and not engine.request:
            yield f"{me} is told that its handover stands, and gives up", _given_up(rules, committed(rules, state, row), index)
    if engine.mode == "waiting" and engine.wait == 0:
        yield f"{me} has waited, and trades", _with(state, index, mode="trading")
    elif engine.mode == "fencing":
        yield from _fence(rules, state, index)
    elif engine.mode == "trading":
        yield f"{me} freezes", _with(with_order_under_way(rules, state, engine), index, mode="frozen")
        if rules.fence and state.faults:
            lost = with_order_under_way(rules, state, engine)._replace(faults=state.faults - 1)
            yield f"{me} loses its session to the venue", _with(lost, index, mode="fencing")
    elif engine.mode == "frozen":
        yield f"{me} thaws, nothing was sent", _with(state, index, mode="trading")
        if rules.timed and orders_on_the_way(state, me):
            yield (f"{me} has every order answered",
                   state._replace(orders=tuple(one for one in state.orders if one.holder != me)))
    elif engine.mode == "doubt" and rules.thaw_in_doubt:
        yield f"{me} thaws in doubt", _with(state, index, mode="trading", request=None)


def _fence(rules: Rules, state: State, index: int) -> Iterator[Step]:
    engine = state.engines[index]
    me = engine.incarnation
    if accepts(rules, state.venue, engine.epoch, me):
        seen = seeing(rules, state, engine.epoch, me)
        yield f"FENCE({engine.epoch}) of {me} is granted, and it trades", _with(seen, index, mode="trading")
        yield f"FENCE({engine.epoch}) of {me} is granted, the answer is lost", seen
    else:
        refused = _given_up(rules, state, index)
        floor = max(engine.floor, state.venue.epoch)
        yield f"FENCE({engine.epoch}) of {me} is refused, the venue tells {state.venue.epoch}", _with(refused, index, floor=floor)


def _fence_ahead(rules: Rules, state: State, index: int) -> Iterator[Step]:
    """A taker that was told fences while its claim is on its way: no right, and the answer counts once it holds."""
    me, row = state.engines[index].incarnation, state.row
    if rules.fence and row.holder == me and row.way == "handed" and (row.epoch, me) != state.venue \
            and accepts(rules, state.venue, row.epoch, me):
        yield f"FENCE({row.epoch}) of {me} is granted ahead of its claim", seeing(rules, state, row.epoch, me)


def _kill(rules: Rules, state: State, index: int) -> Iterator[Step]:
    """The holder is silent: another engine, latched itself, has the venue refuse it, by the epochs it knows and without the database."""
    engine = state.engines[index]
    me = engine.incarnation
    if not engine.latched:
        if state.kills:
            yield f"{me} is latched", _with(state, index, latched=True)._replace(kills=state.kills - 1)
        return
    yield f"the kill switch of {me} is cleared", _with(state, index, latched=False)
    if state.venue.holder == me:
        return  # nobody is left to shut out
    # With a row that was read, or without.
    for epoch in {1 + engine.floor, 1 + max(engine.floor, state.row.epoch)}:
        what = f"FENCE({epoch}) of {me} without a successor"
        if rules.shut_out_unanswered:
            yield f"{what} is sent, and told as done", state._replace(shut=max(state.shut, epoch))
        if not accepts(rules, state.venue, epoch, me):
            yield f"{what} is refused, the venue tells {state.venue.epoch}", _with(state, index, floor=max(engine.floor, state.venue.epoch))
            continue
        seen = seeing(rules, state, epoch, me)
        yield f"{what} is granted, the answer is lost", seen
        told = seen._replace(shut=max(state.shut, epoch))
        if rules.shut_out_is_a_right:
            yield f"{what} is granted, and it trades", _with(told, index, mode="trading", epoch=epoch, latched=False)
        yield f"{what} is granted, and told as done", _with(told, index, floor=epoch)


def _given_up(rules: Rules, state: State, index: int, request: Request | None = None) -> State:
    engine = state.engines[index]
    state = with_order_under_way(rules, state, engine)
    return _with(state, index, mode="standby", epoch=0, right=0, wait=0, request=request)


def _restarted(rules: Rules, state: State, index: int) -> State:
    engine = state.engines[index]
    state = with_order_under_way(rules, state, engine)
    late = state.late
    if engine.request and not engine.request.answer:
        late = tuple(sorted([*late, engine.request]))
    engines = list(state.engines)
    engines[index] = Engine(engine.name, engine.life + 1)
    return without_dead(rules, state._replace(engines=(engines[0], engines[1]), late=late, faults=state.faults - 1))


def holds(engine: Engine) -> bool:
    return engine.mode in _HELD


def under_foreign_row(engine: Engine, row: Row) -> bool:
    """Whether the database would take this engine's state for that of the row's holder, who is another."""
    return holds(engine) and row.epoch == engine.epoch and row.holder not in (engine.incarnation, VACANT, VACATED)
