# Copyright: (c) hft.ops contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Private to hft.ops. What the database knows of its migrations and of the engines on it."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from typing import Any

from ansible_collections.hft.ops.plugins.module_utils._host import HostError
from ansible_collections.hft.ops.plugins.module_utils._migration_sqitch import PROJECT
from ansible_collections.hft.ops.plugins.module_utils._postgres import ABSENT, FRESH, PRIMARY, Cluster, cause, psycopg2, rows
from ansible_collections.hft.ops.plugins.module_utils._postgres_migrations import Applied

# Any number will do, as long as every run in a database takes the same.
_ADVISORY_LOCK = 0x6866_745F_6D69_6772
# What an engine calls the session that keeps its lease.
_ENGINE = "hft_system lease"
# Who streams, and whose slot waits for somebody that is away.
_LAGS = """
SELECT application_name AS name, pg_wal_lsn_diff(pg_current_wal_lsn(), replay_lsn)::bigint AS lag FROM pg_stat_replication
WHERE state = 'streaming' AND replay_lsn IS NOT NULL
UNION ALL
SELECT 'the standby of slot ' || slot_name, pg_wal_lsn_diff(pg_current_wal_lsn(), restart_lsn)::bigint FROM pg_replication_slots
WHERE slot_type = 'physical' AND NOT active AND restart_lsn IS NOT NULL
ORDER BY 1
"""
# Tables and columns of users; what an extension keeps follows its tables.
_COLUMNS = """
SELECT c.oid::regclass::text, a.attname FROM pg_class AS c JOIN pg_namespace AS n ON n.oid = c.relnamespace
JOIN pg_attribute AS a ON a.attrelid = c.oid AND a.attnum > 0 AND NOT a.attisdropped
WHERE c.relkind IN ('r', 'p') AND n.nspname !~ '^(pg_|_?timescaledb|information_schema$|sqitch$)'
"""
_MANY = 1_000_000


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

    def registered(self) -> int:
        """The highest version in sqitch's registry, 0 without one."""
        with self._transaction() as cursor:
            cursor.execute("SELECT to_regclass('sqitch.changes')")
            if cursor.fetchone()[0] is None:
                return 0
            cursor.execute("SELECT coalesce(max(split_part(change, '_', 1)::int), 0) FROM sqitch.changes WHERE project = %s", (PROJECT,))
            return cursor.fetchone()[0]

    def engines(self) -> int:
        """Engines that are connected: each has one session for its lease."""
        with self._transaction() as cursor:
            cursor.execute("SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() AND application_name = %s", (_ENGINE,))
            return cursor.fetchone()[0]

    def lags(self) -> list[tuple[str, int]]:
        """How many bytes of the log each standby has not replayed."""
        with self._transaction() as cursor:
            return [(row["name"], row["lag"]) for row in rows(cursor, _LAGS)]

    def losses(self, scripts: list[str]) -> list[str]:
        """What these scripts would drop and is not empty: they are run, looked at, and undone. Rows that one deletes are not seen.

        They take their locks for that moment, and give up as a migration does.
        """
        try:
            with self.connection.cursor() as cursor:
                cursor.execute("SET LOCAL lock_timeout = %s", (self.given["lock_timeout_ms"],))
                before = _columns(cursor)
                for script in scripts:
                    cursor.execute(script)
                gone = before - _columns(cursor)
        except psycopg2.Error as why:
            raise HostError(f"database {self.given['database']}: what the rollback would lose cannot be found out: {cause(why)}") from why
        finally:
            self.connection.rollback()
        with self._transaction() as cursor:
            tables = {table for table, _column in before - gone}
            found = {table: _count(cursor, table) for table, _column in gone if table not in tables}
            found.update({f"{table}.{column}": _count(cursor, table, column) for table, column in gone if table in tables})
        return [f"{name} ({'over ' if count > _MANY else ''}{min(count, _MANY)} row{'s' if count > 1 else ''})"
                for name, count in sorted(found.items()) if count]

    def lock(self) -> None:
        """For the whole session: a second run waits lock_timeout_ms, then ends."""
        try:
            with self._transaction() as cursor:
                cursor.execute("SET idle_session_timeout = 0")  # it waits for as long as sqitch works
                cursor.execute("SET LOCAL lock_timeout = %s", (self.given["lock_timeout_ms"],))
                cursor.execute("SELECT pg_advisory_lock(%s)", (_ADVISORY_LOCK,))
        except psycopg2.errors.LockNotAvailable as why:
            raise HostError(f"database {self.given['database']}: another migration run holds the lock; "
                            "wait for it to end, then run again") from why

    def answers(self) -> bool:
        """Whether the session still stands: a server may be gone when sqitch comes back."""
        try:
            with self._transaction() as cursor:
                cursor.execute("SELECT 1")
        except psycopg2.Error:
            return False
        return True

    @contextlib.contextmanager
    def _transaction(self) -> Iterator[Any]:
        with self.connection, self.connection.cursor() as cursor:
            yield cursor


def _columns(cursor: Any) -> set[tuple[str, str]]:
    cursor.execute(_COLUMNS)
    return set(cursor.fetchall())


def _count(cursor: Any, table: str, column: str = "") -> int:
    """Rows of the table, or those in which the column holds anything; a million at most, and one."""
    filled = f"WHERE {psycopg2.extensions.quote_ident(column, cursor)} IS NOT NULL" if column else ""
    # The table's name comes from regclass, which quotes.
    cursor.execute(f"SELECT count(*) FROM (SELECT FROM {table} {filled} LIMIT {_MANY + 1}) AS found")  # noqa: S608 - quoted
    return cursor.fetchone()[0]


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
