#!/usr/bin/python
# Copyright: (c) hft.ops contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: pg_retention
short_description: Retention and compression policies of hypertables, where the edition of TimescaleDB has them
version_added: 0.1.0
description:
  - Makes the retention and compression policies of the named hypertables as wanted; other hypertables are left alone.
  - The Apache edition (C(timescaledb.license) is V(apache)) has neither policies nor compression; asking for one is an error that names the
    licence.
  - On a standby, and where no server runs, nothing is done; policies lie in the database and come from the primary.
author: hft.ops contributors (@hft-ops)
extends_documentation_fragment: [hft.ops.attributes, hft.ops.postgres_cluster]
options:
  database:
    description: Database of the hypertables.
    type: str
    default: hft_db
  tables:
    description: Hypertables.
    type: list
    elements: dict
    required: true
    suboptions:
      table:
        description: Name, as C(schema.table).
        type: str
        required: true
      keep_days:
        description: Days that rows are kept.
        type: int
        required: true
      compress_after_days:
        description: Days after which chunks are compressed; V(0) for never.
        type: int
        default: 0
      regulatory:
        description: Whether chunks must be exported before they are dropped, which a policy cannot do.
        type: bool
        default: false
  by:
    description: V(policy) makes retention policies; V(timer) removes those of O(tables), because something else drops their chunks.
    type: str
    choices: [policy, timer]
    default: timer
notes:
  - The policies were written for the Timescale edition and have been tried on the Apache edition alone, which refuses them.
"""

EXAMPLES = r"""
- name: Keep events for thirty days
  hft.ops.pg_retention:
    tables:
      - table: public.events
        keep_days: 30
    by: policy
"""

RETURN = r"""
edition:
  description: V(apache) or V(timescale); empty where no server was asked.
  returned: success
  type: str
differences:
  description: Every policy that differs.
  returned: always
  type: list
  elements: dict
"""

from typing import Any

from ansible.module_utils.basic import AnsibleModule
from ansible_collections.hft.ops.plugins.module_utils._host import Host, HostError
from ansible_collections.hft.ops.plugins.module_utils._plan import Difference, Plan
from ansible_collections.hft.ops.plugins.module_utils._postgres import CLUSTER_ARGUMENTS, PRIMARY, Cluster, first_line, psycopg2, rows

_HYPERTABLES = "SELECT format('%s.%s', hypertable_schema, hypertable_name) AS name FROM timescaledb_information.hypertables"
_EDITION = "SELECT coalesce(current_setting('timescaledb.license', true), '') AS edition"
_POLICIES = """
SELECT format('%s.%s', hypertable_schema, hypertable_name) AS name, proc_name,
       extract(epoch FROM coalesce(config ->> 'drop_after', config ->> 'compress_after')::interval)::bigint / 86400 AS days
FROM timescaledb_information.jobs WHERE proc_name IN ('policy_retention', 'policy_compression')
"""
_KINDS = {"policy_retention": ("retention policy", "add_retention_policy", "remove_retention_policy"),
          "policy_compression": ("compression policy", "add_compression_policy", "remove_compression_policy")}


def refuse(tables: list[dict[str, Any]], by: str, edition: str, hypertables: set[str], database: str) -> None:
    """All that is wrong, at once."""
    problems = [f"tables: {one['table']}: is no hypertable of {database}; there are {', '.join(sorted(hypertables)) or 'none'}"
                for one in tables if one["table"] not in hypertables]
    if edition != "timescale":
        lacks = f"TimescaleDB here is of the Apache edition (timescaledb.license is {edition or 'not set'}), which has no"
        if by == "policy" and tables:
            problems.append(f"by: {lacks} retention policies; choose timer, or install the Timescale edition")
        compressed = [one["table"] for one in tables if one["compress_after_days"]]
        if compressed:
            problems.append(f"compress_after_days of {', '.join(compressed)}: {lacks} compression; give 0, or install the Timescale "
                            "edition")
    elif by == "policy":
        problems += [f"tables: {one['table']}: is regulatory, and a policy drops without an export; choose timer"
                     for one in tables if one["regulatory"]]
    if problems:
        raise HostError("; ".join(problems))


def changes(tables: list[dict[str, Any]], by: str, found: dict[tuple[str, str], int]) -> list[tuple[Difference, list[str]]]:
    """What differs, each with its statements. found: days by table and kind of policy."""
    todo = []
    for one in tables:
        wanted = {"policy_retention": one["keep_days"] if by == "policy" else 0, "policy_compression": one["compress_after_days"]}
        for kind, days in wanted.items():
            title, add, remove = _KINDS[kind]
            now = found.get((one["table"], kind), 0)
            if now == days:
                continue
            statements = [f"SELECT {remove}('{one['table']}')"] if now else []
            if days and kind == "policy_compression" and not now:
                statements.append(f"ALTER TABLE {one['table']} SET (timescaledb.compress)")
            if days:
                statements.append(f"SELECT {add}('{one['table']}', INTERVAL '{days} days')")
            todo.append((Difference("live", f"{one['table']} ({title})", f"{now} days" if now else None, f"{days} days" if days else None),
                         statements))
    return todo


def _execute(cluster: Cluster, database: str, statements: list[str]) -> None:
    try:
        with cluster.session(database) as cursor:
            cursor.execute("; ".join(statements))
    except psycopg2.Error as why:
        raise HostError(f"{statements[-1]}: {first_line(why)}") from why


def main() -> None:
    table = {"table": {"type": "str", "required": True}, "keep_days": {"type": "int", "required": True},
             "compress_after_days": {"type": "int", "default": 0}, "regulatory": {"type": "bool", "default": False}}
    module = AnsibleModule(
        argument_spec={
            "database": {"type": "str", "default": "hft_db"},
            "tables": {"type": "list", "elements": "dict", "required": True, "options": table},
            "by": {"type": "str", "choices": ["policy", "timer"], "default": "timer"},
            **CLUSTER_ARGUMENTS,
        },
        supports_check_mode=True,
    )
    given = module.params
    cluster = Cluster(Host(), given["version"], given["cluster"], given["port"])
    plan = Plan(module.check_mode)
    edition = ""
    try:
        if cluster.state() == PRIMARY:
            with cluster.session(given["database"]) as cursor:
                hypertables = {row["name"] for row in rows(cursor, _HYPERTABLES)}
                edition = rows(cursor, _EDITION)[0]["edition"]
                found = {(row["name"], row["proc_name"]): row["days"] for row in rows(cursor, _POLICIES)}
            refuse(given["tables"], given["by"], edition, hypertables, given["database"])
            for difference, statements in changes(given["tables"], given["by"], found):
                plan.change(difference, write=lambda statements=statements: _execute(cluster, given["database"], statements))
        plan.run()
    except HostError as wrong:
        module.fail_json(msg=str(wrong), **plan.failure())
    except psycopg2.Error as why:
        module.fail_json(msg=f"database {given['database']}: {first_line(why)}", **plan.failure())
    module.exit_json(edition=edition, **plan.result())


if __name__ == "__main__":
    main()
