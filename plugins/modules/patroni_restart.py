#!/usr/bin/python
# Copyright: (c) hft.ops contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: patroni_restart
short_description: Have Patroni restart this member's server where a setting waits for it
version_added: 0.1.0
description:
  - Compares what the server runs with what Patroni keeps for all members in etcd, and asks the server itself what waits for a restart.
  - A member takes a changed setting up at its next turn, seconds later. That is waited for, outside check mode, so that no restart comes
    too early; a standby that missed it would end itself once the primary has more connections.
  - Returns when the server runs again.
options:
  restart:
    description: V(if_pending) where something waits for it, V(always) in any case.
    type: str
    choices: [if_pending, always]
    default: if_pending
author: hft.ops contributors (@hft-ops)
extends_documentation_fragment: [hft.ops.attributes, hft.ops.patroni, hft.ops.postgres_cluster]
"""

EXAMPLES = r"""
- name: Let Patroni restart the server
  hft.ops.patroni_restart:
    url: https://hft-db-01:8008
    ca: /etc/postgresql/tls/authority.crt
    certificate: /etc/postgresql/tls/host.crt
    key: /etc/postgresql/tls/host.key
"""

RETURN = r"""
differences:
  description: What waited for the restart.
  returned: always
  type: list
  elements: dict
"""

from typing import Any

from ansible.module_utils.basic import AnsibleModule
from ansible_collections.hft.ops.plugins.module_utils._host import Host, HostError
from ansible_collections.hft.ops.plugins.module_utils._patroni import PATRONI_ARGUMENTS, Patroni
from ansible_collections.hft.ops.plugins.module_utils._plan import Difference, Plan
from ansible_collections.hft.ops.plugins.module_utils._postgres import CLUSTER_ARGUMENTS, PRIMARY, STANDBY, Cluster, rows


def running(cluster: Cluster) -> tuple[dict[str, str], list[str]]:
    """The server's settings by name, and those that its files changed and that wait for a restart."""
    state = cluster.state()
    if state not in (PRIMARY, STANDBY):
        raise HostError(f"{cluster.unit}: is {state}; bring it up first (playbook database_rejoin)")
    with cluster.session() as cursor:
        found = rows(cursor, "SELECT name, setting, pending_restart FROM pg_settings")
    return {row["name"]: row["setting"] for row in found}, sorted(row["name"] for row in found if row["pending_restart"])


def waiting(told: dict[str, Any], runs: dict[str, str]) -> list[Difference]:
    """What all members are told and this one does not run with."""
    wanted = {name: str(value) for name, value in sorted(told.items()) if name in runs}
    return [Difference("live", name, runs[name], value) for name, value in wanted.items() if runs[name] != value]


def main() -> None:
    restart = {"type": "str", "choices": ["if_pending", "always"], "default": "if_pending"}
    module = AnsibleModule(argument_spec={"restart": restart, **PATRONI_ARGUMENTS, **CLUSTER_ARGUMENTS}, supports_check_mode=True)
    given = module.params
    patroni = Patroni(given)
    cluster = Cluster(Host(), given["version"], given["cluster"], given["port"])
    plan = Plan(module.check_mode)
    try:
        runs, of_files = running(cluster)
        told = waiting(patroni.settings().get("postgresql", {}).get("parameters", {}), runs)
        if told and not module.check_mode:
            patroni.until(patroni.restart_pending, f"that Patroni takes {told[0].path} up")
        known = {one.path for one in told}
        differences = told + [Difference("live", name, runs[name], "as its file says") for name in of_files if name not in known]
        if given["restart"] == "always" and not differences:
            differences = [Difference("live", cluster.unit, "runs", "restarted")]
        if differences:
            plan.change(*differences, write=patroni.restart)
        plan.run()
    except HostError as wrong:
        module.fail_json(msg=str(wrong), **plan.failure())
    module.exit_json(**plan.result())


if __name__ == "__main__":
    main()
