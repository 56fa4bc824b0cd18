# Copyright: (c) hft.ops contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Private to hft.ops. A backup restored into a directory of its own and recovered by a server that nobody can reach.

The server listens on no address; its socket lies in a directory that only postgres enters. Its settings are its own and stand
on its command line, so neither the cluster's configuration nor what the backup brings in postgresql.auto.conf counts.
"""

from __future__ import annotations

import contextlib
import re
import shlex
import shutil
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

from ansible_collections.hft.ops.plugins.module_utils._host import HostError
from ansible_collections.hft.ops.plugins.module_utils._pgbackrest import PROGRAM, PgBackRest
from ansible_collections.hft.ops.plugins.module_utils._postgres import SUPERUSER, Cluster, _as_user, as_superuser, first_line, psycopg2

LATEST = "latest"
TARGET_TYPES = (LATEST, "time", "xid", "name", "lsn", "immediate")
# What a restore leaves in postgresql.auto.conf; a standby made from the cluster later would stop at the old target.
_RECOVERY_SETTINGS = ("restore_command", "recovery_target", "recovery_target_action", "recovery_target_inclusive", "recovery_target_lsn",
                      "recovery_target_name", "recovery_target_time", "recovery_target_timeline", "recovery_target_xid", "archive_mode")
_TIME = re.compile(r"(\d{4}-\d\d-\d\d)[ T](\d\d:\d\d:\d\d)(\.\d{1,6})?(Z|[+-]\d\d(?::?\d\d)?)")


@dataclass(frozen=True)
class Target:
    """Where recovery ends."""

    type: str
    value: str = ""
    timeline: int = 0
    """The timeline to follow; 0 for the latest in the archive."""

    @classmethod
    def of(cls, kind: str, value: str, timeline: int = 0) -> Target:
        """Refuses what pgBackRest or PostgreSQL would understand in another way than it was meant."""
        if kind in (LATEST, "immediate"):
            if value:
                raise HostError(f"target {value!r}: means nothing with target_type {kind}; drop it, or give another type")
            return cls(kind, "", timeline)
        if not value:
            raise HostError(f"target: not given; target_type {kind} needs one")
        if kind == "time":
            parts = _TIME.fullmatch(value)
            if parts is None:
                raise HostError(f"target {value!r}: expected a time with its zone, such as 2026-01-31 12:00:00.000000+00")
            value = f"{parts.group(1)} {parts.group(2)}{parts.group(3) or ''}{parts.group(4).replace('Z', '+00')}"
        return cls(kind, value, timeline)

    def options(self) -> list[str]:
        timeline = [f"--target-timeline={self.timeline}"] if self.timeline else []
        if self.type == LATEST:
            return ["--type=default", *timeline]
        return [f"--type={self.type}", *([f"--target={self.value}"] if self.value else []), "--target-action=promote", *timeline]

    def __str__(self) -> str:
        return f"{self.type} {self.value}".strip()


class Scratch:
    """One restored directory and the server that recovers it; run_command as AnsibleModule.run_command."""

    def __init__(self, cluster: Cluster, backrest: PgBackRest, run_command: Callable[..., tuple[int, str, str]], directory: str,
                 keep: bool, archive: bool) -> None:
        self.cluster = cluster
        self.backrest = backrest
        self.directory = directory
        self.running = f"{directory}.run"
        self.tablespaces = f"{directory}.tablespaces"
        self.keep = keep
        """Whether this becomes the cluster, so that what it writes is flushed and tablespaces go where they belong."""
        self.archive = archive
        """Whether the new timeline is archived. Two primaries that archive into one stanza spoil its later restores."""
        self._run_command = run_command

    def clear(self) -> None:
        """Remove all of it, a server that an earlier run left behind first."""
        if self.cluster.host.path(f"{self.directory}/postmaster.pid").exists():
            self._as_postgres([self.cluster.program("pg_ctl"), "stop", "-D", self.directory, "-m", "immediate"])
        for folder in (self.directory, self.running, self.tablespaces):
            shutil.rmtree(self.cluster.host.path(folder), ignore_errors=True)

    def restore(self, target: Target, backup: str = "") -> None:
        """Copy the files out of the repository."""
        folders = [self.directory, self.running] + ([] if self.keep else [self.tablespaces])
        rc, _out, err = self._run_command(["install", "-d", "-o", SUPERUSER, "-g", SUPERUSER, "-m", "0700", *folders])
        if rc != 0:
            raise HostError(f"{self.directory}: cannot be made ({first_line(err)})")
        self.backrest.run("restore", *self._where(), *target.options(), *([f"--set={backup}"] if backup else []),
                          *([] if self.keep else [f"--tablespace-map-all={self.tablespaces}"]))

    def recover(self, timeout_s: int) -> None:
        """Replay WAL up to the target and promote; returns when the server answers."""
        for name, content in (("postgresql.conf", ""), ("pg_hba.conf", "local all postgres peer\n"), ("pg_ident.conf", "")):
            self.cluster.host.owned_file(f"{self.running}/{name}").replace(content, 0o600, SUPERUSER, SUPERUSER)
        options = " ".join(f"-c {shlex.quote(f'{name}={value}')}" for name, value in self._settings().items())
        argv = [self.cluster.program("pg_ctl"), "start", "-D", self.directory, "--no-wait", "-l", f"{self.running}/log", "-o", options]
        rc, _out, err = self._as_postgres(argv)
        if rc != 0:
            raise HostError(f"recovery in {self.directory}: cannot be started ({first_line(err)})")
        self._wait_until_ready(time.monotonic() + timeout_s)

    def _wait_until_ready(self, deadline: float) -> None:
        """The server writes its state into postmaster.pid: ready is said after the promotion, and the file goes with the server."""
        seen = False
        while True:
            lines = (self.cluster.host.read(f"{self.directory}/postmaster.pid") or "").split("\n")
            seen = seen or len(lines) > 1
            if len(lines) > 7 and lines[7].strip() == "ready":
                return
            log = self.cluster.host.read(f"{self.running}/log") or ""
            if (seen and len(lines) == 1) or "FATAL:" in log or time.monotonic() > deadline:
                raise HostError(f"recovery in {self.directory}: {failure(log)}")
            time.sleep(0.1)

    @contextlib.contextmanager
    def session(self, database: str = SUPERUSER) -> Iterator[Any]:
        """A cursor as postgres in the recovered server."""
        with _as_user(SUPERUSER):
            connection = psycopg2.connect(host=self.running, port=self.cluster.port, user=SUPERUSER, dbname=database, connect_timeout=10)
        connection.autocommit = True
        try:
            with connection.cursor() as cursor:
                yield cursor
        finally:
            connection.close()

    def databases(self) -> list[str]:
        with self.session() as cursor:
            cursor.execute("SELECT datname FROM pg_database WHERE datallowconn")
            return [row[0] for row in cursor.fetchall()]

    def forget_recovery(self) -> None:
        """Take the settings of this recovery out of postgresql.auto.conf."""
        with self.session() as cursor:
            for name in _RECOVERY_SETTINGS:
                cursor.execute(f"ALTER SYSTEM RESET {name}")
            if not self.archive:
                cursor.execute("ALTER SYSTEM SET archive_command = '/bin/true'")

    def stop(self) -> None:
        """A clean end, after which the directory can be started anywhere or checked page by page."""
        rc, _out, err = self._as_postgres([self.cluster.program("pg_ctl"), "stop", "-D", self.directory, "-m", "fast", "-w", "-t", "300"])
        if rc != 0:
            raise HostError(f"{self.directory}: the recovered server does not stop ({first_line(err)}); read {self.running}/log")

    def check_pages(self) -> dict[str, int]:
        """Files, blocks and bad checksums that pg_checksums counts; the server must have ended cleanly."""
        _rc, out, err = self._as_postgres([self.cluster.program("pg_checksums"), "--check", "-D", self.directory])
        found = pages(out)
        if not found:
            raise HostError(f"pg_checksums {self.directory}: {first_line(err or out)}")
        return found

    def _settings(self) -> dict[str, str]:
        where = " ".join([f"--stanza={self.backrest.stanza}", *self._where()])
        return {
            "config_file": f"{self.running}/postgresql.conf", "hba_file": f"{self.running}/pg_hba.conf",
            "ident_file": f"{self.running}/pg_ident.conf", "listen_addresses": "", "unix_socket_directories": self.running,
            "port": str(self.cluster.port), "shared_preload_libraries": "timescaledb", "timescaledb.max_background_workers": "0",
            "timescaledb.telemetry_level": "off",
            # Nobody connects before the promotion, so no setting needs to be as large as on the primary.
            "hot_standby": "off", "shared_buffers": "128MB", "max_connections": "20", "max_locks_per_transaction": "256",
            "autovacuum": "off", "synchronous_standby_names": "", "primary_conninfo": "", "logging_collector": "off",
            "restore_command": f'{PROGRAM} {where} archive-get %f "%p"',
            "archive_mode": "on" if self.archive else "off", "archive_command": f"{PROGRAM} {where} archive-push %p",
            "fsync": "on" if self.keep else "off",
        }

    def _where(self) -> list[str]:
        """Options that point pgBackRest at this directory, on the repository host too, where members are configured."""
        return [*(["--reset-pg1-host"] if self.backrest.asks_members else []), f"--pg1-path={self.directory}"]

    def _as_postgres(self, argv: list[str]) -> tuple[int, str, str]:
        return self._run_command(as_superuser(argv), cwd="/", environ_update={"LC_ALL": "C.UTF-8"})


def failure(log: str) -> str:
    """Why a recovery ended, from the server's log, and what to do where that is known."""
    said = re.findall(r"(?:FATAL|PANIC): +(.*)", log)
    said = [line for line in said if "starting up" not in line and "administrator command" not in line]
    if not said:
        return "did not end in time; give it more with timeout_s"
    if "recovery ended before configured recovery target was reached" in said[0]:
        return f"{said[0]}: the archive has no commit after the target; choose an earlier one, or target_type latest"
    if "requested recovery stop point is before consistent recovery point" in said[0]:
        return f"{said[0]}; choose a later target, or an older backup"
    return said[0]


def pages(out: str) -> dict[str, int]:
    """The figures of pg_checksums."""
    found = {}
    for key, words in (("files", "Files scanned"), ("blocks", "Blocks scanned"), ("bad", "Bad checksums")):
        number = re.search(rf"^{words}: +(\d+)", out, re.MULTILINE)
        if number:
            found[key] = int(number.group(1))
    return found if len(found) == 3 else {}
