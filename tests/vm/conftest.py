# SPDX-License-Identifier: GPL-3.0-or-later
"""One virtual host on the stock kernel, shared by the tests of a boot loader in their order; its disk is clean at the start."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from lab import playbook
from lab.paths import BUILD
from lab.vm import disk
from lab.vm.guest import Guest

_REPORTS = BUILD / "vm-reports"
# What a trading host of this size is to be; CPUs 2 and 3 are the siblings of node 1.
WANTED = {
    "cpu_isolation_cpus": "2-3",
    "hugepages_allocate": "boot",
    "hugepages_pools": [{"size": "2M", "count": 64, "node": 0}, {"size": "2M", "count": 128, "node": 1}],
    "limits_units": [{"name": "ssh.service", "limits": {"nofile": "1024:20000", "memlock": "infinity", "rtprio": 50}}],
    # The guest has no time server to ask, and little room; what it measures under emulation means nothing.
    "time_sync_extra_directives": ["local stratum 10"],
    "preflight_min_free_mb": {"/": 500},
    "host_probe_s": 1,
    "host_report_folder": str(_REPORTS),
}


@dataclass(frozen=True)
class Machine:
    """The guest, and playbooks run on it."""

    guest: Guest

    def play(self, name: str, record: str, *arguments: str, **more: object) -> playbook.Run:
        values = json.dumps({**WANTED, **more})
        return playbook.run(name, *arguments, "--extra-vars", values, inventory=self.guest.inventory, record=f"vm_{record}", show=False)

    def report(self) -> dict:
        """The report that the last playbook left."""
        return json.loads((_REPORTS / "hft-vm-01.json").read_text())

    def boots(self) -> list[str]:
        """Kernels that were started since the guest was powered on, as GRUB tells, or where nobody does the kernel itself."""
        return re.findall(r"(?:Loading Linux|\] Linux version) (\S+)", (self.guest.state / "serial.log").read_text(errors="replace"))


@pytest.fixture(scope="session")
def machine(request: pytest.FixtureRequest) -> Iterator[Machine]:
    """Booted by GRUB, where the tests do not ask for another boot loader by a parameter."""
    for old in Path(_REPORTS).glob("*"):
        old.unlink()
    with Guest("test", disk.build(getattr(request, "param", "grub"))) as guest:
        yield Machine(guest)
