# Copyright: (c) hft.ops contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Private to hft.ops. One PostgreSQL cluster in Debian's layout: where it lies, how it stands, a connection as postgres."""

from __future__ import annotations

import contextlib
import os
import pwd
import re
import shutil
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Callable

from ansible_collections.hft.ops.plugins.module_utils._host import Host, HostError

try:
    import psycopg2
    import psycopg2.extras
except ImportError:
    psycopg2 = None

SUPERUSER = "postgres"
SOCKET_DIRECTORY = "/var/run/postgresql"
PATRONI_CONFIG = "/etc/patroni/config.yml"

ABSENT = "absent"      # no data directory
FRESH = "fresh"        # created by initdb, never started: holds nobody's data
STOPPED = "stopped"
STARTING = "starting"  # a postmaster lives and does not answer yet
PRIMARY = "primary"
STANDBY = "standby"

# The timeline that a server is on. The control file learns of a new one only at the next checkpoint or restartpoint, and until then
# two primaries look alike: so a primary is asked for the name of its current log file, a standby for those it has.
TIMELINE = """
(CASE WHEN pg_is_in_recovery() THEN
    greatest((SELECT min_recovery_end_timeline FROM pg_control_recovery()), (SELECT timeline_id FROM pg_control_checkpoint()),
             (SELECT max(('x' || substr(name, 1, 8))::bit(32)::int) FROM pg_ls_waldir() WHERE name ~ '^[0-9A-F]{24}$'))
 ELSE ('x' || substr(pg_walfile_name(pg_current_wal_lsn()), 1, 8))::bit(32)::int END)
"""
# Whether log arrives. A receiver calls itself streaming before the sender has agreed; one that is sent away begins another at once.
STREAMS = """
SELECT pid FROM pg_stat_wal_receiver JOIN pg_stat_activity USING (pid)
WHERE status = 'streaming' AND clock_timestamp() - backend_start > '1 s'
"""

# Objects that a user makes get an OID from here on; initdb stays below it.
_FIRST_USER_OID = 16384

CLUSTER_ARGUMENTS: dict[str, dict[str, Any]] = {
    "version": {"type": "int", "default": 17},
    "cluster": {"type": "str", "default": "main"},
    "port": {"type": "int", "default": 5432},
}


class Cluster:
    """The cluster version/name of this host, for example 17/main."""

    def __init__(self, host: Host, version: int, name: str, port: int) -> None:
        self.host = host
        self.version = version
        self.name = name
        self.port = port
        self.data_directory = f"/var/lib/postgresql/{version}/{name}"
        self.config_directory = f"/etc/postgresql/{version}/{name}"
        self.unit = f"postgresql@{version}-{name}.service"

    def program(self, name: str) -> str:
        return f"/usr/lib/postgresql/{self.version}/bin/{name}"

    @property
    def standby_signal(self) -> bool:
        return self.host.path(f"{self.data_directory}/standby.signal").exists()

    @property
    def wal_directory(self) -> str:
        """Where the write-ahead log really lies: pg_wal is a link when it has a place of its own."""
        link = self.host.path(f"{self.data_directory}/pg_wal")
        return os.readlink(link) if link.is_symlink() else f"{self.data_directory}/pg_wal"

    @property
    def managed_by(self) -> str:
        """Who starts, stops and promotes it: patroni, or empty where that is us."""
        return "patroni" if self.host.path(PATRONI_CONFIG).exists() else ""

    def refuse_to_disturb_patroni(self) -> None:
        """What we did behind its back it would undo, or take for a failure."""
        if self.managed_by:
            raise HostError(f"{self.unit}: Patroni manages this cluster ({PATRONI_CONFIG}), and alone changes who follows whom; nothing "
                            "was changed: use the playbooks database_switchover, database_failover and database_rejoin, which ask it")

    def state(self) -> str:
        """How the cluster stands, by asking it where it can be asked."""
        if not self.host.path(f"{self.data_directory}/PG_VERSION").exists():
            return ABSENT
        if not self._postmaster_lives():
            return FRESH if self._never_used() else STOPPED
        if psycopg2 is None:
            raise HostError("python3-psycopg2: not installed on this host, but PostgreSQL runs; install it to let the cluster be asked")
        try:
            with self.session() as cursor:
                cursor.execute("SELECT pg_is_in_recovery()")
                return STANDBY if cursor.fetchone()[0] else PRIMARY
        except psycopg2.OperationalError as why:
            if self._something_listens():
                return STARTING
            raise HostError(f"{self.unit}: a server runs from {self.data_directory} and no socket "
                            f"{SOCKET_DIRECTORY}/.s.PGSQL.{self.port} answers ({first_line(why)}); is the port right?") from why

    def _something_listens(self) -> bool:
        return self.host.path(f"{SOCKET_DIRECTORY}/.s.PGSQL.{self.port}").exists()

    def _postmaster_lives(self) -> bool:
        pid = (self.host.read(f"{self.data_directory}/postmaster.pid") or "").split("\n", 1)[0].strip()
        return pid.isdigit() and "postgres" in (self.host.read(f"/proc/{pid}/comm") or "")

    def _never_used(self) -> bool:
        """True for what initdb left: no start (a start leaves postmaster.opts), no user's table, no tablespace."""
        if self.host.path(f"{self.data_directory}/postmaster.opts").exists() or self.standby_signal:
            return False
        if self.host.names(f"{self.data_directory}/pg_tblspc"):
            return False
        databases = self.host.names(f"{self.data_directory}/base")
        files = [name for database in databases for name in self.host.names(f"{self.data_directory}/base/{database}")]
        return not any(_oid(name) >= _FIRST_USER_OID for name in [*databases, *files])

    def put_in_place(self, directory: str) -> None:
        """Make this the data directory in the place of the old one. A write-ahead log that has a place of its own keeps it."""
        final, new = self.host.path(self.data_directory), self.host.path(directory)
        former = final.with_name(f"{final.name}.before")
        shutil.rmtree(former, ignore_errors=True)
        if (final / "pg_wal").is_symlink():
            _move_wal(new / "pg_wal", Path(self.wal_directory), final.stat())
        if final.exists():
            final.rename(former)
        new.rename(final)
        shutil.rmtree(former, ignore_errors=True)

    def control_data(self, run_command: Callable[..., tuple[int, str, str]], directory: str | None = None) -> dict[str, str]:
        """What pg_controldata prints, for a cluster that need not run."""
        argv = [self.program("pg_controldata"), "-D", str(self.host.path(directory or self.data_directory))]
        rc, out, err = run_command(argv, environ_update={"LC_ALL": "C"})
        if rc != 0:
            raise HostError(f"pg_controldata {directory or self.data_directory}: {first_line(err)}")
        return {key.strip(): value.strip() for key, value in (line.split(":", 1) for line in out.splitlines() if ":" in line)}

    def timeline(self, run_command: Callable[..., tuple[int, str, str]]) -> int:
        """The timeline that it is on, running or not."""
        if self.state() in (PRIMARY, STANDBY):
            with self.session() as cursor:
                return int(rows(cursor, f"SELECT {TIMELINE} AS it")[0]["it"])
        control = int(self.control_data(run_command).get("Latest checkpoint's TimeLineID", "0"))
        names = [name for name in self.host.names(f"{self.data_directory}/pg_wal") if re.fullmatch("[0-9A-F]{24}", name)]
        return max([control, *(int(name[:8], 16) for name in names)])

    @contextlib.contextmanager
    def session(self, database: str = SUPERUSER, autocommit: bool = True) -> Iterator[Any]:
        """A cursor as postgres through the local socket (peer authentication, no password)."""
        connection = self.connect(database, autocommit)
        try:
            with connection.cursor() as cursor:
                yield cursor
        finally:
            connection.close()

    def connect(self, database: str = SUPERUSER, autocommit: bool = True) -> Any:
        with _as_user(SUPERUSER):
            connection = psycopg2.connect(host=SOCKET_DIRECTORY, port=self.port, user=SUPERUSER, dbname=database,
                                          connect_timeout=10, application_name="hft.ops")
        connection.autocommit = autocommit
        return connection

    def alter_system(self, settings: dict[str, str | None], reload: bool = True) -> None:
        """ALTER SYSTEM for each setting; None takes it back."""
        with self.session() as cursor:
            for name, value in settings.items():
                if value is None:
                    cursor.execute(f"ALTER SYSTEM RESET {name}")
                else:
                    cursor.execute(f"ALTER SYSTEM SET {name} = %s", (value,))
            if reload:
                cursor.execute("SELECT pg_reload_conf()")

    def wal_records(self, run_command: Callable[..., tuple[int, str, str]], timeline: int, start: str, *options: str) -> list[str]:
        """What pg_waldump prints of the log after a position, a line a record."""
        argv = [self.program("pg_waldump"), "--path", f"{self.data_directory}/pg_wal", "--timeline", str(timeline),
                "--start", start, *options]
        # It ends with an error when it meets the end of the log: what counts is what it printed.
        _rc, out, _err = run_command(argv, environ_update={"LC_ALL": "C", "TZ": "UTC"})
        return [line for line in out.splitlines() if line.startswith("rmgr: ")]

    def wait_until_answering(self, timeout_s: float) -> None:
        deadline = time.monotonic() + timeout_s
        while True:
            try:
                with self.session() as cursor:
                    cursor.execute("SELECT 1")
                return
            except psycopg2.OperationalError as why:
                if time.monotonic() > deadline:
                    raise HostError(f"{self.unit}: no answer within {timeout_s:.0f} s ({first_line(why)}); "
                                    f"read /var/log/postgresql/postgresql-{self.version}-{self.name}.log") from why
                time.sleep(0.1)


def _move_wal(new: Path, place: Path, owner: os.stat_result) -> None:
    """The log of a new data directory, which may be a link already, goes to its place, on another file system too."""
    staged, former = place.with_name(f"{place.name}.new"), place.with_name(f"{place.name}.before")
    for leftover in (staged, former):
        shutil.rmtree(leftover, ignore_errors=True)
    shutil.move(str(new.resolve()), str(staged))
    for path in (staged, *staged.rglob("*")):
        os.chown(path, owner.st_uid, owner.st_gid)
    new.unlink(missing_ok=True)
    new.symlink_to(place)
    place.rename(former)
    staged.rename(place)
    shutil.rmtree(former, ignore_errors=True)


def rows(cursor: Any, query: str, arguments: tuple[Any, ...] | dict[str, Any] = ()) -> list[dict[str, Any]]:
    """The rows of a query as dictionaries."""
    cursor.execute(query, arguments or None)
    names = [column[0] for column in cursor.description]
    return [dict(zip(names, row)) for row in cursor.fetchall()]


def settings_of(cursor: Any, *names: str) -> dict[str, str]:
    """The settings in force, by name."""
    return {row["name"]: row["setting"] or "" for row in
            rows(cursor, "SELECT name, setting FROM pg_settings WHERE name = ANY(%s)", (list(names),))}


def as_superuser(argv: list[str]) -> list[str]:
    """The command, run as postgres."""
    return ["runuser", "--user", SUPERUSER, "--", *argv]


def refuse_another_system(where: str, own: str, wanted: str) -> None:
    """Destructive modules are told which system is meant."""
    if own != wanted:
        raise HostError(f"system_identifier {wanted}: {where} belongs to system {own}; nothing was changed, is it the right host?")


def first_line(text: Any) -> str:
    lines = [line.strip() for line in str(text).splitlines() if line.strip()]
    return lines[0] if lines else "no message"


def cause(error: Any) -> str:
    """The last line of a connection error of libpq, which names the cause; the lines before name the addresses tried."""
    lines = [line.strip() for line in str(error).splitlines() if line.strip()]
    return lines[-1].split("FATAL:")[-1].strip() if lines else "no message"


def _oid(name: str) -> int:
    digits = re.match(r"\d+", name)
    return int(digits.group()) if digits else 0


@contextlib.contextmanager
def _as_user(name: str) -> Iterator[None]:
    """Effective user for peer authentication; nothing to do when this process is that user already."""
    try:
        wanted = pwd.getpwnam(name)
    except KeyError as missing:
        raise HostError(f"user {name}: not on this host; PostgreSQL is not installed") from missing
    before = os.geteuid()
    if before == wanted.pw_uid:
        yield
        return
    os.seteuid(wanted.pw_uid)
    try:
        yield
    finally:
        os.seteuid(before)
