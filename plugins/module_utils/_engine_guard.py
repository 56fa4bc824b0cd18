# Copyright: (c) hft.ops contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Private to hft.ops. Keeps a change away from an engine that trades."""

from __future__ import annotations

import json
from typing import Any

from ansible_collections.hft.ops.plugins.module_utils._engine_api import EngineApi, EngineRefused, EngineUnreachable
from ansible_collections.hft.ops.plugins.module_utils._engine_status import has_right, held
from ansible_collections.hft.ops.plugins.module_utils._host import Host, HostError
from ansible_collections.hft.ops.plugins.module_utils._plan import Plan
from ansible_collections.hft.ops.plugins.module_utils._systemd import RunCommand, Systemctl

GUARD_SPEC = {
    "type": "dict",
    "options": {
        "service": {"type": "str", "required": True},
        "config": {"type": "path", "required": True},
        "api_token": {"type": "str", "no_log": True},
        "allow_disruption": {"type": "bool", "default": False},
    },
}


def refuse_disruption(guard: dict[str, Any] | None, plan: Plan, host: Host, run_command: RunCommand) -> None:
    """Raise HostError when the plan has changes and the running engine holds a lease, or may hold one.

    guard: option of GUARD_SPEC; None for a program that holds no lease. Asked only when something would change.
    """
    if guard is not None and plan.changed:
        refuse_while_trading(guard, [difference.path for difference in plan.differences], host, run_command)


def refuse_while_trading(guard: dict[str, Any], changes: list[str], host: Host, run_command: RunCommand) -> None:
    """Raise HostError when the running engine holds a lease, or may hold one; changes: what would be disturbed, for the message."""
    if guard["allow_disruption"]:
        return
    # Before READY an engine is standby by construction; once systemd calls it active, only its own answer counts.
    unit = _unit(guard["service"], host, run_command)
    if unit not in ("active", "reloading", "deactivating"):
        return
    what = ", ".join(changes[:3]) + (", …" if len(changes) > 3 else "")
    try:
        status = guarded_api(guard, host).status()
    except (EngineUnreachable, EngineRefused) as silent:
        raise HostError(f"refused, nothing was changed: {guard['service']} is {unit} and cannot be asked whether it trades ({silent}); "
                        f"would change {what}; stop it or set allow_disruption") from silent
    if has_right(status):
        rows = ", ".join(f"{one['id']} (epoch {one['epoch']})" for one in status["strategies"] if one["id"] in held(status)) or "no row yet"
        raise HostError(f"refused, nothing was changed: engine {status['engine']} is {status['role']} and holds {rows}; "
                        f"would change {what}; stop trading first (trading.yml -e trading_action=stop) or set allow_disruption")


def guarded_api(guard: dict[str, Any], host: Host) -> EngineApi:
    """The client of the engine that listens where the configuration on the disk says."""
    return EngineApi(**_address(host.read(guard["config"])), token=guard.get("api_token"))


def _unit(service: str, host: Host, run_command: RunCommand) -> str:
    if not host.path("/run/systemd/system").exists():
        return "inactive"
    return Systemctl(run_command).units([service])[service].active_state


def _address(config: str | None) -> dict[str, Any]:
    """Where the running engine listens, by the configuration that it was started with; the default when that cannot be read."""
    try:
        api = json.loads(config or "{}").get("api", {})
        tls = api.get("tls") or {}
        return {"address": api.get("listen", "127.0.0.1"), "port": int(api.get("port", 8080)), "certificate": tls.get("certificate")}
    except (AttributeError, TypeError, ValueError):
        return {}
