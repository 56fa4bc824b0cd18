# SPDX-License-Identifier: GPL-3.0-or-later
"""What the venue's log says of transfers: gaps, overlaps, orders refused for their epoch, orders without a row."""

from __future__ import annotations

import bisect
import json
import random
from collections import Counter
from collections.abc import Iterable

_EPOCH_REASONS = ("stale_epoch", "foreign_incarnation")
_BASELINES = 1_000


class Truth:
    """A stretch of the log, from the byte `begin` on. Times are the venue's receive times in ns."""

    def __init__(self, begin: int) -> None:
        self.begin = begin
        self._accepted: dict[str, list[dict]] = {}
        self._refused = 0
        self._overlap = 0
        self._fences: dict[tuple[str, int], int] = {}

    def read(self, text: str) -> None:
        highest: dict[str, int] = {}
        used: dict[tuple[str, int], str] = {}
        for raw in text.splitlines():
            if not raw.startswith("{") or not raw.endswith("}"):
                continue
            line = json.loads(raw)
            kind = line["ev"]
            if kind == "rejected" and line["reason"] in _EPOCH_REASONS:
                self._refused += 1
            if kind == "fence":
                self._fences[line["strategy"], line["epoch"]] = line["t"]
            if kind != "accepted":
                continue
            strategy, epoch = line["strategy"], line["epoch"]
            self._accepted.setdefault(strategy, []).append(line)
            self._overlap += epoch < highest.get(strategy, 0)
            self._overlap += used.setdefault((strategy, epoch), line["holder"]) != line["holder"]
            highest[strategy] = max(epoch, highest.get(strategy, 0))

    def _changes(self) -> list[list[tuple[int, int]]]:
        """Of each transfer, per strategy: last order of the old epoch, first of the new."""
        by_number: dict[int, list[tuple[int, int]]] = {}
        for orders in self._accepted.values():
            number = 0
            for before, after in zip(orders, orders[1:], strict=False):
                if after["epoch"] > before["epoch"]:
                    by_number.setdefault(number, []).append((before["t"], after["t"]))
                    number += 1
        return list(by_number.values())

    def gaps_ms(self) -> list[float]:
        """Worst strategy of each transfer."""
        return [max(after - before for before, after in one) / 1e6 for one in self._changes()]

    def baseline_gaps_ms(self, chance: random.Random) -> list[float]:
        """The same figure at random instants with no change of epoch: distance of the orders around them, worst strategy."""
        times = {name: [line["t"] for line in orders] for name, orders in self._accepted.items()}
        epochs = {name: [line["epoch"] for line in orders] for name, orders in self._accepted.items()}
        begin, end = max(one[0] for one in times.values()), min(one[-1] for one in times.values())
        found = []
        for _ in range(_BASELINES):
            instant, worst = chance.randint(begin, end), 0
            for name, ordered in times.items():
                at = bisect.bisect_left(ordered, instant)
                if not 0 < at < len(ordered) or epochs[name][at] != epochs[name][at - 1]:
                    break
                worst = max(worst, ordered[at] - ordered[at - 1])
            else:
                found.append(worst / 1e6)
        return found

    def first_orders_us(self) -> list[float]:
        """From the fence to the first order behind it."""
        found = []
        for name, orders in self._accepted.items():
            for before, after in zip(orders, orders[1:], strict=False):
                fenced = self._fences.get((name, after["epoch"]))
                if after["epoch"] > before["epoch"] and fenced:
                    found.append((after["t"] - fenced) / 1e3)
        return found

    def rate(self) -> dict[str, float]:
        """Orders a second that the venue accepted, by strategy."""
        return {name: round(1e9 * len(orders) / max(1, orders[-1]["t"] - orders[0]["t"]), 1) for name, orders in self._accepted.items()}

    def faults(self) -> dict[str, int]:
        intents = Counter((line["strategy"], line["symbol"], line["tick"], line["leg"])
                          for orders in self._accepted.values() for line in orders)
        return {"overlap": self._overlap, "stale_refused": self._refused, "duplicate": sum(count - 1 for count in intents.values())}

    def last_order_ns(self) -> int:
        return max((orders[-1]["t"] for orders in self._accepted.values()), default=0)

    def last_sent_ns(self) -> int:
        """When its engine sent the one that it sent last."""
        return max((line["sent_ns"] for orders in self._accepted.values() for line in orders), default=0)

    def first_epoch(self) -> int:
        return min(orders[0]["epoch"] for orders in self._accepted.values())

    def last_epoch(self) -> int:
        return max(orders[-1]["epoch"] for orders in self._accepted.values())

    def against(self, rows: Iterable[tuple[str, ...]]) -> dict[str, int]:
        """lost: an order of this stretch without exactly one row; phantom: a row of its epochs between its orders that it does not know."""
        there = Counter(rows)
        wanted = {(line["strategy"], str(line["epoch"]), str(line["seq"])) for orders in self._accepted.values() for line in orders}
        return {"lost": sum(there[key] != 1 for key in wanted), "phantom": self._phantoms(there, wanted)}

    def _phantoms(self, there: Counter, wanted: set) -> int:
        # Strategies that were stopped by themselves have other epochs than their neighbours.
        inner = {name: range(orders[0]["epoch"] + 1, orders[-1]["epoch"]) for name, orders in self._accepted.items()}
        return sum(int(key[1]) in inner.get(key[0], ()) and key not in wanted for key in there)
