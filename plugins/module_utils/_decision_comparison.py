# Copyright: (c) hft.ops contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Private to hft.ops. Whether two engines that saw the same ticks decided the same."""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import Any, NamedTuple

SUCCESSFUL, FAILED, INCONCLUSIVE = "successful", "failed", "inconclusive"
KINDS = ("only_live", "only_shadow", "side", "quantity", "price")

# As the engine writes the event of an order that was not sent (engine/io/fact_writer.cpp).
_PAPER_ORDER = re.compile(r"epoch \d+: (buy|sell) (\d+\.\d+) at (\d+\.\d+), tick (\d+) leg (\d+)")


class Decision(NamedTuple):
    """What was asked for at one tick of the venue; the venue numbers ticks, so both engines name the same one."""

    tick: int
    leg: int
    side: str
    price: float
    quantity: float

    def __str__(self) -> str:
        return f"{self.side} {self.quantity:g} at {self.price:.6f}"


def paper_order(detail: str) -> Decision:
    """The decision that an event paper_order tells of."""
    found = _PAPER_ORDER.fullmatch(detail)
    if found is None:
        raise ValueError(f"event paper_order {detail!r}: expected EPOCH: SIDE QUANTITY at PRICE, tick N leg N; "
                         "does the engine write another format than this collection reads?")
    side, quantity, price, tick, leg = found.groups()
    return Decision(int(tick), int(leg), side, float(price), float(quantity))


def compare(live: Iterable[Decision], shadow: Iterable[Decision], price_bps: float) -> dict[str, Any]:
    """What both decided over the ticks that both saw: compared, agreed, how many differ by kind, and each difference."""
    ours, theirs = ({(one.tick, one.leg): one for one in side} for side in (live, shadow))
    if not ours or not theirs:
        return {"compared": 0, "agreed": 0, "kinds": dict.fromkeys(KINDS, 0), "differences": []}
    # What one began earlier, or has written later, says nothing about the other.
    first = max(min(side)[0] for side in (ours, theirs))
    last = min(max(side)[0] for side in (ours, theirs))
    at = sorted(key for key in {*ours, *theirs} if first <= key[0] <= last)
    differences = []
    for key in at:
        kind = _kind(ours.get(key), theirs.get(key), price_bps)
        if kind:
            differences.append({"tick": key[0], "leg": key[1], "kind": kind,
                                "live": str(ours.get(key, "")), "shadow": str(theirs.get(key, ""))})
    return {"compared": len(at), "agreed": len(at) - len(differences), "differences": differences,
            "kinds": {kind: sum(one["kind"] == kind for one in differences) for kind in KINDS}}


def judge(name: str, found: dict[str, Any], min_decisions: int, min_agreement: float) -> tuple[str, str]:
    """Verdict and its reason. Too little to judge by is never a success."""
    compared, agreed = found["compared"], found["agreed"]
    if compared < min_decisions:
        return INCONCLUSIVE, f"{name}: {compared} decisions over the same ticks, {min_decisions} are needed"
    rate = agreed / compared
    counted = ", ".join(f"{count} {kind.replace('_', ' ')}" for kind, count in found["kinds"].items() if count)
    said = f"{name}: {agreed} of {compared} decisions agree ({rate:.1%}, at least {min_agreement:.1%} wanted)"
    return (SUCCESSFUL if rate >= min_agreement else FAILED), said + (f"; differing: {counted}" if counted else "")


def overall(judged: list[tuple[str, str]]) -> tuple[str, str]:
    """Of all strategies: what one does differently no other makes good."""
    for verdict in (FAILED, INCONCLUSIVE, SUCCESSFUL):
        reasons = [reason for one, reason in judged if one == verdict]
        if reasons:
            return verdict, "; ".join(reasons)
    return INCONCLUSIVE, "nothing to compare"


def _kind(live: Decision | None, shadow: Decision | None, price_bps: float) -> str:
    if live is None or shadow is None:
        return "only_shadow" if live is None else "only_live"
    if live.side != shadow.side:
        return "side"
    if abs(live.quantity - shadow.quantity) > 1e-9:
        return "quantity"
    return "price" if abs(live.price - shadow.price) > live.price * price_bps / 1e4 + 1e-9 else ""
