#!/usr/bin/python
# Copyright: (c) hft.ops contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: pgbackrest_info
short_description: Age, size and WAL range of the backups, and whether WAL is archived
version_added: 0.1.0
description:
  - Asks pgBackRest on this host what the repository holds and, where the local cluster is the primary, PostgreSQL how its archive stands.
  - As a gate before a migration or a cutover it fails with O(max_age_s) when the last backup is older, and with O(archiving) when the
    primary cannot get rid of its WAL. Both also in check mode.
options:
  stanza:
    description: Name of the cluster in the repository.
    type: str
    required: true
  max_age_s:
    description: Fail when no backup of any type was completed within so many seconds; V(0) for no limit.
    type: int
    default: 0
  archiving:
    description: Fail when the local cluster is a primary whose C(archive_command) fails or does nothing.
    type: bool
    default: false
  expect:
    description: Fail when the repository holds less than a V(stanza) or a V(backup). Not in check mode, where the run has not made it yet.
    type: str
    choices: [nothing, stanza, backup]
    default: nothing
author: hft.ops contributors (@hft-ops)
extends_documentation_fragment: [hft.ops.attributes.information, hft.ops.postgres_cluster]
"""

EXAMPLES = r"""
- name: Gate, no migration without a backup of today and an archive that works
  hft.ops.pgbackrest_info:
    stanza: hft
    max_age_s: 86400
    archiving: true
"""

RETURN = r"""
state:
  description: V(not_installed), V(no_stanza), V(no_backup) or V(ok).
  returned: success
  type: str
message:
  description: How the stanza stands, in pgBackRest's words.
  returned: success
  type: str
cipher:
  description: Encryption of the repository.
  returned: success
  type: str
  sample: aes-256-cbc
system_identifier:
  description: Identifier of the system whose backups these are.
  returned: success
  type: str
version:
  description: Major version of PostgreSQL of the last backup.
  returned: success
  type: str
backups:
  description: All backups, oldest first.
  returned: success
  type: list
  elements: dict
  contains:
    label: {description: Name of the backup., type: str}
    type: {description: 'V(full), V(diff) or V(incr).', type: str}
    error: {description: Whether it found pages with wrong checksums., type: bool}
    started: {description: Seconds since the epoch., type: int}
    completed: {description: Seconds since the epoch., type: int}
    age_s: {description: Seconds since it was completed., type: int}
    size_bytes: {description: Size of the cluster., type: int}
    repository_bytes: {description: What it added to the repository., type: int}
    wal_start: {description: First segment that it needs., type: str}
    wal_stop: {description: Last segment that it needs., type: str}
last:
  description: The last good backup of each type, and of V(any) type. A type without a backup is not in it.
  returned: success
  type: dict
wal:
  description: First (C(min)) and last (C(max)) segment of the archive.
  returned: success
  type: dict
archiver:
  description: How PostgreSQL archives; empty where the local cluster is no running primary.
  returned: success
  type: dict
  contains:
    failing: {description: Whether the last attempt failed., type: bool}
    command: {description: C(archive_command) in force., type: str}
    last_archived_wal: {description: Last segment that was archived., type: str}
    last_archived_age_s: {description: Seconds since then; -1 for never., type: int}
    last_failed_wal: {description: Last segment that was not., type: str}
    last_failed_age_s: {description: Seconds since then; -1 for never., type: int}
    failed_count: {description: Failed attempts since the statistics were reset., type: int}
    waiting_segments: {description: Segments that wait to be archived., type: int}
"""

from typing import Any

from ansible.module_utils.basic import AnsibleModule
from ansible_collections.hft.ops.plugins.module_utils._host import Host, HostError
from ansible_collections.hft.ops.plugins.module_utils._pgbackrest import NO_BACKUP, NO_STANZA, NOT_INSTALLED, OK, PgBackRest, nothing
from ansible_collections.hft.ops.plugins.module_utils._postgres import CLUSTER_ARGUMENTS, PRIMARY, Cluster, rows

_ARCHIVER = """
SELECT coalesce(last_archived_wal, '') AS last_archived_wal,
       coalesce(extract(epoch FROM now() - last_archived_time), -1)::bigint AS last_archived_age_s,
       coalesce(last_failed_wal, '') AS last_failed_wal,
       coalesce(extract(epoch FROM now() - last_failed_time), -1)::bigint AS last_failed_age_s,
       failed_count,
       last_failed_time IS NOT NULL AND last_failed_time > coalesce(last_archived_time, '-infinity') AS failing,
       current_setting('archive_command') AS command
FROM pg_stat_archiver
"""


def main() -> None:
    module = AnsibleModule(
        argument_spec={
            "stanza": {"type": "str", "required": True},
            "max_age_s": {"type": "int", "default": 0},
            "archiving": {"type": "bool", "default": False},
            "expect": {"type": "str", "choices": ["nothing", "stanza", "backup"], "default": "nothing"},
            **CLUSTER_ARGUMENTS,
        },
        supports_check_mode=True,
    )
    given = module.params
    host = Host()
    try:
        backrest = PgBackRest(host, module.run_command, given["stanza"])
        found = backrest.info() if backrest.installed else nothing(NOT_INSTALLED, "pgBackRest is not installed")
        found["archiver"] = archiver(Cluster(host, given["version"], given["cluster"], given["port"]))
        problems = gate(found, given, module.check_mode)
    except HostError as wrong:
        module.fail_json(msg=str(wrong))
    if problems:
        module.fail_json(msg="; ".join(problems), **found)
    module.exit_json(changed=False, **found)


def archiver(cluster: Cluster) -> dict[str, Any]:
    """How the local primary archives; nothing where there is none."""
    if cluster.state() != PRIMARY:
        return {}
    with cluster.session() as cursor:
        found = rows(cursor, _ARCHIVER)[0]
    waiting = cluster.host.names(f"{cluster.data_directory}/pg_wal/archive_status")
    found["waiting_segments"] = sum(name.endswith(".ready") for name in waiting)
    return found


def gate(found: dict[str, Any], given: dict[str, Any], check_mode: bool) -> list[str]:
    """All that is short of what was asked for."""
    stanza, problems = given["stanza"], []
    lacking = {"nothing": (), "stanza": (NOT_INSTALLED, NO_STANZA), "backup": (NOT_INSTALLED, NO_STANZA, NO_BACKUP)}
    if not check_mode and found["state"] in lacking[given["expect"]]:
        problems.append(f"stanza {stanza}: {found['message']}; expected a {given['expect']}")
    if given["max_age_s"] > 0:
        last = found["last"].get("any")
        if found["state"] != OK or last is None:
            problems.append(f"stanza {stanza}: {found['message']}, so no backup of the last {given['max_age_s']} s; take one first")
        elif last["age_s"] > given["max_age_s"]:
            problems.append(f"stanza {stanza}: the last backup ({last['label']}) is {last['age_s']} s old, at most {given['max_age_s']} s "
                            "are allowed; take one first")
    told = found["archiver"]
    if given["archiving"] and told:
        if told["failing"]:
            problems.append(f"archive_command: failed {told['last_failed_age_s']} s ago for {told['last_failed_wal']}, "
                            f"{told['waiting_segments']} segments wait; read PostgreSQL's log")
        elif "pgbackrest" not in told["command"]:
            problems.append(f"archive_command: is {told['command']!r}, which archives nothing; set timescaledb_archive_command")
    return problems


if __name__ == "__main__":
    main()
