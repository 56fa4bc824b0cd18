# SPDX-License-Identifier: GPL-3.0-or-later
"""The same kernel, sets and pages on a host that UEFI and systemd-boot start, and its way back."""

from __future__ import annotations

import pytest
from conftest import Machine

pytestmark = [pytest.mark.uefi, pytest.mark.parametrize("machine", ["systemd-boot"], indirect=True)]

_PARTS = "realtime_kernel,cpu_isolation,hugepages,reboot"
_ASKED = ("cat /sys/kernel/realtime; cd /sys/devices/system; cat cpu/isolated cpu/nohz_full; "
          "cat node/node[01]/hugepages/hugepages-2048kB/nr_hugepages node/node1/hugepages/hugepages-1048576kB/nr_hugepages")
# A page of 1 GiB too, which a kernel has at its start or never.
_POOLS = [{"size": "2M", "count": 64, "node": 0}, {"size": "2M", "count": 128, "node": 1}, {"size": "1G", "count": 1, "node": 1}]
# All that systemd-boot reads, and what kernel-install makes it from.
_MENU = ("cd /boot/efi/loader; head -n 100 loader.conf entries/*; cat /etc/kernel/cmdline 2>&1; "
         "find /var/lib/hft_ops -name boot_kernel -o -path '*/kernel_cmdline/*' 2> /dev/null || true")


@pytest.fixture(scope="module")
def before(machine: Machine) -> str:
    assert machine.guest.shell("cat /sys/kernel/realtime 2> /dev/null || echo stock").strip() == "stock"
    return machine.guest.shell(_MENU)


@pytest.fixture(scope="module")
def booted(machine: Machine, before: str) -> Machine:
    done = machine.play("host", "uefi", "--tags", _PARTS, host_probe_s=0, hugepages_pools=_POOLS)
    assert done.rc == 0, done.output[-6000:]
    return machine


def test_a_default_that_the_firmware_keeps_outranks_ours_and_is_told(machine: Machine, before: str) -> None:
    machine.guest.shell('bootctl set-default "$(cat /etc/machine-id)-$(uname -r).conf"')
    try:
        done = machine.play("host", "uefi_outranked", "--tags", "realtime_kernel", host_probe_s=0, host_reboot=False)
        assert done.rc != 0
        assert "was made the default, but" in " ".join(done.output.split())
        assert machine.guest.shell(_MENU) == before
    finally:
        machine.guest.shell("bootctl set-default ''")


def test_one_reboot_gives_the_kernel_the_sets_and_the_pages_asked_for(booted: Machine) -> None:
    assert booted.guest.shell(_ASKED).split() == ["1", "2-3", "2-3", "64", "128", "1"]
    assert ["-rt-" in one for one in booted.boots()] == [False, True]


def test_second_run_changes_nothing_and_does_not_reboot(booted: Machine) -> None:
    """Although this kernel cannot ask the firmware for anything."""
    assert booted.guest.shell("ls /sys/firmware/efi/efivars").split() == []
    again = booted.play("host", "uefi_again", "--tags", _PARTS, host_probe_s=0, hugepages_pools=_POOLS)
    assert again.rc == 0, again.output[-6000:]
    assert again.changes == []
    assert len(booted.boots()) == 2


def test_undo_and_its_reboot_bring_the_old_menu_back(booted: Machine, before: str) -> None:
    done = booted.play("host_undo", "uefi_undo", host_hosts="hft-vm-01")
    assert done.rc == 0, done.output[-6000:]
    assert booted.guest.shell(_MENU) == before
    assert ["-rt-" in one for one in booted.boots()] == [False, True, False]
    assert "isolcpus" not in booted.guest.shell("cat /proc/cmdline")
