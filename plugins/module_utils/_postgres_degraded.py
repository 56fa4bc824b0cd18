# Copyright: (c) hft.ops contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Private to hft.ops. Whether the primary of a member acknowledged commits alone, so that no cut proves that none is missing."""

from __future__ import annotations

from ansible_collections.hft.ops.plugins.module_utils._postgres import Cluster, rows

_RECORD = "SELECT format('%s by %s: %s', since, who, reason) AS told FROM public.degraded WHERE ended_at IS NULL ORDER BY id DESC LIMIT 1"


def mark_file(cluster: Cluster) -> str:
    """Beside the configuration: a new base backup of the degraded primary is no proof either."""
    return f"{cluster.config_directory}/degraded"


def degraded(cluster: Cluster, database: str) -> str:
    """What the mark on this member or the record in its database says; empty when there is neither."""
    mark = cluster.host.read(mark_file(cluster))
    if mark:
        return mark.strip()
    with cluster.session() as cursor:
        if not rows(cursor, "SELECT 1 FROM pg_database WHERE datname = %s", (database,)):
            return ""
    with cluster.session(database) as cursor:
        if not rows(cursor, "SELECT 1 WHERE to_regclass('public.degraded') IS NOT NULL"):
            return ""
        found = rows(cursor, _RECORD)
    return f"The primary acknowledges alone since {found[0]['told']}" if found else ""
