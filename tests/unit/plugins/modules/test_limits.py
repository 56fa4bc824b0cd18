# Copyright: (c) hft.ops contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import errno
import os

import pytest
from ansible_collections.hft.ops.plugins.module_utils._host import HostError
from ansible_collections.hft.ops.plugins.module_utils._plan import Plan
from ansible_collections.hft.ops.plugins.module_utils._systemd import Systemctl
from ansible_collections.hft.ops.plugins.modules.limits import apply

_FILE = "/etc/security/limits.d/90-hft.conf"
_DROP_IN = "/etc/systemd/system/hft_system.service.d/90-hft-limits.conf"
_PID_LIMITS = "/proc/4711/limits"


def _entry(item, value, domain="hft_user", kind="both"):
    return {"domain": domain, "type": kind, "item": item, "value": str(value)}


def _apply(host, systemd, entries=(), units=None, check_mode=False, **more):
    plan = Plan(check_mode)
    params = {"entries": list(entries), "units": [{"name": name, "limits": limits} for name, limits in (units or {}).items()],
              "path": _FILE, "purge": True, **more}
    return {**apply(params, host, Systemctl(systemd), plan), **plan.result()}


def _runs_with(host, systemd, soft, hard, manager=None):
    """The engine runs with these limits of open files; manager: what systemd would give it now."""
    text = host.read("/proc/1/limits")
    old = next(line for line in text.splitlines() if line.startswith("Max open files"))
    host.write(_PID_LIMITS, text.replace(old, f"{'Max open files':<25} {soft:<20} {hard:<20} files"))
    soft_manager, hard_manager = manager or (65536, 65536)
    systemd.add("hft_system.service", MainPID="4711", LimitNOFILE=str(hard_manager), LimitNOFILESoft=str(soft_manager))


def test_files_are_written_and_systemd_reads_them_once(captured, systemd):
    host = captured("debian_13")
    entries = [_entry("nofile", 65536), _entry("memlock", "infinity"), _entry("rtprio", 50, kind="soft"), _entry("rtprio", 60, kind="hard")]
    units = {"hft_system.service": {"nofile": 65536, "memlock": "infinity", "nice": -5, "core": "0:infinity"}}
    result = _apply(host, systemd, entries, units)
    assert host.read(_FILE).splitlines()[1:] == [
        "hft_user - memlock unlimited", "hft_user - nofile 65536", "hft_user hard rtprio 60", "hft_user soft rtprio 50"]
    assert host.read(_DROP_IN).splitlines()[1:] == [
        "[Service]", "LimitCORE=0:infinity", "LimitMEMLOCK=infinity", "LimitNICE=-5", "LimitNOFILE=65536"]
    assert {item["status"] for item in result["entries"] + result["units"]} == {"applied"}
    assert systemd.writes() == [("daemon-reload",)]
    again = _apply(host, systemd, entries, units)
    assert not again["changed"]
    assert systemd.writes() == [("daemon-reload",)]


def test_systemd_is_left_alone_when_only_sessions_change(captured, systemd):
    host = captured("debian_13")
    _apply(host, systemd, [_entry("nofile", 1)], {"a.service": {"nofile": 1}})
    systemd.calls.clear()
    assert _apply(host, systemd, [_entry("nofile", 2)], {"a.service": {"nofile": 1}})["changed"]
    assert systemd.writes() == []


def test_check_mode_plans_what_the_run_does_and_writes_nothing(captured, systemd):
    host = captured("debian_13")
    _apply(host, systemd, [_entry("nofile", 1024)], {"old.service": {"nofile": 5}})
    systemd.calls.clear()
    before = host.everything()
    arguments = ([_entry("nofile", 65536)], {"hft_system.service": {"nofile": 65536}})
    planned = _apply(host, systemd, *arguments, check_mode=True)
    assert host.everything() == before
    assert systemd.writes() == []
    assert _apply(host, systemd, *arguments)["differences"] == planned["differences"]
    assert len(planned["differences"]) == 3


def test_running_service_with_old_limits_must_be_restarted(captured, systemd):
    host = captured("debian_13")
    _runs_with(host, systemd, 1024, 524288)
    result = _apply(host, systemd, units={"hft_system.service": {"nofile": 65536}})
    assert result["restart_required"] == ["hft_system.service"]
    assert result["units"][0]["status"] == "drifted"
    assert result["units"][0]["live"] == "1024:524288"
    assert result["units"][0]["reason"] == "runs with 1024:524288 since before the change; restart hft_system.service"
    _runs_with(host, systemd, 65536, 65536)
    again = _apply(host, systemd, units={"hft_system.service": {"nofile": 65536}})
    assert (again["restart_required"], again["units"][0]["status"]) == ([], "applied")


def test_drop_in_that_outranks_ours_is_told_from_a_missing_restart(captured, systemd):
    host = captured("debian_13")
    _runs_with(host, systemd, 1024, 524288, manager=(100, 100))
    result = _apply(host, systemd, units={"hft_system.service": {"nofile": 65536}})
    assert result["units"][0]["reason"].startswith("systemd gives 100: another drop-in of hft_system.service is read later")
    assert result["restart_required"] == []


def test_container_cannot_raise_what_its_first_process_does_not_have(captured, systemd):
    host = captured("debian_13_container")
    _runs_with(host, systemd, 20000, 20000)
    entries = [_entry("nofile", 65536), _entry("nofile", 10000, domain="other"), _entry("memlock", 8192, domain="other")]
    result = _apply(host, systemd, entries, {"hft_system.service": {"nofile": 65536}})
    assert {item["name"]: item["status"] for item in result["entries"]} == {
        "hft_user - nofile": "not_applicable", "other - nofile": "applied", "other - memlock": "applied"}
    assert result["units"][0]["status"] == "not_applicable"
    assert result["units"][0]["reason"] == (
        "EPERM: the first process of this host has a hard limit of 20000 and no CAP_SYS_RESOURCE, so nothing here can be given 65536")
    assert result["restart_required"] == []
    assert "LimitNOFILE=65536" in host.read(_DROP_IN)


def test_units_of_sizes_differ_between_pam_and_systemd(captured, systemd):
    """8 MiB is 8192 in limits.conf and 8388608 in a unit; one more of either is above the container's limit."""
    host = captured("debian_13_container")
    result = _apply(host, systemd, [_entry("memlock", 8193)], {"a.service": {"memlock": 8388608}, "b.service": {"memlock": 8388609}})
    assert result["entries"][0]["status"] == "not_applicable"
    assert [item["status"] for item in result["units"]] == ["applied", "not_applicable"]


def test_everything_wrong_is_told_in_one_error_and_nothing_is_written(captured, systemd):
    host = captured("debian_13")
    before = host.everything()
    with pytest.raises(HostError) as wrong:
        _apply(host, systemd, [
            _entry("nofile", "unlimited"), _entry("rtprio", 100), _entry("nproc", "many"), _entry("nofile", 2000000, domain="big"),
            _entry("core", 10, kind="soft"), _entry("core", 9, kind="hard"), _entry("stack", 1, domain="a b"),
            _entry("cpu", 1), _entry("cpu", 2, kind="soft"),
        ], {"hft_system": {"nofile": 1}, "x.service": {"nofil": 1, "nofile": "9:8", "nice": 30}})
    said = str(wrong.value)
    for expected in (
        "entries: hft_user both nofile: cannot be unlimited",
        "entries: hft_user both rtprio: expected 0 to 99, got 100",
        "entries: hft_user both nproc: expected a whole number or unlimited, got many",
        "entries: big both nofile: above fs.nr_open (1048576)",
        "entries: hft_user core: the soft limit is above the hard one",
        "entries: a b both stack: domain is not one name",
        "entries: hft_user soft cpu: soft is given by another entry too",
        "units: hft_system: expected the full name",
        "units: x.service: nofil: no such limit",
        "units: x.service: nofile: the soft limit is above the hard one in 9:8",
        "units: x.service: nice: expected -20 to 19, got 30",
    ):
        assert expected in said
    assert host.everything() == before
    assert systemd.calls == []


def test_purge_removes_our_drop_ins_and_no_others(captured, systemd):
    host = captured("debian_13")
    _apply(host, systemd, [_entry("nofile", 1)], {"hft_system.service": {"nofile": 1}})
    host.write("/etc/systemd/system/hft_system.service.d/50-mine.conf", "[Service]\nNice=1\n")
    kept = _apply(host, systemd, purge=False)
    assert not kept["changed"]
    result = _apply(host, systemd)
    assert [one["after"] for one in result["differences"]] == [None, None]
    assert host.read(_DROP_IN) is None
    assert host.read(_FILE) is None
    assert host.names("/etc/systemd/system/hft_system.service.d") == ["50-mine.conf"]


def test_failed_write_brings_everything_back(captured, systemd, monkeypatch):
    host = captured("debian_13")
    _apply(host, systemd, [_entry("nofile", 1)], {"a.service": {"nofile": 1}})
    before = host.everything()
    real, left = os.fsync, [1]

    def full(handle):
        if not left:
            raise OSError(errno.ENOSPC, "No space left on device")
        left.pop()
        real(handle)

    # The first file goes through, the second does not, and room is back for the undo.
    monkeypatch.setattr("os.fsync", full)
    monkeypatch.setattr(Plan, "take_back", lambda self, undo=Plan.take_back: monkeypatch.setattr("os.fsync", real) or undo(self))
    with pytest.raises(HostError, match="No space left on device"):
        _apply(host, systemd, [_entry("nofile", 2)], {"a.service": {"nofile": 2}})
    assert host.everything() == before


def test_later_file_with_another_value_is_a_conflict(captured, systemd):
    host = captured("debian_13")
    host.write("/etc/security/limits.d/95-site.conf", "hft_user - nofile 100  # old\nother - nofile 5\n")
    result = _apply(host, systemd, [_entry("nofile", 65536)])
    assert result["conflicts"] == [
        {"entry": "hft_user - nofile", "path": "/etc/security/limits.d/95-site.conf", "value": "100", "wanted": "65536"}]


def test_template_is_written_and_not_asked_for(captured, systemd):
    result = _apply(captured("debian_13"), systemd, units={"postgresql@.service": {"nofile": 65536}})
    assert result["units"][0]["status"] == "applied"
    assert [call for call in systemd.calls if call[0] == "show"] == []


def test_sections_follow_the_kind_of_unit(captured, systemd):
    host = captured("debian_13")
    _apply(host, systemd, units={"x.socket": {"nofile": 1}})
    assert "[Socket]" in host.read("/etc/systemd/system/x.socket.d/90-hft-limits.conf")
