#!/usr/bin/python
# Copyright: (c) hft.ops contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: patroni_leader
short_description: Move the leadership of a Patroni cluster, or wait for whom it elects
version_added: 0.1.0
description:
  - With O(taker), has Patroni make this member the leader by its planned switchover, and returns once it leads and takes writes. Refused
    unless the taker is a synchronous standby, since any other may lack acknowledged commits.
  - Without it, waits until a leader takes writes, whoever it is, such as after the loss of the one before.
  - Patroni's C(failover), which promotes without asking who has the commits, is never used.
options:
  taker:
    description: Name of the member that is to lead; empty to wait for whom Patroni elects.
    type: str
    default: ''
author: hft.ops contributors (@hft-ops)
extends_documentation_fragment: [hft.ops.attributes, hft.ops.patroni]
"""

EXAMPLES = r"""
- name: Move the leadership
  hft.ops.patroni_leader:
    url: https://hft-db-01:8008
    ca: /etc/postgresql/tls/authority.crt
    certificate: /etc/postgresql/tls/host.crt
    key: /etc/postgresql/tls/host.key
    taker: hft-prod-01
"""

RETURN = r"""
leader:
  description: Member that leads; the one before in check mode, empty where there is none.
  returned: always
  type: str
timeline:
  description: Timeline that it is on; 0 where nobody leads.
  returned: always
  type: int
took_ms:
  description: Milliseconds from the question to a leader that takes writes.
  returned: success
  type: float
differences:
  description: What changed or would change.
  returned: always
  type: list
  elements: dict
"""

import time
from typing import Any

from ansible.module_utils.basic import AnsibleModule
from ansible_collections.hft.ops.plugins.module_utils._host import HostError
from ansible_collections.hft.ops.plugins.module_utils._patroni import PATRONI_ARGUMENTS, SYNCHRONOUS, Patroni
from ansible_collections.hft.ops.plugins.module_utils._plan import Difference, Plan


def refuse_who_may_lack_commits(patroni: Patroni, taker: str) -> None:
    roles = {one["name"]: one.get("role") for one in patroni.members()}
    if roles.get(taker) not in SYNCHRONOUS:
        fit = ", ".join(name for name, role in sorted(roles.items()) if role in SYNCHRONOUS) or "nobody"
        raise HostError(f"taker {taker}: is {roles.get(taker, 'no member')}, not a synchronous standby, and may lack acknowledged commits; "
                        f"expected one of: {fit}")


def main() -> None:
    module = AnsibleModule(argument_spec={"taker": {"type": "str", "default": ""}, **PATRONI_ARGUMENTS}, supports_check_mode=True)
    patroni, taker = Patroni(module.params), module.params["taker"]
    plan = Plan(module.check_mode)
    begin = time.monotonic()
    now: dict[str, Any] = {}

    def leads() -> dict[str, Any]:
        found = patroni.leader()
        return found if found and taker in ("", found["name"]) else {}

    def leader_now() -> dict[str, Any]:
        try:
            return patroni.leader()
        except HostError:
            if taker or not module.check_mode:
                raise
            return {}  # in check mode nobody may be there yet

    try:
        now = leader_now() if taker or module.check_mode else patroni.until(leads, "a leader that takes writes")
        if taker and now.get("name") != taker:
            if not now:
                raise HostError(f"taker {taker}: nobody leads, so nobody can hand over; Patroni elects by itself (database_failover)")
            refuse_who_may_lack_commits(patroni, taker)
            plan.change(Difference("live", "leader", now["name"], taker), write=lambda: patroni.switch(now["name"], taker))
        plan.run(lambda: patroni.until(leads, f"{taker} as the leader"))
        now = patroni.leader() if plan.changed and not module.check_mode else now
    except HostError as wrong:
        module.fail_json(msg=str(wrong), leader=now.get("name", ""), timeline=now.get("timeline", 0), **plan.failure())
    module.exit_json(leader=now.get("name", ""), timeline=now.get("timeline", 0), took_ms=round((time.monotonic() - begin) * 1000, 1),
                     **plan.result())


if __name__ == "__main__":
    main()
