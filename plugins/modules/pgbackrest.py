#!/usr/bin/python
# Copyright: (c) hft.ops contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: pgbackrest
short_description: A pgBackRest stanza with its first backup, proven by a segment of WAL
version_added: 0.1.0
description:
  - Creates the stanza where the repository has none, and takes a full backup where it has no backup, by starting the unit that the timers
    start too.
  - Then lets pgBackRest check the way of WAL, from the primary into the repository. A check that fails is an error.
  - Runs where backups run, that is on the repository host, or on every member where members reach the repository themselves. There a
    standby leaves all of it to the primary.
author: hft.ops contributors (@hft-ops)
extends_documentation_fragment: [hft.ops.attributes, hft.ops.postgres_cluster]
options:
  stanza:
    description: Name of the cluster in the repository.
    type: str
    required: true
  first_backup:
    description: Whether a full backup is taken where the repository has none.
    type: bool
    default: true
  unit:
    description: Unit that takes a full backup.
    type: str
    default: pgbackrest-backup@full.service
  check:
    description: Whether a segment of WAL is sent and looked for. Not in check mode.
    type: bool
    default: true
"""

EXAMPLES = r"""
- name: Stanza and first backup
  hft.ops.pgbackrest:
    stanza: hft
"""

RETURN = r"""
state:
  description: How the stanza stood before, V(not_installed), V(no_stanza), V(no_backup) or V(ok).
  returned: success
  type: str
checked:
  description: Whether WAL was seen to arrive.
  returned: success
  type: bool
differences:
  description: What changed or would change.
  returned: always
  type: list
  elements: dict
"""

from typing import Any

from ansible.module_utils.basic import AnsibleModule
from ansible_collections.hft.ops.plugins.module_utils._host import Host, HostError
from ansible_collections.hft.ops.plugins.module_utils._pgbackrest import NO_STANZA, NOT_INSTALLED, OK, PgBackRest, reason
from ansible_collections.hft.ops.plugins.module_utils._plan import Difference, Plan
from ansible_collections.hft.ops.plugins.module_utils._postgres import CLUSTER_ARGUMENTS, STANDBY, Cluster
from ansible_collections.hft.ops.plugins.module_utils._systemd import Systemctl


def main() -> None:
    module = AnsibleModule(
        argument_spec={
            "stanza": {"type": "str", "required": True},
            "first_backup": {"type": "bool", "default": True},
            "unit": {"type": "str", "default": "pgbackrest-backup@full.service"},
            "check": {"type": "bool", "default": True},
            **CLUSTER_ARGUMENTS,
        },
        supports_check_mode=True,
    )
    given = module.params
    plan = Plan(module.check_mode)
    backrest = PgBackRest(Host(), module.run_command, given["stanza"])
    try:
        if not backrest.asks_members and Cluster(backrest.host, given["version"], given["cluster"], given["port"]).state() == STANDBY:
            module.exit_json(state=backrest.info()["state"], checked=False, **plan.result())
        result = apply(given, backrest, lambda unit: take_backup(unit, module.run_command), plan)
    except HostError as wrong:
        module.fail_json(msg=str(wrong), **plan.failure())
    module.exit_json(**result, **plan.result())


def apply(params: dict[str, Any], backrest: PgBackRest, backup: Any, plan: Plan) -> dict[str, Any]:
    """Plan and, outside check mode, run; returns the module's own result keys."""
    state = NOT_INSTALLED if plan.check_mode and not backrest.installed else backrest.info()["state"]
    if state in (NOT_INSTALLED, NO_STANZA):
        plan.change(Difference("persisted", f"{params['stanza']} (stanza)", None, "created"), write=lambda: backrest.run("stanza-create"))
    if state != OK and params["first_backup"]:
        plan.change(Difference("persisted", f"{params['stanza']} (full backup)", None, "taken"), write=lambda: backup(params["unit"]))
    plan.run()
    checked = params["check"] and not plan.check_mode
    if checked:
        backrest.run("check")
    return {"state": state, "checked": checked}


def take_backup(unit: str, run_command: Any) -> None:
    """Start the unit and wait for its end; what pgBackRest said when it fails."""
    try:
        Systemctl(run_command).do("start", [unit])
    except HostError as wrong:
        _rc, out, _err = run_command(["journalctl", "--unit", unit, "--lines", "30", "--output", "cat", "--no-pager"])
        raise HostError(f"{unit}: {reason(out) or wrong}; read journalctl -u {unit}") from wrong


if __name__ == "__main__":
    main()
