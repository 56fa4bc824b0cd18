# Copyright: (c) hft.ops contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Private to hft.ops. Leases after a promotion or a restore that may lack commits.

A lost commit may have been a change of holder. So nobody holds afterwards, and every epoch lies above all that the lost
commits can have handed out: a venue that saw one of those still refuses it, and accepts the next.
"""

from __future__ import annotations

from contextlib import AbstractContextManager
from typing import Any, Protocol

from ansible_collections.hft.ops.plugins.module_utils._postgres import rows

EPOCH_JUMP = 1 << 20


class Server(Protocol):
    """A cluster, or one that is being recovered."""

    def session(self, database: str = ...) -> AbstractContextManager[Any]:
        ...


def vacate(cluster: Server, database: str) -> list[str]:
    """The strategies whose lease was taken away; none where there is no such database or table."""
    with cluster.session() as cursor:
        if not rows(cursor, "SELECT 1 FROM pg_database WHERE datname = %s", (database,)):
            return []
    with cluster.session(database) as cursor:
        if not rows(cursor, "SELECT 1 WHERE to_regclass('public.engine_lease') IS NOT NULL"):
            return []
        # Nobody follows yet who could acknowledge.
        cursor.execute("SET synchronous_commit = local")
        found: list[dict[str, Any]] = rows(
            cursor, "UPDATE public.engine_lease SET holder = NULL, epoch = epoch + %s, beat = beat + 1 RETURNING strategy", (EPOCH_JUMP,))
        return sorted(row["strategy"] for row in found)
