# SPDX-License-Identifier: GPL-3.0-or-later
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Filter that lays rows out as a table of text for a person to read."""

from __future__ import annotations

DOCUMENTATION = r"""
name: text_table
short_description: Lay a list of dictionaries out as a table of text
version_added: 0.1.0
author:
  - hft.ops contributors (@hft-ops)
description:
  - Returns a head line and a line per row, columns aligned by spaces, as one text that
    C(ansible.builtin.debug) prints as it stands.
  - Booleans are written as V(ok) and V(FAILED), a missing or null value as C(-).
positional: columns
options:
  _input:
    description: The rows, in the order in which they are printed.
    type: list
    elements: dict
    required: true
  columns:
    description: Keys of a row that become columns, in this order; all keys of the first row when left out.
    type: list
    elements: str
"""

EXAMPLES = r"""
- name: Show who holds what
  ansible.builtin.debug:
    msg: "{{ leases | hft.ops.text_table(['strategy', 'holder', 'epoch']) }}"
"""

RETURN = r"""
_value:
  description: The table, its lines separated by newlines.
  type: str
"""

from ansible.errors import AnsibleFilterError


def _cell(value: object) -> str:
    if value is None or value == "":
        return "-"
    if isinstance(value, bool):
        return "ok" if value else "FAILED"
    return " ".join(str(value).split())


def text_table(rows: list[dict], columns: list[str] | None = None) -> str:
    """Lay rows out as a table of text; see DOCUMENTATION."""
    if not isinstance(rows, list) or not all(isinstance(row, dict) for row in rows):
        raise AnsibleFilterError(f"hft.ops.text_table: expected a list of dictionaries, found {type(rows).__name__}")
    heads = columns or (list(rows[0]) if rows else [])
    cells = [[head.replace("_", " ") for head in heads]]
    cells += [[_cell(row.get(head)) for head in heads] for row in rows]
    widths = [max(len(line[column]) for line in cells) for column in range(len(heads))]
    return "\n".join("  ".join(text.ljust(width) for text, width in zip(line, widths)).rstrip() for line in cells)


class FilterModule:
    """The filters of this file."""

    def filters(self) -> dict:
        return {"text_table": text_table}
