# Copyright: (c) hft.ops contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Private to hft.ops. Leases of a database whose last commits may be lost: nobody holds them, and no epoch comes twice."""

from __future__ import annotations

from typing import Any

from ansible_collections.hft.ops.plugins.module_utils._postgres import rows

# Above every epoch that was given since the lost commits: a claim takes one, and nobody claims a million times.
EPOCH_JUMP = 1 << 20

_COLUMNS = """
SELECT attname AS name FROM pg_attribute
WHERE attrelid = to_regclass('public.engine_lease') AND attnum > 0 AND NOT attisdropped
"""


def vacate(cursor: Any) -> list[dict[str, Any]]:
    """Vacate every row and raise every epoch, in the open transaction or by itself; the rows as written, none without leases.

    A kill stays. The server must not accept engines yet, or must be one that they do not reach.
    """
    columns = {row["name"] for row in rows(cursor, _COLUMNS)}
    if not columns:
        return []
    cursor.execute("SELECT to_regclass('public.engine_arm') IS NOT NULL")
    if cursor.fetchone()[0]:
        cursor.execute("DELETE FROM public.engine_arm")
    transfer = ", transfer_id = NULL" if "transfer_id" in columns else ""
    return rows(cursor, f"UPDATE public.engine_lease SET holder = NULL, epoch = epoch + %s, beat = beat + 1{transfer} "  # noqa: S608
                        "RETURNING strategy, epoch, killed", (EPOCH_JUMP,))
