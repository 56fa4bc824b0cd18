# SPDX-License-Identifier: GPL-3.0-or-later
"""What of host.yml only a kernel of its own can prove, by one reboot: short enough for every change. All of it: test_10_host.py."""

from __future__ import annotations

import pytest
from conftest import Machine

_PARTS = "realtime_kernel,cpu_isolation,hugepages,reboot"
_ASKED = ("cat /sys/kernel/realtime; cd /sys/devices/system; cat cpu/isolated cpu/nohz_full; "
          "cat node/node[01]/hugepages/hugepages-2048kB/nr_hugepages")


@pytest.fixture(scope="module")
def booted(machine: Machine) -> Machine:
    assert machine.guest.shell("cat /sys/kernel/realtime 2> /dev/null || echo stock").strip() == "stock"
    done = machine.play("host", "kernel", "--tags", _PARTS, host_probe_s=0)
    assert done.rc == 0, done.output[-6000:]
    return machine


def test_one_reboot_gives_the_kernel_the_sets_and_the_pages_asked_for(booted: Machine) -> None:
    assert booted.guest.shell(_ASKED).split() == ["1", "2-3", "2-3", "64", "128"]
    boots = booted.boots()
    assert ["-rt-" in one for one in boots] == [False, True]
    assert "hft_trial" not in booted.guest.shell("grub-editenv /boot/grub/grubenv list"), "the boot was not confirmed"


def test_second_run_changes_nothing_and_does_not_reboot(booted: Machine) -> None:
    again = booted.play("host", "kernel_again", "--tags", _PARTS, host_probe_s=0)
    assert again.rc == 0, again.output[-6000:]
    assert again.changes == []
    assert len(booted.boots()) == 2
