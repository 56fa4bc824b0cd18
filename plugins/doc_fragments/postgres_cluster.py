# Copyright: (c) hft.ops contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations


class ModuleDocFragment:
    """Which PostgreSQL cluster of the host is meant: CLUSTER_ARGUMENTS of module_utils/_postgres.py."""

    DOCUMENTATION = r"""
options:
  version:
    description: Major version of PostgreSQL.
    type: int
    default: 17
  cluster:
    description: Name of the cluster in Debian's layout.
    type: str
    default: main
  port:
    description: Port of the cluster; names its local socket.
    type: int
    default: 5432
requirements:
  - python3-psycopg2 on the host, once PostgreSQL runs there
"""
