# SPDX-License-Identifier: GPL-3.0-or-later
"""A PostgreSQL server with one synchronous standby, on a port of loopback, in a directory of its own.

The standby is pg_receivewal: it acknowledges every commit that it has on disk, which is all that a lease asks for.
"""

from __future__ import annotations

import os
import pwd
import shutil
import signal
import subprocess
import time
from pathlib import Path

from harness.process import Process

_STANDBY = "conformance_standby"
_VERSIONS = ("17", "16", "15")
_LIMIT_S = 60


class PostgresFailed(Exception):
    """The server did not start, or refused the schema."""


def programs() -> Path:
    """The folder of initdb and postgres: Debian keeps it off PATH."""
    for version in _VERSIONS:
        folder = Path(f"/usr/lib/postgresql/{version}/bin")
        if (folder / "initdb").exists():
            return folder
    found = shutil.which("initdb")
    if found:
        return Path(found).parent
    raise PostgresFailed(f"no PostgreSQL of {', '.join(_VERSIONS)} on this machine; install the package postgresql")


class Postgres:
    def __init__(self, directory: Path, port: int) -> None:
        self._bin, self._directory, self._port = programs(), directory, port
        # The server refuses to run as root.
        self._user = "postgres" if os.geteuid() == 0 else None
        self._timescale = (self._bin.parent / "lib" / "timescaledb.so").exists()
        self.dsn = f"host=127.0.0.1 port={port} user=postgres dbname=hft_db"
        self._server = self._process("server", "postgres", "-D", str(directory / "data"), "-p", str(port), "-k", str(directory), *_settings(
            listen_addresses="127.0.0.1", max_wal_senders="5", max_connections="60", shared_buffers="32MB",
            shared_preload_libraries="timescaledb" if self._timescale else ""))
        self._standby = self._process("standby", "pg_receivewal", "-D", str(directory / "wal"), "-S", _STANDBY, "--synchronous", "-d",
                                      f"host=127.0.0.1 port={port} user=postgres application_name={_STANDBY}")

    def start(self, migrations: Path) -> None:
        self._directory.mkdir(parents=True)
        if self._user:
            entry = pwd.getpwnam(self._user)
            os.chown(self._directory, entry.pw_uid, entry.pw_gid)
        self._run("initdb", "-D", str(self._directory / "data"), "-A", "trust", "-U", "postgres", "--no-sync", "-E", "UTF8")
        self._run("mkdir", str(self._directory / "wal"))
        self._server.start()
        self._await("SELECT 1", "1", "postgres")
        self._sql("postgres", "CREATE ROLE hft_owner", "CREATE ROLE hft_user LOGIN", "CREATE DATABASE hft_db",
                  f"SELECT pg_create_physical_replication_slot('{_STANDBY}')")
        self._standby.start()
        self._sql("postgres", f"ALTER SYSTEM SET synchronous_standby_names = 'ANY 1 ({_STANDBY})'", "SELECT pg_reload_conf()")
        self._await("SELECT count(*) FROM pg_stat_replication WHERE sync_state = 'quorum'", "1", "postgres")
        self._migrate(migrations)

    def stop(self) -> None:
        self._standby.end(signal.SIGTERM)
        self._server.end(signal.SIGQUIT)

    def _migrate(self, migrations: Path) -> None:
        """In the order of their numbers, a transaction each. Without TimescaleDB the tables stay plain ones."""
        if self._timescale:
            self._sql("hft_db", "CREATE EXTENSION timescaledb")
        for migration in sorted(migrations.glob("[0-9]*.sql")):
            if "create_hypertable(" in migration.read_text() and not self._timescale:
                continue
            done = self._psql("hft_db", "-1", "-f", str(migration))
            if done.returncode:
                raise PostgresFailed(f"{migration.name}: {done.stderr.strip()}")

    def _sql(self, database: str, *statements: str) -> str:
        # CREATE DATABASE stands in no transaction, so each has its own -c.
        done = self._psql(database, *[part for statement in statements for part in ("-c", statement)])
        if done.returncode:
            raise PostgresFailed(f"{statements[0]}: {done.stderr.strip()}")
        return done.stdout.strip()

    def _await(self, question: str, answer: str, database: str) -> None:
        end = time.monotonic() + _LIMIT_S
        while time.monotonic() < end:
            done = self._psql(database, "-c", question)
            if done.returncode == 0 and done.stdout.strip() == answer:
                return
            time.sleep(0.1)
        raise PostgresFailed(f"{question}: not {answer} within {_LIMIT_S} s; logs are in {self._directory.parent}")

    def _psql(self, database: str, *arguments: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(["psql", "-XAtq", "-v", "ON_ERROR_STOP=1", "-h", "127.0.0.1", "-p", str(self._port), "-U", "postgres", "-d",
                               database, *arguments], capture_output=True, text=True, timeout=_LIMIT_S)

    def _process(self, name: str, program: str, *arguments: str) -> Process:
        base = self._directory.parent
        return Process([str(self._bin / program), *arguments], str(base / f"{name}.log"), str(base / f"{name}.pid"), self._user)

    def _run(self, program: str, *arguments: str) -> None:
        path = self._bin / program
        done = subprocess.run([str(path) if path.exists() else program, *arguments], capture_output=True, text=True, cwd="/",
                              **({"user": self._user, "group": self._user, "extra_groups": []} if self._user else {}))
        if done.returncode:
            raise PostgresFailed(f"{program}: {done.stderr.strip()[-300:]}")


def _settings(**values: str) -> list[str]:
    return [part for name, value in values.items() for part in ("-c", f"{name}={value}")]
