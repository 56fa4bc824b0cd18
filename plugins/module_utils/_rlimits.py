# Copyright: (c) hft.ops contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Private to hft.ops. Resource limits: their names and values in limits.conf(5), systemd.exec(5) and /proc/PID/limits."""

from __future__ import annotations

import math
from dataclasses import dataclass

from ansible_collections.hft.ops.plugins.module_utils._host import Host

# Amounts are in the kernel's own units (bytes, seconds, counts); no limit is infinity, so that amounts compare as they should.
Amount = float
UNLIMITED = math.inf
_CAP_SYS_RESOURCE = 24


@dataclass(frozen=True)
class Resource:
    """label: in /proc/PID/limits; pam_unit: the kernel's units in one of limits.conf; least, most: what an operator may write."""

    name: str
    label: str
    pam_unit: int = 1
    least: int = 0
    most: int | None = None
    may_be_unlimited: bool = True

    def parse(self, text: str, unit: int = 1) -> Amount:
        """A value as an operator writes it; ValueError says what was expected."""
        if text in ("unlimited", "infinity", "-1") and not (text == "-1" and self.least < 0):
            if not self.may_be_unlimited:
                raise ValueError("cannot be unlimited")
            return UNLIMITED
        try:
            number = int(text)
        except ValueError:
            raise ValueError(f"expected a whole number{' or unlimited' if self.may_be_unlimited else ''}, got {text}") from None
        if number < self.least or (self.most is not None and number > self.most):
            raise ValueError(f"expected {self.least} to {'any' if self.most is None else self.most}, got {text}")
        # The kernel counts nice as 20 - nice, so that more is more.
        return 20 - number if self.name == "nice" else number * unit

    def shown(self, amount: Amount) -> str:
        """An amount in the kernel's units, as systemd prints it."""
        return "infinity" if amount == UNLIMITED else str(int(amount))


RESOURCES = {
    resource.name: resource
    for resource in (
        Resource("as", "Max address space", 1024),
        Resource("core", "Max core file size", 1024),
        Resource("cpu", "Max cpu time", 60),
        Resource("data", "Max data size", 1024),
        Resource("fsize", "Max file size", 1024),
        Resource("locks", "Max file locks"),
        Resource("memlock", "Max locked memory", 1024),
        Resource("msgqueue", "Max msgqueue size"),
        Resource("nice", "Max nice priority", 1, -20, 19, may_be_unlimited=False),
        Resource("nofile", "Max open files", may_be_unlimited=False),
        Resource("nproc", "Max processes"),
        Resource("rss", "Max resident set", 1024),
        Resource("rtprio", "Max realtime priority", 1, 0, 99, may_be_unlimited=False),
        Resource("sigpending", "Max pending signals"),
        Resource("stack", "Max stack size", 1024),
    )
}


@dataclass(frozen=True)
class ProcessLimits:
    """Soft and hard limits of one process, by name."""

    soft: dict[str, Amount]
    hard: dict[str, Amount]


def process_limits(host: Host, pid: int) -> ProcessLimits | None:
    """What the kernel holds for a process; None when it is gone."""
    text = host.read(f"/proc/{pid}/limits")
    if text is None:
        return None
    by_label = {resource.label: resource.name for resource in RESOURCES.values()}
    found = ProcessLimits({}, {})
    for line in text.splitlines()[1:]:
        name = by_label.get(line[:25].strip())
        if name is not None:
            found.soft[name], found.hard[name] = (UNLIMITED if word == "unlimited" else int(word) for word in line[25:].split()[:2])
    return found


def ceilings(host: Host) -> dict[str, Amount]:
    """The most that any process of this host can be given, by name; empty when nothing bounds it.

    A hard limit can be raised only with CAP_SYS_RESOURCE. Where even the first process lacks it, as in a container, systemd and
    PAM clamp in silence to what that process was started with.
    """
    status = host.read("/proc/1/status") or ""
    effective = next((line.split()[1] for line in status.splitlines() if line.startswith("CapEff:")), "0")
    first = process_limits(host, 1)
    if first is None or int(effective, 16) >> _CAP_SYS_RESOURCE & 1:
        return {}
    return first.hard
