# Copyright: (c) hft.ops contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations


class ModuleDocFragment:
    """Append-only tables whose rows are counted: TABLES_ARGUMENT of module_utils/_postgres_rows.py, and their database."""

    DOCUMENTATION = r"""
options:
  database:
    description: Database of O(tables).
    type: str
    default: hft_db
  tables:
    description: Tables to count.
    type: list
    elements: dict
    default: []
    suboptions:
      name:
        description: Name of the table.
        type: str
        required: true
      column:
        description: Column that the server set with C(now()) when the row was inserted, and that never changes.
        type: str
        required: true
      content:
        description: Whether the rows never change either, so that their content is summed up too.
        type: bool
        default: false
"""
