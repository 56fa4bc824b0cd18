# Copyright: (c) hft.ops contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import errno
import json

import pytest
from ansible_collections.hft.ops.plugins.module_utils._change_record import PATH as RECORD
from ansible_collections.hft.ops.plugins.module_utils._host import HostError
from ansible_collections.hft.ops.plugins.module_utils._host_state import MODULES, HostState

_SYSCTL, _LIMITS = "/etc/sysctl.d/90-hft.conf", "/etc/security/limits.d/90-hft.conf"
_ENTRY = {"domain": "hft_user", "item": "nofile", "value": "65536"}
_WANTED = {
    "sysctl": {"settings": {"vm.swappiness": 1}},
    "limits": {"entries": [_ENTRY]},
    "services": {"units": [{"name": "a.service", "enabled": True, "state": "started"}]},
}


def _apply(host, systemd, wanted, check_mode=False):
    state = HostState(wanted, host, systemd, check_mode)
    return {**state.apply(), **state.result(), "warnings": state.warnings}


def _written(host):
    """Every file but the record, which keeps what was taken back, too."""
    return {path: found for path, found in host.everything().items() if path != RECORD.lstrip("/")}


def _record(host):
    return [(entry["module"], entry.get("undone", False)) for entry in map(json.loads, (host.read(RECORD) or "").splitlines())]


@pytest.fixture
def host(captured):
    return captured("debian_13")


def test_all_parts_become_as_wanted_and_stay_so(host, systemd):
    systemd.add("a.service", "disabled", "inactive")
    result = _apply(host, systemd, _WANTED)
    assert result["changed"]
    assert list(result["parts"]) == ["sysctl", "limits", "services"]
    assert result["parts"]["sysctl"]["settings"][0]["status"] == "applied"
    assert result["parts"]["limits"]["entries"][0]["status"] == "applied"
    assert result["parts"]["services"]["units"][0]["status"] == "applied"
    assert host.read(_LIMITS).endswith("hft_user - nofile 65536\n")
    assert _record(host) == [("sysctl", False), ("limits", False), ("services", False)], "each under its own name, for host_undo.yml"
    again = _apply(host, systemd, _WANTED)
    assert (again["changed"], again["differences"]) == (False, [])


def test_check_mode_tells_of_all_parts_and_writes_nothing(host, systemd):
    systemd.add("a.service", "disabled", "inactive")
    before = host.everything()
    planned = _apply(host, systemd, _WANTED, check_mode=True)
    assert (host.everything(), host.poked, systemd.writes()) == (before, [], [])
    assert planned["differences"] == _apply(host, systemd, _WANTED)["differences"]


def test_what_is_not_given_is_left_alone(host, systemd):
    _apply(host, systemd, _WANTED | {"services": None})
    assert list(_apply(host, systemd, {"sysctl": {"settings": {}}})["parts"]) == ["sysctl"]
    assert host.read(_SYSCTL) is None
    assert host.read(_LIMITS) is not None


def test_all_that_is_wrong_is_said_at_once_and_nothing_is_written(host, systemd):
    before = host.everything()
    wrong = {"sysctl": {"settings": {"vm.swapiness": 1}}, "limits": {"entries": [{**_ENTRY, "value": "many"}]}}
    with pytest.raises(HostError, match=r"^sysctl: vm\.swapiness: this kernel has no such key.*; limits: entries: hft_user both nofile: "):
        _apply(host, systemd, wrong)
    assert host.everything() == before


@pytest.mark.parametrize(("given", "said"), [
    ({"sysctl": {"setting": {}}}, "sysctl: missing required arguments: settings; sysctl: setting"),
    ({"sysctl": {"settings": {}, "apply": "now"}}, "sysctl: value of apply must be one of: live, boot, got: now"),
    ({"kernel_cmdline": [{"arguments": []}]}, "kernel_cmdline: missing required arguments: name"),
    ({"limits": {"entries": [{"domain": "a"}]}}, "limits: missing required arguments: item, value found in entries"),
])
def test_options_are_those_of_the_module(host, systemd, given, said):
    before = host.everything()
    with pytest.raises(HostError) as wrong:
        _apply(host, systemd, given)
    assert str(wrong.value).startswith(said)
    assert host.everything() == before


def test_what_was_written_before_a_part_that_fails_is_taken_back(host, systemd):
    _apply(host, systemd, {"sysctl": {"settings": {"vm.swappiness": 7}}})
    before = _written(host)
    systemd.add("a.service", "disabled", "inactive")
    systemd.failing.add("a.service")
    with pytest.raises(HostError, match=r"^services: a\.service.*; already done and kept: a\.service enabled"):
        _apply(host, systemd, _WANTED)
    assert _written(host) == before
    assert host.read("/proc/sys/vm/swappiness").strip() == "7"
    assert _record(host)[-2:] == [("limits", True), ("sysctl", True)]


def test_what_cannot_be_taken_back_is_told_beside_the_error(host, systemd):
    host.refuses["vm/swappiness", "60"] = errno.EINVAL
    with pytest.raises(HostError, match=r"^services: x\.service: no such unit.*; could not be undone: "):
        _apply(host, systemd, {**_WANTED, "services": {"units": [{"name": "x.service", "state": "started"}]}})


def test_warnings_of_a_part_are_warnings_of_the_whole(host, systemd):
    host.write("/etc/sysctl.d/99-other.conf", "vm.swappiness = 60\n")
    warnings = _apply(host, systemd, {"sysctl": _WANTED["sysctl"]})["warnings"]
    assert warnings == ["vm.swappiness: /etc/sysctl.d/99-other.conf is read later at boot and sets 60, not 1; remove it there"]


def test_services_come_last():
    assert list(MODULES)[-1] == "services"
