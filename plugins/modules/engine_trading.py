#!/usr/bin/python
# Copyright: (c) hft.ops contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: engine_trading
short_description: Let the engine on this host trade, stop, or close its positions; all of it or some strategies
version_added: 0.1.0
description:
  - With O(state=started) starts the engine's strategies, asks for the lease and enables trading, then waits until the venue has accepted
    orders of every strategy. When the lease is refused or no orders follow, the engine is put back to where it was and the task fails
    with the reason. A strategy on paper sends nothing, so its orders are those that it would have sent.
  - With O(state=stopped) disables trading and gives the lease back, then waits until no row names the engine and no order leaves it.
  - With O(state=flat) the engine cancels what is open and closes the positions of the strategies that it holds, at the market and within
    their limits; they end stopped, the lease stays. Waits until every position is 0 and no order is open.
  - With O(strategies) only these are touched. Stopped by name, a strategy keeps its lease. Started by name, one that the engine
    does not hold is claimed alone; that is refused while its holder lives.
  - The engine decides about the lease. This module asks, it never takes.
  - In check mode tells which of these steps a run would take, by the engine's own status.
author: hft.ops contributors (@hft-ops)
extends_documentation_fragment: [hft.ops.attributes, hft.ops.engine_api, hft.ops.engine_address]
options:
  state:
    description: What becomes of the engine on this host, or of O(strategies).
    type: str
    choices: [started, stopped, flat]
    required: true
  strategies:
    description: These alone; everything that the engine has (with O(state=flat), that it holds) where none is named.
    type: list
    elements: str
    default: []
  reason:
    description:
      - Why the positions are closed, in one line of at most 200 characters; stays in the engine's log.
      - Required with O(state=flat).
    type: str
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

- name: Stop one strategy, the others trade on
  hft.ops.engine_trading:
    state: stopped
    strategies: [mm-btc-usd]

- name: Close the positions of one strategy
  hft.ops.engine_trading:
    state: flat
    strategies: [mm-btc-usd]
    reason: weekend
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
  description: Orders that the venue accepted (on paper, that would have been sent) while the proof looked, by strategy; all 0 after a stop.
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
from ansible_collections.hft.ops.plugins.module_utils._engine_api import ENGINE_SPEC, EngineApi, EngineRefused, check_reason, engine_api
from ansible_collections.hft.ops.plugins.module_utils._engine_status import chosen, held, hindrances, killed, orders, trading
from ansible_collections.hft.ops.plugins.module_utils._host import HostError
from ansible_collections.hft.ops.plugins.module_utils._plan import Difference, Plan

_PAUSE_S = 0.2
_MAX_WAIT_S = 60  # the engine's own bound of one flatten request


def main() -> None:
    module = AnsibleModule(
        argument_spec={
            **ENGINE_SPEC,
            "state": {"type": "str", "choices": ["started", "stopped", "flat"], "required": True},
            "strategies": {"type": "list", "elements": "str", "default": []},
            "reason": {"type": "str"},
            "timeout": {"type": "float", "default": 20},
            "settle": {"type": "float", "default": 1},
        },
        required_if=[("state", "flat", ["reason"])],
        supports_check_mode=True,
    )
    given = module.params
    plan = Plan(module.check_mode)
    try:
        wanted = Trading(engine_api(given), plan, given["timeout"], given["settle"], given["strategies"], given["reason"] or "")
        result = wanted.bring(given["state"])
    except HostError as wrong:
        module.fail_json(msg=str(wrong))
    module.exit_json(**result, **plan.result())


class Trading:
    """Brings one engine, or some of its strategies, to trade, to stop or to be flat, and proves it."""

    def __init__(self, api: EngineApi, plan: Plan, timeout_s: float, settle_s: float, strategies: list[str] | None = None,
                 reason: str = "") -> None:
        self.api = api
        self.plan = plan
        self.timeout_s = timeout_s
        self.settle_s = settle_s
        self.named = strategies or []
        self.reason = reason
        self.before = api.status()
        self.name = self.before["engine"]
        self.seen: dict[str, int] = {}
        lacking = sorted(set(self.named) - {one["id"] for one in self.before["strategies"]})
        if lacking:
            raise HostError(f"engine {self.name}: has no strategy {', '.join(lacking)}; "
                            f"it has {', '.join(one['id'] for one in self.before['strategies']) or 'none'}")

    def bring(self, state: str) -> dict[str, Any]:
        {"started": self._start, "stopped": self._stop, "flat": self._flatten}[state]()
        after = self.before if self.plan.check_mode else self.api.status()
        return {"before": self.before, "after": after, "orders_seen": self.seen}

    def _start(self) -> None:
        where = killed(self._chosen(self.before))
        if where:
            raise HostError(f"engine {self.name}: kill switch is latched in {' and '.join(where)}; "
                            f"find out why, clear it (DELETE /api/v1/killswitch), then start")
        if self.named:
            self._refuse_more_than_named()
            # A row that still names this engine after a kill that was cleared is no right: it is claimed anew.
            rights = {one["id"] for one in self.before["strategies"] if one["id"] in held(self.before) and one["lease_seconds_left"] > 0}
            self._plan_takeover([one for one in self.named if one not in rights])
            self._plan_strategies("running", held(self.before))
            if held(self.before):
                self._plan_grant(None, True)
        else:
            self._plan_strategies("running")
            self._plan_grant("primary", True)
        self._run(self._prove_started)

    def _stop(self) -> None:
        if not self.named:
            self._plan_grant("standby", False)
        self._plan_strategies("stopped")
        self._run(self._prove_stopped)

    def _flatten(self) -> None:
        check_reason(self.reason)
        for one in self._chosen(self.before)["strategies"] if self.named else []:
            if one["id"] not in held(self.before):
                raise HostError(f"engine {self.name}: does not hold {one['id']}, so cannot close its position; it is held by "
                                f"{one['holder'] or 'nobody'} (epoch {one['epoch']})")
        found = []
        for one in self._to_flatten(self.before):
            for what, zero in (("position", 0.0), ("open_orders", 0)):
                if one[what]:
                    found.append(Difference("live", f"{what.replace('_', ' ')} of {one['id']}", one[what], zero))
            if one["state"] == "running":
                found.append(Difference("live", f"strategy {one['id']}", "running", "stopped"))
        if found:
            self.plan.change(*found, write=self._close_positions)
        self.plan.run()

    def _close_positions(self) -> None:
        wanted = [one["id"] for one in self._to_flatten(self.before)]
        try:
            self.api.flatten(self.reason, wanted, min(_MAX_WAIT_S, max(1, int(self.timeout_s))))
        except EngineRefused as refused:
            raise HostError(f"engine {self.name}: does not close positions: {refused.detail}") from refused
        deadline = time.monotonic() + self.timeout_s
        while True:
            status = self.api.status()
            left = [f"{one['id']} {one['state']}, position {one['position']:g}, open orders {one['open_orders']}"
                    for one in status["strategies"] if one["id"] in wanted
                    and (one["position"] or one["open_orders"] or one["state"] == "running")]
            if not left:
                return
            if time.monotonic() >= deadline:
                why = "; ".join(line for line in hindrances(chosen(status, wanted)) if not line.endswith(" is stopped"))
                raise HostError(f"engine {self.name}: not flat after {self.timeout_s:g} s: {'; '.join(left)} "
                                f"({why or 'its limits bound each order'}); it goes on closing; ask again")
            time.sleep(_PAUSE_S)

    def _to_flatten(self, status: dict[str, Any]) -> list[dict[str, Any]]:
        return [one for one in self._chosen(status)["strategies"] if one["id"] in held(status)]

    def _chosen(self, status: dict[str, Any]) -> dict[str, Any]:
        """The status with those strategies alone that this call is about."""
        return chosen(status, self.named)

    def _run(self, prove: Callable[[], None]) -> None:
        """Write and prove; where nothing is to be written, the proof alone."""
        if self.plan.changed:
            self.plan.run(verify=prove)
        elif not self.plan.check_mode:
            prove()

    def _refuse_more_than_named(self) -> None:
        """Trading is enabled for the whole engine: what else it holds and runs would begin too."""
        more = [one["id"] for one in self.before["strategies"]
                if one["id"] in held(self.before) and one["id"] not in self.named and one["state"] == "running"]
        if more and not self.before["trading_enabled"]:
            raise HostError(f"engine {self.name}: trading is disabled, and enabling it would start {', '.join(more)} too; "
                            f"stop {'it' if len(more) == 1 else 'them'} first, or start without naming strategies")

    def _plan_takeover(self, lacking: list[str]) -> None:
        """Claim these alone; the engine starts them and enables trading with it."""
        if not lacking:
            return
        rows = [one for one in self.before["strategies"] if one["id"] in lacking]
        ours = self.before["holder"]
        found = [Difference("live", f"lease of {one['id']}", f"{ours}, ended" if one["holder"] == ours else one["holder"], ours)
                 for one in rows]
        found += [Difference("live", f"strategy {one['id']}", one["state"], "running") for one in rows if one["state"] != "running"]
        if not self.before["trading_enabled"]:
            found.append(Difference("live", "trading_enabled", False, True))
        self.plan.change(*found, write=lambda: self._claim(lacking), undo=lambda: self._unclaim(lacking))

    def _claim(self, strategies: list[str]) -> None:
        try:
            self.api.takeover(self.timeout_s, strategies)
        except EngineRefused as refused:
            raise HostError(f"engine {self.name}: refuses to trade: {refused.detail}") from refused
        except HostError:
            # No answer is no knowledge: an engine that may have got the lease must not keep it unnoticed.
            self._unclaim(strategies)
            raise

    def _unclaim(self, strategies: list[str]) -> None:
        # The engine gives back all that it holds or nothing: beside others that trade, a claimed strategy stays, stopped.
        for one in strategies:
            self.api.stop_strategy(one)
        if not held(self.before):
            self._give_back()

    def _plan_strategies(self, state: str, among: list[str] | None = None) -> None:
        act = {"running": self.api.start_strategy, "stopped": self.api.stop_strategy}
        for one in self._chosen(self.before)["strategies"]:
            # What was halted by a limit does not run.
            if (one["state"] == "running") != (state == "running") and (among is None or one["id"] in among):
                back = act["stopped" if state == "running" else "running"]
                self.plan.change(Difference("live", f"strategy {one['id']}", one["state"], state),
                                 write=lambda one=one: act[state](one["id"]), undo=lambda one=one, back=back: back(one["id"]))

    def _plan_grant(self, role: str | None, enabled: bool) -> None:
        """Role and trading_enabled in one request, so that there is no moment in between; role None: as it is."""
        wanted = {"trading_enabled": enabled, **({"role": role} if role else {})}
        found = [Difference("live", key, self.before[key], wanted[key]) for key in ("role", "trading_enabled")
                 if key in wanted and self.before[key] != wanted[key]]
        if found:
            self.plan.change(*found, write=lambda: self._grant(wanted), undo=self._give_back if enabled else None)

    def _grant(self, wanted: dict[str, Any]) -> None:
        try:
            self.api.set_config(self.timeout_s, **wanted)
        except EngineRefused as refused:
            what = "refuses to trade" if wanted["trading_enabled"] else "did not stop cleanly"
            raise HostError(f"engine {self.name}: {what}: {refused.detail}") from refused
        except HostError:
            # No answer is no knowledge: an engine that may have got the lease must not keep it unnoticed.
            if wanted["trading_enabled"]:
                self._give_back()
            raise

    def _give_back(self) -> None:
        self.api.set_config(self.timeout_s, role=self.before["role"], trading_enabled=self.before["trading_enabled"])

    def _placed(self, status: dict[str, Any]) -> dict[str, int]:
        """Orders of each strategy that the venue accepted, and those of a strategy on paper."""
        accepted = self.api.accepted_orders()
        return {one["id"]: accepted.get(one["id"], 0) + one["performance"].get("paper_orders", 0) for one in status["strategies"]}

    def _prove_started(self) -> None:
        first = self._placed(self._chosen(self.api.status()))
        deadline = time.monotonic() + self.timeout_s
        while True:
            status = self._chosen(self.api.status())
            self.seen = {name: count - first.get(name, 0) for name, count in self._placed(status).items()}
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
            status = self._chosen(self.api.status())
            if orders(status) != before:
                before, since = orders(status), time.monotonic()
            left = self._left(status)
            if not left and time.monotonic() - since >= self.settle_s:
                self.seen = dict.fromkeys(before, 0)
                return
            if time.monotonic() >= deadline:
                raise HostError(f"engine {self.name}: {left or 'sends orders'} {self.timeout_s:g} s after it was told to stop; "
                                f"use the kill switch (POST /api/v1/killswitch)")
            time.sleep(_PAUSE_S)

    def _left(self, status: dict[str, Any]) -> str:
        """What of a stop is not done yet; empty when all of it is."""
        if self.named:
            busy = [one["id"] for one in status["strategies"] if one["state"] == "running" or one["open_orders"]]
            return f"still runs {', '.join(busy)}, or has open orders of it," if busy else ""
        if held(status):
            return f"still holds {', '.join(held(status))}"
        return "" if status["role"] == "standby" else f"is {status['role']}"


if __name__ == "__main__":
    main()
