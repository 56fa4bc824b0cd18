# Copyright: (c) hft.ops contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Private to hft.ops. Rows of append-only tables before a moment: how many, and what they add up to."""

from __future__ import annotations

import re
from typing import Any

from ansible_collections.hft.ops.plugins.module_utils._host import HostError
from ansible_collections.hft.ops.plugins.module_utils._postgres import rows

TABLES_ARGUMENT: dict[str, Any] = {
    "type": "list", "elements": "dict", "default": [],
    "options": {
        "name": {"type": "str", "required": True},
        "column": {"type": "str", "required": True},
        "content": {"type": "bool", "default": False},
    },
}
_NAME = re.compile(r"[a-z_][a-z0-9_]{0,62}(\.[a-z_][a-z0-9_]{0,62})?")


def refuse_bad_tables(tables: list[dict[str, Any]]) -> None:
    wrong = [text for table in tables for text in (table["name"], table["column"]) if not _NAME.fullmatch(text)]
    if wrong:
        raise HostError(f"tables: {wrong[0]!r}: expected a lower-case name of letters, digits and _")


def count(cursor: Any, tables: list[dict[str, Any]], before: str) -> dict[str, dict[str, Any]]:
    """Number of rows, and for content the sum of a hash of each row, by table; only rows whose column is below the moment."""
    cursor.execute("SET timezone TO 'UTC'; SET datestyle TO 'ISO'; SET extra_float_digits TO 1")
    found = {}
    for table in tables:
        digest = "coalesce(sum(hashtextextended(t::text, 0)::numeric), 0)::text" if table["content"] else "''"
        # refuse_bad_tables lets plain names through alone.
        query = f'SELECT count(*) AS rows, {digest} AS digest FROM {table["name"]} AS t WHERE {table["column"]} < %s'  # noqa: S608
        found[table["name"]] = rows(cursor, query, (before,))[0]
    return found


def differences(expected: dict[str, dict[str, Any]], found: dict[str, dict[str, Any]]) -> list[str]:
    """One line for every table that is not as expected."""
    lines = []
    for name, wanted in sorted(expected.items()):
        there = found.get(name, {"rows": 0, "digest": ""})
        if int(wanted["rows"]) != int(there["rows"]):
            lines.append(f"{name}: {there['rows']} rows, expected {wanted['rows']}")
        elif wanted["digest"] != there["digest"]:
            lines.append(f"{name}: as many rows as expected ({there['rows']}), with another content")
    return lines
