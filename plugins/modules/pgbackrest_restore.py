#!/usr/bin/python
# Copyright: (c) hft.ops contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: pgbackrest_restore
short_description: Restore a PostgreSQL cluster to a point in time, into a host that holds no data
version_added: 0.1.0
description:
  - Restores the files beside the data directory, recovers them to the target with a server that nobody can reach, promotes it to a
    timeline of its own, and only then puts the directory in its place by a rename. Whatever fails, the host is as it was.
  - Restores only into a data directory that does not exist or was created and never started.
  - Commits after the target are lost, so before the directory is put in place every lease in O(lease_databases) is made vacant and
    its epoch raised by 1,048,576, above every epoch that engines were given since the target. Kills stay.
  - Does not start the cluster.
author: hft.ops contributors (@hft-ops)
extends_documentation_fragment: [hft.ops.attributes, hft.ops.postgres_cluster]
attributes:
  idempotent:
    support: none
    description: A second run finds a cluster that holds data, and refuses.
options:
  stanza:
    description: Name of the cluster in the repository.
    type: str
    required: true
  system_identifier:
    description: The system to restore, as RV(hft.ops.pgbackrest_info#module:system_identifier) has it. Another one is refused.
    type: str
    required: true
  target_type:
    description:
      - Where recovery ends. V(latest) the end of the archive; V(immediate) as soon as the backup is consistent.
      - With V(time), V(xid), V(name) and V(lsn) the O(target) itself is still recovered. A commit counts with the time that its
        server wrote into it, which is before anybody was told of it.
    type: str
    choices: [latest, time, xid, name, lsn, immediate]
    default: latest
  target:
    description: The target; a time needs its zone, such as V(2026-01-31 12:00:00.000000+00).
    type: str
    default: ''
  timeline:
    description: Timeline to follow; V(0) for the latest in the archive, which is that of the last promotion or restore.
    type: int
    default: 0
  backup:
    description: Label of the backup to start from; by default the last one before the target.
    type: str
    default: ''
  archive:
    description: >-
      Whether the restored cluster archives its timeline into the stanza. V(false) is for a drill while the primary runs: two that archive
      spoil later restores, so C(archive_command) is then made to do nothing (C(ALTER SYSTEM)).
    type: bool
    default: true
  lease_databases:
    description: Databases whose leases are made vacant. One that is not in the backup is left out with a warning.
    type: list
    elements: str
    default: [hft_db]
  timeout_s:
    description: Seconds that recovery may take.
    type: int
    default: 3600
requirements:
  - the same major version of PostgreSQL, and the same version of TimescaleDB, as in the backup
"""

EXAMPLES = r"""
- name: As it was at noon
  hft.ops.pgbackrest_restore:
    stanza: hft
    system_identifier: "7710747024841685801"
    target_type: time
    target: 2026-01-31 12:00:00+00
"""

RETURN = r"""
leases:
  description: Strategies whose lease was made vacant, by database.
  returned: success
  type: dict
timeline:
  description: Timeline of the restored cluster; 0 in check mode.
  returned: success
  type: int
recovered_to:
  description: Time of the last commit that was recovered; empty in check mode, or when no commit followed the backup.
  returned: success
  type: str
seconds:
  description: How long copying (C(restore)) and replaying (C(recover)) took.
  returned: success
  type: dict
differences:
  description: What changed or would change.
  returned: always
  type: list
  elements: dict
"""

import time
from typing import Any

from ansible.module_utils.basic import AnsibleModule
from ansible_collections.hft.ops.plugins.module_utils._host import Host, HostError
from ansible_collections.hft.ops.plugins.module_utils._pgbackrest import OK, PgBackRest
from ansible_collections.hft.ops.plugins.module_utils._plan import Difference, Plan
from ansible_collections.hft.ops.plugins.module_utils._postgres import (
    ABSENT,
    CLUSTER_ARGUMENTS,
    FRESH,
    TIMELINE,
    Cluster,
    first_line,
    psycopg2,
    rows,
)
from ansible_collections.hft.ops.plugins.module_utils._postgres_leases import vacate
from ansible_collections.hft.ops.plugins.module_utils._postgres_scratch import TARGET_TYPES, Scratch, Target


class Restore:
    """One restore of a stanza into the cluster of this host."""

    def __init__(self, given: dict[str, Any], cluster: Cluster, backrest: PgBackRest, scratch: Scratch) -> None:
        self.given = given
        self.cluster = cluster
        self.backrest = backrest
        self.scratch = scratch
        self.target = Target.of(given["target_type"], given["target"], given["timeline"])
        self.outcome: dict[str, Any] = {"leases": {}, "timeline": 0, "recovered_to": "", "seconds": {}}
        self.missing: list[str] = []

    def refuse_what_holds_data(self) -> str:
        state = self.cluster.state()
        if state not in (ABSENT, FRESH):
            raise HostError(f"{self.cluster.data_directory}: holds a cluster with data ({state}) and will not be overwritten; "
                            "restore into an empty host, or move the directory away")
        return state

    def refuse_another_system(self) -> None:
        """Whether the repository has what is asked for."""
        found = self.backrest.info()
        stanza, wanted = self.given["stanza"], self.given["system_identifier"]
        if found["state"] != OK:
            raise HostError(f"stanza {stanza}: {found['message']}; nothing to restore")
        if found["system_identifier"] != wanted:
            raise HostError(f"system_identifier {wanted}: the stanza {stanza} holds system {found['system_identifier']}; "
                            "is it the cluster that you mean?")
        if found["version"] != str(self.cluster.version):
            raise HostError(f"stanza {stanza}: is of PostgreSQL {found['version']}, this host has {self.cluster.version}; "
                            "install the same version")
        labels = [backup["label"] for backup in found["backups"]]
        if self.given["backup"] and self.given["backup"] not in labels:
            raise HostError(f"backup {self.given['backup']}: not in the stanza {stanza}; there are {', '.join(labels)}")

    def write(self) -> None:
        if not self.cluster.host.path(f"{self.cluster.config_directory}/postgresql.conf").exists():
            raise HostError(f"{self.cluster.config_directory}: no configuration; create the cluster first (pg_createcluster)")
        self.scratch.clear()
        try:
            begin = time.monotonic()
            self.scratch.restore(self.target, self.given["backup"])
            copied = time.monotonic()
            self.scratch.recover(self.given["timeout_s"])
            self.outcome["seconds"] = {"restore": round(copied - begin, 1), "recover": round(time.monotonic() - copied, 1)}
            self._finish()
            self.cluster.put_in_place(self.scratch.directory)
        except psycopg2.Error as wrong:
            raise HostError(f"recovered server in {self.scratch.directory}: {first_line(wrong)}; nothing was put in place") from wrong
        finally:
            self.scratch.clear()

    def _finish(self) -> None:
        """What must be true before anybody can connect."""
        present = self.scratch.databases()
        for database in self.given["lease_databases"]:
            if database not in present:
                self.missing.append(database)
                continue
            self.outcome["leases"][database] = vacate(self.scratch, database)
        with self.scratch.session() as cursor:
            told = rows(cursor, f"SELECT {TIMELINE} AS timeline, coalesce(pg_last_xact_replay_timestamp()::text, '') AS at")[0]
        self.outcome.update(timeline=told["timeline"], recovered_to=told["at"])
        self.scratch.forget_recovery()
        self.scratch.stop()


def main() -> None:
    arguments = {
        "stanza": {"type": "str", "required": True},
        "system_identifier": {"type": "str", "required": True},
        "target_type": {"type": "str", "choices": list(TARGET_TYPES), "default": "latest"},
        "target": {"type": "str", "default": ""},
        "timeline": {"type": "int", "default": 0},
        "backup": {"type": "str", "default": ""},
        "archive": {"type": "bool", "default": True},
        "lease_databases": {"type": "list", "elements": "str", "default": ["hft_db"]},
        "timeout_s": {"type": "int", "default": 3600},
        **CLUSTER_ARGUMENTS,
    }
    module = AnsibleModule(argument_spec=arguments, supports_check_mode=True)
    given = module.params
    plan = Plan(module.check_mode)
    cluster = Cluster(Host(), given["version"], given["cluster"], given["port"])
    backrest = PgBackRest(cluster.host, module.run_command, given["stanza"])
    scratch = Scratch(cluster, backrest, module.run_command, f"{cluster.data_directory}.restore", keep=True, archive=given["archive"])
    try:
        restore = Restore(given, cluster, backrest, scratch)
        state = restore.refuse_what_holds_data()
        if backrest.installed or not module.check_mode:
            restore.refuse_another_system()
        plan.change(Difference("persisted", cluster.data_directory, None if state == ABSENT else "fresh cluster",
                               f"stanza {given['stanza']}, {restore.target}, leases vacant"), write=restore.write)
        plan.run()
    except HostError as wrong:
        module.fail_json(msg=str(wrong), **plan.failure())
    for database in restore.missing:
        module.warn(f"lease_databases: {database} is not in the backup")
    module.exit_json(**restore.outcome, **plan.result())


if __name__ == "__main__":
    main()
