# Copyright: (c) hft.ops contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Private to hft.ops. Physical slots of followers: which are missing, and how one is made."""

from __future__ import annotations

from typing import Any

from ansible_collections.hft.ops.plugins.module_utils._host import HostError
from ansible_collections.hft.ops.plugins.module_utils._plan import Difference
from ansible_collections.hft.ops.plugins.module_utils._postgres import rows


def slots_found(cursor: Any) -> dict[str, str]:
    """physical or logical, by name."""
    return {row["slot_name"]: row["slot_type"] for row in rows(cursor, "SELECT slot_name, slot_type FROM pg_replication_slots")}


def missing_slots(wanted: list[str], found: dict[str, str]) -> list[tuple[str, Difference]]:
    """For each that is not there the statement that makes it, and the difference that it ends."""
    for slot in wanted:
        kind = found.get(slot, "physical")
        if kind != "physical":
            raise HostError(f"slots: {slot}: exists as a {kind} slot; drop it with pg_drop_replication_slot, or give another name")
    # true: it keeps the log from now on, not from the first connection.
    return [(f"SELECT pg_create_physical_replication_slot('{slot}', true)", Difference("live", f"{slot} (slot)", None, "physical"))
            for slot in wanted if slot not in found]


def slots_in_use(cursor: Any) -> set[str]:
    """Those that a follower uses now."""
    return {row["slot_name"] for row in rows(cursor, "SELECT slot_name FROM pg_replication_slots WHERE active")}


def left_slots(unwanted: list[str], found: dict[str, str], in_use: set[str]) -> list[tuple[str, Difference]]:
    """For each that is there the statement that drops it, and the difference that it ends."""
    for slot in unwanted:
        if slot in in_use:
            raise HostError(f"remove_slots: {slot}: is in use, its member still follows; stop that server first")
    return [(f"SELECT pg_drop_replication_slot('{slot}')", Difference("live", f"{slot} (slot)", found[slot], None))
            for slot in unwanted if slot in found]
