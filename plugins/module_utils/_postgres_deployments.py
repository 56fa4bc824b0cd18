# Copyright: (c) hft.ops contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Private to hft.ops. The tables of migration 010, the lock of deployments and the record of runs: as their owner, never waiting without
end."""

from __future__ import annotations

import contextlib
import threading
from collections.abc import Iterator
from typing import Any, Protocol

from ansible_collections.hft.ops.plugins.module_utils._host import HostError
from ansible_collections.hft.ops.plugins.module_utils._postgres import PRIMARY, STANDBY, first_line, psycopg2

DEPLOYMENTS_ARGUMENTS: dict[str, dict[str, Any]] = {
    "database": {"type": "str", "default": "hft_db"},
    "owner": {"type": "str", "default": "hft_owner"},
    "wait_s": {"type": "float", "default": 10},
}

_UNDEFINED_TABLE = "42P01"
_CANCELLED = "57014"


class Server(Protocol):
    """A cluster, or what stands for one."""

    unit: str

    def state(self) -> str:
        ...

    def session(self, database: str = ...) -> contextlib.AbstractContextManager[Any]:
        ...


def check_wait(given: dict[str, Any]) -> None:
    """Raise HostError for a wait that ends before it begins; 0 would be one without end."""
    if given["wait_s"] < 0.001:
        raise HostError(f"wait_s {given['wait_s']:g}: expected seconds above 0")


@contextlib.contextmanager
def reading(cluster: Server, given: dict[str, Any]) -> Iterator[Any]:
    """A cursor as the owner of the tables, on the primary or a standby, whose statements take no longer than wait_s."""
    with _session(cluster, given, (PRIMARY, STANDBY)) as cursor:
        yield cursor


@contextlib.contextmanager
def writing(cluster: Server, given: dict[str, Any]) -> Iterator[Any]:
    """A cursor for one statement on the primary, whose commit waits for a standby no longer than wait_s."""
    with _session(cluster, given, (PRIMARY,)) as cursor:
        # No timeout of the server ends the wait of a commit.
        late = threading.Timer(given["wait_s"], cursor.connection.cancel)
        late.start()
        try:
            yield cursor
        finally:
            late.cancel()
        notices = list(cursor.connection.notices)
    # A wait that was cancelled is a commit all the same, told by a warning alone.
    if any("synchronous replication" in notice for notice in notices):
        raise HostError(f"database {given['database']}: written on this primary, and confirmed by no standby within {given['wait_s']:g} s; "
                        "see that one streams (playbook status)")


@contextlib.contextmanager
def _session(cluster: Server, given: dict[str, Any], states: tuple[str, ...]) -> Iterator[Any]:
    state = cluster.state()
    if state not in states:
        raise HostError(f"{cluster.unit}: is {state}; ask the primary" + (" or a standby" if STANDBY in states else ""))
    try:
        with cluster.session(given["database"]) as cursor:
            # English, because a warning has no other mark; then as nobody more than the owner of the tables.
            cursor.execute("SET lc_messages TO 'C'; SET timezone TO 'UTC'; SELECT set_config('statement_timeout', %s, false),"
                           " set_config('role', %s, false)", (f"{given['wait_s'] * 1000:.0f}", given["owner"]))
            yield cursor
    except psycopg2.Error as why:
        told = {_CANCELLED: f"no answer within {given['wait_s']:g} s, nothing was written",
                _UNDEFINED_TABLE: f"{first_line(why)}; migrate the schema first (playbook database)"}
        raise HostError(f"database {given['database']}: {told.get(why.pgcode, first_line(why))}") from why
