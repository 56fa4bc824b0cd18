#!/usr/bin/python
# Copyright: (c) hft.ops contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: pg_restore_point
short_description: Name a point in the WAL of a primary, count the rows before it, and see it archived
version_added: 0.1.0
description:
  - Writes a named restore point, closes the segment and waits until the archive has it. From then on a restore with that name as its target
    can be held against what the primary had.
  - Counts rows of append-only tables that are final at the point, without a lock. Those are the rows whose column, set by C(now())
    when they were inserted, is below the start of every transaction that was open a moment before the point.
  - Changes no data. In check mode it neither writes the point nor waits.
options:
  name:
    description: Name of the point, at most 63 characters.
    type: str
    required: true
  timeout_s:
    description: Seconds to wait for the archive.
    type: int
    default: 120
attributes:
  check_mode:
    description: Whether it can run without a change.
    details: Counts rows, and writes no restore point.
    support: partial
  diff_mode:
    description: Changes no data.
    support: none
author: hft.ops contributors (@hft-ops)
extends_documentation_fragment: [hft.ops.postgres_cluster, hft.ops.postgres_tables]
"""

EXAMPLES = r"""
- name: Mark the primary
  hft.ops.pg_restore_point:
    name: verify-20260131
    tables:
      - name: fills
        column: recorded_at
        content: true
  register: mark
"""

RETURN = r"""
name:
  description: Name of the point.
  returned: success
  type: str
segment:
  description: Segment of WAL that holds it; empty in check mode.
  returned: success
  type: str
timeline:
  description: Timeline of the point; 0 in check mode.
  returned: success
  type: int
time:
  description: Time of the point.
  returned: success
  type: str
before:
  description: Rows below this moment are counted.
  returned: success
  type: str
tables:
  description: Rows (C(rows)) and what they add up to (C(digest)), by table.
  returned: success
  type: dict
"""

import time
from typing import Any

from ansible.module_utils.basic import AnsibleModule
from ansible_collections.hft.ops.plugins.module_utils._host import Host, HostError
from ansible_collections.hft.ops.plugins.module_utils._postgres import CLUSTER_ARGUMENTS, PRIMARY, Cluster, first_line, psycopg2, rows
from ansible_collections.hft.ops.plugins.module_utils._postgres_rows import TABLES_ARGUMENT, count, refuse_bad_tables

# The point comes after the look at who is open: whoever begins later is above the moment, whoever ended before is in the WAL.
# A second for a transaction that has begun and does not stand in pg_stat_activity yet.
_BEFORE = """
SELECT least(clock_timestamp() - interval '1 second',
             (SELECT min(xact_start) FROM pg_stat_activity WHERE pid <> pg_backend_pid()))::text AS before
"""
_POINT = "SELECT pg_walfile_name(pg_create_restore_point(%s)) AS segment, clock_timestamp()::text AS time"
_ARCHIVED = """
SELECT coalesce(last_archived_wal >= %s, false) AS done, coalesce(last_failed_wal, '') AS failed,
       coalesce(last_failed_time > last_archived_time, last_failed_time IS NOT NULL) AS failing
FROM pg_stat_archiver
"""


def main() -> None:
    module = AnsibleModule(
        argument_spec={
            "name": {"type": "str", "required": True},
            "database": {"type": "str", "default": "hft_db"},
            "tables": TABLES_ARGUMENT,
            "timeout_s": {"type": "int", "default": 120},
            **CLUSTER_ARGUMENTS,
        },
        supports_check_mode=True,
    )
    given = module.params
    cluster = Cluster(Host(), given["version"], given["cluster"], given["port"])
    try:
        refuse_bad_tables(given["tables"])
        state = cluster.state()
        if state != PRIMARY:
            raise HostError(f"{cluster.unit}: is {state}; a restore point is written on the primary")
        found = mark(cluster, given, module.check_mode)
    except HostError as wrong:
        module.fail_json(msg=str(wrong))
    except psycopg2.Error as wrong:
        module.fail_json(msg=f"{cluster.unit}, database {given['database']}: {first_line(wrong)}")
    module.exit_json(changed=False, **found)


def mark(cluster: Cluster, given: dict[str, Any], check_mode: bool) -> dict[str, Any]:
    """Everything under RETURN."""
    found: dict[str, Any] = {"name": given["name"], "segment": "", "timeline": 0, "time": ""}
    with cluster.session(given["database"]) as cursor:
        found.update(rows(cursor, _BEFORE)[0])
        if not check_mode:
            found.update(rows(cursor, _POINT, (given["name"],))[0])
            found["timeline"] = int(found["segment"][:8], 16)
            cursor.execute("SELECT pg_switch_wal()")
        found["tables"] = count(cursor, given["tables"], found["before"])
        if not check_mode:
            wait_until_archived(cursor, found["segment"], given["timeout_s"])
    return found


def wait_until_archived(cursor: Any, segment: str, timeout_s: int) -> None:
    deadline = time.monotonic() + timeout_s
    while True:
        told = rows(cursor, _ARCHIVED, (segment,))[0]
        if told["done"]:
            return
        if time.monotonic() > deadline:
            why = f"archive_command fails for {told['failed']}, read PostgreSQL's log" if told["failing"] else "nothing was tried"
            raise HostError(f"WAL segment {segment}: not in the archive after {timeout_s} s ({why}); see timescaledb_archive_command")
        time.sleep(0.1)


if __name__ == "__main__":
    main()
