#!/usr/bin/python
# Copyright: (c) hft.ops contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: deployment_record
short_description: Keep the record of a deployment in the database
version_added: 0.1.0
description:
  - Writes one row of C(public.deployment_record) (migration 010) on the database primary and reads it back. A row is one run, named by its
    id and its start; it is written once. The same record again changes nothing, another one under the same name is refused.
  - M(hft.ops.deployment_record_info) reads them.
author: hft.ops contributors (@hft-ops)
extends_documentation_fragment: [hft.ops.attributes, hft.ops.deployment_tables, hft.ops.postgres_cluster]
options:
  record:
    description:
      - The record, as P(hft.ops.deployment_report#filter) takes it. C(id), C(action), C(verdict), C(started_at) and C(finished_at) must be
        there.
    type: dict
    required: true
"""

EXAMPLES = r"""
- name: Keep what happened
  hft.ops.deployment_record:
    record: "{{ cutover_record }}"
"""

RETURN = r"""
differences:
  description: What changed or would change.
  returned: always
  type: list
  elements: dict
"""

from typing import Any

from ansible.module_utils.basic import AnsibleModule
from ansible_collections.hft.ops.plugins.module_utils._host import Host, HostError
from ansible_collections.hft.ops.plugins.module_utils._plan import Difference, Plan
from ansible_collections.hft.ops.plugins.module_utils._postgres import CLUSTER_ARGUMENTS, Cluster, psycopg2, rows
from ansible_collections.hft.ops.plugins.module_utils._postgres_deployments import (
    DEPLOYMENTS_ARGUMENTS,
    Server,
    check_wait,
    reading,
    writing,
)

_KEYS = ("id", "action", "verdict", "started_at", "finished_at")
_READ = "SELECT record FROM public.deployment_record WHERE id = %(id)s AND started_at = %(started_at)s"
_WRITE = """
INSERT INTO public.deployment_record (id, started_at, finished_at, action, verdict, record)
VALUES (%(id)s, %(started_at)s, %(finished_at)s, %(action)s, %(verdict)s, %(record)s)
"""


def check_input(given: dict[str, Any]) -> None:
    """Raise HostError when the row could not be named or found again."""
    record = given["record"]
    missing = [key for key in _KEYS if not isinstance(record.get(key), str) or not record[key]]
    if missing:
        raise HostError(f"record.{missing[0]}: expected text, found {record.get(missing[0])!r}")
    check_wait(given)


def plan_record(cluster: Server, given: dict[str, Any], plan: Plan) -> None:
    """State the row that is missing."""
    record = given["record"]
    kept = read(cluster, given)
    if kept == record:
        return
    if kept is not None:
        raise HostError(f"record {record['id']}, started {record['started_at']}: is kept already with another content; a record is written "
                        "once")

    def write() -> None:
        with writing(cluster, given) as cursor:
            cursor.execute(_WRITE, {**record, "record": psycopg2.extras.Json(record)})

    plan.change(Difference("persisted", f"deployment record {record['id']}", None, record["verdict"]), write=write)


def read(cluster: Server, given: dict[str, Any]) -> dict[str, Any] | None:
    with reading(cluster, given) as cursor:
        found = rows(cursor, _READ, given["record"])
    return found[0]["record"] if found else None


def main() -> None:
    module = AnsibleModule(
        argument_spec={"record": {"type": "dict", "required": True}, **DEPLOYMENTS_ARGUMENTS, **CLUSTER_ARGUMENTS},
        supports_check_mode=True,
    )
    given = module.params
    plan = Plan(module.check_mode)
    cluster = Cluster(Host(), given["version"], given["cluster"], given["port"])

    def verify() -> None:
        if read(cluster, given) != given["record"]:
            raise HostError(f"record {given['record']['id']}: is not what was written when it is read back")

    try:
        check_input(given)
        plan_record(cluster, given, plan)
        plan.run(verify)
    except HostError as wrong:
        module.fail_json(msg=str(wrong), **plan.failure())
    module.exit_json(**plan.result())


if __name__ == "__main__":
    main()
