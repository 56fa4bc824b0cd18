# SPDX-License-Identifier: GPL-3.0-or-later
"""Time without a fence: all clocks run at one rate, and an order arrives within the margin or never."""

from __future__ import annotations

from protocol.rules import MARGIN, Rules
from protocol.state import Engine, Order, State
from protocol.venue import with_order_under_way


def tick(rules: Rules, state: State) -> State:
    orders = tuple(Order(one.holder, one.epoch, one.left - 1) for one in state.orders if one.left > 0)
    aged = state._replace(orders=orders, engines=tuple(_aged(one) for one in state.engines))
    for before, after in zip(state.engines, aged.engines):
        if before.right > 0 and after.right == 0:
            # Sent at the last moment, and as slow as it may be.
            aged = with_order_under_way(rules, aged, after._replace(right=MARGIN))
    return aged


def _aged(engine: Engine) -> Engine:
    request = engine.request
    if request and request.right:
        request = request._replace(right=request.right - 1)
    return engine._replace(right=max(0, engine.right - 1), wait=max(0, engine.wait - 1), request=request)
