# SPDX-License-Identifier: GPL-3.0-or-later
"""What a move to the recovery site said is lost, and what the way back then counted, of the words of both playbooks."""

from __future__ import annotations

import math
import re
from dataclasses import dataclass


@dataclass(frozen=True)
class Loss:
    """Seconds of commits, and orders among them; endless where nobody knows."""

    seconds: float
    orders: float


def told(said: str) -> Loss | None:
    """A bound; None where it was proven that nothing acknowledged is lost. said: output of dr_failover.yml."""
    text = " ".join(said.split())
    if "no acknowledged commit is lost" in text:
        return None
    found = re.search(r"commits of up to ([\d.]+) s \((-?\d+) orders\) may be lost", text)
    return Loss(float(found[1]), int(found[2]) if int(found[2]) >= 0 else math.inf) if found else Loss(math.inf, math.inf)


def counted(said: str) -> Loss:
    """said: output of dr_failback.yml."""
    text = " ".join(said.split())
    found = re.search(r"counted at \S+: (nothing|nobody knows how long|([\d.]+) s)(?:, new rows: ([^;]*))?", text)
    if not found:
        raise ValueError(f"expected what was counted, found {text[-2000:]!r}")
    orders = re.search(r"(\d+) of orders\b", found[3] or "")
    seconds = 0.0 if found[1] == "nothing" else float(found[2]) if found[2] else math.inf
    return Loss(seconds, int(orders[1]) if orders else 0)
