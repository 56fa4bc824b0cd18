#!/usr/bin/python
# Copyright: (c) hft.ops contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: engine_trading
short_description: Let the engine on this host ask for the lease and trade, or stop trading and give the lease back
version_added: 0.1.0
description:
  - With O(state=started) starts the engine's strategies, asks for the lease and enables trading, then waits until the venue has accepted
    orders of every strategy. When the lease is refused or no orders follow, the engine is put back to where it was and the task fails
    with the reason.
  - With O(state=stopped) disables trading and gives the lease back, then waits until no row names the engine and no order leaves it.
  - The engine decides about the lease. This module asks, it never takes.
  - In check mode tells which of these steps a run would take, by the engine's own status.
author: hft.ops contributors (@hft-ops)
extends_documentation_fragment: [hft.ops.attributes, hft.ops.engine_api, hft.ops.engine_address]
options:
  state:
    description: Whether the engine on this host is to trade.
    type: str
    choices: [started, stopped]
    required: true
  timeout:
    description: Seconds for the engine to answer, and again for the proof.
    type: float
    default: 20
  settle:
    description: Seconds for which the count of orders must stand still after a stop.
    type: float
    default: 1
seealso:
  - module: hft.ops.engine_info
"""

EXAMPLES = r"""
- name: Trade
  hft.ops.engine_trading:
    state: started

- name: Stop trading, give the lease back
  hft.ops.engine_trading:
    state: stopped
"""

RETURN = r"""
before:
  description: The engine's status before.
  returned: success
  type: dict
after:
  description: The engine's status after; in check mode the same as before.
  returned: success
  type: dict
orders_seen:
  description: Orders that the venue accepted while the proof looked, by strategy; all 0 after a stop.
  returned: success, not in check mode
  type: dict
differences:
  description: Every difference between wanted and found, with its layer, path, before and after.
  returned: success
  type: list
  elements: dict
"""

import time
from collections.abc import Callable
from typing import Any

from ansible.module_utils.basic import AnsibleModule
from ansible_collections.hft.ops.plugins.module_utils._engine_api import ENGINE_SPEC, EngineApi, EngineRefused, engine_api
from ansible_collections.hft.ops.plugins.module_utils._engine_status import hindrances, killed, orders, trading
from ansible_collections.hft.ops.plugins.module_utils._host import HostError
from ansible_collections.hft.ops.plugins.module_utils._plan import Difference, Plan

_PAUSE_S = 0.2


def main() -> None:
    module = AnsibleModule(
        argument_spec={
            **ENGINE_SPEC,
            "state": {"type": "str", "choices": ["started", "stopped"], "required": True},
            "timeout": {"type": "float", "default": 20},
            "settle": {"type": "float", "default": 1},
        },
        supports_check_mode=True,
    )
    plan = Plan(module.check_mode)
    try:
        api = engine_api(module.params)
        result = Trading(api, plan, module.params["timeout"], module.params["settle"]).bring(module.params["state"])
    except HostError as wrong:
        module.fail_json(msg=str(wrong))
    module.exit_json(**result, **plan.result())


class Trading:
    """Brings one engine to trade or to stand by, and proves it."""

    def __init__(self, api: EngineApi, plan: Plan, timeout_s: float, settle_s: float) -> None:
        self.api = api
        self.plan = plan
        self.timeout_s = timeout_s
        self.settle_s = settle_s
        self.before = api.status()
        self.name = self.before["engine"]
        self.seen: dict[str, int] = {}

    def bring(self, state: str) -> dict[str, Any]:
        if state == "started":
            self._refuse_killed()
            self._plan_strategies("running")
            self._plan_grant("primary", True)
            self._run(self._prove_started)
        else:
            self._plan_grant("standby", False)
            self._plan_strategies("stopped")
            self._run(self._prove_stopped)
        after = self.before if self.plan.check_mode else self.api.status()
        return {"before": self.before, "after": after, "orders_seen": self.seen}

    def _run(self, prove: Callable[[], None]) -> None:
        """Write and prove; where nothing is to be written, the proof alone."""
        if self.plan.changed:
            self.plan.run(verify=prove)
        elif not self.plan.check_mode:
            prove()

    def _refuse_killed(self) -> None:
        where = killed(self.before)
        if where:
            raise HostError(f"engine {self.name}: kill switch is latched in {' and '.join(where)}; "
                            f"find out why, clear it (DELETE /api/v1/killswitch), then start")

    def _plan_strategies(self, state: str) -> None:
        act = {"running": self.api.start_strategy, "stopped": self.api.stop_strategy}
        for one in self.before["strategies"]:
            if one["state"] != state:
                back = act["stopped" if state == "running" else "running"]
                self.plan.change(Difference("live", f"strategy {one['id']}", one["state"], state),
                                 write=lambda one=one: act[state](one["id"]), undo=lambda one=one, back=back: back(one["id"]))

    def _plan_grant(self, role: str, enabled: bool) -> None:
        """Role and trading_enabled in one request, so that there is no moment in between."""
        found = []
        if self.before["role"] != role:
            found.append(Difference("live", "role", self.before["role"], role))
        if self.before["trading_enabled"] != enabled:
            found.append(Difference("live", "trading_enabled", self.before["trading_enabled"], enabled))
        if found:
            self.plan.change(*found, write=lambda: self._grant(role, enabled), undo=self._give_back if enabled else None)

    def _grant(self, role: str, enabled: bool) -> None:
        try:
            self.api.set_config(self.timeout_s, role=role, trading_enabled=enabled)
        except EngineRefused as refused:
            what = "refuses to trade" if enabled else "did not stop cleanly"
            raise HostError(f"engine {self.name}: {what}: {refused.detail}") from refused
        except HostError:
            # No answer is no knowledge: an engine that may have got the lease must not keep it unnoticed.
            if enabled:
                self._give_back()
            raise

    def _give_back(self) -> None:
        self.api.set_config(self.timeout_s, role=self.before["role"], trading_enabled=self.before["trading_enabled"])

    def _prove_started(self) -> None:
        first = self.api.accepted_orders()
        deadline = time.monotonic() + self.timeout_s
        while True:
            status, accepted = self.api.status(), self.api.accepted_orders()
            self.seen = {name: accepted.get(name, 0) - first.get(name, 0) for name in orders(status)}
            if trading(status) and all(count > 0 for count in self.seen.values()):
                return
            if time.monotonic() >= deadline:
                silent = [name for name, count in self.seen.items() if count <= 0]
                why = "; ".join(hindrances(status)) or "no hindrance known; is the market moving?"
                raise HostError(f"engine {self.name}: no orders of {', '.join(silent) or 'any'} accepted "
                                f"within {self.timeout_s:g} s ({why})"
                                + ("; what this run changed was taken back" if self.plan.changed else ""))
            time.sleep(_PAUSE_S)

    def _prove_stopped(self) -> None:
        deadline = time.monotonic() + self.timeout_s
        before, since = None, time.monotonic()
        while True:
            status = self.api.status()
            if orders(status) != before:
                before, since = orders(status), time.monotonic()
            left = [one["id"] for one in status["strategies"] if one["holder"] == status["holder"]]
            if status["role"] == "standby" and not left and time.monotonic() - since >= self.settle_s:
                self.seen = dict.fromkeys(before, 0)
                return
            if time.monotonic() >= deadline:
                what = f"still holds {', '.join(left)}" if left else f"is {status['role']} and sends orders"
                raise HostError(f"engine {self.name}: {what} {self.timeout_s:g} s after it was told to stop; "
                                f"use the kill switch (POST /api/v1/killswitch)")
            time.sleep(_PAUSE_S)


if __name__ == "__main__":
    main()
