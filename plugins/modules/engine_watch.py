#!/usr/bin/python
# Copyright: (c) hft.ops contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: engine_watch
short_description: Watch a trading engine for a while, and tell a measured failure from no measure
version_added: 0.1.0
description:
  - Looks at the engine on this host again and again. It must hold what it was given, with venues and database connected, send orders, and
    see neither a limit's halt nor more rejected orders than O(max_reject_ratio).
  - Fails with RV(measured=true) when O(failure_limit) looks in a row found something wrong, and with RV(measured=false) when the engine
    could not be asked so many times, or its kill switch was pressed. Only the first is a reason to move trading. A look that got no answer
    neither adds to what was measured nor takes it back. What is wrong when the time is over is looked at until it is one or the other.
  - Changes nothing. Does not wait in check mode.
author: hft.ops contributors (@hft-ops)
extends_documentation_fragment: [hft.ops.attributes, hft.ops.engine_api, hft.ops.engine_address]
options:
  strategies:
    description: What the engine is to trade; at least one. Others on the same engine are not looked at.
    type: list
    elements: str
    required: true
  duration_s:
    description: How long to watch, 0 to 86400.
    type: float
    default: 30
  interval_s:
    description: Time between two looks, 0.01 to 3600.
    type: float
    default: 1
  failure_limit:
    description: Looks in a row that may not go wrong, 1 to 1000.
    type: int
    default: 3
  max_reject_ratio:
    description: Rejected orders to orders sent since the watch began, at most, 0 to 1; 0.05 is the runbook's.
    type: float
    default: 0.05
"""

EXAMPLES = r"""
- name: Half a minute without trouble
  hft.ops.engine_watch:
    strategies: [mm-btc-usd]
    duration_s: 30
"""

RETURN = r"""
measured:
  description: Whether what went wrong was measured.
  returned: failure
  type: bool
looks:
  description: Each look with its orders and what was wrong.
  returned: always
  type: list
  elements: dict
"""

import time
from typing import Any

from ansible.module_utils.basic import AnsibleModule
from ansible_collections.hft.ops.plugins.module_utils._engine_api import (
    ENGINE_SPEC,
    EngineApi,
    EngineRefused,
    EngineUnreachable,
    engine_api,
)
from ansible_collections.hft.ops.plugins.module_utils._engine_status import hindrances, killed
from ansible_collections.hft.ops.plugins.module_utils._host import HostError

_RANGES = {"duration_s": (0, 86_400), "interval_s": (0.01, 3600), "failure_limit": (1, 1000), "max_reject_ratio": (0, 1)}


class Sick(HostError):
    """Something wrong was measured, often enough."""


class Blind(HostError):
    """Nothing could be measured, often enough; or a person stopped the engine."""


def main() -> None:
    module = AnsibleModule(
        argument_spec={
            **ENGINE_SPEC,
            "strategies": {"type": "list", "elements": "str", "required": True},
            "duration_s": {"type": "float", "default": 30},
            "interval_s": {"type": "float", "default": 1},
            "failure_limit": {"type": "int", "default": 3},
            "max_reject_ratio": {"type": "float", "default": 0.05},
        },
        supports_check_mode=True,
    )
    given = module.params
    watch = None
    try:
        check_input(given)
        watch = Watch(engine_api(given), given)
        if not module.check_mode:
            watch.run()
    except HostError as wrong:
        module.fail_json(msg=str(wrong), measured=isinstance(wrong, Sick), looks=watch.looks if watch else [])
    module.exit_json(changed=False, looks=watch.looks)


def check_input(given: dict[str, Any]) -> None:
    """Raise HostError for input with which a sound engine would fail, or any would pass."""
    if not given["strategies"]:
        raise HostError("strategies: expected at least one, found none")
    for name, (low, high) in _RANGES.items():
        if not low <= given[name] <= high:
            raise HostError(f"{name} {given[name]:g}: expected {low:g} to {high:g}")


class Watch:
    """The looks at one engine."""

    def __init__(self, api: EngineApi, given: dict[str, Any]) -> None:
        self.api = api
        self.given = given
        self.looks: list[dict[str, Any]] = []
        self._first: dict[str, int] = {}
        self._before: dict[str, int] = {}

    def run(self) -> None:
        end = time.monotonic() + self.given["duration_s"]
        sick = blind = 0
        while True:
            wrong, measured = self._look()
            if not wrong:
                sick = blind = 0
            elif measured:
                sick, blind = sick + 1, 0
            else:
                blind += 1
            if sick >= self.given["failure_limit"]:
                raise Sick(f"measured {sick} times in a row: {'; '.join(wrong)}")
            if blind >= self.given["failure_limit"]:
                raise Blind(f"not measured {blind} times in a row: {'; '.join(wrong)}")
            if not wrong and time.monotonic() >= end:
                return
            time.sleep(self.given["interval_s"])

    def _look(self) -> tuple[list[str], bool]:
        """What is wrong, and whether it was measured."""
        try:
            status = self.api.status()
            counts = self.api.order_counts()
        except (EngineUnreachable, EngineRefused) as silent:
            self.looks.append({"at": round(time.time(), 3), "orders": 0, "wrong": [str(silent)]})
            return [str(silent)], False
        chosen = [one for one in status["strategies"] if one["id"] in self.given["strategies"]]
        pressed = killed({**status, "strategies": chosen})
        if pressed:
            raise Blind(f"kill switch latched in {' and '.join(pressed)}: a person or a rule stopped it")
        wrong = self._wrong({**status, "strategies": chosen}, counts)
        self.looks.append({"at": round(time.time(), 3), "orders": sum(self._before.values()), "wrong": wrong})
        return wrong, True

    def _wrong(self, status: dict[str, Any], counts: dict[str, dict[str, int]]) -> list[str]:
        chosen = status["strategies"]
        wrong = [f"{name} is not on this engine" for name in sorted(set(self.given["strategies"]) - {one["id"] for one in chosen})]
        venues = {one["venue"] for one in chosen}
        found = hindrances({**status, "exchanges": [one for one in status["exchanges"] if one["name"] in venues]})
        if not found and any(not one["trading"] for one in chosen):
            found = ["trading is not enabled"]
        wrong += found
        # Of a strategy on paper the venue sees no order.
        accepted = {one["id"]: counts["accepted"].get(one["id"], 0) for one in chosen if not one.get("paper_trading")}
        refused = sum(counts["rejected"].get(one["id"], 0) for one in chosen)
        if not self._first:
            self._first = {"accepted": sum(accepted.values()), "rejected": refused}
        still = [name for name, count in accepted.items() if name in self._before and count <= self._before[name]]
        wrong += [f"no order of {name} accepted since the look before" for name in still]
        self._before = accepted
        sent = sum(accepted.values()) - self._first["accepted"]
        rejected = refused - self._first["rejected"]
        if rejected > self.given["max_reject_ratio"] * (sent + rejected):
            wrong.append(f"{rejected} of {sent + rejected} orders rejected, at most {self.given['max_reject_ratio']:g} of them allowed")
        return wrong


if __name__ == "__main__":
    main()
