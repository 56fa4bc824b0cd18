# SPDX-License-Identifier: GPL-3.0-or-later
"""The venue, and the orders on their way to it."""

from __future__ import annotations

from protocol.rules import MARGIN, Rules
from protocol.state import Engine, Order, State, Venue


def accepts(rules: Rules, venue: Venue, epoch: int, holder: str) -> bool:
    """Whether an order, or a FENCE, is let in."""
    if not rules.fence:
        return True
    return epoch > venue.epoch or (epoch == venue.epoch and (holder == venue.holder or rules.equal_epoch_accepted))


def seeing(rules: Rules, state: State, epoch: int, holder: str) -> State:
    """After something was let in under this epoch; orders that are shut out now and for ever are forgotten."""
    if not rules.fence:
        return state
    venue = Venue(epoch, holder)
    return state._replace(venue=venue, orders=tuple(one for one in state.orders if accepts(rules, venue, one.epoch, one.holder)))


def with_order_under_way(rules: Rules, state: State, engine: Engine) -> State:
    """An engine that may send at this moment may have sent: its order is somewhere between the two."""
    if engine.mode != "trading" or (rules.timed and engine.right == 0):
        return state
    if not accepts(rules, state.venue, engine.epoch, engine.incarnation):
        return state
    order = Order(engine.incarnation, engine.epoch, MARGIN if rules.timed else 0)
    others = [one for one in state.orders if one[:2] != order[:2]]
    return state._replace(orders=tuple(sorted([*others, order])))


def orders_on_the_way(state: State, holder: str) -> bool:
    return any(one.holder == holder for one in state.orders)
