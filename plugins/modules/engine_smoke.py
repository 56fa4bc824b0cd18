#!/usr/bin/python
# Copyright: (c) hft.ops contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: engine_smoke
short_description: Let a standby engine trade a strategy on paper for a moment, and take it away again
version_added: 0.1.0
description:
  - Loads a copy of O(strategy) on paper, named C(smoke-) and its id, claims the lease of that copy alone, and counts the orders that it
    would have sent. No venue sees one. Then the copy is stopped, its lease given back, and it is unloaded, whatever was found.
  - Each order takes the way of all others, from the tick through every check into journal and database. What is not proven is the sending;
    the time from tick to order has no measure on paper, the round trip to the venues stands for it.
  - Refused on an engine that holds a lease. Where the engine takes over trading meanwhile, the copy is stopped and keeps its lease.
  - Fails with every row that does not pass. Nothing of it stays but the vacant lease row of the copy. Does nothing in check mode.
author: hft.ops contributors (@hft-ops)
extends_documentation_fragment: [hft.ops.attributes, hft.ops.engine_api, hft.ops.engine_address]
options:
  strategy:
    description: The strategy, as in the engine's configuration; C(id) and C(paper_trading) of the copy are set here.
    type: dict
    required: true
  orders:
    description: Orders on paper, at least, 1 to 1000000.
    type: int
    default: 5
  timeout:
    description: Seconds for the engine to answer, and again for the orders, 0.1 to 3600.
    type: float
    default: 20
  max_round_trip_ms:
    description: Last round trip to every venue of the engine, in milliseconds, at most.
    type: float
    default: 1000
  max_refused_ratio:
    description:
      - Orders that a limit refused to all that were wanted, at most, 0 to 1. The limit on the rate of orders does not count.
    type: float
    default: 0.05
seealso:
  - module: hft.ops.engine_checks
  - module: hft.ops.engine_watch
"""

EXAMPLES = r"""
- name: The new release trades on paper
  hft.ops.engine_smoke:
    strategy: "{{ engine_strategies | first }}"
    orders: 5
"""

RETURN = r"""
rows:
  description: One row a question with C(gate), C(asked), C(found), C(verdict) (V(pass) or V(fail)) and C(reason); none in check mode.
  returned: always
  type: list
  elements: dict
"""

import time
from collections.abc import Callable
from typing import Any

from ansible.module_utils.basic import AnsibleModule
from ansible_collections.hft.ops.plugins.module_utils._engine_api import ENGINE_SPEC, EngineApi, EngineRefused, engine_api
from ansible_collections.hft.ops.plugins.module_utils._engine_status import chosen, held, hindrances, killed
from ansible_collections.hft.ops.plugins.module_utils._host import HostError

_PAUSE_S = 0.2
_MAX_NAME = 32  # the engine's own bound
# Of a strategy that other grants hold back, or that asks too often, the release is not to blame.
_LIMITS = ("order_size", "position", "notional", "open_orders", "price_collar", "daily_loss", "capital")
_RANGES = {"orders": (1, 1_000_000), "timeout": (0.1, 3600), "max_round_trip_ms": (0, 1e6), "max_refused_ratio": (0, 1)}


def main() -> None:
    module = AnsibleModule(
        argument_spec={
            **ENGINE_SPEC,
            "strategy": {"type": "dict", "required": True},
            "orders": {"type": "int", "default": 5},
            "timeout": {"type": "float", "default": 20},
            "max_round_trip_ms": {"type": "float", "default": 1000},
            "max_refused_ratio": {"type": "float", "default": 0.05},
        },
        supports_check_mode=True,
    )
    rows: list[dict[str, Any]] = []
    try:
        check_input(module.params)
        if not module.check_mode:
            rows = Smoke(engine_api(module.params), module.params).run()
    except HostError as wrong:
        module.fail_json(msg=str(wrong), rows=rows)
    failed = [f"{row['gate']}: asked {row['asked']}, found {row['found']}" for row in rows if row["verdict"] == "fail"]
    if failed:
        module.fail_json(msg="; ".join(failed), rows=rows)
    module.exit_json(changed=False, rows=rows)


def check_input(given: dict[str, Any]) -> None:
    """Raise HostError for input with which a sound engine would fail, or any would pass."""
    if not isinstance(given["strategy"].get("id"), str) or not given["strategy"]["id"]:
        raise HostError("strategy: expected one as in the engine's configuration, with an id")
    for name, (low, high) in _RANGES.items():
        if not low <= given[name] <= high:
            raise HostError(f"{name} {given[name]:g}: expected {low:g} to {high:g}")


class Smoke:
    """One strategy on paper on one engine, from its load to its unload."""

    def __init__(self, api: EngineApi, given: dict[str, Any]) -> None:
        self.api = api
        self.given = given
        self.name = f"smoke-{given['strategy']['id']}"[:_MAX_NAME]
        self.before = api.status()
        self.engine = self.before["engine"]

    def run(self) -> list[dict[str, Any]]:
        others = [one for one in held(self.before) if one != self.name]
        if others:
            raise HostError(f"engine {self.engine}: holds {', '.join(others)}; a strategy is tried on paper on an engine that stands by")
        if self.before["killswitch"]:
            raise HostError(f"engine {self.engine}: kill switch is latched in {' and '.join(killed(self.before))}; "
                            f"find out why, clear it (killswitch_clear.yml), then try again")
        if any(one["id"] == self.name for one in self.before["strategies"]):
            # Left behind by a run that was interrupted.
            self._take_away("standby", False)
        standby = not held(self.before)
        role, enabled = (self.before["role"], self.before["trading_enabled"]) if standby else ("standby", False)
        try:
            self._ask("load", lambda: self.api.load_strategy({**self.given["strategy"], "id": self.name, "paper_trading": True}))
            refused = self._refused()
            self._ask("claim", lambda: self.api.takeover(self.given["timeout"], [self.name]))
            rows = self._rows(refused)
        except HostError as wrong:
            self._take_away_after(wrong, role, enabled)
            raise
        self._take_away(role, enabled)
        return rows

    def _take_away_after(self, wrong: HostError, role: str, enabled: bool) -> None:
        try:
            self._take_away(role, enabled)
        except HostError as more:
            raise HostError(f"{wrong}; {more}") from wrong

    def _ask(self, verb: str, call: Callable[[], Any]) -> None:
        try:
            call()
        except EngineRefused as refused:
            raise HostError(f"engine {self.engine}: does not {verb} {self.name}: {refused.detail}") from refused

    def _refused(self) -> int:
        return sum(count for check, count in self.api.refusals_and_round_trips()[0].items() if check in _LIMITS)

    def _rows(self, refused_before: int) -> list[dict[str, Any]]:
        wanted, limit_ms = self.given["orders"], self.given["max_round_trip_ms"]
        began = time.monotonic()
        while True:
            status = chosen(self.api.status(), [self.name])
            orders = sum(one["performance"].get("paper_orders", 0) for one in status["strategies"])
            trips = self.api.refusals_and_round_trips()[1]
            took_s = time.monotonic() - began
            # 0 is no measure: the first heartbeat may still be under way.
            if (orders >= wanted and trips and all(trips.values())) or took_s >= self.given["timeout"]:
                break
            time.sleep(_PAUSE_S)
        refused = self._refused() - refused_before
        hindered = "; ".join(hindrances(status)) or "no hindrance known; is the market moving?"
        worst = max(trips, key=lambda venue: trips[venue] or float("inf"), default="")
        said = f"{worst} {trips[worst] * 1000:.3f} ms" if worst and trips[worst] else f"{worst or 'no venue'} not measured"
        return [
            _row("orders on paper", f"at least {wanted} of {self.name} within {self.given['timeout']:g} s",
                 f"{orders} in {took_s:.1f} s" + ("" if orders >= wanted else f" ({hindered})"), orders >= wanted),
            _row("orders refused by limits", f"at most {self.given['max_refused_ratio']:g} of all", f"{refused} of {orders + refused}",
                 refused <= self.given["max_refused_ratio"] * (orders + refused)),
            _row("round trip to venues", f"at most {limit_ms:g} ms each", said,
                 bool(worst) and 0 < trips[worst] * 1000 <= limit_ms),
        ]

    def _take_away(self, role: str, enabled: bool) -> None:
        """Stop it, give its lease back, unload it; an engine that trades something else by now keeps what it holds."""
        status = self.api.status()
        if self.name not in [one["id"] for one in status["strategies"]]:
            return
        self._ask("stop", lambda: self.api.stop_strategy(self.name))
        others = [one for one in held(self.api.status()) if one != self.name]
        if others:
            raise HostError(f"engine {self.engine}: took over {', '.join(others)} meanwhile; {self.name} stays there, stopped, until it "
                            f"holds nothing else (drain.yml, then trading.yml -e trading_action=stop)")
        self._ask("give back", lambda: self.api.set_config(self.given["timeout"], role=role, trading_enabled=enabled))
        self._ask("unload", lambda: self.api.unload_strategy(self.name))


def _row(gate: str, asked: str, found: str, ok: bool) -> dict[str, Any]:
    return {"gate": gate, "asked": asked, "found": found, "verdict": "pass" if ok else "fail", "reason": ""}


if __name__ == "__main__":
    main()
