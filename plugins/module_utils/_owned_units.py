# Copyright: (c) hft.ops contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Private to hft.ops. Unit files that a module owns: written as a whole; stopped and disabled before they are removed."""

from __future__ import annotations

from typing import Any

from ansible_collections.hft.ops.plugins.module_utils._host import Host
from ansible_collections.hft.ops.plugins.module_utils._plan import Difference, Plan
from ansible_collections.hft.ops.plugins.module_utils._systemd import RunCommand, Systemctl

FOLDER = "/etc/systemd/system"


def plan_units(plan: Plan, host: Host, run_command: RunCommand, texts: dict[str, str | None]) -> dict[str, Any]:
    """State that these units, or drop-ins, have these texts; None: are not there. Returns units: the names of those wanted.

    Enabling and starting what is wanted is left to the module services, which does it for many in one call.
    """
    manager = Systemctl(run_command) if host.path("/run/systemd/system").exists() else None
    gone = [name for name, text in texts.items() if text is None and _is_unit(name) and host.read(f"{FOLDER}/{name}") is not None]
    for name, unit in manager.units(gone).items() if manager else ():
        if unit.running:
            plan.change(Difference("live", name, unit.active_state, "inactive"),
                        write=lambda name=name: manager.do("stop", [name]), undo=lambda name=name: manager.do("start", [name]))
        if unit.enablement == "enabled":
            plan.change(Difference("persisted", name, "enabled", "not installed"),
                        write=lambda name=name: manager.do("disable", [name]), undo=lambda name=name: manager.do("enable", [name]))
    touched = [plan.file(host.owned_file(f"{FOLDER}/{name}"), text, owner=host.system_owner, group=host.system_owner)
               for name, text in texts.items()]
    if manager and any(touched):
        plan.follow_up(lambda: manager.do("daemon-reload"))
    return {"units": [name for name, text in texts.items() if text is not None and _is_unit(name)]}


def _is_unit(name: str) -> bool:
    return "/" not in name  # a drop-in lies in the folder of its unit
