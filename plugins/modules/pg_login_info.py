#!/usr/bin/python
# Copyright: (c) hft.ops contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: pg_login_info
short_description: Which database roles can log in over TCP with the passwords at hand
version_added: 0.1.0
description:
  - Logs in over TCP as each given role with the given password, and says which are accepted, which are refused for their
    password, and which do not exist yet.
  - Meant for a preflight, so that a wrong password is found before anything is changed. Answers on a host without
    PostgreSQL too.
options:
  logins:
    description: Password of each role.
    type: dict
    required: true
  host:
    description: Address to log in to.
    type: str
    default: 127.0.0.1
  database:
    description: Database to log in to.
    type: str
    default: postgres
author: hft.ops contributors (@hft-ops)
extends_documentation_fragment: [hft.ops.attributes.information, hft.ops.postgres_cluster]
"""

EXAMPLES = r"""
- name: Try the engine's password
  hft.ops.pg_login_info:
    logins:
      hft_user: "{{ engine_password }}"
  register: logins
  no_log: true
"""

RETURN = r"""
accepted:
  description: Roles whose login succeeded.
  returned: always
  type: list
  elements: str
refused:
  description: Roles that exist and whose password the server refused.
  returned: always
  type: list
  elements: str
absent:
  description: Roles that do not exist yet; all of them while no server runs here.
  returned: always
  type: list
  elements: str
unproven:
  description: Roles that exist and could not be tried, each with the server's reason.
  returned: always
  type: dict
"""

from typing import Any

from ansible.module_utils.basic import AnsibleModule
from ansible_collections.hft.ops.plugins.module_utils._host import Host, HostError
from ansible_collections.hft.ops.plugins.module_utils._postgres import CLUSTER_ARGUMENTS, PRIMARY, STANDBY, Cluster, cause, psycopg2, rows

_REFUSED = "password authentication failed"


def information(cluster: Cluster, logins: dict[str, str], host: str, database: str) -> dict[str, Any]:
    """Everything under RETURN."""
    found: dict[str, Any] = {"accepted": [], "refused": [], "absent": [], "unproven": {}}
    existing: set[str] = set()
    if cluster.state() in (PRIMARY, STANDBY):
        with cluster.session() as cursor:
            # The server's answer to a wrong password and to an unknown role is the same, so ask which roles exist.
            existing = {row["rolname"] for row in rows(cursor, "SELECT rolname FROM pg_roles WHERE rolname = ANY(%s)", (sorted(logins),))}
    for role, password in sorted(logins.items()):
        if role not in existing:
            found["absent"].append(role)
            continue
        try:
            psycopg2.connect(host=host, port=cluster.port, user=role, password=password, dbname=database, connect_timeout=5).close()
            found["accepted"].append(role)
        except psycopg2.OperationalError as why:
            if _REFUSED in str(why):
                found["refused"].append(role)
            else:
                found["unproven"][role] = cause(why)
    return found


def main() -> None:
    arguments = {
        "logins": {"type": "dict", "required": True, "no_log": True},
        "host": {"type": "str", "default": "127.0.0.1"},
        "database": {"type": "str", "default": "postgres"},
        **CLUSTER_ARGUMENTS,
    }
    module = AnsibleModule(argument_spec=arguments, supports_check_mode=True)
    given = module.params
    cluster = Cluster(Host(), given["version"], given["cluster"], given["port"])
    try:
        found = information(cluster, given["logins"], given["host"], given["database"])
    except HostError as wrong:
        module.fail_json(msg=str(wrong))
    module.exit_json(changed=False, **found)


if __name__ == "__main__":
    main()
