# Copyright: (c) hft.ops contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import subprocess

import pytest
from ansible_collections.hft.ops.plugins.module_utils._cmdline import apply
from ansible_collections.hft.ops.plugins.module_utils._grub_menu import environment
from ansible_collections.hft.ops.plugins.module_utils._host import HostError
from ansible_collections.hft.ops.plugins.module_utils._plan import Plan
from ansible_collections.hft.ops.tests.unit.plugins.modules.grub_host import RT, STOCK, GrubHost

_FILE = "/etc/default/grub.d/60-hft-cpu_isolation.cfg"
_ISOLATION = (("isolcpus", "managed_irq,domain,2-3"), ("nohz_full", "2-3"), ("rcu_nocbs", "2-3"), ("irqaffinity", "0-1"))
_ARGUMENTS = "isolcpus=managed_irq,domain,2-3 nohz_full=2-3 rcu_nocbs=2-3 irqaffinity=0-1"


@pytest.fixture
def grub(numa_host, systemd):
    return GrubHost(numa_host, systemd)


def _arguments(given):
    plain = {"value": None, "action": "replace", "needs": None}
    return [{**plain, **({"name": name, "value": value} if isinstance(name, str) else name)} for name, value in given]


def _apply(grub, given=_ISOLATION, check_mode=False, **more):
    plan = Plan(check_mode)
    params = {"name": "cpu_isolation", "arguments": _arguments(given), "state": "present", "kernel_release": None, "fallback": False,
              "retry": False, **more}
    return {**apply(params, grub.host, grub, plan), **plan.result()}


def _refused(grub, says, given=_ISOLATION, **more):
    before = grub.host.everything()
    with pytest.raises(HostError, match=says):
        _apply(grub, given, **more)
    assert grub.host.everything() == before


def _items(result):
    return {item["name"]: item for item in result["items"]}


def _status(result):
    return {item["name"]: item["status"] for item in result["items"]}


def test_persisted_then_booted_then_live(grub):
    result = _apply(grub)
    assert result["changed"]
    assert result["boot_loader"] == "grub"
    assert result["command_line"]["persisted"].endswith(f"root=UUID=1234-AB ro console=ttyS0 quiet {_ARGUMENTS}")
    assert set(_status(result).values()) == {"pending_reboot"}
    assert result["reboot_required"]
    assert "isolcpus: booted with isolcpus=1" in result["reboot_reasons"]
    assert not _apply(grub)["changed"]
    grub.boot(RT)
    grub.host.write("/sys/devices/system/cpu/isolated", "2-3\n")
    grub.host.write("/sys/devices/system/cpu/nohz_full", "2-3\n")
    result = _apply(grub)
    assert not result["changed"]
    assert set(_status(result).values()) == {"applied"}
    assert _items(result)["nohz_full"]["live"] == "2-3"
    assert not result["reboot_required"]


def test_check_mode_writes_nothing_and_plans_what_the_run_does(grub):
    before = grub.host.everything()
    planned = _apply(grub, check_mode=True, fallback=True)
    assert grub.host.everything() == before
    assert set(_status(planned).values()) == {"drifted", "applied"}
    assert planned["changed"]
    assert "hft_arguments='" + _ARGUMENTS in planned["diff"][0]["after"]
    done = _apply(grub, fallback=True)
    assert done["differences"] == planned["differences"]


def test_what_others_set_comes_back_with_the_end_of_ours(grub):
    before = grub.host.everything()
    _apply(grub)
    grub.boot(RT)
    result = _apply(grub, given=[], state="absent")
    assert grub.host.read(_FILE) is None
    assert result["command_line"]["persisted"].endswith("ro console=ttyS0 quiet isolcpus=1")
    assert _items(result)["isolcpus"]["status"] == "pending_reboot"
    assert _items(result)["isolcpus"]["persisted"] == "isolcpus=1"
    assert not _apply(grub, given=[], state="absent")["changed"]
    grub.boot(STOCK)
    after = {path: state for path, state in grub.host.everything().items() if not path.startswith("proc")}
    assert after == {path: state for path, state in before.items() if not path.startswith("proc")}


def test_a_key_that_is_no_longer_stated_leaves_alone(grub):
    _apply(grub)
    result = _apply(grub, given=_ISOLATION[:1])
    assert _items(result)["nohz_full"]["status"] == "applied"
    assert "nohz_full" not in result["command_line"]["persisted"]
    assert "isolcpus=managed_irq,domain,2-3" in result["command_line"]["persisted"]


def test_sets_of_cpus_are_compared_as_sets(grub):
    _apply(grub, [("isolcpus", "managed_irq,domain,2-3"), ("nohz_full", "2,3")])
    grub.host.write("/proc/cmdline", "BOOT_IMAGE=/boot/vmlinuz-x isolcpus=domain,managed_irq,3,2 nohz-full=2-3\n")
    grub.host.write("/sys/devices/system/cpu/isolated", "2-3\n")
    grub.host.write("/sys/devices/system/cpu/nohz_full", "2-3\n")
    assert set(_status(_apply(grub, [("isolcpus", "managed_irq,domain,2-3"), ("nohz_full", "2,3")])).values()) == {"applied"}


def test_another_spelling_of_the_same_cpus_changes_nothing(grub):
    _apply(grub)
    result = _apply(grub, [("isolcpus", "domain,managed_irq,2,3"), ("nohz_full", "3,2"), ("rcu_nocbs", "2-3"), ("irqaffinity", "0,1")])
    assert not result["changed"]


def test_repeated_keys_keep_all_their_values_in_their_order(grub):
    pools = [("hugepagesz", "1G"), ("hugepages", "0:1"), ("hugepagesz", "2M"), ("hugepages", "64")]
    result = _apply(grub, pools)
    assert "hugepagesz=1G hugepages=0:1 hugepagesz=2M hugepages=64" in result["command_line"]["persisted"]
    assert _items(result)["hugepages"]["wanted"] == "hugepages=0:1 hugepages=64"
    assert _items(result)["hugepages"]["status"] == "pending_reboot"


def test_add_keeps_others_and_remove_keeps_them_out(grub):
    result = _apply(grub, [({"name": "console", "value": "tty0", "action": "add"}, None), ({"name": "quiet", "action": "remove"}, None)])
    assert result["command_line"]["persisted"].endswith("ro console=ttyS0 isolcpus=1 console=tty0")
    assert _items(result)["quiet"]["status"] == "pending_reboot"


def test_an_argument_that_the_kernel_ignores_is_not_applicable_and_not_written(grub):
    grub.host.write(f"/boot/config-{RT}", "CONFIG_CPU_ISOLATION=y\nCONFIG_RCU_NOCB_CPU=y\n# CONFIG_NO_HZ_FULL is not set\n")
    result = _apply(grub)
    assert _items(result)["nohz_full"]["status"] == "not_applicable"
    assert _items(result)["nohz_full"]["reason"] == f"CONFIG_NO_HZ_FULL is not set in /boot/config-{RT}, so this kernel ignores it"
    assert "nohz_full" not in result["command_line"]["persisted"]
    assert "rcu_nocbs=2-3" in result["command_line"]["persisted"]


def test_a_kernel_that_did_not_do_it_is_told(grub):
    _apply(grub)
    grub.boot(RT)
    grub.host.write("/sys/devices/system/cpu/isolated", "\n")
    items = _items(_apply(grub))
    assert items["isolcpus"]["status"] == "failed"
    assert items["isolcpus"]["reason"] == "booted with it, but /sys/devices/system/cpu/isolated says none"


def test_the_affinity_of_the_service_manager_is_what_its_first_process_has(grub):
    _apply(grub, [("systemd.cpu_affinity", "0-1")])
    grub.boot(RT)
    grub.host.write("/proc/1/status", "Name:\tsystemd\nCpus_allowed:\tf\nCpus_allowed_list:\t0-3\n")
    assert _items(_apply(grub, [("systemd.cpu_affinity", "0,1")]))["systemd.cpu_affinity"]["status"] == "failed"
    grub.host.write("/proc/1/status", "Name:\tsystemd\nCpus_allowed:\t3\nCpus_allowed_list:\t0-1\n")
    item = _items(_apply(grub, [("systemd.cpu_affinity", "0,1")]))["systemd.cpu_affinity"]
    assert (item["status"], item["live"]) == ("applied", "0-1")


def test_a_host_without_a_boot_loader_is_not_applicable(numa_host, systemd):
    numa_host.write("/proc/cmdline", "panic=1\n")
    grub = GrubHost(numa_host, systemd)
    for path in ("/usr/sbin/update-grub", "/boot/grub/grub.cfg"):
        numa_host.path(path).unlink()
    result = _apply(grub)
    assert not result["changed"]
    assert set(_status(result).values()) == {"not_applicable"}
    assert _items(result)["isolcpus"]["reason"].startswith("no boot loader that is known (grub: ENOENT: /usr/sbin/update-grub;")


@pytest.mark.parametrize("written", ["", "half of a menu"])
def test_update_grub_failing_half_way_leaves_the_old_files_and_the_old_menu(grub, written):
    grub.fails = ("/usr/sbin/grub-mkconfig: error: out of disk space\nsomething else\n", written)
    before = grub.host.everything()
    with pytest.raises(HostError) as wrong:
        _apply(grub, fallback=True)
    assert str(wrong.value).startswith("update-grub: /usr/sbin/grub-mkconfig: error: out of disk space; the menu is as before")
    after = grub.host.everything()
    assert after["boot/grub/grub.cfg"][1] == before["boot/grub/grub.cfg"][1]
    assert set(after) == set(before)
    assert environment(grub.host.read("/boot/grub/grubenv")) == {}
    # Once with the new files, once with the old ones.
    assert grub.calls.count("update-grub") == 2
    grub.fails = None
    assert _apply(grub, fallback=True)["changed"]


def test_a_folder_that_cannot_be_written_is_an_error_and_nothing_changes(grub):
    grub.host.write("/etc/default/grub.d", "a file where the folder should be")
    _refused(grub, f"{_FILE}: cannot be written .*; the old file stands")


@pytest.mark.parametrize(("given", "says"), [
    ([("isolcpus", "2-7")], "isolcpus: CPU 4-7: not present; this host has 0-3"),
    ([("nohz_full", "3-2")], "nohz_full: 3-2 in '3-2': the range is reversed; write 2-3"),
    ([("isolcpus", "domain")], None),
    ([("nohz_full", "a")], "expected a CPU list such as 2-5,8"),
    ([("two words", "x")], "'two words': expected the name of a kernel argument"),
    ([("x", "$(reboot)")], r"x: value '\$\(reboot\)' has white space, quotes or a character of the shell"),
    ([("x", "a b")], "has white space"),
    ([("x", "y" * 2100)], r"the command line would have 2202 bytes, of which the kernel reads 2047"),
    ([({"name": "quiet", "value": "1", "action": "remove"}, None)], "quiet: action remove takes no value"),
    ([({"name": "console", "value": "tty0", "action": "add"}, None), ("console", "tty1")], "several times with different actions"),
])
def test_bad_input_is_refused_and_the_host_unchanged(grub, given, says):
    if says is None:
        assert _apply(grub, given)["changed"]  # an empty set is one
    else:
        _refused(grub, says, given)


@pytest.mark.parametrize("name", ["Cpu", "a/b", "boot_trial", ""])
def test_a_name_that_is_no_name_is_refused(grub, name):
    _refused(grub, "expected lower case letters, digits and _", name=name)


def test_a_file_that_is_read_later_and_throws_ours_away_is_a_conflict(grub):
    grub.host.write("/etc/default/grub.d/99-cloud.cfg", 'GRUB_CMDLINE_LINUX_DEFAULT="console=tty1"\n')
    _refused(grub, f"/etc/default/grub.d/99-cloud.cfg: is read after {_FILE} and sets GRUB_CMDLINE_LINUX_DEFAULT anew")
    grub.host.write("/etc/default/grub.d/99-cloud.cfg", 'GRUB_CMDLINE_LINUX_DEFAULT="$GRUB_CMDLINE_LINUX_DEFAULT console=tty1"\n')
    assert _apply(grub)["changed"]


def test_two_owners_of_one_key_and_tuned_are_conflicts(grub):
    _apply(grub)
    _refused(grub, f"isolcpus: {_FILE} states it too; keep it in one of the two", [("isolcpus", "3")], name="other")
    grub.host.write("/etc/tuned/bootcmdline", 'TUNED_BOOT_CMDLINE="skew_tick=1 nosoftlockup"\n')
    _refused(grub, r"skew_tick: tuned sets it too \(/etc/tuned/bootcmdline\)", [("skew_tick", "1")], name="other")


def test_something_that_changes_the_menu_behind_us_is_found_and_everything_taken_back(grub):
    grub.host.write("/etc/default/grub.d/99-x.cfg", 'hft_arguments=\nGRUB_CMDLINE_LINUX_DEFAULT="${GRUB_CMDLINE_LINUX_DEFAULT%% irq*}"\n')
    _refused(grub, "irqaffinity: .* was written, but the default entry has none; look for what changes it")


def test_a_change_is_armed_with_the_entry_that_runs_now(grub):
    result = _apply(grub, fallback=True)
    menu = grub.host.read("/boot/grub/grub.cfg")
    previous = menu[menu.index("--id hft-previous"):]
    assert f"linux\t/boot/vmlinuz-{STOCK} root=UUID=1234-AB ro console=ttyS0 quiet isolcpus=1 hft.previous\n" in previous
    assert f"initrd\t/boot/initrd.img-{STOCK}" in previous
    assert environment(grub.host.read("/boot/grub/grubenv")) == {"hft_trial": "armed"}
    assert grub.systemd.units["hft-boot-confirm.service"]["UnitFileState"] == "enabled"
    assert result["command_line"]["persisted"].endswith(f"ro console=ttyS0 quiet panic=30 {_ARGUMENTS}")
    assert _items(result)["boot once"]["reason"] == "the next boot is tried once"
    assert not [reason for reason in result["reboot_reasons"] if reason.startswith("boot once")]
    program = grub.host.path("/usr/local/sbin/hft-boot-confirm")
    assert "for nic in eth0 eth1; do" in program.read_text()
    assert program.stat().st_mode & 0o777 == 0o755
    assert subprocess.run(["/bin/sh", "-n", str(program)], check=False).returncode == 0
    assert not _apply(grub, fallback=True)["changed"]


def test_a_second_owner_arms_the_same_trial(grub):
    _apply(grub, fallback=True)
    result = _apply(grub, [("hugepagesz", "1G"), ("hugepages", "1")], name="hugepages", fallback=True)
    assert [one["path"] for one in result["differences"]] == ["/etc/default/grub.d/60-hft-hugepages.cfg"]


def _after(grub, state, previous=False):
    grub(["grub-editenv", "/boot/grub/grubenv", *(["set", f"hft_trial={state}"] if state else ["unset", "hft_trial"])])
    if previous:
        line = f"BOOT_IMAGE=/boot/vmlinuz-{STOCK} root=UUID=1234-AB ro console=ttyS0 quiet isolcpus=1 hft.previous\n"
        grub.host.write("/proc/cmdline", line)
    else:
        grub.boot(RT)
        for name in ("isolated", "nohz_full"):
            grub.host.write(f"/sys/devices/system/cpu/{name}", "2-3\n")


def test_a_boot_that_came_up_changes_nothing_any_more(grub):
    _apply(grub, fallback=True)
    _after(grub, "tried")
    result = _apply(grub, fallback=True)
    assert (result["changed"], result["reboot_required"], result["fell_back"]) == (False, False, False)
    assert "has not confirmed it yet" in _items(result)["boot once"]["reason"]
    _after(grub, None)
    assert set(_status(_apply(grub, fallback=True)).values()) == {"applied"}


def test_a_boot_that_did_not_come_up_is_told_and_not_tried_again_unasked(grub):
    _apply(grub, fallback=True)
    _after(grub, "tried", previous=True)
    result = _apply(grub, fallback=True)
    assert (result["changed"], result["fell_back"], result["reboot_required"]) == (False, True, False)
    assert set(_status(result).values()) == {"failed"}
    assert "the host runs the entry before" in _items(result)["nohz_full"]["reason"]
    retried = _apply(grub, fallback=True, retry=True)
    assert [one["path"] for one in retried["differences"]] == ["grubenv hft_trial"]
    _after(grub, "tried", previous=True)
    changed = _apply(grub, [("nohz_full", "3")], fallback=True)
    assert environment(grub.host.read("/boot/grub/grubenv")) == {"hft_trial": "armed"}
    assert _items(changed)["nohz_full"]["status"] == "pending_reboot"
    assert grub.host.read("/etc/grub.d/42_hft_boot_trial").count("hft.previous") == 1


def test_with_the_last_owner_the_machinery_goes(grub):
    before = grub.host.everything()
    _apply(grub, fallback=True)
    _apply(grub, [("hugepages", "1")], name="hugepages", fallback=True)
    _apply(grub, [], state="absent", fallback=True)
    assert grub.host.read("/etc/grub.d/42_hft_boot_trial") is not None
    _apply(grub, [], name="hugepages", state="absent", fallback=True)
    assert {path: state[1] for path, state in grub.host.everything().items()} == {path: state[1] for path, state in before.items()}
    assert grub.systemd.units["hft-boot-confirm.service"]["UnitFileState"] == "disabled"


def test_a_host_whose_grub_cannot_remember_has_no_fallback_and_says_so(grub):
    grub.abstraction = "lvm"
    result = _apply(grub, fallback=True)
    assert _items(result)["boot once"]["status"] == "not_applicable"
    assert _items(result)["boot once"]["reason"] == "/boot/grub is on lvm, where GRUB cannot write its environment"
    assert grub.host.read("/etc/grub.d/42_hft_boot_trial") is None
    assert "panic" not in result["command_line"]["persisted"]
