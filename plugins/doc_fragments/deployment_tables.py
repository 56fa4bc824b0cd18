# Copyright: (c) hft.ops contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations


class ModuleDocFragment:
    """The tables of migration 010 and how they are reached: DEPLOYMENTS_ARGUMENTS of module_utils/_postgres_deployments.py."""

    DOCUMENTATION = r"""
options:
  database:
    description: Database with the leases.
    type: str
    default: hft_db
  owner:
    description: Role that owns the table, as which the module works.
    type: str
    default: hft_owner
  wait_s:
    description: Seconds to wait for the database, and after a write for its synchronous standby, above 0.
    type: float
    default: 10
requirements:
  - python3-psycopg2 on the host
"""
