# Copyright: (c) hft.ops contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Private to hft.ops. The server that a standby follows: connection string, passfile, identity."""

from __future__ import annotations

import errno
import re
import socket
from dataclasses import dataclass
from typing import Any

from ansible_collections.hft.ops.plugins.module_utils._host import HostError
from ansible_collections.hft.ops.plugins.module_utils._postgres import cause, psycopg2

_CONNECT_TIMEOUT_S = 10


@dataclass(frozen=True)
class Identity:
    """What a server says of itself over the replication protocol."""

    system_identifier: str
    timeline: int
    major_version: int


@dataclass(frozen=True)
class Parting:
    """Where a timeline was left, as 0/3000148, and the one that began there."""

    at: str
    successor: int


class Unreachable(HostError):
    """No server answered: nothing is known about it."""


@dataclass(frozen=True)
class Upstream:
    host: str
    port: int
    user: str
    passfile: str
    sslmode: str
    application_name: str
    sslrootcert: str = ""

    def conninfo(self, application_name: str | None = None) -> str:
        """As it stands in primary_conninfo. The password is in the passfile alone."""
        parts = {"host": self.host, "port": self.port, "user": self.user, "passfile": self.passfile, "sslmode": self.sslmode,
                 "application_name": application_name or self.application_name}
        if self.sslrootcert:
            parts["sslrootcert"] = self.sslrootcert
        return " ".join(f"{key}={quoted(str(value))}" for key, value in parts.items())

    def passfile_line(self, password: str) -> str:
        """host:port:database:user:password with libpq's escapes; any database, since pg_rewind asks for one."""
        def escaped(text: str) -> str:
            return text.replace("\\", "\\\\").replace(":", "\\:")
        return ":".join([escaped(self.host), str(self.port), "*", escaped(self.user), escaped(password)]) + "\n"

    def is_this_host(self) -> bool:
        """True when one of its addresses belongs to this host: only then can a socket be bound to it."""
        try:
            found = socket.getaddrinfo(self.host, self.port, type=socket.SOCK_STREAM)
        except socket.gaierror as why:
            raise Unreachable(f"primary_host {self.host}: no such name ({why.strerror}); name a host that this one can resolve") from why
        for family, kind, protocol, _name, address in found:
            with socket.socket(family, kind, protocol) as probe:
                try:
                    probe.bind((address[0], 0, *address[2:]))
                    return True
                except OSError as why:
                    if why.errno != errno.EADDRNOTAVAIL:
                        raise
        return False

    def identify(self, password: str) -> Identity:
        """Log in over the replication protocol and ask."""
        connection = self._connect(password, replication="true")
        try:
            with connection.cursor() as cursor:
                cursor.execute("IDENTIFY_SYSTEM")
                system, timeline = cursor.fetchone()[:2]
            return Identity(str(system), int(timeline), connection.server_version // 10000)
        finally:
            connection.close()

    def parting(self, password: str, timeline: int, former: int) -> Parting | None:
        """Where the history of its timeline left a former one; None when it never was on that."""
        if timeline == former:
            return None
        connection = self._connect(password, replication="true")
        try:
            with connection.cursor() as cursor:
                cursor.execute(f"TIMELINE_HISTORY {timeline:d}")
                found = cursor.fetchone()[1]
                content = found if isinstance(found, str) else bytes(found).decode()
        finally:
            connection.close()
        return parting_in(content, timeline, former)

    def promoted_at(self, password: str, timeline: int) -> float:
        """When a timeline began, seconds since the epoch by the clock of whoever has its history; 0 where that is gone."""
        found = self._ask(password, "SELECT extract(epoch FROM (pg_stat_file(%s, true)).modification)::float8",
                          (f"pg_wal/{timeline:08X}.history",))
        return float(found[0][0] or 0)

    def keeps_slot(self, password: str, slot: str) -> bool:
        """Whether the server has this physical slot."""
        return bool(self._ask(password, "SELECT 1 FROM pg_replication_slots WHERE slot_type = 'physical' AND slot_name = %s", (slot,)))

    def is_standby(self, password: str) -> bool:
        """Whether the server follows another itself."""
        return bool(self._ask(password, "SELECT 1 WHERE pg_is_in_recovery()"))

    def _ask(self, password: str, query: str, arguments: tuple[Any, ...] = ()) -> list[Any]:
        connection = self._connect(password, dbname="postgres")
        try:
            with connection.cursor() as cursor:
                cursor.execute(query, arguments)
                return cursor.fetchall()
        finally:
            connection.close()

    def _connect(self, password: str, **more: str) -> Any:
        if psycopg2 is None:
            raise Unreachable("python3-psycopg2: not installed on this host; install it to let the primary be asked")
        try:
            if self.sslrootcert:
                more["sslrootcert"] = self.sslrootcert
            connection = psycopg2.connect(host=self.host, port=self.port, user=self.user, password=password, sslmode=self.sslmode,
                                          connect_timeout=_CONNECT_TIMEOUT_S, application_name="hft.ops", **more)
        except psycopg2.OperationalError as why:
            where = f"primary {self.host}:{self.port} as {self.user}"
            if "password authentication failed" in str(why):
                raise HostError(f"{where}: the password is refused; give the one that the primary has, or rotate it there first") from why
            raise Unreachable(f"{where}: {cause(why)}; is it up, and does its pg_hba.conf admit this host?") from why
        connection.autocommit = True
        return connection


def parting_in(history: str, timeline: int, former: int) -> Parting | None:
    """Of the content of a timeline's history file."""
    left = [line.split()[:2] for line in history.splitlines() if line.strip() and not line.startswith("#")]
    for (number, position), successor in zip(left, [*(int(words[0]) for words in left[1:]), timeline]):
        if int(number) == former:
            return Parting(position, successor)
    return None


def is_standby(conninfo: str) -> bool:
    """Whether the server that a primary_conninfo names answers, and follows another itself."""
    try:
        connection = psycopg2.connect(conninfo, dbname="postgres", connect_timeout=_CONNECT_TIMEOUT_S)
    except psycopg2.OperationalError:
        return False
    try:
        with connection.cursor() as cursor:
            cursor.execute("SELECT pg_is_in_recovery()")
            return bool(cursor.fetchone()[0])
    finally:
        connection.close()


def quoted(value: str) -> str:
    """A value in a libpq connection string."""
    if value and re.fullmatch(r"[\w./-]+", value):
        return value
    return "'" + value.replace("\\", "\\\\").replace("'", "\\'") + "'"


def with_settings(text: str, settings: dict[str, str]) -> str:
    """postgresql.auto.conf with these settings, each once, in ALTER SYSTEM's own form; other lines stay."""
    names = "|".join(re.escape(name) for name in settings)
    kept = [line for line in text.splitlines() if not re.match(rf"\s*(?:{names})\s*(?:=|\s)", line)]
    new = [f"{name} = '" + value.replace("'", "''") + "'" for name, value in settings.items()]
    return "\n".join([*kept, *new]) + "\n"


def settings_in(text: str) -> dict[str, str]:
    """The settings of a postgresql.auto.conf, the last of a name counts."""
    found: dict[str, Any] = {}
    for line in text.splitlines():
        match = re.match(r"\s*([\w.]+)\s*=?\s*'((?:[^']|'')*)'", line)
        if match:
            found[match.group(1)] = match.group(2).replace("''", "'")
    return found
