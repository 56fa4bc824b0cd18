#!/usr/bin/python
# Copyright: (c) hft.ops contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: pg_reload
short_description: Bring a running PostgreSQL server to its configuration files
version_added: 0.1.0
description:
  - Compares the time at which the server last read its configuration with the time of the given files, and reloads only
    when one of them is newer. Afterwards asks C(pg_settings.pending_restart) and restarts only when the server says so.
  - Before it reloads, the server itself checks the files (C(pg_file_settings), C(pg_hba_file_rules)). If one is wrong,
    nothing is reloaded, the server keeps what it has, and the error names file and line.
  - Asks for the state instead of waiting for a notification, so a run that broke off between writing and reloading is
    mended by the next one.
options:
  files:
    description: Configuration files, absolute paths.
    type: list
    elements: path
    required: true
  planned:
    description: >-
      Whether this run replaces one of O(files); only used in check mode, where the files are still the old ones.
    type: bool
    default: false
  started_by_this_run:
    description: >-
      Whether an earlier step of this run starts the server before O(files) are replaced. Only used in check mode on a
      host where the server does not run yet: with V(true) the reload is planned, with V(false) the server starts with
      the new files and no reload follows.
    type: bool
    default: false
  restart:
    description: >-
      V(if_pending) restarts when a changed setting needs it; V(never) leaves that to the caller, who finds the settings
      in RV(pending_restart); V(always) restarts once in any case, which is always a change.
    type: str
    choices: [if_pending, never, always]
    default: if_pending
  timeout_s:
    description: Seconds to wait for the server to answer after a restart.
    type: int
    default: 60
  port:
    description: Port of the cluster before the change; names its local socket.
    type: int
    default: 5432
author: hft.ops contributors (@hft-ops)
extends_documentation_fragment: [hft.ops.attributes, hft.ops.postgres_cluster]
"""

EXAMPLES = r"""
- name: Let the server use its configuration
  hft.ops.pg_reload:
    files:
      - /etc/postgresql/17/main/conf.d/90-hft.conf
      - /etc/postgresql/17/main/pg_hba.conf
"""

RETURN = r"""
action:
  description: V(none), V(reload) or V(restart).
  returned: always
  type: str
pending_restart:
  description: Settings that wait for a restart when the module ended.
  returned: always
  type: list
  elements: str
overridden:
  description: Settings of O(files) that do not count because a later file sets them to another value, with that file.
  returned: always
  type: dict
differences:
  description: What changed or would change.
  returned: always
  type: list
  elements: dict
"""

import time
from collections.abc import Callable

from ansible.module_utils.basic import AnsibleModule
from ansible_collections.hft.ops.plugins.module_utils._host import Host, HostError
from ansible_collections.hft.ops.plugins.module_utils._plan import Difference, Plan
from ansible_collections.hft.ops.plugins.module_utils._postgres import CLUSTER_ARGUMENTS, PRIMARY, STANDBY, Cluster, first_line, rows
from ansible_collections.hft.ops.plugins.module_utils._systemd import Systemctl

_LOADED_AT = "SELECT extract(epoch FROM pg_conf_load_time())::float8 AS at"
_PENDING = "SELECT name FROM pg_settings WHERE pending_restart ORDER BY name"
# A changed setting that only needs a restart stands here as an error too, without a file when it was removed from one.
_WRONG_SETTINGS = """
SELECT sourcefile AS file, sourceline AS line, coalesce(name || ': ', '') || error AS error FROM pg_file_settings
WHERE error IS NOT NULL AND sourcefile IS NOT NULL
  AND NOT (error = 'setting could not be applied' AND name IN (SELECT name FROM pg_settings WHERE context = 'postmaster'))
"""
_WRONG_RULES = "SELECT file_name AS file, line_number AS line, error FROM pg_hba_file_rules WHERE error IS NOT NULL"
_OVERRIDDEN = """
SELECT lost.name, won.sourcefile AS file FROM pg_file_settings lost
JOIN pg_file_settings won ON won.name = lost.name AND won.seqno > lost.seqno AND won.setting IS DISTINCT FROM lost.setting
WHERE lost.sourcefile = ANY(%s) AND won.sourcefile <> ALL(%s) ORDER BY won.seqno
"""


def newest(host: Host, files: list[str]) -> float:
    """When the youngest of the files was last written; a missing one does not count."""
    stamps = [host.path(path).stat().st_mtime for path in files if host.path(path).exists()]
    return max(stamps, default=0.0)


def loaded_at(cluster: Cluster) -> float:
    with cluster.session() as cursor:
        return rows(cursor, _LOADED_AT)[0]["at"]


def pending_restart(cluster: Cluster) -> list[str]:
    with cluster.session() as cursor:
        return [row["name"] for row in rows(cursor, _PENDING)]


def check_files(cluster: Cluster) -> None:
    """Let the server read the files without using them."""
    with cluster.session() as cursor:
        wrong = rows(cursor, _WRONG_SETTINGS) + rows(cursor, _WRONG_RULES)
    if wrong:
        first = wrong[0]
        raise HostError(f"{first['file']}, line {first['line']}: {first['error']}; the running server keeps its configuration")


def refuse_to_stop_for_good(cluster: Cluster, run_command: Callable[..., tuple[int, str, str]]) -> None:
    """A server that would not come back with its files is not stopped."""
    argv = [cluster.program("postgres"), "-C", "max_connections", "-D", cluster.data_directory,
            "-c", f"config_file={cluster.config_directory}/postgresql.conf"]
    rc, _out, err = run_command(argv)
    if rc != 0:
        raise HostError(f"{cluster.unit}: would not start with its files ({first_line(err)}); it was not restarted")


def reload(cluster: Cluster, timeout_s: float = 10) -> None:
    check_files(cluster)
    before = loaded_at(cluster)
    with cluster.session() as cursor:
        cursor.execute("SELECT pg_reload_conf()")
    deadline = time.monotonic() + timeout_s
    while loaded_at(cluster) == before:
        if time.monotonic() > deadline:
            raise HostError(f"{cluster.unit}: did not reload within {timeout_s:.0f} s; read its log for the refused setting")
        time.sleep(0.05)


def main() -> None:
    arguments = {
        "files": {"type": "list", "elements": "path", "required": True},
        "planned": {"type": "bool", "default": False},
        "started_by_this_run": {"type": "bool", "default": False},
        "restart": {"type": "str", "choices": ["if_pending", "never", "always"], "default": "if_pending"},
        "timeout_s": {"type": "int", "default": 60},
        **CLUSTER_ARGUMENTS,
    }
    module = AnsibleModule(argument_spec=arguments, supports_check_mode=True)
    given = module.params
    host = Host()
    cluster = Cluster(host, given["version"], given["cluster"], given["port"])
    plan = Plan(check_mode=module.check_mode)
    outcome = {"action": "none", "pending_restart": [], "overridden": {}}
    may_restart, must_restart = given["restart"] != "never", given["restart"] == "always"

    def bring_up_to_date() -> None:
        reload(cluster)
        outcome["action"] = "reload"
        if must_restart or (may_restart and pending_restart(cluster)):
            refuse_to_stop_for_good(cluster, module.run_command)
            Systemctl(module.run_command).do("restart", [cluster.unit])
            cluster.wait_until_answering(given["timeout_s"])
            outcome["action"] = "restart"

    try:
        if not module.check_mode:
            cluster.wait_until_answering(given["timeout_s"])
        running = cluster.state() in (PRIMARY, STANDBY)
        if running:
            stale = newest(host, given["files"]) > loaded_at(cluster)
            waiting = pending_restart(cluster)
            if stale or must_restart or (waiting and may_restart) or (module.check_mode and given["planned"]):
                plan.change(Difference("live", cluster.unit, "as last loaded", "as in its files"), write=bring_up_to_date)
        elif module.check_mode and given["planned"] and given["started_by_this_run"]:
            plan.change(Difference("live", cluster.unit, None, "as in its files"), write=bring_up_to_date)
        plan.run()
        if running:
            outcome["pending_restart"] = pending_restart(cluster)
            with cluster.session() as cursor:
                outcome["overridden"] = {row["name"]: row["file"] for row in rows(cursor, _OVERRIDDEN, (given["files"], given["files"]))}
    except HostError as wrong:
        module.fail_json(msg=str(wrong), **plan.failure())
    for name, file in sorted(outcome["overridden"].items()):
        module.warn(f"{name}: set again in {file}, which counts; remove it there (ALTER SYSTEM RESET {name})")
    module.exit_json(**outcome, **plan.result())


if __name__ == "__main__":
    main()
