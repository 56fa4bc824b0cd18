# SPDX-License-Identifier: GPL-3.0-or-later
"""patch.yml on a host that can reboot: what tests/hosts shows on two failure domains, and here the reboot and the measurement after it."""

from __future__ import annotations

import pytest
from conftest import Machine

from lab.paths import ROOT

pytestmark = pytest.mark.long

_INSTALLED = "dpkg-query --show --showformat '${Package} ${Version}\\n' 'hft-case-*' linux-hft-case"
_PATCHED = ["hft-case-daemon 1.1", "hft-case-feature 1.0", "hft-case-tool 1.1", "linux-hft-case 1.0"]


def test_a_host_that_runs_what_was_replaced_reboots_and_is_measured(machine: Machine) -> None:
    machine.guest.shell((ROOT / "tests" / "vm" / "security_archive.sh").read_text())
    boot = machine.guest.shell("cat /proc/sys/kernel/random/boot_id")
    done = machine.play("patch", "patch", patch_hosts="hft-vm-01", patch_probe_s=1)
    assert done.rc == 0, done.output[-6000:]
    assert "hft-case-daemon.service: runs files that were replaced" in done.output
    assert "linux-hft-case 1.1: held by linux-*" in done.output
    assert "latency: no_claim" in done.output
    assert machine.guest.shell("cat /proc/sys/kernel/random/boot_id") != boot
    assert machine.guest.shell(_INSTALLED).splitlines() == _PATCHED
    assert machine.guest.shell("systemctl is-active hft-case-daemon.service").strip() == "active"
