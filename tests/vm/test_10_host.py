# SPDX-License-Identifier: GPL-3.0-or-later
"""A host booted on the stock kernel becomes what a trading host is, by one reboot, and the kernel itself says so."""

from __future__ import annotations

import pytest
from conftest import Machine
from state import LEFT, differing, state

from lab import playbook

pytestmark = pytest.mark.long


def test_host_is_what_the_rest_stands_on(machine: Machine) -> None:
    said = machine.guest.shell("cd /sys/devices/system; cat node/online cpu/online cpu/cpu2/topology/thread_siblings_list; "
                               "cat /sys/kernel/realtime 2> /dev/null || echo stock")
    assert said.split() == ["0-1", "0-3", "2-3", "stock"]
    assert machine.boots()[-1].endswith("amd64")
    assert "-rt-" not in machine.boots()[-1]


@pytest.fixture(scope="module")
def audit(machine: Machine) -> tuple[playbook.Run, dict, dict]:
    """host_audit.yml on the bare host, with fingerprints of before and after."""
    before = state(machine.guest)
    done = machine.play("host_audit", "audit")
    return done, before, state(machine.guest)


def test_audit_changes_nothing(audit: tuple[playbook.Run, dict, dict]) -> None:
    done, before, after = audit
    assert done.rc == 0, done.output
    assert not differing(before, after)


def test_audit_shows_every_layer(machine: Machine, audit: tuple[playbook.Run, dict, dict]) -> None:
    knobs = {one["name"]: one for one in machine.report()["knobs"]}
    assert {"isolcpus", "hugepages 2M node 0", "ssh.service nofile", "vm.swappiness", "kernel"} <= set(knobs)
    assert knobs["vm.swappiness"]["status"] == "drifted"
    assert "vm.swappiness" in audit[0].output


@pytest.fixture(scope="module")
def tuned(machine: Machine, audit: tuple[playbook.Run, dict, dict]) -> playbook.Run:
    """host.yml, for the first time."""
    done = machine.play("host", "host")
    assert done.rc == 0, done.output[-6000:]
    return done


def test_one_reboot_into_the_real_time_kernel(machine: Machine, tuned: playbook.Run) -> None:
    assert machine.guest.shell("cat /sys/kernel/realtime").strip() == "1"
    boots = machine.boots()
    assert len(boots) == 2, boots
    assert "-rt-" in boots[1]


def test_kernel_has_the_sets_that_were_asked_for(machine: Machine, tuned: playbook.Run) -> None:
    isolated, nohz, line = machine.guest.shell("cd /sys/devices/system/cpu; cat isolated nohz_full /proc/cmdline").splitlines()
    assert (isolated, nohz) == ("2-3", "2-3")
    assert {"isolcpus=managed_irq,domain,2-3", "nohz_full=2-3", "rcu_nocbs=2-3", "irqaffinity=0-1"} <= set(line.split())


def test_huge_pages_are_on_their_nodes(machine: Machine, tuned: playbook.Run) -> None:
    said = machine.guest.shell("cat /sys/devices/system/node/node[01]/hugepages/hugepages-2048kB/nr_hugepages")
    assert said.split() == ["64", "128"]


def test_running_service_has_its_limits(machine: Machine, tuned: playbook.Run) -> None:
    said = machine.guest.shell("cat /proc/$(systemctl show --property MainPID --value ssh.service)/limits")
    limits = {line[:26].strip(): line[26:].split()[:2] for line in said.splitlines()}
    assert limits["Max open files"] == ["1024", "20000"]
    assert limits["Max locked memory"] == ["unlimited", "unlimited"]
    assert limits["Max realtime priority"] == ["50", "50"]


def test_report_says_as_wanted_and_keeps_both_measurements(machine: Machine, tuned: playbook.Run) -> None:
    report = machine.report()
    assert report["verdict"] == "as_wanted"
    assert report["system"]["realtime"] is True
    assert report["probe"]["before"]["verdict"] == report["probe"]["after"]["verdict"] == "no_claim"


def test_second_run_changes_nothing(machine: Machine, tuned: playbook.Run) -> None:
    again = machine.play("host", "host_again")
    assert again.rc == 0, again.output[-6000:]
    assert again.changes == []
    assert len(machine.boots()) == 2


def test_knob_turned_by_hand_is_the_only_one_that_drifts(machine: Machine, tuned: playbook.Run) -> None:
    machine.guest.shell("sysctl --quiet --write vm.swappiness=60")
    done = machine.play("host_audit", "drift")
    assert done.rc == 0, done.output
    assert [(one["name"], one["live"]) for one in machine.report()["knobs"] if one["status"] == "drifted"] == [("vm.swappiness", 60)]


# The initramfs is passed by, and the kernel knows no disk: it panics.
_NO_FIRST_PROGRAM = [{"name": "rdinit", "value": "/nowhere"}]


@pytest.mark.usefixtures("tuned")
def test_entry_that_cannot_boot_falls_back_by_itself(machine: Machine) -> None:
    broken = machine.play("host", "broken", cpu_isolation_arguments=_NO_FIRST_PROGRAM)
    assert broken.rc != 0
    assert "rdinit: the boot with it did not come up, and the host runs the entry before" in " ".join(broken.output.split())
    assert "PLAY [(4/4)" not in broken.output, "another failure domain would have tried the same"
    assert len(machine.boots()) == 4, machine.boots()
    assert machine.guest.shell("cat /sys/kernel/realtime; cat /sys/devices/system/cpu/isolated").split() == ["1", "2-3"]

    told = machine.play("host_audit", "broken_audit", cpu_isolation_arguments=_NO_FIRST_PROGRAM)
    failed = {one["name"]: one["reason"] for one in machine.report()["knobs"] if one["status"] == "failed"}
    assert told.rc == 0, told.output[-6000:]
    assert "the change did not come up; the host runs the entry before it" in failed["boot once"]

    mended = machine.play("host", "mended")
    assert mended.rc == 0, mended.output[-6000:]
    assert machine.report()["verdict"] == "as_wanted"


@pytest.mark.usefixtures("tuned")
def test_undo_and_its_reboot_bring_the_old_state_back(machine: Machine, audit: tuple[playbook.Run, dict, dict]) -> None:
    done = machine.play("host_undo", "undo", host_hosts="hft-vm-01")
    assert done.rc == 0, done.output[-6000:]
    print("left on purpose:", *(f"{pattern}: {why}" for pattern, why in LEFT.items()), sep="\n  ")
    assert "-rt-" not in machine.boots()[-1]
    assert not differing(audit[1], state(machine.guest))
