# Copyright: (c) hft.ops contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import errno
import random

import pytest
from ansible_collections.hft.ops.plugins.module_utils._host import HostError
from ansible_collections.hft.ops.plugins.module_utils._plan import Plan
from ansible_collections.hft.ops.plugins.modules.sysctl import apply

_FILE = "/etc/sysctl.d/90-hft.conf"


def _apply(host, settings, check_mode=False, **more):
    plan = Plan(check_mode)
    params = {"settings": settings, "path": _FILE, "purge": True, "apply": "live", **more}
    return {**apply(params, host, plan), **plan.result()}


def _status(result):
    return {item["name"]: item["status"] for item in result["settings"]}


def _live(host, key):
    return host.read("/proc/sys/" + key.replace(".", "/")).strip()


def test_kernel_and_file_become_as_wanted_and_stay_so(captured):
    host = captured("debian_13")
    settings = {"vm.swappiness": 1, "net.ipv4.tcp_rmem": "4096 87380 67108864"}
    result = _apply(host, settings)
    assert result["changed"]
    assert _status(result) == {"vm.swappiness": "applied", "net.ipv4.tcp_rmem": "applied"}
    assert _live(host, "vm.swappiness") == "1"
    assert host.read(_FILE).splitlines()[1:] == ["net.ipv4.tcp_rmem = 4096 87380 67108864", "vm.swappiness = 1"]
    assert host.owned_file(_FILE).mode == 0o644
    again = _apply(host, settings)
    assert not again["changed"]
    assert again["differences"] == []


def test_check_mode_writes_nothing_and_says_what_drifted(captured):
    host = captured("debian_13")
    before = host.everything()
    result = _apply(host, {"vm.swappiness": 1}, check_mode=True)
    assert host.everything() == before
    assert host.poked == []
    assert result["changed"]
    assert _status(result) == {"vm.swappiness": "drifted"}
    assert [(one["layer"], one["path"], one["before"]) for one in result["differences"]] == [
        ("live", "vm.swappiness", "60"), ("persisted", _FILE, None)]


@pytest.mark.parametrize("tree", ["debian_13", "debian_13_rt", "debian_13_container"])
@pytest.mark.parametrize("seed", range(12))
def test_what_check_mode_plans_is_what_the_run_does(captured, tree, seed):
    """Any settings, on any host, over any file that an earlier run left: plan equals run, the second run is empty."""
    dice = random.Random(seed)  # noqa: S311  (nothing secret)
    host = captured(tree)
    keys = ["vm.swappiness", "vm.stat_interval", "net.ipv4.tcp_rmem", "net.ipv4.tcp_mtu_probing", "kernel.numa_balancing",
            "net.core.rmem_max", "net.core.netdev_max_backlog"]
    if dice.random() < 0.5:
        _apply(host, {key: dice.randrange(100) for key in dice.sample(keys, 3)})
    settings = {key: dice.choice([dice.randrange(100), "4096\t131072 7"]) for key in dice.sample(keys, dice.randrange(len(keys) + 1))}
    options = {"purge": dice.random() < 0.5, "apply": dice.choice(["live", "boot"])}
    planned = _apply(host, settings, check_mode=True, **options)
    done = _apply(host, settings, **options)
    assert done["differences"] == planned["differences"]
    assert done["diff"] == planned["diff"]
    assert not _apply(host, settings, **options)["changed"]


def test_white_space_of_the_kernel_is_no_difference(captured):
    host = captured("debian_13")
    host.write("/proc/sys/net/ipv4/tcp_rmem", "4096\t87380\t67108864\n")
    result = _apply(host, {"net.ipv4.tcp_rmem": "4096  87380 67108864"})
    assert [one["layer"] for one in result["differences"]] == ["persisted"]


def test_only_what_was_changed_by_hand_is_repaired(captured):
    host = captured("debian_13")
    settings = {"vm.swappiness": 1, "vm.stat_interval": 10}
    _apply(host, settings)
    host.write("/proc/sys/vm/stat_interval", "1\n")
    result = _apply(host, settings)
    assert [(one["layer"], one["path"]) for one in result["differences"]] == [("live", "vm.stat_interval")]


def test_container_keeps_the_file_and_names_the_errno_per_key(captured):
    host = captured("debian_13_container")
    result = _apply(host, {"vm.swappiness": 1, "vm.overcommit_memory": 0, "net.core.netdev_max_backlog": 5000})
    assert _status(result) == {
        "vm.swappiness": "not_applicable", "vm.overcommit_memory": "applied", "net.core.netdev_max_backlog": "not_applicable"}
    reasons = {item["name"]: item["reason"] for item in result["settings"]}
    assert reasons["vm.swappiness"].startswith("EROFS: Read-only file system: /proc/sys/vm/swappiness cannot be written")
    assert reasons["net.core.netdev_max_backlog"].startswith("ENOENT: /proc/sys/net/core/netdev_max_backlog: it belongs to the initial")
    assert "vm.swappiness = 1" in host.read(_FILE)
    assert host.poked == []


def test_rt_kernel_has_no_numa_balancing(captured):
    result = _apply(captured("debian_13_rt"), {"kernel.numa_balancing": 0, "vm.swappiness": 1})
    assert _status(result) == {"kernel.numa_balancing": "not_applicable", "vm.swappiness": "applied"}
    assert "PREEMPT_RT" in result["settings"][0]["reason"]


def test_everything_wrong_is_told_in_one_error_and_nothing_is_written(captured):
    host = captured("debian_13")
    before = host.everything()
    with pytest.raises(HostError) as wrong:
        _apply(host, {
            "vm.swapiness": 1, "net.ipv4.tcp_nodelay": 1, "net.ipv4.tcp_low_latency": 1, "kernel.osrelease": "7", "vm.swappiness": 5,
            "net.ipv4.conf.*.x": 1, "vm.dirty_ratio": True, "vm.stat_interval": None,
        })
    said = str(wrong.value).split("; ")
    for expected in (
        "vm.swapiness: this kernel has no such key",
        "the nearest is vm.swappiness",
        "net.ipv4.tcp_nodelay: is not a sysctl but the socket option TCP_NODELAY, which the engine sets",
        "net.ipv4.tcp_low_latency: has had no effect since Linux 4.14",
        "kernel.osrelease: is read-only in the kernel (it says 6.12.48+deb13-amd64)",
        "net.ipv4.conf.*.x: is not the name of one sysctl key",
        "vm.dirty_ratio: value True is a YAML boolean",
        "vm.stat_interval: value None is not a number or one line of text",
    ):
        assert expected in said
    assert host.everything() == before


def test_two_spellings_of_one_key_are_refused(captured):
    with pytest.raises(HostError, match="stands twice in the settings, in two spellings"):
        _apply(captured("debian_13"), {"vm.swappiness": 1, "vm/swappiness": 2})


@pytest.mark.parametrize("path", ["/etc/sysctl.conf", "/etc/sysctl.d/hft", "/opt/x/90-hft.conf"])
def test_file_that_nobody_reads_at_boot_is_refused(captured, path):
    with pytest.raises(HostError, match="systemd does not read it at boot"):
        _apply(captured("debian_13"), {"vm.swappiness": 1}, path=path)


def test_value_that_the_kernel_refuses_restores_every_key_and_the_file(captured):
    host = captured("debian_13")
    _apply(host, {"vm.stat_interval": 5})
    before = host.everything()
    host.refuses["vm/swappiness", "999"] = errno.EINVAL
    with pytest.raises(HostError, match=r"^vm\.swappiness: the kernel refuses 999 \(EINVAL: out of its range .*\); it keeps 60$"):
        _apply(host, {"net.ipv4.tcp_mtu_probing": 1, "vm.stat_interval": 20, "vm.swappiness": 999})
    assert host.everything() == before
    assert ("vm/stat_interval", "20") in host.poked


def test_value_that_the_kernel_changes_is_a_failure_and_is_taken_back(captured):
    host = captured("debian_13")
    host.clamps["vm/swappiness", "500"] = "200"
    before = host.everything()
    with pytest.raises(HostError, match=r"^vm\.swappiness: wanted 500, but the kernel made it 200; it keeps 60$"):
        _apply(host, {"vm.swappiness": 500})
    assert host.everything() == before


def test_unwritable_file_takes_the_kernel_back_too(captured, monkeypatch):
    host = captured("debian_13")
    before = host.everything()

    def full(*_arguments):
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr("os.fsync", full)
    with pytest.raises(HostError, match="No space left on device"):
        _apply(host, {"vm.swappiness": 1})
    assert host.everything() == before


def test_purge_removes_only_what_the_file_had_and_says_that_the_kernel_keeps_it(captured):
    host = captured("debian_13")
    _apply(host, {"vm.swappiness": 1, "vm.stat_interval": 10})
    result = _apply(host, {"vm.swappiness": 1})
    assert "stat_interval" not in host.read(_FILE)
    assert _live(host, "vm.stat_interval") == "10"
    assert _status(result) == {"vm.swappiness": "applied", "vm.stat_interval": "pending_reboot"}
    assert result["reboot_required"]
    assert result["reboot_reasons"] == ["vm.stat_interval: is no longer set; the kernel keeps its value until the next boot"]
    assert not _apply(host, {"vm.swappiness": 1})["changed"]


def test_without_purge_other_keys_of_the_file_stay(captured):
    host = captured("debian_13")
    _apply(host, {"vm.stat_interval": 10})
    result = _apply(host, {"vm.swappiness": 1}, purge=False)
    assert host.read(_FILE).splitlines()[1:] == ["vm.stat_interval = 10", "vm.swappiness = 1"]
    assert not result["reboot_required"]


def test_no_settings_remove_the_file(captured):
    host = captured("debian_13")
    _apply(host, {"vm.swappiness": 1})
    assert _apply(host, {})["changed"]
    assert host.read(_FILE) is None
    assert not _apply(host, {})["changed"]


def test_apply_boot_leaves_the_kernel_alone(captured):
    host = captured("debian_13")
    result = _apply(host, {"vm.swappiness": 1}, apply="boot")
    assert host.poked == []
    assert _status(result) == {"vm.swappiness": "pending_reboot"}
    assert result["reboot_reasons"] == ["vm.swappiness: the kernel says 60, 1 is set at the next boot"]


def test_file_that_is_read_later_and_says_otherwise_is_a_conflict(captured):
    host = captured("debian_13")
    host.write("/etc/sysctl.d/99-site.conf", "vm.swappiness = 30\nvm.stat_interval=10\n")
    host.write("/etc/sysctl.d/10-early.conf", "vm.swappiness = 20\n")
    result = _apply(host, {"vm.swappiness": 1, "vm.stat_interval": 10})
    assert result["conflicts"] == [{"key": "vm.swappiness", "path": "/etc/sysctl.d/99-site.conf", "value": "30", "wanted": "1"}]
    assert _status(result) == {"vm.swappiness": "drifted", "vm.stat_interval": "applied"}
    assert not _apply(host, {"vm.swappiness": 1, "vm.stat_interval": 10})["changed"]


def test_masked_file_is_refused(captured):
    host = captured("debian_13")
    host.path("/etc/sysctl.d").mkdir(parents=True, exist_ok=True)
    host.path(_FILE).symlink_to("/dev/null")
    with pytest.raises(HostError, match="which masks it"):
        _apply(host, {"vm.swappiness": 1})
    assert host.poked == []
