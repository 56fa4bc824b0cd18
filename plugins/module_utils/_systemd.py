# Copyright: (c) hft.ops contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Private to hft.ops. systemctl, for many units in one call."""

from __future__ import annotations

import re
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from ansible_collections.hft.ops.plugins.module_utils._host import HostError

# As `module.run_command`: argv in; return code, standard output and standard error out.
RunCommand = Callable[..., "tuple[int, str, str]"]

UNIT_SUFFIXES = (".service", ".socket", ".timer", ".path", ".target", ".mount", ".automount", ".swap", ".slice", ".scope", ".device")
_PROPERTIES = ("LoadState", "UnitFileState", "ActiveState", "Result", "ExecMainStatus", "MainPID", "NeedDaemonReload",
               "ConditionResult", "ConditionTimestampMonotonic", "InactiveExitTimestampMonotonic", "ExecMainStartTimestampMonotonic")


def mount_unit(path: str) -> str:
    """The name that systemd asks of a mount's unit: `systemd-escape --path --suffix=mount`, systemd.unit(5)."""
    words = [word for word in path.split("/") if word]
    escaped = "-".join("".join(c if re.fullmatch(r"[A-Za-z0-9:_.]", c) else f"\\x{ord(c):02x}" for c in word) for word in words)
    return f"{escaped}.mount"


@dataclass(frozen=True)
class Unit:
    """One unit as systemd's manager sees it now."""

    name: str
    properties: dict[str, str]

    @property
    def exists(self) -> bool:
        return self.properties.get("LoadState") != "not-found"

    @property
    def masked(self) -> bool:
        return self.properties.get("LoadState") == "masked" or self.enablement.startswith("masked")

    @property
    def enablement(self) -> str:
        """enabled, disabled, static, masked, …; "not installed" when the unit does not exist."""
        return self.properties.get("UnitFileState", "") if self.exists else "not installed"

    @property
    def active_state(self) -> str:
        """active, inactive, failed, activating, deactivating, reloading."""
        return self.properties.get("ActiveState", "inactive")

    @property
    def running(self) -> bool:
        return self.active_state in ("active", "reloading", "activating")

    @property
    def main_pid(self) -> int:
        return int(self.properties.get("MainPID") or 0)

    @property
    def started_at(self) -> float:
        """When it was last started, in the host's wall clock (seconds since the epoch)."""
        # The monotonic stamps are compared with a monotonic clock: the wall clock may have been set since.
        stamps = [int(self.properties.get(name) or 0) for name in ("InactiveExitTimestampMonotonic", "ExecMainStartTimestampMonotonic")]
        return time.time() - (time.clock_gettime(time.CLOCK_MONOTONIC) - max(stamps) / 1e6)


class Systemctl:
    """The host's service manager."""

    def __init__(self, run_command: RunCommand) -> None:
        self._run_command = run_command

    def units(self, names: Sequence[str], extra: Sequence[str] = ()) -> dict[str, Unit]:
        """How each named unit stands, in one call; extra: more properties than the usual ones."""
        if not names:
            return {}
        argv = ["systemctl", "show", "--no-pager", "--property=" + ",".join((*_PROPERTIES, *extra)), "--", *names]
        rc, out, err = self._run_command(argv)
        blocks = [_properties(block) for block in out.strip("\n").split("\n\n")]
        if rc != 0 or len(blocks) != len(names):
            raise HostError(f"systemctl show: {_first_line(err) or 'unexpected output'}; is systemd running on this host?")
        return {name: Unit(name, block) for name, block in zip(names, blocks)}

    def unmet_condition(self, unit: Unit) -> str | None:
        """The Condition… line that keeps this unit from starting on this host; None when nothing does."""
        # A unit that was never started has no result yet; one that has is asked anew, the host may have changed since.
        if unit.properties.get("ConditionResult") != "no" or unit.properties.get("ConditionTimestampMonotonic", "0") == "0":
            return None
        rc, out, err = self._run_command(["systemd-analyze", "condition", f"--unit={unit.name}"])
        failed = [line for line in (out + err).splitlines() if line.endswith("failed.") and "=" in line]
        return (failed[0].split(": ", 1)[-1] if failed else "a condition of its unit failed") if rc != 0 else None

    def do(self, verb: str, names: Sequence[str] = (), *options: str) -> None:
        """One verb for all units; names the units and systemctl's own words when it fails."""
        rc, _out, err = self._run_command(["systemctl", "--no-ask-password", *options, verb, *(("--", *names) if names else ())])
        if rc != 0:
            raise HostError(f"systemctl {verb} {' '.join(names)}: {_first_line(err) or f'exit status {rc}'}")


def _properties(block: str) -> dict[str, str]:
    return dict(line.split("=", 1) for line in block.splitlines() if "=" in line)


def _first_line(text: str) -> str:
    lines = [line.strip() for line in text.splitlines() if line.strip()]
    return lines[0] if lines else ""
