#!/usr/bin/python
# Copyright: (c) hft.ops contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: pgbackrest_verify
short_description: Restore the latest backup into a scratch instance, check it, and remove it
version_added: 0.1.0
description:
  - Restores the latest backup into a directory of its own and recovers it up to a restore point, with a server that nobody can reach.
  - Counts rows there and holds them against what M(hft.ops.pg_restore_point) counted on the primary; then stops the server and checks every
    page by its checksum.
  - Fails when one row or page is not as it was. Whatever happens, nothing is left on the host, and nothing is archived.
options:
  stanza:
    description: Name of the cluster in the repository.
    type: str
    required: true
  restore_point:
    description: Name of the point to recover to; empty for the end of the archive.
    type: str
    default: ''
  timeline:
    description: Timeline of that point, RV(hft.ops.pg_restore_point#module:timeline); V(0) for the latest in the archive.
    type: int
    default: 0
  before:
    description: Rows below this moment are counted, RV(hft.ops.pg_restore_point#module:before).
    type: str
    default: infinity
  expected:
    description: What must be found, RV(hft.ops.pg_restore_point#module:tables). Without it rows are counted and not compared.
    type: dict
    default: {}
  directory:
    description: Scratch directory, emptied first and removed afterwards. Its file system must have room for the whole cluster.
    type: path
    default: /var/lib/postgresql/hft-backup-verify
  timeout_s:
    description: Seconds that recovery may take.
    type: int
    default: 3600
attributes:
  check_mode:
    description: Whether it can run without a change.
    details: Asks the repository for its latest backup, and restores nothing.
    support: partial
  diff_mode:
    description: Leaves nothing behind.
    support: none
requirements:
  - PostgreSQL and TimescaleDB on the host, in the versions of the backup
author: hft.ops contributors (@hft-ops)
extends_documentation_fragment: [hft.ops.postgres_cluster, hft.ops.postgres_tables]
"""

EXAMPLES = r"""
- name: Prove the latest backup
  hft.ops.pgbackrest_verify:
    stanza: hft
    restore_point: "{{ mark.name }}"
    tables: "{{ tables }}"
    before: "{{ mark.before }}"
    expected: "{{ mark.tables }}"
"""

RETURN = r"""
backup:
  description: Label of the backup.
  returned: success
  type: str
backup_completed:
  description: When it was completed, seconds since the epoch.
  returned: success
  type: int
verified:
  description: When the check ended, seconds since the epoch; 0 in check mode.
  returned: success
  type: int
tables:
  description: Rows (C(rows)) and what they add up to (C(digest)), by table.
  returned: success
  type: dict
pages:
  description: Files and blocks that were checked, and how many were bad.
  returned: success
  type: dict
seconds:
  description: How long copying, replaying, counting and checking took.
  returned: success
  type: dict
"""

import os
import shutil
import time
from typing import Any

from ansible.module_utils.basic import AnsibleModule
from ansible_collections.hft.ops.plugins.module_utils._host import Host, HostError
from ansible_collections.hft.ops.plugins.module_utils._pgbackrest import OK, PgBackRest
from ansible_collections.hft.ops.plugins.module_utils._postgres import CLUSTER_ARGUMENTS, Cluster, first_line, psycopg2
from ansible_collections.hft.ops.plugins.module_utils._postgres_rows import TABLES_ARGUMENT, count, differences, refuse_bad_tables
from ansible_collections.hft.ops.plugins.module_utils._postgres_scratch import LATEST, Scratch, Target

# The files themselves, and the WAL that recovery brings beside them.
_ROOM = 1.2
_WAL_BYTES = 1 << 30


class Stopwatch:
    """Seconds of each step."""

    def __init__(self) -> None:
        self.seconds: dict[str, float] = {}
        self._begin = time.monotonic()

    def lap(self, name: str) -> None:
        now = time.monotonic()
        self.seconds[name] = round(now - self._begin, 1)
        self._begin = now


def main() -> None:
    module = AnsibleModule(
        argument_spec={
            "stanza": {"type": "str", "required": True},
            "restore_point": {"type": "str", "default": ""},
            "timeline": {"type": "int", "default": 0},
            "database": {"type": "str", "default": "hft_db"},
            "tables": TABLES_ARGUMENT,
            "before": {"type": "str", "default": "infinity"},
            "expected": {"type": "dict", "default": {}},
            "directory": {"type": "path", "default": "/var/lib/postgresql/hft-backup-verify"},
            "timeout_s": {"type": "int", "default": 3600},
            **CLUSTER_ARGUMENTS,
        },
        supports_check_mode=True,
    )
    given = module.params
    cluster = Cluster(Host(), given["version"], given["cluster"], given["port"])
    backrest = PgBackRest(cluster.host, module.run_command, given["stanza"])
    found: dict[str, Any] = {"backup": "", "backup_completed": 0, "verified": 0, "tables": {}, "pages": {}, "seconds": {}}
    try:
        refuse_bad_tables(given["tables"])
        if backrest.installed or not module.check_mode:
            last = latest(backrest)
            found.update(backup=last["label"], backup_completed=last["completed"])
        if not module.check_mode:
            refuse_a_full_disk(given["directory"], last["size_bytes"])
            scratch = Scratch(cluster, backrest, module.run_command, given["directory"].rstrip("/"), keep=False, archive=False)
            found.update(verify(scratch, given))
    except HostError as wrong:
        module.fail_json(msg=str(wrong), **found)
    except psycopg2.Error as wrong:
        module.fail_json(msg=f"backup {found['backup']}, database {given['database']}: {first_line(wrong)}", **found)
    problems = differences(given["expected"], found["tables"]) if not module.check_mode else []
    if found["pages"].get("bad"):
        problems.append(f"{found['pages']['bad']} of {found['pages']['blocks']} pages have a wrong checksum")
    if problems:
        module.fail_json(msg=f"backup {found['backup']} of stanza {given['stanza']}: {'; '.join(problems)}", **found)
    module.exit_json(changed=False, **found)


def latest(backrest: PgBackRest) -> dict[str, Any]:
    found = backrest.info()
    if found["state"] != OK or "any" not in found["last"]:
        raise HostError(f"stanza {backrest.stanza}: {found['message']}; there is no backup to verify")
    return found["last"]["any"]


def refuse_a_full_disk(directory: str, size: int) -> None:
    free = shutil.disk_usage(os.path.dirname(directory.rstrip("/"))).free
    wanted = int(size * _ROOM) + _WAL_BYTES
    if free < wanted:
        raise HostError(f"directory {directory}: {free >> 20} MiB free, the backup needs {wanted >> 20} MiB; "
                        "give another directory or host")


def verify(scratch: Scratch, given: dict[str, Any]) -> dict[str, Any]:
    """Restore, count, check the pages; what is left is removed in any case."""
    watch = Stopwatch()
    target = Target.of("name" if given["restore_point"] else LATEST, given["restore_point"], given["timeline"])
    scratch.clear()
    try:
        scratch.restore(target)
        watch.lap("restore")
        scratch.recover(given["timeout_s"])
        watch.lap("recover")
        with scratch.session(given["database"]) as cursor:
            tables = count(cursor, given["tables"], given["before"])
        watch.lap("count")
        scratch.stop()
        pages = scratch.check_pages()
        watch.lap("check_pages")
    finally:
        scratch.clear()
    return {"tables": tables, "pages": pages, "seconds": watch.seconds, "verified": int(time.time())}


if __name__ == "__main__":
    main()
