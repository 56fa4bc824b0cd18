#!/usr/bin/python
# Copyright: (c) hft.ops contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: engine_transfer
short_description: Move strategies from the engine that holds them to another, in milliseconds
version_added: 0.1.0
description:
  - The only thing in this collection that moves trading. It runs on the host of one engine and speaks to that engine alone. The taker is
    armed first (O(verb=arm)), then the giver is asked once (O(verb=transfer)); freeze, drain, handover, claim and fence happen between the
    engines, the database and the venue. Nothing of this module stays on a host, and when the control node or the session dies in the
    middle the transfer goes on.
  - O(id) names the transfer. It is written by the handover itself, so a repeated request finds the outcome and does nothing.
  - All strategies change hands or none.
author: hft.ops contributors (@hft-ops)
extends_documentation_fragment: [hft.ops.attributes, hft.ops.engine_api, hft.ops.engine_address]
options:
  verb:
    description:
      - V(plan) changes nothing and fails when this engine could not take part now, as the giver when O(to) is given, else as the taker.
      - V(arm), on the taker, checks that it is warm and says so in the database for O(expires_s).
      - V(transfer), on the giver, hands over. Fails when it was refused (the giver trades on) and when the outcome is in doubt (the giver
        stays frozen until the rows tell; V(resume) asks again).
      - V(resume), on the giver, waits for a transfer under way, or repeats the request.
      - V(prove), on the taker, waits until it took the transfer and the venue accepted orders of every strategy under the new epoch.
        Of a strategy on paper the venue sees none; that it trades is enough.
      - V(abort), on the taker, withdraws; from then on no transfer of that O(id) can reach it. Fails when it was carried out already.
      - V(status) tells what this engine knows of O(id).
    type: str
    choices: [plan, arm, transfer, resume, prove, abort, status]
    required: true
  id:
    description: Name of the transfer, used once. Letters, digits, point, hyphen and underscore, at most 64.
    type: str
    required: true
  strategies:
    description: Strategies to move; all of this engine's where none is named.
    type: list
    elements: str
    default: []
  stopped:
    description:
      - Of O(strategies), what is stopped on the giver on purpose. With O(verb=arm) it does not run on the taker either, with O(verb=prove)
        no order of it is waited for.
    type: list
    elements: str
    default: []
  to:
    description: The taker. Where incarnation or build is given, an armed taker of another one is refused.
    type: dict
    suboptions:
      engine: {description: Name of its engine., type: str, required: true}
      incarnation: {description: 'Of its process, what follows the slash in its holder.', type: str}
      build: {description: 'Its version, as its status tells it.', type: str}
  expect:
    description: What was seen of this engine when the transfer was planned; anything else is refused.
    type: dict
    suboptions:
      holder: {description: Engine and incarnation., type: str}
      epochs: {description: Epoch by strategy., type: dict}
  drain_ms:
    description: Time for the venue to answer every open order, 1 to 60000.
    type: int
    default: 100
  on_undrained:
    description: Orders not answered by then. V(abort) thaws and refuses; V(hand_over) hands them over as unknown, and the fence tells.
    type: str
    choices: [abort, hand_over]
    default: abort
  take_back_s:
    description: For so long the giver claims again what the taker could not fence, 0 to 3600.
    type: int
    default: 10
  expires_s:
    description: With O(verb=arm), after so long the taker withdraws by itself, 1 to 3600.
    type: int
    default: 60
  wait_s:
    description: How long to wait for an outcome, and with O(verb=prove) for orders, 0.01 to 3600.
    type: float
    default: 10
seealso:
  - module: hft.ops.engine_info
  - module: hft.ops.engine_trading
"""

EXAMPLES = r"""
- name: Ready to take
  hft.ops.engine_transfer:
    verb: arm
    id: release-42
  register: armed
  delegate_to: hft-prod-02

- name: Hand over
  hft.ops.engine_transfer:
    verb: transfer
    id: release-42
    to:
      engine: "{{ armed.engine }}"
      incarnation: "{{ armed.incarnation }}"
      build: "{{ armed.build }}"
"""

RETURN = r"""
engine:
  description: Name of this engine.
  returned: when it answered
  type: str
incarnation:
  description: Of its process.
  returned: when it answered
  type: str
build:
  description: Its version.
  returned: when it answered
  type: str
outcome:
  description:
    - What became of the transfer here. C(armed), C(disarmed), C(under way), C(done), C(refused), C(in doubt), C(failed), C(taken back),
      or C(unknown) when this engine knows nothing of it, or did not answer.
  returned: always
  type: str
detail:
  description: Why, in one line.
  returned: always
  type: str
record:
  description: The engine's record of the transfer, with the wall time of each step; empty when it has none.
  returned: always
  type: dict
accepted:
  description: By strategy, the epoch of its newest accepted order, and when the first and the last under it were, by the venue's clock.
  returned: when it answered
  type: dict
differences:
  description: Every difference between wanted and found, with its layer, path, before and after.
  returned: success
  type: list
  elements: dict
"""

import re
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
from ansible_collections.hft.ops.plugins.module_utils._plan import Difference, Plan

_PAUSE_S = 0.05
_FINAL = ("done", "refused", "failed", "taken back", "disarmed")
_ID = re.compile(r"[A-Za-z0-9._-]{1,64}")
_USED = ("taken back", "failed")
_RANGES = {"drain_ms": (1, 60_000), "take_back_s": (0, 3600), "expires_s": (1, 3600), "wait_s": (0.01, 3600)}


def main() -> None:
    module = AnsibleModule(
        argument_spec={
            **ENGINE_SPEC,
            "verb": {"type": "str", "choices": list(_VERBS), "required": True},
            "id": {"type": "str", "required": True},
            "strategies": {"type": "list", "elements": "str", "default": []},
            "stopped": {"type": "list", "elements": "str", "default": []},
            "to": {"type": "dict", "options": {"engine": {"type": "str", "required": True}, "incarnation": {"type": "str"},
                                               "build": {"type": "str"}}},
            "expect": {"type": "dict", "options": {"holder": {"type": "str"}, "epochs": {"type": "dict"}}},
            "drain_ms": {"type": "int", "default": 100},
            "on_undrained": {"type": "str", "choices": ["abort", "hand_over"], "default": "abort"},
            "take_back_s": {"type": "int", "default": 10},
            "expires_s": {"type": "int", "default": 60},
            "wait_s": {"type": "float", "default": 10},
        },
        required_if=[("verb", "transfer", ("to",)), ("verb", "resume", ("to",))],
        supports_check_mode=True,
    )
    plan = Plan(module.check_mode)
    part = None
    try:
        check_input(module.params)
        part = Transfer(engine_api(module.params), plan, module.params)
        _VERBS[module.params["verb"]](part)
    except HostError as wrong:
        module.fail_json(msg=str(wrong), **(part.found() if part else {}))
    module.exit_json(**part.found(), **plan.result())


def check_input(given: dict[str, Any]) -> None:
    """Raise HostError for input that no engine would take."""
    if not _ID.fullmatch(given["id"]):
        raise HostError(f"id {given['id']!r}: expected 1 to 64 letters, digits, points, hyphens and underscores")
    for name, (low, high) in _RANGES.items():
        if not low <= given[name] <= high:
            raise HostError(f"{name} {given[name]}: expected {low} to {high}")
    # A null counts as given where options are only counted.
    if given["verb"] in ("transfer", "resume") and not (given["to"] or {}).get("engine"):
        raise HostError(f"to.engine: required with verb {given['verb']}, the name of the taker's engine")
    epochs = (given["expect"] or {}).get("epochs") or {}
    for strategy, epoch in epochs.items():
        if not str(epoch).isdigit():
            raise HostError(f"expect.epochs.{strategy} {epoch!r}: expected a number, as the engine's status tells it")


class Transfer:
    """One engine's part in one transfer."""

    def __init__(self, api: EngineApi, plan: Plan, given: dict[str, Any]) -> None:
        self.api = api
        self.plan_ = plan
        self.given = given
        self.id = given["id"]
        self.status: dict[str, Any] = {}
        self.record: dict[str, Any] = {}
        self.outcome = "unknown"
        self.detail = ""

    def found(self) -> dict[str, Any]:
        result: dict[str, Any] = {"outcome": self.outcome, "detail": self.detail, "record": self.record}
        if self.status:
            engine, _slash, incarnation = self.status["holder"].partition("/")
            result.update(engine=engine, incarnation=incarnation, build=self.status["version"],
                          accepted={one["id"]: one.get("accepted", {}) for one in self.status["strategies"]})
        return result

    # ---- verbs ----------------------------------------------------------------------------------------------------

    def plan(self) -> None:
        self._look()
        self._refuse_hindered(giver=bool(self.given["to"]))

    def arm(self) -> None:
        self._look("taker")
        if self.outcome == "done":
            return
        self._refuse_hindered(giver=False)
        if self.outcome == "armed" and set(self._names()) == set(self.record["strategies"]):
            # Nothing but the time in which it withdraws begins anew.
            if not self.plan_.check_mode:
                self._arm()
            return
        found = [Difference("live", f"armed for {self.id}: {name}", None, self.status["holder"]) for name in self._names()]
        self.plan_.change(*found, write=self._arm)
        self.plan_.run()

    def transfer(self) -> None:
        self._look("giver")
        if self.outcome == "done":
            return
        if self.outcome in _USED:
            # The engine would find the handover and call it done.
            raise HostError(f"engine {self.status['engine']}: transfer {self.id} {self.outcome} before ({self.detail}); "
                            "an id is used once, name the next one differently")
        if self.plan_.check_mode:
            self._refuse_hindered(giver=True)
        found = [Difference("live", f"lease {one['id']}", one["holder"], self.given["to"]["engine"]) for one in self._chosen()]
        self.plan_.change(*found, write=self._transfer)
        self.plan_.run()

    def resume(self) -> None:
        self._look("giver")
        if self.outcome in ("under way", "in doubt"):
            self._await_outcome()
        if self.outcome != "done":
            self.transfer()

    def prove(self) -> None:
        """The venue's word: it accepted orders of every strategy under the epoch that the transfer gave."""
        deadline = time.monotonic() + self.given["wait_s"]
        while not self.plan_.check_mode:
            self._look("taker")
            if self.outcome in _FINAL and self.outcome != "done":
                raise HostError(f"engine {self.status['engine']}: transfer {self.id} {self.outcome}: {self.detail}")
            silent = [one["id"] for one in self._chosen() if one["id"] not in self.given["stopped"]
                      and (not one["trading"] or not (one.get("paper_trading") or _accepted_since(one)))]
            if self.outcome == "done" and not silent:
                return
            if time.monotonic() >= deadline:
                why = "; ".join(hindrances({**self.status, "strategies": self._chosen()})) or "no hindrance known; is the market moving?"
                raise HostError(f"engine {self.status['engine']}: transfer {self.id} is {self.outcome}, no order of "
                                f"{', '.join(silent) or 'any strategy'} accepted within {self.given['wait_s']:g} s ({why})")
            time.sleep(_PAUSE_S)

    def abort(self) -> None:
        self._look("taker")
        if self.outcome == "armed":
            self.plan_.change(Difference("live", f"armed for {self.id}", self.status["holder"], None), write=self._disarm)
            self.plan_.run()
        elif self.outcome == "done":
            raise HostError(f"engine {self.status['engine']}: transfer {self.id} was carried out already; the way back is another transfer")

    def show(self) -> None:
        self._look()

    # ---- steps ----------------------------------------------------------------------------------------------------

    def _look(self, part: str = "") -> None:
        self.status = self.api.status()
        self._read_record(part)

    def _read_record(self, part: str = "") -> None:
        self.record = self.api.transfer_record(self.id, part) or {}
        self.outcome = self.record.get("outcome", "unknown")
        self.detail = self.record.get("detail", "")

    def _chosen(self) -> list[dict[str, Any]]:
        names = self._names()
        return [one for one in self.status["strategies"] if one["id"] in names]

    def _names(self) -> list[str]:
        own = [one["id"] for one in self.status["strategies"]]
        foreign = sorted(set(self.given["strategies"]) - set(own))
        if foreign:
            raise HostError(f"strategies {', '.join(foreign)}: not on engine {self.status['engine']}; it has {', '.join(own) or 'none'}")
        if not own:
            raise HostError(f"engine {self.status['engine']}: has no strategy to move")
        return self.given["strategies"] or own

    def _refuse_hindered(self, giver: bool) -> None:
        problems = [f"kill switch latched in {where}" for where in killed({**self.status, "strategies": self._chosen()})]
        problems += self._hindered_giver() if giver else self._hindered_taker()
        if not self.status["database"]["connected"]:
            problems.append("no database connection for writing")
        if problems:
            raise HostError(f"engine {self.status['engine']}: cannot {'give' if giver else 'take'}: {'; '.join(problems)}")

    def _hindered_giver(self) -> list[str]:
        return [f"{one['id']} is held by {one['holder'] or 'nobody'} (epoch {one['epoch']})"
                for one in self._chosen() if one["holder"] != self.status["holder"]]

    def _hindered_taker(self) -> list[str]:
        problems = [f"{one['id']} is held here already" for one in self._chosen() if one["holder"] == self.status["holder"]]
        problems += [f"{one['id']} is held by nobody: start it instead (trading.yml)" for one in self._chosen() if one["holder"] is None]
        venues = {one["venue"] for one in self._chosen()}
        problems += [f"venue {one['name']} is {one['status']}" for one in self.status["exchanges"]
                     if one["name"] in venues and one["status"] != "connected"]
        return problems

    def _arm(self) -> None:
        try:
            # Left out where there is none: engines of before do not know it.
            stopped = {"stopped": self.given["stopped"]} if self.given["stopped"] else {}
            self.record = self.api.arm(self.given["wait_s"], id=self.id, strategies=self._names(), expires_s=self.given["expires_s"],
                                       **stopped)
        except EngineRefused as refused:
            raise HostError(f"engine {self.status['engine']}: cannot be armed: {refused.detail}") from refused
        self.outcome = self.record.get("outcome", "armed")
        self.status = self.api.status()

    def _disarm(self) -> None:
        try:
            self.record = self.api.disarm(self.id)
        except EngineRefused as refused:
            raise HostError(f"engine {self.status['engine']}: not withdrawn: {refused.detail}") from refused
        self.outcome = self.record.get("outcome", "disarmed")

    def _request(self) -> dict[str, Any]:
        expect = {key: value for key, value in (self.given["expect"] or {}).items() if value}
        if "epochs" in expect:
            expect["epochs"] = {strategy: int(epoch) for strategy, epoch in expect["epochs"].items()}
        request = {"id": self.id, "strategies": self._names(), "to": {key: value for key, value in self.given["to"].items() if value},
                   "drain_ms": self.given["drain_ms"], "take_back_s": self.given["take_back_s"],
                   "undrained": {"abort": "refuse", "hand_over": "hand_over"}[self.given["on_undrained"]]}
        return {**request, "expect": expect} if expect else request

    def _transfer(self) -> None:
        refusal, stale = "", None
        try:
            self.api.transfer(self.given["wait_s"], **self._request())
        except EngineRefused as refused:
            refusal = refused.detail
        except EngineUnreachable as silent:
            # No answer is no knowledge: the engine goes on, and tells later.
            refusal, stale = str(silent), self.record
        self._await_outcome(stale)
        engine = self.status["engine"]
        if self.outcome == "in doubt":
            raise HostError(f"engine {engine}: transfer {self.id} is in doubt ({self.detail}); it stays frozen until the rows tell; "
                            f"ask again with verb: resume, and look at the database")
        if self.outcome == "under way":
            raise HostError(f"engine {engine}: transfer {self.id} is still under way ({refusal or self.detail}); "
                            "ask again with verb: resume")
        if self.outcome in _USED:
            raise HostError(f"engine {engine}: transfer {self.id} {self.outcome} ({self.detail}); the rows tell who holds: status.yml")
        if self.outcome != "done":
            raise HostError(f"engine {engine}: transfer {self.id} refused, it holds as before: {refusal or self.detail}")
        self.status = self.api.status()

    def _await_outcome(self, stale: dict[str, Any] | None = None) -> None:
        """Until the engine's record is final; at most wait_s.

        stale: the record before a request whose answer was lost. As long as it stands the request may have arrived or not.
        """
        deadline = time.monotonic() + self.given["wait_s"]
        while True:
            try:
                self._read_record("giver")
                if self.record != stale and self.outcome in (*_FINAL, "unknown"):
                    return
            except (EngineUnreachable, EngineRefused) as silent:
                self.outcome, self.detail = "unknown", str(silent)
            if time.monotonic() >= deadline:
                if self.outcome == "unknown" or self.record == stale:
                    raise HostError(f"transfer {self.id}: the giver does not tell what became of it ({self.detail or 'it has no record'}); "
                                    "the rows tell who holds: status.yml, then verb: resume")
                return
            time.sleep(_PAUSE_S)


_VERBS = {"plan": Transfer.plan, "arm": Transfer.arm, "transfer": Transfer.transfer, "resume": Transfer.resume, "prove": Transfer.prove,
          "abort": Transfer.abort, "status": Transfer.show}


def _accepted_since(strategy: dict[str, Any]) -> bool:
    """Whether the venue accepted an order of it under the epoch that it has."""
    accepted = strategy["accepted"]
    return bool(accepted["epoch"] >= strategy["epoch"] and accepted["first_venue_ns"])


if __name__ == "__main__":
    main()
