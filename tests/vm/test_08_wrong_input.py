# SPDX-License-Identifier: GPL-3.0-or-later
"""Wrong input, and a host that refuses: each a clear error and a host that is what it was. The kernel and update-grub are real."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest
import yaml
from conftest import Machine
from state import differing, state

from lab.paths import ROOT

pytestmark = pytest.mark.long

_LINE = {"name": "wrong", "arguments": [{"name": "skew_tick", "value": "1"}], "fallback": False}
_WRONG: list[tuple[str, dict, str]] = [
    ("hft.ops.sysctl", {"settings": {"vm.swapiness": 1, "kernel.osrelease": "7"}}, "vm.swapiness: this kernel has no such key"),
    ("hft.ops.sysctl", {"settings": {"vm.swappiness": 1, "kernel.osrelease": "7"}}, "kernel.osrelease: is read-only in the kernel"),
    ("hft.ops.sysctl", {"settings": {"vm.stat_interval": 7, "vm.swappiness": 999}}, "vm.swappiness: the kernel refuses 999 (EINVAL"),
    ("hft.ops.cpu_plan", {"isolated": "2-7"}, "CPU 4-7"),
    ("hft.ops.cpu_plan", {"isolated": "3-2"}, "the range is reversed; write 2-3"),
    ("hft.ops.kernel_cmdline", {**_LINE, "arguments": [{"name": "isolcpus", "value": "2-7"}]}, "isolcpus: CPU 4-7: not present"),
    ("hft.ops.kernel_cmdline", {**_LINE, "arguments": [{"name": "x", "value": "y" * 2100}]}, "of which the kernel reads 2047"),
    ("hft.ops.hugepages", {"pools": [{"size": "2M", "count": 1000, "node": 1}]}, "of huge pages on node 1, which has"),
]


@pytest.fixture
def refused(machine: Machine, tmp_path: Path):
    """refused(tasks): each task fails; what all of them said, on one line, with the host compared before and after."""

    def run(*tasks: tuple[str, dict]) -> str:
        before = state(machine.guest)
        book = [{"name": f"Wrong {number}", module: given, "ignore_errors": True} for number, (module, given) in enumerate(tasks, 1)]
        file = tmp_path / "wrong.yml"
        file.write_text(yaml.safe_dump([{"name": "Wrong", "hosts": "all", "gather_facts": False, "tasks": book}]))
        done = subprocess.run(["ansible-playbook", "--inventory", str(machine.guest.inventory), str(file)], cwd=ROOT, capture_output=True,
                              text=True, check=False)
        said = " ".join((done.stdout + done.stderr).split())
        assert f"ignored={len(tasks)}" in said, said
        assert not differing(before, state(machine.guest))
        return said

    return run


def test_wrong_values_are_refused_and_the_host_unchanged(refused) -> None:
    said = refused(*((module, arguments) for module, arguments, _says in _WRONG))
    missing = [says for _module, _arguments, says in _WRONG if says not in said]
    assert not missing, said


def test_a_folder_of_grub_that_cannot_be_written(machine: Machine, refused) -> None:
    machine.guest.shell("chattr +i /etc/default/grub.d")
    try:
        assert "/etc/default/grub.d/60-hft-wrong.cfg: cannot be written" in refused(("hft.ops.kernel_cmdline", _LINE))
    finally:
        machine.guest.shell("chattr -i /etc/default/grub.d")


def test_update_grub_that_fails_half_way(machine: Machine, refused) -> None:
    machine.guest.shell("cd /etc/grub.d; printf '#!/bin/sh\\necho half\\necho error: full >&2\\nexit 1\\n' > 42_fails; chmod 755 42_fails")
    try:
        assert "the menu is as before" in refused(("hft.ops.kernel_cmdline", _LINE))
    finally:
        machine.guest.shell("rm -f /etc/grub.d/42_fails /boot/grub/grub.cfg.new")


def test_a_file_of_another_tool_that_throws_ours_away(machine: Machine, refused) -> None:
    machine.guest.shell("echo 'GRUB_CMDLINE_LINUX_DEFAULT=console=tty1' > /etc/default/grub.d/99-other.cfg")
    try:
        assert "/etc/default/grub.d/99-other.cfg: is read after" in refused(("hft.ops.kernel_cmdline", _LINE))
    finally:
        machine.guest.shell("rm /etc/default/grub.d/99-other.cfg")


def test_a_host_that_may_trade_is_not_disturbed(machine: Machine, refused) -> None:
    """An engine that does not answer may trade."""
    machine.guest.shell("systemd-run --quiet --unit=hft_system.service sleep infinity")
    try:
        said = refused(("hft.ops.hugepages", {"pools": [{"size": "2M", "count": 8, "node": 1}]}))
        assert "hft_system.service is active and cannot be asked whether it trades" in said
        done = machine.play("host_undo", "undo_refused", host_hosts="hft-vm-01")
        assert done.rc != 0
        assert "or take trading away first" in " ".join(done.output.split())
    finally:
        machine.guest.shell("systemctl stop hft_system.service")
