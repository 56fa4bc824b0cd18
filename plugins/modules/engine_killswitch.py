#!/usr/bin/python
# Copyright: (c) hft.ops contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: engine_killswitch
short_description: Latch or clear the kill switch of the engine on this host
version_added: 0.1.0
description:
  - With O(state=latched) the engine stops everything, or one strategy, at once, cancels open orders and remembers it over a restart; then
    it latches the lease rows. It needs neither database nor venue for that. Fails when the engine did not confirm.
  - With O(state=cleared) clears the rows, then the latch. Nothing trades again by itself.
author: hft.ops contributors (@hft-ops)
extends_documentation_fragment:
  - hft.ops.attributes
  - hft.ops.engine_api
options:
  state:
    description: Whether the kill switch is to be latched.
    type: str
    choices: [latched, cleared]
    required: true
  reason:
    description: Why, in one line of at most 200 characters; stays in the engine's journal and in the rows.
    type: str
    required: true
  strategy:
    description: This strategy alone; everything where it is empty.
    type: str
    default: ''
  address:
    description: Where the API listens.
    type: str
    default: 127.0.0.1
  port:
    description: Its port.
    type: int
    default: 8080
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
status:
  description: The status document of C(/api/v1/status) after that.
  returned: success
  type: dict
differences:
  description: Every difference between wanted and found, with its layer, path, before and after.
  returned: success
  type: list
  elements: dict
"""

from typing import Any

from ansible.module_utils.basic import AnsibleModule
from ansible_collections.hft.ops.plugins.module_utils._engine_api import API_SPEC, EngineApi, EngineRefused, engine_api
from ansible_collections.hft.ops.plugins.module_utils._host import HostError
from ansible_collections.hft.ops.plugins.module_utils._plan import Difference, Plan

_MAX_REASON = 200


def main() -> None:
    module = AnsibleModule(
        argument_spec={
            **API_SPEC,
            "state": {"type": "str", "choices": ["latched", "cleared"], "required": True},
            "reason": {"type": "str", "required": True},
            "strategy": {"type": "str", "default": ""},
            "address": {"type": "str", "default": "127.0.0.1"},
            "port": {"type": "int", "default": 8080},
        },
        supports_check_mode=True,
    )
    plan = Plan(module.check_mode)
    given = module.params
    try:
        if not 1 <= len(given["reason"]) <= _MAX_REASON or "\n" in given["reason"]:
            raise HostError(f"reason: expected one line of 1 to {_MAX_REASON} characters, found {len(given['reason'])}")
        api = engine_api(given, given["address"], given["port"])
        bring(api, plan, given["state"], given["reason"], given["strategy"])
        result = {"killswitch": api.killswitch(), "status": api.status()}
    except HostError as wrong:
        module.fail_json(msg=str(wrong))
    module.exit_json(**result, **plan.result())


def bring(api: EngineApi, plan: Plan, state: str, reason: str, strategy: str) -> None:
    """Latch or clear, and read back that it is so."""
    before = latched(api.killswitch(), strategy)
    wanted = state == "latched"
    # Rows that another engine latched are cleared through any engine, so an unlatched engine is asked too.
    if before == wanted and (wanted or not any(one["killed"] for one in api.status()["strategies"])):
        return
    scope = strategy or "everything"
    shown = {True: "latched", False: "cleared"}

    def write() -> None:
        try:
            (api.latch if wanted else api.unlatch)(reason, strategy)
        except EngineRefused as refused:
            raise HostError(f"kill switch of {scope}: not {state}: {refused.detail}") from refused
        if latched(api.killswitch(), strategy) != wanted:
            raise HostError(f"kill switch of {scope}: the engine does not say that it is {state}; "
                            "end the process (systemctl kill --signal=KILL), it comes back as standby")

    plan.change(Difference("live", f"kill switch of {scope}", shown[before] if before != wanted else "latched in the rows", shown[wanted]),
                write=write)
    plan.run()


def latched(document: dict[str, Any], strategy: str) -> bool:
    """Whether the switch of the engine, or of that strategy, is latched here."""
    return document["latched"] or any(one["latched"] for one in document["strategies"] if one["strategy"] == strategy)


if __name__ == "__main__":
    main()
