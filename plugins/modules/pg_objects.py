#!/usr/bin/python
# Copyright: (c) hft.ops contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: pg_objects
short_description: Roles, databases, extensions and replication slots of a PostgreSQL server in one call
version_added: 0.1.0
description:
  - States what must exist inside a server and makes what is missing or differs; what is there and not named is left alone.
  - Roles, their attributes, passwords and memberships change in one transaction, so a failure leaves all of them as they were.
  - A password is compared with the stored SCRAM verifier and sent as a verifier, so it is in no statement and in no server log,
    and an unchanged one is not written again.
  - In check mode on a host whose server was not created yet, all objects are planned.
author: hft.ops contributors (@hft-ops)
extends_documentation_fragment: [hft.ops.attributes, hft.ops.postgres_cluster]
options:
  roles:
    description: Roles. None of them is superuser, creates databases or creates roles, whatever it was before.
    type: list
    elements: dict
    default: []
    suboptions:
      name:
        description: Name of the role.
        type: str
        required: true
      login:
        description: Whether it may log in.
        type: bool
        default: false
      replication:
        description: Whether it may stream the write-ahead log.
        type: bool
        default: false
      rewind:
        description: Whether it may read what C(pg_rewind) needs, so that an outdated primary can be wound back with it. Never taken away.
        type: bool
        default: false
      password:
        description: Its password. Left alone when not given.
        type: str
      member_of:
        description: Roles that it is a member of. Other memberships are left alone.
        type: list
        elements: str
        default: []
  databases:
    description: Databases.
    type: list
    elements: dict
    default: []
    suboptions:
      name:
        description: Name of the database.
        type: str
        required: true
      owner:
        description: Role that owns it; needed for one that does not exist yet, otherwise left alone when not given.
        type: str
      extensions:
        description: >-
          Extensions in it. C(NAME) is as wanted at whatever version it is, a missing one is created at the installed version;
          C(NAME=VERSION) is brought to that version, whose files must be installed here and on every standby first.
        type: list
        elements: str
        default: []
  slots:
    description:
      - Physical replication slots. They keep the write-ahead log from the moment of their creation, or the primary could recycle
        what the first base backup starts from.
      - A standby can have slots too, for who is to follow it once it is the primary, or already; it can have nothing else of its own.
    type: list
    elements: str
    default: []
  remove_slots:
    description:
      - Physical replication slots of members that left, which would keep the write-ahead log for nobody. One in use is refused.
    type: list
    elements: str
    default: []
notes:
  - When a database, an extension or a slot cannot be made, what was made before it stays and the message names it. Nothing is ever dropped
    but the slots of O(remove_slots).
"""

EXAMPLES = r"""
- name: What the engine needs of the database
  hft.ops.pg_objects:
    roles:
      - name: hft_owner
      - name: hft_user
        login: true
        password: "{{ vault_hft_user_password }}"
    databases:
      - name: hft_db
        owner: hft_owner
        extensions: [timescaledb]
    slots: [hft_prod_01]
"""

RETURN = r"""
differences:
  description: Every difference between wanted and found, with its layer, path, before and after. Passwords are never shown.
  returned: always
  type: list
  elements: dict
"""

import re
from dataclasses import dataclass, field
from typing import Any

from ansible.module_utils.basic import AnsibleModule
from ansible_collections.hft.ops.plugins.module_utils._host import Host, HostError
from ansible_collections.hft.ops.plugins.module_utils._plan import Difference, Plan
from ansible_collections.hft.ops.plugins.module_utils._postgres import (
    ABSENT,
    CLUSTER_ARGUMENTS,
    FRESH,
    PRIMARY,
    STANDBY,
    SUPERUSER,
    Cluster,
    first_line,
    psycopg2,
    rows,
)
from ansible_collections.hft.ops.plugins.module_utils._postgres_scram import fits, verifier
from ansible_collections.hft.ops.plugins.module_utils._postgres_slots import left_slots, missing_slots, slots_found, slots_in_use

# Postgres takes any name in quotes; these need none, which is what every other tool expects of them.
_NAME = re.compile(r"[a-z_][a-z0-9_]{0,62}")
_EXTENSION = re.compile(r"[a-z_][a-z0-9_-]*(=[0-9][\w.-]*)?")
# What a role that is no superuser needs as the source of pg_rewind (PostgreSQL 11 and newer, its own documentation).
_REWIND = ("pg_ls_dir(text, boolean, boolean)", "pg_stat_file(text, boolean)", "pg_read_binary_file(text)",
           "pg_read_binary_file(text, bigint, bigint, boolean)")
_ATTRIBUTES = ("LOGIN", "REPLICATION", "SUPERUSER", "CREATEDB", "CREATEROLE")


@dataclass
class Found:
    """What the server has: attributes and verifier of each role, memberships, owner of each database, its extensions, slots."""

    roles: dict[str, set[str]] = field(default_factory=dict)
    verifiers: dict[str, str | None] = field(default_factory=dict)
    members: set[tuple[str, str]] = field(default_factory=set)
    """(role, member) pairs."""
    rewinders: set[str] = field(default_factory=set)
    databases: dict[str, str] = field(default_factory=dict)
    extensions: dict[str, dict[str, str]] = field(default_factory=dict)
    """Version by name, by database."""
    slots: dict[str, str] = field(default_factory=dict)
    slots_in_use: set[str] = field(default_factory=set)
    """physical or logical, by name."""


@dataclass(frozen=True)
class Statement:
    """One SQL statement, the database that it belongs into ("": any) and the difference that it ends."""

    sql: str
    difference: Difference
    database: str = ""


def main() -> None:
    role = {
        "name": {"type": "str", "required": True}, "login": {"type": "bool", "default": False},
        "replication": {"type": "bool", "default": False}, "rewind": {"type": "bool", "default": False},
        "password": {"type": "str", "no_log": True},
        "member_of": {"type": "list", "elements": "str", "default": []},
    }
    database = {
        "name": {"type": "str", "required": True}, "owner": {"type": "str"},
        "extensions": {"type": "list", "elements": "str", "default": []},
    }
    module = AnsibleModule(
        argument_spec={
            "roles": {"type": "list", "elements": "dict", "default": [], "options": role},
            "databases": {"type": "list", "elements": "dict", "default": [], "options": database},
            "slots": {"type": "list", "elements": "str", "default": []},
            "remove_slots": {"type": "list", "elements": "str", "default": []},
            **CLUSTER_ARGUMENTS,
        },
        supports_check_mode=True,
    )
    given = module.params
    plan = Plan(module.check_mode)
    cluster = Cluster(Host(), given["version"], given["cluster"], given["port"])
    try:
        refuse_bad_input(given)
        found = _ask(cluster, given, module.check_mode)
        if found is not None:
            _plan(given, found, cluster, plan)
            plan.run()
    except HostError as wrong:
        module.fail_json(msg=str(wrong), **plan.failure())
    module.exit_json(**plan.result())


def refuse_bad_input(given: dict[str, Any]) -> None:
    """All that is wrong with the names, at once."""
    problems = []
    for option in ("roles", "databases", "slots", "remove_slots"):
        names = [one if isinstance(one, str) else one["name"] for one in given[option]]
        wrong = [name for name in names if not _NAME.fullmatch(name)]
        problems += [f"{option}: {name!r}: expected a lower-case name of letters, digits and _" for name in wrong]
        problems += [f"{option}: {name}: listed twice" for name in sorted({name for name in names if names.count(name) > 1})]
    problems += [f"remove_slots: {name}: stands in slots too" for name in sorted(set(given["slots"]) & set(given["remove_slots"]))]
    for one in (one for database in given["databases"] for one in database["extensions"]):
        if not _EXTENSION.fullmatch(one):
            problems.append(f"extensions: {one!r}: expected NAME or NAME=VERSION")
    if problems:
        raise HostError("; ".join(problems))


def role_statements(roles: list[dict[str, Any]], found: Found) -> list[Statement]:
    """What makes the roles as wanted; a role that differs in attributes and password is two statements."""
    statements = []
    for role in roles:
        name = role["name"]
        wanted = {word for word, on in (("LOGIN", role["login"]), ("REPLICATION", role["replication"])) if on}
        attributes = " ".join(word if word in wanted else f"NO{word}" for word in _ATTRIBUTES)
        if name not in found.roles:
            statements.append(Statement(f'CREATE ROLE "{name}" WITH {attributes}', Difference("live", name, None, _shown(wanted))))
        elif found.roles[name] != wanted:
            statements.append(Statement(f'ALTER ROLE "{name}" WITH {attributes}',
                                        Difference("live", name, _shown(found.roles[name]), _shown(wanted))))
        if role["password"] is not None and not fits(role["password"], found.verifiers.get(name)):
            stored = verifier(role["password"])
            statements.append(Statement(f"ALTER ROLE \"{name}\" PASSWORD '{stored}'",
                                        Difference("live", f"{name} (password)", found.verifiers.get(name), stored, secret=True)))
    for role in roles:
        name = role["name"]
        lacking = [group for group in role["member_of"] if (group, name) not in found.members]
        statements += [Statement(f'GRANT "{group}" TO "{name}"', Difference("live", f"{name} (member of {group})", "no", "yes"))
                       for group in lacking]
        if role["rewind"] and name not in found.rewinders:
            statements += [Statement("; ".join(f'GRANT EXECUTE ON FUNCTION pg_catalog.{one} TO "{name}"' for one in _REWIND),
                                     Difference("live", f"{name} (pg_rewind)", "no", "yes"))]
    return statements


def other_statements(given: dict[str, Any], found: Found) -> list[Statement]:
    """Databases, their extensions and slots, each a statement that no transaction can hold together with another."""
    statements = []
    for database in given["databases"]:
        name, owner = database["name"], database.get("owner")
        if name not in found.databases and not owner:
            raise HostError(f"databases: {name}: does not exist and has no owner; give the role that is to own it")
        if name not in found.databases:
            statements.append(Statement(f'CREATE DATABASE "{name}" OWNER "{owner}"', Difference("live", name, None, f"owner {owner}")))
        elif owner and found.databases[name] != owner:
            statements.append(Statement(f'ALTER DATABASE "{name}" OWNER TO "{owner}"',
                                        Difference("live", name, f"owner {found.databases[name]}", f"owner {owner}")))
        for wanted in database["extensions"]:
            statements += _extension(name, wanted, found.extensions.get(name, {}))
    slots = missing_slots(given["slots"], found.slots) + left_slots(given["remove_slots"], found.slots, found.slots_in_use)
    statements += [Statement(sql, difference) for sql, difference in slots]
    return statements


def _extension(database: str, wanted: str, found: dict[str, str]) -> list[Statement]:
    """Each is the first statement of its session: a session that has loaded an extension's library keeps that version."""
    name, _equals, version = wanted.partition("=")
    where = f"{database} (extension {name})"
    if name not in found:
        at = f" VERSION '{version}'" if version else ""
        return [Statement(f'CREATE EXTENSION "{name}"{at}', Difference("live", where, None, version or "installed"), database)]
    if version and found[name] != version:
        return [Statement(f"ALTER EXTENSION \"{name}\" UPDATE TO '{version}'", Difference("live", where, found[name], version), database)]
    return []


def _plan(given: dict[str, Any], found: Found, cluster: Cluster, plan: Plan) -> None:
    together = role_statements(given["roles"], found)
    if together:
        plan.change(*(one.difference for one in together), write=lambda: _execute(cluster, together, ""))
    for one in other_statements(given, found):
        plan.change(one.difference, write=lambda one=one: _execute(cluster, [one], one.database))


def _execute(cluster: Cluster, statements: list[Statement], database: str) -> None:
    """Several statements are one transaction; a single one needs none, and some refuse one."""
    at = statements[0]
    try:
        connection = cluster.connect(database or SUPERUSER, autocommit=len(statements) == 1)
        try:
            with connection.cursor() as cursor:
                for at in statements:
                    cursor.execute(at.sql)
            connection.commit()
        finally:
            connection.close()
    except psycopg2.Error as why:
        raise HostError(f"{at.difference.path}: the server refused it: {first_line(why)}") from why


def _ask(cluster: Cluster, given: dict[str, Any], check_mode: bool) -> Found | None:
    """What the server has; None when check mode meets one that is down, which keeps its objects."""
    state = cluster.state()
    if state == STANDBY and (given["roles"] or given["databases"]):
        raise HostError(f"{cluster.unit}: is a standby; roles and databases are made on the primary, which streams them")
    if state not in (PRIMARY, STANDBY):
        if check_mode:
            return Found() if state in (ABSENT, FRESH) else None
        raise HostError(f"{cluster.unit}: is {state}; start it first")
    with cluster.session() as cursor:
        found = _found(cursor)
    for database in sorted({one["name"] for one in given["databases"]} & set(found.databases)):
        with cluster.session(database) as cursor:
            installed = rows(cursor, "SELECT extname, extversion FROM pg_extension")
            found.extensions[database] = {row["extname"]: row["extversion"] for row in installed}
    return found


def _found(cursor: Any) -> Found:
    found = Found()
    for row in rows(cursor, "SELECT rolname, rolpassword, rolcanlogin AS login, rolreplication AS replication, rolsuper AS superuser,"
                            " rolcreatedb AS createdb, rolcreaterole AS createrole FROM pg_authid"):
        found.roles[row["rolname"]] = {word for word in _ATTRIBUTES if row[word.lower()]}
        found.verifiers[row["rolname"]] = row["rolpassword"]
    for row in rows(cursor, "SELECT roleid::regrole::text AS role, member::regrole::text AS member FROM pg_auth_members"):
        found.members.add((row["role"].strip('"'), row["member"].strip('"')))
    for row in rows(cursor, "SELECT rolname FROM pg_authid WHERE NOT EXISTS (SELECT 1 FROM unnest(%s) AS f"
                            " WHERE NOT has_function_privilege(oid, 'pg_catalog.' || f, 'EXECUTE'))", (list(_REWIND),)):
        found.rewinders.add(row["rolname"])
    for row in rows(cursor, "SELECT datname, pg_get_userbyid(datdba) AS owner FROM pg_database WHERE NOT datistemplate"):
        found.databases[row["datname"]] = row["owner"]
    found.slots, found.slots_in_use = slots_found(cursor), slots_in_use(cursor)
    return found


def _shown(attributes: set[str]) -> str:
    return " ".join(word for word in _ATTRIBUTES if word in attributes) or "NOLOGIN"


if __name__ == "__main__":
    main()
