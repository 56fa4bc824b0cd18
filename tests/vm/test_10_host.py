# SPDX-License-Identifier: GPL-3.0-or-later
"""A host booted on the stock kernel becomes what a trading host is, by one reboot, and the kernel itself says so."""

from __future__ import annotations

import pytest
from conftest import Machine

from lab import playbook


def test_host_is_what_the_rest_stands_on(machine: Machine) -> None:
    said = machine.guest.shell("cd /sys/devices/system; cat node/online cpu/online cpu/cpu2/topology/thread_siblings_list; "
                               "cat /sys/kernel/realtime 2> /dev/null || echo stock")
    assert said.split() == ["0-1", "0-3", "2-3", "stock"]
    assert machine.boots()[-1].endswith("amd64")
    assert "-rt-" not in machine.boots()[-1]


@pytest.fixture(scope="module")
def audit(machine: Machine) -> tuple[playbook.Run, str, str]:
    """host_audit.yml on the bare host, with fingerprints of before and after."""
    take = "find /etc /boot /usr/local -type f -exec sha256sum {} + | sort -k 2; systemctl list-unit-files --no-legend"
    before = machine.guest.shell(take)
    done = machine.play("host_audit", "audit")
    return done, before, machine.guest.shell(take)


def test_audit_changes_nothing(audit: tuple[playbook.Run, str, str]) -> None:
    done, before, after = audit
    assert done.rc == 0, done.output
    assert before == after


def test_audit_shows_every_layer(machine: Machine, audit: tuple[playbook.Run, str, str]) -> None:
    knobs = {one["name"]: one for one in machine.report()["knobs"]}
    assert {"isolcpus", "hugepages 2M node 0", "ssh.service nofile", "vm.swappiness", "kernel"} <= set(knobs)
    assert knobs["vm.swappiness"]["status"] == "drifted"
    assert "vm.swappiness" in audit[0].output


@pytest.fixture(scope="module")
def tuned(machine: Machine, audit: tuple[playbook.Run, str, str]) -> playbook.Run:
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
