# SPDX-License-Identifier: GPL-3.0-or-later
"""The kill switch of one engine, press by press: from the request on its host to the last order.

A press counts as one with a free core when none of the engine's threads, nor the one that asked, waited for a core for CORE_FREE_MS or
longer until the answer was there (press.py). When the last order came plays no part in that, and every press stands in the result.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from distributions import distribution
from lab_hosts import on
from venue_truth import Truth

# Half of what the bar allows.
CORE_FREE_MS = 0.5
_PRESS = Path(__file__).with_name("press.py")


@dataclass(frozen=True)
class Press:
    """Milliseconds from the request to the last order, as the venue received it and as the engine sent it.

    waited_ms: for a core, all threads together; waited_most_ms: the one that waited longest.
    An order before the request is the last one where none came after it: 0.
    """

    received_ms: float
    sent_ms: float
    waited_ms: float
    waited_most_ms: float


def pressed(host: str) -> dict[str, int]:
    """Press it at the engine of the host; at_ns, waited_ns and waited_most_ns."""
    unit = "$(systemctl show --property MainPID --value hft_system)"
    return json.loads(on(host, f"python3 - {unit} <<'END'\n{_PRESS.read_text()}\nEND"))


def press_of(told: dict[str, int], log: Truth) -> Press:
    """log: what the venue took around the press."""
    since_ms = [max(0.0, round((at_ns - told["at_ns"]) / 1e6, 3)) for at_ns in (log.last_order_ns(), log.last_sent_ns())]
    return Press(*since_ms, waited_ms=round(told["waited_ns"] / 1e6, 3), waited_most_ms=round(told["waited_most_ns"] / 1e6, 3))


def summary(presses: Sequence[Press]) -> dict[str, Any]:
    """engine_ms: as the venue received the last order, sent_ms: as the engine sent it; of all presses, and of those with a free core."""
    free = [one for one in presses if one.waited_most_ms < CORE_FREE_MS]
    criterion = f"no thread of engine and client waited for a core for {CORE_FREE_MS:g} ms, from the request to its answer (schedstat)"
    return {**_distributions(presses), "waited_ms": distribution([one.waited_ms for one in presses]),
            "waited_most_ms": distribution([one.waited_most_ms for one in presses]),
            "core_free": {"criterion": criterion, **_distributions(free)}, "presses": [asdict(one) for one in presses]}


def _distributions(presses: Sequence[Press]) -> dict[str, Any]:
    return {"engine_ms": distribution([one.received_ms for one in presses]), "sent_ms": distribution([one.sent_ms for one in presses])}
