#!/usr/bin/python
# Copyright: (c) hft.ops contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: pg_version_info
short_description: Which versions of PostgreSQL and TimescaleDB a host has, runs, and could have
version_added: 0.1.0
description:
  - Tells apart what runs, what is installed, what the package sources offer, and what each database names in its catalog.
  - Says which edition of TimescaleDB it is; the Apache edition has no compression, retention policies or continuous aggregates.
options:
  packages:
    description: Packages whose versions are told.
    type: list
    elements: str
    default: []
  refresh:
    description: Whether the package lists are read anew from their sources first; never in check mode.
    type: bool
    default: false
attributes:
  check_mode:
    description: Changes nothing; in check mode the package lists are those at hand.
author: hft.ops contributors (@hft-ops)
extends_documentation_fragment: [hft.ops.attributes.information, hft.ops.postgres_cluster]
"""

EXAMPLES = r"""
- name: Ask for the versions
  hft.ops.pg_version_info:
    packages: [postgresql-17, postgresql-17-timescaledb]
    refresh: true
  register: versions
"""

RETURN = r"""
running:
  description: Version of the server that runs, such as V(17.11); empty while none does.
  returned: always
  type: str
installed:
  description: Version of the server that the next start runs; empty when none is installed.
  returned: always
  type: str
restart_needed:
  description: Whether programs or libraries were replaced since the server was started.
  returned: always
  type: bool
packages:
  description: For each package V(installed) and V(candidate), empty where there is none.
  returned: always
  type: dict
catalog:
  description: Version of TimescaleDB in the catalog of each database that has it.
  returned: always
  type: dict
library:
  description: Version of TimescaleDB that a new database gets; empty when it is not installed.
  returned: always
  type: str
libraries:
  description: All versions of TimescaleDB whose library is there, each of which a database can name.
  returned: always
  type: list
  elements: str
edition:
  description: V(timescale) or V(apache); empty while no database has the extension.
  returned: always
  type: str
"""

import re
from typing import Any

from ansible.module_utils.basic import AnsibleModule
from ansible_collections.hft.ops.plugins.module_utils._apt import Apt, RunCommand
from ansible_collections.hft.ops.plugins.module_utils._host import Host, HostError
from ansible_collections.hft.ops.plugins.module_utils._postgres import CLUSTER_ARGUMENTS, PRIMARY, STANDBY, Cluster, psycopg2, rows

_EDITION = "SELECT coalesce(current_setting('timescaledb.license', true), '') AS edition"


def information(host: Host, cluster: Cluster, run_command: RunCommand, packages: list[str]) -> dict[str, Any]:
    """Everything under RETURN."""
    apt = Apt(run_command, host)
    installed, candidates = apt.installed(), apt.candidates(packages)
    root = f"/usr/lib/postgresql/{cluster.version}"
    control = host.read(f"/usr/share/postgresql/{cluster.version}/extension/timescaledb.control") or ""
    match = re.search(r"^default_version\s*=\s*'([^']+)'", control, re.MULTILINE)
    found: dict[str, Any] = {
        "running": "", "installed": _server_on_disk(host, cluster, run_command), "restart_needed": False,
        "packages": {name: {"installed": installed.get(name, ""), "candidate": candidates.get(name, "")} for name in packages},
        "catalog": {}, "library": match.group(1) if match else "", "edition": "",
        "libraries": sorted(name[len("timescaledb-"):-len(".so")] for name in host.names(f"{root}/lib")
                            if re.fullmatch(r"timescaledb-\d[\w.]*(-dev)?\.so", name)),
    }
    if cluster.state() in (PRIMARY, STANDBY):
        found.update(_running(host, cluster, [f"{root}/bin/postgres", f"{root}/lib/timescaledb.so"]))
    return found


def _server_on_disk(host: Host, cluster: Cluster, run_command: RunCommand) -> str:
    if not host.path(cluster.program("postgres")).exists():
        return ""
    _rc, out, _err = run_command([cluster.program("postgres"), "--version"])
    match = re.search(r"\d+[\w.]*", out)
    return match.group() if match else ""


def missing_library(error: str) -> str:
    """The version in: could not access file "$libdir/timescaledb-2.19.3": No such file or directory."""
    match = re.search(r'timescaledb-([^"]+)"', error)
    return match.group(1) if match else "unknown"


def _running(host: Host, cluster: Cluster, files: list[str]) -> dict[str, Any]:
    # When a file was put there, which its own time does not say: that comes with the package.
    placed = max((host.path(path).stat().st_ctime for path in files if host.path(path).exists()), default=0.0)
    with cluster.session() as cursor:
        server = rows(cursor, "SELECT split_part(current_setting('server_version'), ' ', 1) AS version,"
                              " extract(epoch FROM pg_postmaster_start_time())::float8 AS started")[0]
        names = [row["datname"] for row in rows(cursor, "SELECT datname FROM pg_database WHERE datallowconn")]
    catalog, edition = {}, ""
    for name in sorted(names):
        with cluster.session(name) as cursor:
            try:
                version = next(iter(rows(cursor, "SELECT extversion FROM pg_extension WHERE extname = 'timescaledb'")), None)
                if version:
                    catalog[name] = version["extversion"]
                    edition = rows(cursor, _EDITION)[0]["edition"]
            except psycopg2.errors.UndefinedFile as why:
                # A database whose library is not on this host answers nothing, but says which one it wants.
                catalog[name] = missing_library(str(why))
    return {"running": server["version"], "restart_needed": placed > server["started"], "catalog": catalog, "edition": edition}


def main() -> None:
    module = AnsibleModule(
        argument_spec={"packages": {"type": "list", "elements": "str", "default": []}, "refresh": {"type": "bool", "default": False},
                       **CLUSTER_ARGUMENTS},
        supports_check_mode=True,
    )
    given = module.params
    host = Host()
    cluster = Cluster(host, given["version"], given["cluster"], given["port"])
    try:
        if given["refresh"] and not module.check_mode:
            Apt(module.run_command, host).update()
        found = information(host, cluster, module.run_command, given["packages"])
    except HostError as wrong:
        module.fail_json(msg=str(wrong))
    module.exit_json(changed=False, **found)


if __name__ == "__main__":
    main()
