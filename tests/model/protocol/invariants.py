# SPDX-License-Identifier: GPL-3.0-or-later
"""What must never be."""

from __future__ import annotations

from protocol.engine import under_foreign_row
from protocol.rules import Rules
from protocol.state import State
from protocol.venue import accepts


def able(rules: Rules, state: State) -> set[tuple[int, str]]:
    """(epoch, incarnation) of everyone whose next order, or one on its way, the venue would accept."""
    found = {(one.epoch, one.incarnation) for one in state.engines if one.mode == "trading" and (one.right > 0 or not rules.timed)}
    found |= {(one.epoch, one.holder) for one in state.orders}
    return {one for one in found if accepts(rules, state.venue, *one)}


def violation(rules: Rules, state: State, rows_too: bool) -> str:
    """What is broken in this state, or nothing. rows_too: also what only the database can tell."""
    found = able(rules, state)
    if len({holder for _, holder in found}) > 1:
        return "orders of two would be accepted: " + " and ".join(f"{holder} under epoch {epoch}" for epoch, holder in sorted(found))
    if rules.fence:
        for epoch, holder in found:
            if (epoch, holder) != state.venue and epoch <= state.venue.epoch:
                return f"the venue would accept {holder} under epoch {epoch} after {state.venue.holder} under {state.venue.epoch}"
        for epoch, holder in found:
            if epoch < state.shut:
                return f"the venue would accept {holder} under epoch {epoch}, and a kill said that all below {state.shut} are shut out"
    if not rows_too:
        return ""
    for engine in state.engines:
        if under_foreign_row(engine, state.row):
            return f"{engine.incarnation} holds epoch {engine.epoch}, and so does {state.row.holder} by the row"
    return state.broken
