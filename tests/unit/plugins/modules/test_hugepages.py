# Copyright: (c) hft.ops contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import pytest
from ansible_collections.hft.ops.plugins.module_utils._host import HostError
from ansible_collections.hft.ops.plugins.module_utils._hugepages import apply
from ansible_collections.hft.ops.plugins.module_utils._plan import Plan
from ansible_collections.hft.ops.plugins.module_utils._systemd import mount_unit
from ansible_collections.hft.ops.tests.unit.plugins.modules.grub_host import RT, STOCK, GrubHost

_FILE = "/etc/tmpfiles.d/60-hft-hugepages.conf"
_NODE = "/sys/devices/system/node/node{}/hugepages/hugepages-{}kB/nr_hugepages"
_SMALL_1, _LARGE_0 = _NODE.format(1, 2048), _NODE.format(0, 1048576)
_GUARD = {"service": "hft_system.service", "config": "/opt/hft_system/config/production.json", "api_token": None, "allow_disruption": False}
_POOLS = ({"size": "1G", "count": 1, "node": 0}, {"size": "2M", "count": 64, "node": 1})


@pytest.fixture
def grub(numa_host, systemd):
    return GrubHost(numa_host, systemd)


def _apply(grub, pools=_POOLS, check_mode=False, **more):
    plan = Plan(check_mode)
    params = {"pools": [{"node": None, **pool} for pool in pools], "allocate": "live", "on_shortage": "fail", "memory_max_percent": 75,
              "mounts": [], "fallback": False, "state": "present", "guard": _GUARD, **more}
    return {**apply(params, grub.host, grub, plan), **plan.result()}


def _items(result):
    return {item["name"]: item for item in result["items"]}


def _status(result):
    return {item["name"]: item["status"] for item in result["items"]}


def _live(grub, path):
    return int(grub.host.read(path))


def _refused(grub, says, pools=_POOLS, **more):
    before = grub.host.everything()
    with pytest.raises(HostError, match=says):
        _apply(grub, pools, **more)
    assert grub.host.everything() == before


def test_pools_by_node_are_filled_now_and_at_every_boot(grub):
    result = _apply(grub)
    assert _status(result) == {"hugepages 1G node 0": "applied", "hugepages 2M node 1": "applied"}
    assert (_live(grub, _LARGE_0), _live(grub, _SMALL_1)) == (1, 64)
    assert grub.host.read(_FILE).splitlines()[1:] == [f"w {_LARGE_0} - - - - 1", f"w {_SMALL_1} - - - - 64"]
    assert not _apply(grub)["changed"]


def test_check_mode_writes_nothing_and_plans_what_the_run_does(grub):
    before = grub.host.everything()
    mounts = [{"path": "/mnt/huge", "size": "1G", "mode": "0755", "group": "a-group-that-the-run-makes"}]
    assert _apply(grub, check_mode=True, mounts=mounts)["changed"]
    planned = _apply(grub, check_mode=True)
    assert grub.host.everything() == before
    assert set(_status(planned).values()) == {"drifted"}
    assert _apply(grub)["differences"] == planned["differences"]


def test_a_pool_changed_by_hand_is_the_one_that_drifted(grub):
    _apply(grub)
    grub.host.write(_SMALL_1, "60\n")
    assert _status(_apply(grub, check_mode=True)) == {"hugepages 1G node 0": "applied", "hugepages 2M node 1": "drifted"}
    assert [one["path"] for one in _apply(grub)["differences"]] == ["hugepages 2M node 1"]


def test_a_pool_that_is_no_longer_wanted_is_emptied_and_others_are_left_alone(grub):
    other = _NODE.format(0, 2048)
    grub.host.write(other, "7\n")
    _apply(grub)
    _apply(grub, _POOLS[1:])
    assert (_live(grub, _LARGE_0), _live(grub, _SMALL_1)) == (0, 64)
    result = _apply(grub, [], state="absent")
    assert result["changed"]
    assert (_live(grub, _SMALL_1), _live(grub, other)) == (0, 7)
    assert grub.host.read(_FILE) is None
    assert not _apply(grub, [], state="absent")["changed"]


def test_what_the_kernel_could_not_give_is_an_error_with_figures_and_all_is_as_before(grub):
    before = grub.host.everything()
    grub.host.clamps[_SMALL_1, "64"] = "40"
    with pytest.raises(HostError) as wrong:
        _apply(grub)
    assert str(wrong.value) == (
        r"hugepages 2M node 1: wanted 64 pages (128 MiB), the kernel gave 40 (80 MiB): free memory is fragmented or in use "
        "(1.8 GiB are free); it is back at 0 pages. Ask for fewer, or set allocate to boot")
    assert grub.host.everything() == before


def test_a_shortage_may_wait_for_the_next_boot(grub):
    grub.host.clamps[_SMALL_1, "64"] = "40"
    result = _apply(grub, on_shortage="reboot")
    assert _items(result)["hugepages 2M node 1"]["status"] == "pending_reboot"
    assert "the kernel gave 40 (80 MiB)" in result["reboot_reasons"][0]
    again = _apply(grub, on_shortage="reboot")
    assert (again["changed"], again["reboot_required"]) == (False, True)


@pytest.mark.parametrize(("pools", "more", "says"), [
    ([{"size": "1G", "count": 2, "node": 0}], {}, r"2\.0 GiB of huge pages on node 0, which has 2\.0 GiB, of which 1\.5 GiB \(75 %\)"),
    ([{"size": "1G", "count": 4}], {"allocate": "boot"}, r"4\.0 GiB of huge pages on this host, which has 4\.0 GiB, of which 3\.0 GiB"),
    ([{"size": "2M", "count": 64, "node": 7}], {}, "2M node 7: no such node; this host has 0, 1"),
    ([{"size": "2M", "count": -1}], {}, "2M: count -1: expected 0 or more"),
    ([{"size": "2M", "count": 1}, {"size": "2M", "count": 2}], {}, "2M: listed twice; keep one"),
    ([{"size": "2M", "count": 1}, {"size": "2M", "count": 2, "node": 0}], {}, "2M: is listed with and without a node"),
    (_POOLS, {"memory_max_percent": 100}, "memory_max_percent 100: expected 1 to 95"),
    (_POOLS, {"mounts": [{"path": "mnt", "size": "1G", "mode": "0755", "group": None}]}, "mounts: mnt: expected an absolute path"),
    (_POOLS, {"mounts": [{"path": "/m", "size": "1G", "mode": "x", "group": "no-such-group"}]},
     "mode x: expected four octal digits.*group no-such-group: no such group on the host; create it first"),
    (_POOLS, {"mounts": [{"path": "/m", "size": "1G", "mode": "0755", "group": None}] * 2}, "mounts: /m: listed twice"),
])
def test_bad_input_is_refused_and_the_host_unchanged(grub, pools, more, says):
    _refused(grub, says, pools, **more)


def test_more_than_can_be_had_now_is_refused_with_figures(grub):
    grub.host.write("/proc/meminfo", "MemTotal: 4194304 kB\nMemAvailable: 524288 kB\n")
    _refused(grub, r"1\.1 GiB more of huge pages are wanted, and 512 MiB of memory can be had now")


def test_a_container_has_no_pools_of_its_own(grub, monkeypatch):
    monkeypatch.setattr(grub.host, "refusal", lambda path: "EROFS: Read-only file system")
    mounts = [{"path": "/mnt/huge", "size": "1G", "mode": "0755", "group": None}]
    result = _apply(grub, mounts=mounts)
    assert not result["changed"]
    assert set(_status(result).values()) == {"not_applicable"}
    reason = f"EROFS: Read-only file system: {_SMALL_1} cannot be written on this host; it says 0"
    assert _items(result)["hugepages 2M node 1"]["reason"] == reason


def test_a_size_that_this_cpu_has_not_is_not_applicable(grub):
    grub.host.path(_LARGE_0).unlink()
    assert _items(_apply(grub))["hugepages 1G node 0"]["reason"] == f"ENOENT: {_LARGE_0}"
    assert _live(grub, _SMALL_1) == 64


def test_on_the_command_line_until_the_next_boot(grub):
    result = _apply(grub, allocate="boot")
    assert _status(result) == {"hugepages 1G node 0": "pending_reboot", "hugepages 2M node 1": "pending_reboot"}
    assert "hugepagesz=1G hugepages=0:1 hugepagesz=2M hugepages=1:64" in grub.host.read("/boot/grub/grub.cfg")
    assert "hugepages 1G node 0: has 0 of 1 pages until then" in result["reboot_reasons"]
    assert not _apply(grub, allocate="boot")["changed"]
    grub.boot(RT)
    grub.host.write(_LARGE_0, "1\n")
    grub.host.write(_SMALL_1, "63\n")
    result = _apply(grub, allocate="boot")
    assert _status(result) == {"hugepages 1G node 0": "applied", "hugepages 2M node 1": "failed"}
    assert "booted with it, and wanted 64 pages (128 MiB), the kernel gave 63" in _items(result)["hugepages 2M node 1"]["reason"]
    absent = _apply(grub, [], allocate="boot", state="absent")
    assert "hugepages" not in grub.host.read("/boot/grub/grub.cfg")
    assert _items(absent)["hugepages"]["status"] == "pending_reboot"
    assert not _apply(grub, [], allocate="boot", state="absent")["changed"]
    grub.boot(STOCK)


def test_without_a_boot_loader_the_command_line_is_not_applicable(grub):
    grub.host.path("/usr/sbin/update-grub").unlink()
    result = _apply(grub, allocate="boot")
    assert set(_status(result).values()) == {"not_applicable"}
    assert not result["changed"]


def test_mounts_are_units_of_their_own(grub):
    name = mount_unit("/dev/hugepages1G")
    assert (name, mount_unit("/mnt/a-b")) == ("dev-hugepages1G.mount", r"mnt-a\x2db.mount")
    mounts = [{"path": "/dev/hugepages1G", "size": "1G", "mode": "1770", "group": "root"}]
    grub.systemd.add(name, enablement="disabled", active="inactive")
    result = _apply(grub, mounts=mounts)
    assert "Options=pagesize=1G,mode=1770,gid=0\n" in grub.host.read(f"/etc/systemd/system/{name}")
    assert _items(result)["/dev/hugepages1G"]["status"] == "applied"
    assert grub.systemd.units[name]["ActiveState"] == "active"
    assert not _apply(grub, mounts=mounts)["changed"]
    _apply(grub, mounts=[])
    assert grub.host.read(f"/etc/systemd/system/{name}") is None
    assert (grub.systemd.units[name]["ActiveState"], grub.systemd.units[name]["UnitFileState"]) == ("inactive", "disabled")


def test_a_mount_that_fails_takes_everything_back(grub):
    name = mount_unit("/dev/hugepages1G")
    grub.systemd.add(name, enablement="disabled", active="inactive")
    grub.systemd.failing.add(name)
    mounts = [{"path": "/dev/hugepages1G", "size": "1G", "mode": "0755", "group": None}]
    _refused(grub, "systemctl start dev-hugepages1G.mount", mounts=mounts)


def test_a_host_that_trades_is_not_disturbed(grub):
    grub.host.path("/run/systemd/system").mkdir(parents=True)
    grub.systemd.add("hft_system.service")
    _refused(grub, "hft_system.service is active and cannot be asked whether it trades")
    audit = _apply(grub, check_mode=True)
    assert "cannot be asked whether it trades" in audit["refused"]
    # What takes effect at the next boot disturbs nobody.
    assert _apply(grub, allocate="boot")["refused"] == ""
