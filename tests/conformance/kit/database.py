# SPDX-License-Identifier: GPL-3.0-or-later
"""The database, through psql as an administrator: rows, and commits that hang."""

from __future__ import annotations

import json
import subprocess
from typing import Any

from kit.check import eventually

_NOBODY = "ANY 1 (conformance_nobody)"


class DatabaseFailed(Exception):
    """The database did not do what the kit asked."""


class Database:
    def __init__(self, dsn: str) -> None:
        self._dsn = dsn
        self._standbys = self.value("SHOW synchronous_standby_names")
        if self._standbys in ("", _NOBODY):
            raise DatabaseFailed(f"synchronous_standby_names is '{self._standbys}': name the synchronous standbys first")

    def value(self, *statements: str) -> str:
        # Its own commits wait for nobody: what the kit writes must go through while commits hang.
        commands = [part for statement in ("SET synchronous_commit = local", *statements) for part in ("-c", statement)]
        done = subprocess.run(["psql", "-XAtq", "-v", "ON_ERROR_STOP=1", "-d", self._dsn, *commands], capture_output=True, text=True,
                              timeout=30)
        if done.returncode:
            raise DatabaseFailed(f"psql: {statements[-1][:120]}: {done.stderr.strip()}")
        return done.stdout.strip()

    def rows(self, query: str) -> list[dict[str, Any]]:
        rows: list[dict[str, Any]] = json.loads(self.value(f"SELECT coalesce(json_agg(r), '[]') FROM ({query}) AS r"))
        return rows

    def lease(self, strategy: str) -> dict[str, Any]:
        found = self.rows(f"SELECT * FROM public.engine_lease WHERE strategy = {literal(strategy)}")
        if not found:
            raise DatabaseFailed(f"no row of strategy {strategy} in engine_lease")
        return found[0]

    def hang_commits(self) -> None:
        """From here on no commit is acknowledged: the synchronous standby is one that does not exist."""
        self._name_standbys(_NOBODY)

    def heal(self) -> None:
        if self.value("SHOW synchronous_standby_names") != self._standbys:
            self._name_standbys(self._standbys)

    def _name_standbys(self, names: str) -> None:
        self.value(f"ALTER SYSTEM SET synchronous_standby_names = {literal(names)}", "SELECT pg_reload_conf()")
        eventually(lambda: self.value("SHOW synchronous_standby_names") == names, 5, f"the server did not take the standbys {names}")


def literal(text: str) -> str:
    return "'" + text.replace("'", "''") + "'"
