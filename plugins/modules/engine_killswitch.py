#!/usr/bin/python
# Copyright: (c) hft.ops contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: engine_killswitch
short_description: Latch or clear the kill switch of the engine on this host, or have it fence another that is silent
version_added: 0.1.0
description:
  - With O(state=latched) the engine stops everything, or one strategy, at once, cancels open orders and remembers it over a restart; then
    it latches the lease rows. It needs neither database nor venue for that. Fails when the engine did not confirm. It is pressed by an
    action plugin, over the same connection, before this module is packed and started, which is what takes long; this module confirms.
  - With O(state=cleared) clears the rows, then the latch. Nothing trades again by itself.
  - With O(state=fenced) an engine whose kill switch is latched has the venue refuse whoever else trades O(strategy), without taking over,
    for a holder that does not confirm. It needs the venue, no database. Every run fences again.
author: hft.ops contributors (@hft-ops)
extends_documentation_fragment: [hft.ops.attributes, hft.ops.engine_api, hft.ops.engine_address]
options:
  state:
    description: Whether the kill switch is to be latched.
    type: str
    choices: [latched, cleared, fenced]
    required: true
  reason:
    description: Why, in one line of at most 200 characters; stays in the engine's journal and in the rows.
    type: str
    required: true
  strategy:
    description: This strategy alone; everything where it is empty, which O(state=fenced) does not take.
    type: str
    default: ''
  pressed:
    description: Whether the action plugin has latched it for this task. Its own; what is given is ignored.
    type: bool
    default: false
"""

EXAMPLES = r"""
- name: Stop everything
  hft.ops.engine_killswitch:
    state: latched
    reason: prices of the venue are wrong
"""

RETURN = r"""
killswitch:
  description: The engine's own word afterwards; in check mode before.
  returned: success
  type: dict
epoch:
  description: Below it the venue refuses every order of the strategy.
  returned: with O(state=fenced), out of check mode
  type: int
status:
  description: The status document of C(/api/v1/status) after that; empty when the engine did not give it.
  returned: success
  type: dict
differences:
  description: Every difference between wanted and found, with its layer, path, before and after.
  returned: success
  type: list
  elements: dict
"""

import contextlib
from typing import Any

from ansible.module_utils.basic import AnsibleModule
from ansible_collections.hft.ops.plugins.module_utils._engine_api import ENGINE_SPEC, EngineApi, EngineRefused, check_reason, engine_api
from ansible_collections.hft.ops.plugins.module_utils._host import HostError
from ansible_collections.hft.ops.plugins.module_utils._plan import Difference, Plan


def main() -> None:
    module = AnsibleModule(
        argument_spec={
            **ENGINE_SPEC,
            "state": {"type": "str", "choices": ["latched", "cleared", "fenced"], "required": True},
            "reason": {"type": "str", "required": True},
            "strategy": {"type": "str", "default": ""},
            "pressed": {"type": "bool", "default": False},
        },
        supports_check_mode=True,
    )
    plan = Plan(module.check_mode)
    given = module.params
    try:
        check_reason(given["reason"])
        if given["state"] == "fenced" and not given["strategy"]:
            raise HostError("fenced: strategy is missing; a fence names one")
        api = engine_api(given)
        if given["state"] == "fenced":
            result = {**shut_out(api, plan, given["reason"], given["strategy"]), "status": {}}
        else:
            result = {"killswitch": bring(api, plan, given["state"], given["reason"], given["strategy"], given["pressed"]), "status": {}}
        # Confirmed is confirmed, also where looking on is refused.
        with contextlib.suppress(HostError):
            result["status"] = api.status()
    except HostError as wrong:
        module.fail_json(msg=str(wrong))
    module.exit_json(**result, **plan.result())


def bring(api: EngineApi, plan: Plan, state: str, reason: str, strategy: str, pressed: bool = False) -> dict[str, Any]:
    """Latch or clear, and hold the engine's answer against it; that answer, or what it said before where nothing was done.

    pressed: this task latched it a moment ago; it is latched once more, which changes nothing, and confirmed.
    """
    wanted = state == "latched"
    try:
        document = api.killswitch()
    except HostError:
        # Looking may be refused, for too many requests; latching never is.
        if plan.check_mode or not wanted:
            raise
        document = {"latched": False, "strategies": []}
    before = latched(document, strategy) and not pressed
    # Rows that another engine latched are cleared through any engine, so an unlatched engine is asked too.
    if before == wanted and (wanted or not _rows_killed(api, document, strategy)):
        return document
    answers = [document]
    scope = strategy or "everything"
    shown = {True: "latched", False: "cleared"}

    def write() -> None:
        try:
            after = (api.latch if wanted else api.unlatch)(reason, strategy)
        except EngineRefused as refused:
            raise HostError(f"kill switch of {scope}: not {state}: {refused.detail}") from refused
        answers.append(after)
        if latched(after, strategy) != wanted:
            end_it = "; end the process (systemctl kill --signal=KILL), it comes back as standby" if wanted else ""
            raise HostError(f"kill switch of {scope}: the engine does not say that it is {state}{end_it}")

    plan.change(Difference("live", f"kill switch of {scope}", shown[before] if before != wanted else "latched in the rows", shown[wanted]),
                write=write)
    plan.run()
    return answers[-1]


def shut_out(api: EngineApi, plan: Plan, reason: str, strategy: str) -> dict[str, Any]:
    """Fence whoever trades the strategy; what the venue granted."""
    told: dict[str, Any] = {}

    def write() -> None:
        try:
            answer = api.fence(reason, strategy)
        except EngineRefused as refused:
            raise HostError(f"fence of {strategy}: {refused.detail}") from refused
        told["epoch"] = next(one["epoch"] for one in answer["strategies"] if one["strategy"] == strategy)

    plan.change(Difference("live", f"{strategy} at the venue", "whoever holds it may trade", "refused"), write=write)
    plan.run()
    return {"killswitch": api.killswitch(), **told}


def latched(document: dict[str, Any], strategy: str) -> bool:
    """Whether the switch of everything, or of that strategy, is latched here. Each holds by itself, and stays when the other is cleared."""
    if not strategy:
        return document["latched"]
    return any(one["latched"] for one in document["strategies"] if one["strategy"] == strategy)


def _rows_killed(api: EngineApi, document: dict[str, Any], strategy: str) -> bool:
    """Whether rows in scope are latched by anything else than a switch that is to stay."""
    staying = {one["strategy"] for one in document["strategies"] if one["latched"]}
    if strategy and document["latched"]:
        staying.add(strategy)
    return any(one["killed"] for one in api.status()["strategies"] if strategy in ("", one["id"]) and one["id"] not in staying)


if __name__ == "__main__":
    main()
