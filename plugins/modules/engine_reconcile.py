#!/usr/bin/python
# Copyright: (c) hft.ops contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: engine_reconcile
short_description: Hold positions and open orders of the engine on this host against the venue
version_added: 0.1.0
description:
  - Asks the engine to compare with the venue, for strategies that it holds. The venue is right; what differs is taken over from it and
    stops the strategy (unless the engine's configuration says C(lease.reconcile=adopt)), so a difference is reported as changed.
  - Fails when something differed, after all were compared.
  - In check mode nothing is compared, because the comparison itself adopts; tells what would be asked.
author: hft.ops contributors (@hft-ops)
extends_documentation_fragment: [hft.ops.attributes, hft.ops.engine_api, hft.ops.engine_address]
options:
  strategies:
    description: Strategies to compare; all that this engine holds where none is named. An engine that holds none compares none.
    type: list
    elements: str
    default: []
  timeout_s:
    description: How long the venue may take to answer.
    type: float
    default: 10
"""

EXAMPLES = r"""
- name: Positions are the venue's
  hft.ops.engine_reconcile:
"""

RETURN = r"""
compared:
  description: Strategies that were compared, or would be.
  returned: always
  type: list
  elements: str
strategies:
  description: Of each the positions and open orders here and at the venue, and whether they are equal; empty in check mode.
  returned: always
  type: list
  elements: dict
"""

from typing import Any

from ansible.module_utils.basic import AnsibleModule
from ansible_collections.hft.ops.plugins.module_utils._engine_api import ENGINE_SPEC, EngineApi, engine_api
from ansible_collections.hft.ops.plugins.module_utils._engine_status import held
from ansible_collections.hft.ops.plugins.module_utils._host import HostError


def main() -> None:
    module = AnsibleModule(
        argument_spec={
            **ENGINE_SPEC,
            "strategies": {"type": "list", "elements": "str", "default": []},
            "timeout_s": {"type": "float", "default": 10},
        },
        supports_check_mode=True,
    )
    given = module.params
    found: dict[str, Any] = {"compared": [], "strategies": []}
    try:
        api = engine_api(given)
        found["compared"] = to_compare(api.status(), given["strategies"])
        if found["compared"] and not module.check_mode:
            found["strategies"] = compare(api, found["compared"], given["timeout_s"])
    except HostError as wrong:
        module.fail_json(msg=str(wrong), **found)
    wrong = [one for one in found["strategies"] if not one["equal"]]
    if wrong:
        module.fail_json(msg="; ".join(difference(one) for one in wrong), changed=True, **found)
    module.exit_json(changed=False, **found)


def to_compare(status: dict[str, Any], wanted: list[str]) -> list[str]:
    """Strategies that this engine holds, of those wanted; HostError for one that it does not hold."""
    here = held(status)
    foreign = sorted(set(wanted) - set(here))
    if foreign:
        raise HostError(f"engine {status['engine']}: does not hold {', '.join(foreign)}; only the holder can ask the venue")
    return wanted or here


def compare(api: EngineApi, strategies: list[str], timeout_s: float) -> list[dict[str, Any]]:
    return api.reconcile(strategies, timeout_s)["strategies"]


def difference(one: dict[str, Any]) -> str:
    """One line on what differed and what became of it."""
    position, orders = one["position"], one["open_orders"]
    return (f"{one['strategy']}: position {position['here']} here, {position['venue']} at the venue; open orders {orders['here']} here, "
            f"{orders['venue']} at the venue; taken over from the venue, look at its state before it trades on")


if __name__ == "__main__":
    main()
