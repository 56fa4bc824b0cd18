# Copyright: (c) hft.ops contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Private to hft.ops. Who still runs programs and libraries that an upgrade has replaced."""

from __future__ import annotations

from ansible_collections.hft.ops.plugins.module_utils._host import Host

# Where packages put what is executed; anything else that is mapped and deleted (temporary files, memory shared by name) is meant so.
_PLACES = ("/usr/", "/lib", "/bin/", "/sbin/")


def units_that_run_replaced_files(host: Host) -> list[str]:
    """systemd units, sorted; a process that belongs to none is named by its command. Processes that end meanwhile are passed over."""
    found = set()
    for pid in filter(str.isdigit, host.names("/proc")):
        try:
            maps = host.read(f"/proc/{pid}/maps") or ""
            if any(_replaced(line) for line in maps.splitlines()):
                found.add(_unit(host.read(f"/proc/{pid}/cgroup") or "") or (host.read(f"/proc/{pid}/comm") or "").strip() or pid)
        except OSError:
            continue
    return sorted(found)


def _replaced(line: str) -> bool:
    """A line of maps: address, permissions, offset, device, inode, path."""
    fields = line.split(maxsplit=5)
    return len(fields) == 6 and "x" in fields[1] and fields[5].endswith(" (deleted)") and fields[5].startswith(_PLACES)


def _unit(cgroups: str) -> str:
    """The unit of the process's control group; empty for a session's own processes."""
    for line in cgroups.splitlines():
        for part in reversed(line.split(":", 2)[-1].split("/")):
            if part.endswith((".service", ".scope")):
                return part
    return ""
