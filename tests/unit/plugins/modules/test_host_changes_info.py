# Copyright: (c) hft.ops contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import grp
import os
import pwd
from pathlib import Path

import pytest
from ansible_collections.hft.ops.plugins.module_utils._change_record import ChangeRecord
from ansible_collections.hft.ops.plugins.module_utils._host import Host, HostError
from ansible_collections.hft.ops.plugins.module_utils._plan import HIDDEN, Difference, Plan
from ansible_collections.hft.ops.plugins.modules.config_files import apply as config_files
from ansible_collections.hft.ops.plugins.modules.host_changes_info import read

_USER = pwd.getpwuid(os.geteuid()).pw_name
_GROUP = grp.getgrgid(os.getegid()).gr_name


def _record(root: Path, module: str, *differences: Difference) -> None:
    ChangeRecord(module, Host(root)).append([one.shown() for one in differences])


def test_a_host_without_a_record_was_never_changed(tmp_path: Path) -> None:
    assert read(Host(tmp_path), 20) == {"changes": [], "originals": {"files": [], "units": [], "packages": [], "sysctl": {}}, "left": []}


def test_units_packages_and_keys_are_given_as_they_were(tmp_path: Path) -> None:
    _record(tmp_path, "services", Difference("live", "cups.service", "active", "inactive"),
            Difference("persisted", "cups.service", "enabled", "masked"),
            Difference("persisted", "bluetooth.service", "masked", "unmasked"),
            Difference("persisted", "chrony.service", "not installed", "enabled"),
            Difference("live", "chrony.service", "inactive", "active"))
    _record(tmp_path, "packages", Difference("persisted", "chrony", None, "installed"),
            Difference("persisted", "curl", "7.1", "8.0"))
    _record(tmp_path, "sysctl", Difference("live", "vm.swappiness", "60", "1"))
    _record(tmp_path, "accounts", Difference("persisted", "user hft_user", None, "group hft_user"))
    found = read(Host(tmp_path), 1)
    assert found["originals"]["units"] == [
        {"name": "cups.service", "state": "started", "masked": False, "enabled": True}, {"name": "bluetooth.service", "masked": True},
        {"name": "chrony.service", "masked": False, "state": "stopped"}]
    assert found["originals"]["packages"] == ["chrony"]
    assert found["originals"]["sysctl"] == {"vm.swappiness": "60"}
    assert found["left"] == ["package curl was 7.1", "user hft_user was not there"]
    assert [change["module"] for change in found["changes"]] == ["accounts"]


def test_files_go_back_to_their_content_mode_and_owner_through_config_files(tmp_path: Path) -> None:
    (tmp_path / "etc").mkdir()
    old = tmp_path / "etc/old.conf"
    old.write_text("old\n")
    old.chmod(0o640)

    def write(files: list[dict]) -> None:
        base = {"content": None, "state": "present", "owner": _USER, "group": _GROUP, "mode": "0644", "secret": False}
        config_files([{**base, **file} for file in files], [], Host(tmp_path), lambda argv: (0, "", ""),
                     Plan(False, ChangeRecord("config_files", Host(tmp_path))))

    write([{"path": "/etc/old.conf", "content": "new\n"}, {"path": "/etc/made.conf", "content": "made\n"}])
    originals = read(Host(tmp_path), 20)["originals"]
    assert originals["files"] == [
        {"path": "/etc/made.conf", "state": "absent"},
        {"path": "/etc/old.conf", "content": "old\n", "mode": "0640", "owner": _USER, "group": _GROUP}]
    write(originals["files"])
    assert old.read_text() == "old\n"
    assert old.stat().st_mode & 0o777 == 0o640
    assert not (tmp_path / "etc/made.conf").exists()
    assert read(Host(tmp_path), 0)["originals"]["files"] == []


def test_a_file_of_another_module_is_back_when_config_files_has_removed_it(tmp_path: Path) -> None:
    _record(tmp_path, "sysctl", Difference("persisted", "/etc/sysctl.d/90-hft.conf", None, "vm.swappiness = 1\n"))
    assert read(Host(tmp_path), 0)["originals"]["files"] == [{"path": "/etc/sysctl.d/90-hft.conf", "state": "absent"}]
    _record(tmp_path, "config_files", Difference("persisted", "/etc/sysctl.d/90-hft.conf", "vm.swappiness = 1\n", None))
    assert read(Host(tmp_path), 0)["originals"]["files"] == []


def test_a_secret_file_that_was_replaced_is_named_as_left(tmp_path: Path) -> None:
    _record(tmp_path, "config_files", Difference("persisted", "/etc/key", "old", "new", secret=True))
    assert read(Host(tmp_path), 20)["left"] == ["/etc/key was another file, whose content is secret and was not written down"]
    assert HIDDEN not in str(read(Host(tmp_path), 20)["originals"])


def test_a_count_out_of_range_is_refused(tmp_path: Path) -> None:
    with pytest.raises(HostError, match="newest 10001: expected 0 to 10000"):
        read(Host(tmp_path), 10_001)
