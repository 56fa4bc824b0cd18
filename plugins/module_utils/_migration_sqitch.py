# Copyright: (c) hft.ops contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Private to hft.ops. A sqitch project made from migration files, run as postgres through the local socket, and what it said.

The project is a function of the files and the owner alone: planner and times are fixed, so sqitch's change ids, which are hashes over
them, are the same from every control node. Each script wraps its file in a transaction together with its row of schema_version.
That row is the truth; sqitch's registry is written after it, in sqitch's own session, and brought in line by log_only.
"""

from __future__ import annotations

import contextlib
import datetime
import grp
import os
import re
import shutil
import tempfile
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ansible_collections.hft.ops.plugins.module_utils._host import HostError
from ansible_collections.hft.ops.plugins.module_utils._postgres import SOCKET_DIRECTORY, SUPERUSER, Cluster, as_superuser
from ansible_collections.hft.ops.plugins.module_utils._postgres_migrations import Migration, in_transaction, line_of

PROJECT = "hft_ops"
PROGRAM = "/usr/bin/sqitch"
_FILES = "files"
_PLANNER = "hft.ops <hft.ops@localhost>"
_FIRST_TIME = datetime.datetime(2000, 1, 1, tzinfo=datetime.timezone.utc)

_LEDGER = ("CREATE TABLE IF NOT EXISTS public.schema_version (version integer PRIMARY KEY, description text NOT NULL,"
           " applied_at timestamptz NOT NULL DEFAULT now(), sha256 text NOT NULL);")
# Nothing needs quotes: a description is made of letters, digits and blanks.
_RECORD = "INSERT INTO public.schema_version (version, description, sha256) VALUES ({version}, '{description}', '{sha256}');"
# A rollback file may delete its row itself, or drop the ledger with all the rest.
_FORGET = ("DO $hft$ BEGIN IF pg_catalog.to_regclass('public.schema_version') IS NOT NULL THEN"
           " DELETE FROM public.schema_version WHERE version = {version}; END IF; END $hft$;")
# What a failed CREATE INDEX CONCURRENTLY leaves is there for IF NOT EXISTS, and of no use to any query.
_NO_BROKEN_INDEX = (
    "DO $hft$ DECLARE broken text; BEGIN"
    " SELECT pg_catalog.string_agg(i.indexrelid::pg_catalog.regclass::text, ', ') INTO broken FROM pg_catalog.pg_index AS i"
    " JOIN pg_catalog.pg_class AS c ON c.oid = i.indexrelid WHERE c.relkind = 'i' AND NOT i.indisvalid;"
    " IF broken IS NOT NULL THEN RAISE EXCEPTION 'index % is invalid', broken"
    " USING HINT = 'DROP INDEX CONCURRENTLY it, then run again'; END IF; END $hft$;")

_PSQL_ERROR = re.compile(r"^psql:(?P<file>[^:\n]+):(?P<line>\d+): (?:ERROR|FATAL|PANIC): +(?P<state>\w{5}): (?P<text>.*)$", re.MULTILINE)
_LOCK_NOT_AVAILABLE = "55P03"
_DEADLOCK = "40P01"
_NEEDS_NO_TRANSACTION = "25001"


@dataclass(frozen=True)
class Failure:
    """Why sqitch ended: one line for the operator."""

    message: str
    retryable: bool = False


@contextlib.contextmanager
def project(cluster: Cluster, given: dict[str, Any], migrations: list[Migration],
            run_command: Callable[..., tuple[int, str, str]]) -> Iterator[Sqitch]:
    """The project on disk, for as long as the context lasts."""
    if not os.access(PROGRAM, os.X_OK):
        raise HostError(f"{PROGRAM}: not on this host; install the packages sqitch and libdbd-pg-perl")
    directory = Path(tempfile.mkdtemp(prefix="hft-migrate-"))
    try:
        for name, text in project_files(migrations, given["owner"], cluster.program("psql")).items():
            file = directory / name
            file.parent.mkdir(parents=True, exist_ok=True)
            file.write_bytes(text.encode("utf-8", "surrogateescape"))
        _let_postgres_read(directory)
        yield Sqitch(cluster, given, migrations, run_command, directory)
    finally:
        shutil.rmtree(directory)


def _let_postgres_read(directory: Path) -> None:
    """Read, not write: what runs as superuser of the database is what was made here."""
    group = grp.getgrnam(SUPERUSER).gr_gid if os.geteuid() == 0 else -1
    for path in [directory, *directory.rglob("*")]:
        os.chown(path, -1, group)
        path.chmod(0o750 if path.is_dir() else 0o640)


@dataclass(frozen=True)
class Sqitch:
    """sqitch in a directory that holds the project."""

    cluster: Cluster
    given: dict[str, Any]
    migrations: list[Migration]
    run_command: Callable[..., tuple[int, str, str]]
    directory: Path

    def deploy(self, to: Migration, log_only: bool = False) -> Failure | None:
        return self._run("deploy", "--no-verify", "--mode", "change", "--to-change", to.label, *(["--log-only"] if log_only else []))

    def revert(self, to: Migration | None, log_only: bool = False) -> Failure | None:
        return self._run("revert", "-y", *(["--to-change", to.label] if to else []), *(["--log-only"] if log_only else []))

    def _run(self, *arguments: str) -> Failure | None:
        argv = [PROGRAM, *arguments]
        if os.geteuid() == 0:
            argv = as_superuser(argv)
        rc, out, err = self.run_command(argv, cwd=str(self.directory), environ_update=self._environment())
        return None if rc == 0 else failure_of(f"{err}\n{out}", self.migrations)

    def _environment(self) -> dict[str, str]:
        options = {
            "lock_timeout": self.given["lock_timeout_ms"],
            "statement_timeout": self.given["statement_timeout_ms"],
            # sqitch's own session waits in a transaction while psql works.
            "idle_in_transaction_session_timeout": 0,
            "client_min_messages": "warning",
        }
        return {
            "LC_ALL": "C.UTF-8", "TZ": "UTC", "HOME": str(self.directory),
            "SQITCH_CONFIG": str(self.directory / "sqitch.conf"), "SQITCH_SYSTEM_CONFIG": os.devnull, "SQITCH_USER_CONFIG": os.devnull,
            "PGHOST": SOCKET_DIRECTORY, "PGPORT": str(self.cluster.port), "PGUSER": SUPERUSER, "PGDATABASE": self.given["database"],
            "PGAPPNAME": "hft.ops", "PGCLIENTENCODING": "UTF8", "PGCONNECT_TIMEOUT": "10",
            "PGOPTIONS": " ".join(f"-c {name}={value}" for name, value in options.items()),
        }


def project_files(migrations: list[Migration], owner: str, client: str) -> dict[str, str]:
    """Every file of the project by its relative name."""
    name, email = re.fullmatch(r"(.*) <(.*)>", _PLANNER).groups()
    plan = ["%syntax-version=1.0.0", f"%project={PROJECT}", ""]
    files = {"sqitch.conf": f'[core]\n\tengine = pg\n[engine "pg"]\n\ttarget = db:pg:\n\tclient = {client}\n'
                            f"[user]\n\tname = {name}\n\temail = {email}\n"}
    for one in migrations:
        planned = (_FIRST_TIME + datetime.timedelta(minutes=one.version)).strftime("%Y-%m-%dT%H:%M:%SZ")
        plan.append(f"{one.label} {planned} {_PLANNER}")
        record = _RECORD.format(version=one.version, description=one.description, sha256=one.sha256)
        files[f"{_FILES}/{one.name}"] = one.sql
        files[f"{_FILES}/{one.rollback_name}"] = one.rollback_sql
        files[f"deploy/{one.label}.sql"] = _script(one.name, one.sql, owner, before=_LEDGER, after=record)
        files[f"revert/{one.label}.sql"] = _script(one.rollback_name, one.rollback_sql, owner, after=_FORGET.format(version=one.version))
    files["sqitch.plan"] = "\n".join(plan) + "\n"
    return files


def _script(name: str, sql: str, owner: str, after: str, before: str = "") -> str:
    """The file, as owner, with its record; included by \\ir, so that psql counts lines as the file does."""
    whole = in_transaction(sql)
    role = f"SET {'LOCAL ' if whole else ''}ROLE " + '"' + owner.replace('"', '""') + '";'
    lines = [
        r"\set VERBOSITY verbose",  # errors carry their SQLSTATE
        "BEGIN;" if whole else "",
        role,
        before,
        f"\\ir ../{_FILES}/{name}",
        role,  # the file may have taken another
        "" if whole else _NO_BROKEN_INDEX,
        after,
        "COMMIT;" if whole else "",
    ]
    return "\n".join(line for line in lines if line) + "\n"


def failure_of(said: str, migrations: list[Migration]) -> Failure:
    """File, line and the server's words, and what stays."""
    found = _PSQL_ERROR.search(said)
    if found is None:
        lines = [line.strip() for line in said.splitlines() if line.strip() and "unexpectedly returned" not in line]
        errors = [line for line in lines if "ERROR" in line or "FATAL" in line] or lines or ["no message"]
        return Failure(f"sqitch: {errors[0]}")
    more = re.split(r"^psql:", said[found.end():], maxsplit=1, flags=re.MULTILINE)[0]
    name, sql, line = _place(found, more, migrations)
    whole = in_transaction(sql)
    hint = re.search(r"^HINT:  (.*)$", more, re.MULTILINE)
    advice = hint.group(1) if hint else ""
    if found["state"] == _NEEDS_NO_TRANSACTION and whole:
        advice = "put the line '-- hft: no-transaction' at its head"
    stays = "this file was rolled back" if whole else "what this file did before stays"
    message = f"{name}{line}: {found['text']}{f' ({advice})' if advice else ''}; {stays}, earlier ones stay done"
    return Failure(message, retryable=found["state"] in (_LOCK_NOT_AVAILABLE, _DEADLOCK))


def _place(found: re.Match[str], more: str, migrations: list[Migration]) -> tuple[str, str, str]:
    """Name and text of the file, and the line where it can be told; a statement of the wrapping script has none."""
    folder, path = found["file"].split("/", 1)
    by_name = {one.name: one.sql for one in migrations} | {one.rollback_name: one.rollback_sql for one in migrations}
    if folder == _FILES:
        within = re.search(r"^LINE (\d+):", more, re.MULTILINE)
        sql = by_name[path]
        return path, sql, f", line {line_of(sql, int(found['line']), int(within.group(1)) if within else 1)}"
    name = next(one.rollback_name if folder == "revert" else one.name for one in migrations if path == f"{one.label}.sql")
    return name, by_name[name], ""
