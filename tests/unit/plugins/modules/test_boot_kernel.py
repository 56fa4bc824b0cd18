# Copyright: (c) hft.ops contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import pytest
from ansible_collections.hft.ops.plugins.module_utils._grub_menu import environment
from ansible_collections.hft.ops.plugins.module_utils._host import HostError
from ansible_collections.hft.ops.plugins.module_utils._plan import Plan
from ansible_collections.hft.ops.plugins.modules.boot_kernel import apply
from ansible_collections.hft.ops.tests.unit.plugins.modules.grub_host import RT, STOCK, GrubHost

_FILE = "/etc/default/grub.d/60-hft-boot_kernel.cfg"
_STOCK_ONLY = r".*(?<!-rt)-amd64"


@pytest.fixture
def grub(numa_host, systemd):
    return GrubHost(numa_host, systemd, kernels=(STOCK, RT, "6.12.9+deb13-rt-amd64"))


def _apply(grub, pattern=".*-rt-amd64", check_mode=False, **more):
    plan = Plan(check_mode)
    params = {"pattern": pattern, "state": "present", "fallback": True, "retry": False, **more}
    return {**apply(params, grub.host, grub, plan), **plan.result()}


def _kernel(result):
    return result["items"][0]


def _run(grub, release, extra=""):
    grub.boot(release, extra)
    grub.host.write("/proc/sys/kernel/osrelease", f"{release}\n")


def _trial(grub):
    return environment(grub.host.read("/boot/grub/grubenv")).get("hft_trial")


def test_the_newest_kernel_of_the_kind_boots_next_and_is_tried_once(grub):
    result = _apply(grub)
    assert grub.host.read(_FILE).splitlines()[1:] == [f"GRUB_DEFAULT='gnulinux-advanced-1>gnulinux-{RT}-advanced-1'"]
    assert (_kernel(result)["status"], _kernel(result)["persisted"], _kernel(result)["booted"]) == ("pending_reboot", RT, STOCK)
    assert result["reboot_reasons"][0] == f"kernel: {STOCK} runs"
    assert result["installed"] == [RT, STOCK, "6.12.9+deb13-rt-amd64"]
    assert _trial(grub) == "armed"
    assert not _apply(grub)["changed"]
    _run(grub, RT)
    grub(["grub-editenv", "/boot/grub/grubenv", "unset", "hft_trial"])
    result = _apply(grub)
    assert (result["changed"], result["reboot_required"], _kernel(result)["status"]) == (False, False, "applied")


def test_check_mode_writes_nothing_and_plans_what_the_run_does(grub):
    before = grub.host.everything()
    planned = _apply(grub, check_mode=True)
    assert grub.host.everything() == before
    assert _kernel(planned)["status"] == "drifted"
    assert _apply(grub)["differences"] == planned["differences"]


def test_what_boots_anyway_needs_no_file(grub):
    result = _apply(grub, _STOCK_ONLY)
    assert not result["changed"]
    assert _kernel(result)["status"] == "applied"


def test_a_kernel_that_the_package_made_the_default_is_tried_once_too(numa_host, systemd):
    grub = GrubHost(numa_host, systemd, kernels=(RT, STOCK))
    result = _apply(grub)
    assert grub.host.read(_FILE) is None
    assert _trial(grub) == "armed"
    assert _kernel(result)["status"] == "pending_reboot"
    assert not _apply(grub)["changed"]


def test_a_kernel_that_did_not_come_up_is_told_and_not_tried_again_unasked(grub):
    _apply(grub)
    grub(["grub-editenv", "/boot/grub/grubenv", "set", "hft_trial=tried"])
    _run(grub, STOCK, "hft.previous")
    result = _apply(grub)
    assert (result["changed"], result["fell_back"], _kernel(result)["status"]) == (False, True, "failed")
    assert _kernel(result)["reason"].startswith(f"{RT} did not come up, and the host runs {STOCK}")
    assert _apply(grub, retry=True)["changed"]
    assert _trial(grub) == "armed"


def test_the_end_gives_the_choice_back_with_everything_that_was_written(grub):
    before = {path: state[1] for path, state in grub.host.everything().items()}
    _apply(grub)
    result = _apply(grub, None, state="absent")
    assert {path: state[1] for path, state in grub.host.everything().items()} == before
    assert _kernel(result)["persisted"] == STOCK
    assert not _apply(grub, None, state="absent")["changed"]


def test_a_kernel_that_is_not_installed_is_an_error_and_in_check_mode_still_to_come(grub):
    before = grub.host.everything()
    with pytest.raises(HostError, match=r"pattern \.\*-xen: no installed kernel matches .*; installed are 6\.12\.48.*; install one first"):
        _apply(grub, ".*-xen")
    assert _kernel(_apply(grub, ".*-xen", check_mode=True))["status"] == "drifted"
    with pytest.raises(HostError, match="is no regular expression"):
        _apply(grub, "(")
    assert grub.host.everything() == before


def test_update_grub_failing_leaves_the_old_choice(grub):
    before = grub.host.everything()
    grub.fails = ("error: out of disk", "half")
    with pytest.raises(HostError, match="update-grub: error: out of disk; the menu is as before"):
        _apply(grub)
    assert {path: state[1] for path, state in grub.host.everything().items() if "grubenv" not in path} == {
        path: state[1] for path, state in before.items() if "grubenv" not in path}
    assert _trial(grub) is None


def test_a_later_file_that_decides_otherwise_is_found_and_all_taken_back(grub):
    grub.host.write("/etc/default/grub.d/99-x.cfg", "GRUB_DEFAULT=0\n")
    with pytest.raises(HostError, match=r"was made the default, but .* is; look for what changes it"):
        _apply(grub)
    assert grub.host.read(_FILE) is None


def test_a_host_without_a_boot_loader_is_not_applicable(numa_host, systemd):
    plan = Plan(False)
    result = apply({"pattern": "x", "state": "present", "fallback": True, "retry": False}, numa_host, systemd, plan)
    assert (result["items"][0]["status"], result["boot_loader"], plan.changed) == ("not_applicable", None, False)
