#!/usr/bin/python
# Copyright: (c) hft.ops contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: db_migrate
short_description: Bring a database schema to a version, forwards or back
version_added: 0.1.0
description:
  - Applies the files C(NNN_description.sql) of a directory in order, each in one transaction together with its row in
    C(schema_version), so a file is applied whole or not at all.
  - Holds one advisory lock during the run, so two runs never mix. C(lock_timeout) and C(statement_timeout) bound what a
    migration may do to those who trade.
  - Refuses before it changes anything when an applied file has changed since, numbers collide or have a gap, a rollback
    file C(rollback/NNN_rollback.sql) is missing, or a file would end the driver's transaction.
  - In check mode the plan is printed. Where no database can be asked yet, every file is planned.
  - Runs as O(owner) (C(SET ROLE)) in a session of V(postgres) through the local socket of the primary.
options:
  directory:
    description: Directory on the host. One of O(directory) and O(files) is required.
    type: path
  files:
    description: The files themselves, by name relative to the directory, where they are not on the host.
    type: dict
  state:
    description: V(applied) goes forwards, V(rolled_back) back, with the rollback files.
    type: str
    choices: [applied, rolled_back]
    default: applied
  target:
    description:
      - Version to end with. With V(applied) the default is the last one; higher ones that are applied already stay.
      - Required with V(rolled_back); V(0) takes everything back.
    type: int
  database:
    description: Database to migrate.
    type: str
    default: hft_db
  owner:
    description: Role that runs the files and owns what they make.
    type: str
    default: hft_owner
  lock_timeout_ms:
    description: Milliseconds to wait for a lock at most, before the migration is rolled back.
    type: int
    default: 5000
  statement_timeout_ms:
    description: Milliseconds that one statement may take at most.
    type: int
    default: 600000
requirements:
  - python3-psycopg2 on the host
author: hft.ops contributors (@hft-ops)
extends_documentation_fragment: [hft.ops.attributes, hft.ops.postgres_cluster]
"""

EXAMPLES = r"""
- name: Bring the schema up to date
  hft.ops.db_migrate:
    directory: /opt/hft_system/current/migrations

- name: Go back to version 4
  hft.ops.db_migrate:
    directory: /opt/hft_system/current/migrations
    state: rolled_back
    target: 4
"""

RETURN = r"""
plan:
  description: Migrations to apply or take back, in order.
  returned: always
  type: list
  elements: str
  sample: [004_engine_lease, 005_position_authority]
done:
  description: Those of RV(plan) that were done; after a failure these stay done.
  returned: always
  type: list
  elements: str
current:
  description: Highest version in C(schema_version) before the run; 0 when there is none.
  returned: always
  type: int
ahead:
  description: Versions in the database that the files do not have.
  returned: always
  type: list
  elements: int
differences:
  description: What changed or would change.
  returned: always
  type: list
  elements: dict
"""

import contextlib
from collections.abc import Iterator
from typing import Any

from ansible.module_utils.basic import AnsibleModule
from ansible_collections.hft.ops.plugins.module_utils._host import Host, HostError
from ansible_collections.hft.ops.plugins.module_utils._plan import Difference, Plan
from ansible_collections.hft.ops.plugins.module_utils._postgres import (
    ABSENT,
    CLUSTER_ARGUMENTS,
    FRESH,
    PRIMARY,
    Cluster,
    cause,
    psycopg2,
    rows,
)
from ansible_collections.hft.ops.plugins.module_utils._postgres_migrations import (
    ROLLBACK_FOLDER,
    Applied,
    Migration,
    ahead,
    line_of,
    parse,
    pending,
    to_roll_back,
)

# Any number will do, as long as every run in a database takes the same.
_ADVISORY_LOCK = 0x6866_745F_6D69_6772
_LEDGER = """
CREATE TABLE IF NOT EXISTS public.schema_version (
    version integer PRIMARY KEY, description text NOT NULL, applied_at timestamptz NOT NULL DEFAULT now(), sha256 text NOT NULL)
"""


class Database:
    """One session on the primary."""

    def __init__(self, connection: Any, given: dict[str, Any]) -> None:
        self.connection = connection
        self.given = given

    def applied(self) -> list[Applied]:
        with self._transaction() as cursor:
            cursor.execute("SELECT to_regclass('public.schema_version')")
            if cursor.fetchone()[0] is None:
                return []
            ledger = rows(cursor, "SELECT version, description, sha256 FROM public.schema_version ORDER BY version")
            return [Applied(**row) for row in ledger]

    def lock(self) -> None:
        """For the whole session: a second run waits lock_timeout_ms, then ends."""
        try:
            with self._transaction() as cursor:
                cursor.execute("SET LOCAL lock_timeout = %s", (self.given["lock_timeout_ms"],))
                cursor.execute("SELECT pg_advisory_lock(%s)", (_ADVISORY_LOCK,))
        except psycopg2.errors.LockNotAvailable as why:
            raise HostError(f"database {self.given['database']}: another migration run holds the lock; "
                            "wait for it to end, then run again") from why

    def apply(self, one: Migration) -> None:
        with self._migration(one.name, one.sql) as cursor:
            cursor.execute(_LEDGER)
            cursor.execute(one.sql)
            cursor.execute("INSERT INTO public.schema_version (version, description, sha256) VALUES (%s, %s, %s)",
                           (one.version, one.description, one.sha256))

    def roll_back(self, one: Migration) -> None:
        with self._migration(one.rollback_name, one.rollback_sql) as cursor:
            cursor.execute(one.rollback_sql)
            # A rollback file may do so itself, or drop the ledger with all the rest.
            cursor.execute("SELECT to_regclass('public.schema_version')")
            if cursor.fetchone()[0] is not None:
                cursor.execute("DELETE FROM public.schema_version WHERE version = %s", (one.version,))

    @contextlib.contextmanager
    def _transaction(self) -> Iterator[Any]:
        with self.connection, self.connection.cursor() as cursor:
            yield cursor

    @contextlib.contextmanager
    def _migration(self, name: str, sql: str) -> Iterator[Any]:
        try:
            with self._transaction() as cursor:
                cursor.execute("SET LOCAL lock_timeout = %s", (self.given["lock_timeout_ms"],))
                cursor.execute("SET LOCAL statement_timeout = %s", (self.given["statement_timeout_ms"],))
                cursor.execute("SELECT set_config('role', %s, true)", (self.given["owner"],))
                yield cursor
        except psycopg2.Error as why:
            raise HostError(error_line(name, sql, why)) from why


def error_line(name: str, sql: str, error: Any) -> str:
    """File, line, the server's words, and that nothing of the file stays."""
    said = error.diag
    position = f", line {line_of(sql, int(said.statement_position))}" if said.statement_position else ""
    text = said.message_primary or cause(error)
    hint = f" ({said.message_hint})" if said.message_hint else ""
    return f"{name}{position}: {text}{hint}; this file was rolled back, earlier ones stay applied"


def read_directory(host: Host, directory: str) -> dict[str, str]:
    """Names relative to the directory, and contents."""
    if not host.path(directory).is_dir():
        raise HostError(f"directory {directory}: does not exist on this host; install the release that brings it, or give another")
    names = [*host.names(directory), *(f"{ROLLBACK_FOLDER}/{name}" for name in host.names(f"{directory}/{ROLLBACK_FOLDER}"))]
    return {name: host.read(f"{directory}/{name}") or "" for name in names if name.endswith(".sql")}


def open_database(cluster: Cluster, given: dict[str, Any], check_mode: bool) -> Database | None:
    """None when check mode finds no database that could be asked: then nothing is applied yet."""
    state = cluster.state()
    if check_mode and state in (ABSENT, FRESH):
        return None
    if state != PRIMARY:
        raise HostError(f"{cluster.unit}: is {state} on this host; migrations run on the primary, name that host")
    try:
        return Database(cluster.connect(given["database"], autocommit=False), given)
    except psycopg2.OperationalError as why:
        if check_mode and "does not exist" in str(why):
            return None
        raise HostError(f"database {given['database']}: {cause(why)}; create it first") from why


def main() -> None:
    arguments = {
        "directory": {"type": "path"},
        "files": {"type": "dict"},
        "state": {"type": "str", "choices": ["applied", "rolled_back"], "default": "applied"},
        "target": {"type": "int"},
        "database": {"type": "str", "default": "hft_db"},
        "owner": {"type": "str", "default": "hft_owner"},
        "lock_timeout_ms": {"type": "int", "default": 5000},
        "statement_timeout_ms": {"type": "int", "default": 600000},
        **CLUSTER_ARGUMENTS,
    }
    module = AnsibleModule(argument_spec=arguments, supports_check_mode=True, mutually_exclusive=[("directory", "files")],
                           required_one_of=[("directory", "files")], required_if=[("state", "rolled_back", ("target",))])
    given = module.params
    host = Host()
    cluster = Cluster(host, given["version"], given["cluster"], given["port"])
    plan = Plan(check_mode=module.check_mode)
    outcome: dict[str, Any] = {"plan": [], "done": [], "current": 0, "ahead": []}
    database = None
    try:
        where = given["directory"] or "files"
        migrations = parse(given["files"] if given["directory"] is None else read_directory(host, given["directory"]), where)
        database = open_database(cluster, given, module.check_mode)
        if database and not module.check_mode:
            database.lock()
        applied = database.applied() if database else []
        outcome["current"] = max((row.version for row in applied), default=0)
        outcome["ahead"] = ahead(migrations, applied)
        forwards = given["state"] == "applied"
        if forwards:
            todo = pending(migrations, applied, given["target"], where)
        else:
            if outcome["ahead"]:
                raise HostError(f"{where}: the database has versions that are not there ({', '.join(map(str, outcome['ahead']))}); "
                                "roll back with the release that brought them")
            todo = to_roll_back(migrations, applied, given["target"], where)

        def step(one: Migration) -> None:
            (database.apply if forwards else database.roll_back)(one)
            outcome["done"].append(one.label)

        for one in todo:
            before, after = (None, "applied") if forwards else ("applied", None)
            plan.change(Difference("persisted", f"{given['database']}: {one.label}", before, after), write=lambda one=one: step(one))
        outcome["plan"] = [one.label for one in todo]
        plan.run()
    except HostError as wrong:
        module.fail_json(msg=str(wrong), **outcome, **{**plan.result(), "changed": bool(outcome["done"])})
    finally:
        if database:
            database.connection.close()
    if outcome["ahead"]:
        module.warn(f"{where}: older than the database, which also has {', '.join(map(str, outcome['ahead']))}")
    module.exit_json(**outcome, **plan.result())


if __name__ == "__main__":
    main()
