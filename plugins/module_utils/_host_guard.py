# Copyright: (c) hft.ops contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Private to hft.ops. Whether a host may be disturbed: interrupts moved, cards set anew, cores measured.

The engine on the host is asked by its own API, so the answer needs neither the database nor the control node.
"""

from __future__ import annotations

from typing import Any

from ansible_collections.hft.ops.plugins.module_utils._engine_guard import GUARD_SPEC, refuse_while_trading
from ansible_collections.hft.ops.plugins.module_utils._host import Host, HostError
from ansible_collections.hft.ops.plugins.module_utils._plan import Plan
from ansible_collections.hft.ops.plugins.module_utils._systemd import RunCommand

# A module that tunes a host asks the collection's own engine unless it is told of another; a host without one may be disturbed.
HOST_GUARD_SPEC: dict[str, Any] = {
    "type": "dict",
    "apply_defaults": True,
    "options": {
        **GUARD_SPEC["options"],
        "service": {"type": "str", "default": "hft_system.service"},
        "config": {"type": "path", "default": "/opt/hft_system/config/production.json"},
    },
}


def refusal(guard: dict[str, Any], changes: list[str], host: Host, run_command: RunCommand, check_mode: bool) -> str:
    """Raise HostError when there are changes and the engine of the host trades; in check mode tell what would be said, "" for nothing."""
    if not changes:
        return ""
    try:
        refuse_while_trading(guard, changes, host, run_command)
    except HostError as refused:
        if not check_mode:
            raise
        return str(refused)
    return ""


def live_changes(plan: Plan) -> list[str]:
    """What the plan would change in the running host; files and enablements disturb nobody."""
    return [difference.path for difference in plan.differences if difference.layer == "live"]
