# SPDX-License-Identifier: GPL-3.0-or-later
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Filter for the name of a mount's unit."""

from __future__ import annotations

from ansible_collections.hft.ops.plugins.module_utils._systemd import mount_unit


class FilterModule:
    def filters(self) -> dict:
        return {"mount_unit": mount_unit}
