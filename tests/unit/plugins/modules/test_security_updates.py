# Copyright: (c) hft.ops contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import os

import pytest
from ansible_collections.hft.ops.plugins.module_utils._apt import Apt
from ansible_collections.hft.ops.plugins.module_utils._host import Host, HostError
from ansible_collections.hft.ops.plugins.module_utils._plan import Plan
from ansible_collections.hft.ops.plugins.module_utils._replaced_files import units_that_run_replaced_files
from ansible_collections.hft.ops.plugins.modules.security_updates import apply

_HOLD = ["linux-*", "postgresql*", "libpq5"]
_SECURITY = "Debian-Security:13/stable-security"


class Debian:
    """apt-get with updates from two archives; what depends on what; what was installed."""

    def __init__(self, root):
        self.root = root
        self.updates = {"openssl": ("3.5.1-1", "3.5.1-1+deb13u1", _SECURITY), "vim": ("9.1-1", "9.1-2", "Debian:13.2/stable"),
                        "linux-image-amd64": ("6.12.1", "6.12.2", f"Debian:13.2/stable, {_SECURITY}")}
        self.installed = {name: old for name, (old, _new, _origin) in self.updates.items()}
        self.along = {}
        self.refuses = False
        self.lists = root / "var/lib/apt/lists"
        self.lists.mkdir(parents=True)
        (self.lists / "deb_Packages").touch()
        self.calls = []

    def __call__(self, argv, environ_update=None):
        if argv[0] == "dpkg-query":
            return 0, "".join(f"{name}\t{version}\tinstalled\t\n" for name, version in self.installed.items()), ""
        words = [word for word in argv[1:] if not word.startswith(("-", "D"))]
        if "--simulate" in argv:
            due = [name for name, (_old, new, _o) in self.updates.items() if self.installed[name] != new]
            names = [word.partition("=")[0] for word in words[1:]] or due
            names += [more for name in names for more in self.along.get(name, ())]
            return 0, "NOTE: only a simulation\n" + "".join(self._inst(name) for name in names) + "Conf openssl (3)\n", ""
        self.calls.append(tuple(words))
        if words[0] == "install" and self.refuses:
            return 100, "", "E: Failed to fetch openssl\n"
        self.installed.update(word.split("=") for word in words[1:])
        return 0, "", ""

    def _inst(self, name):
        old, new, origin = self.updates[name]
        return f"Inst {name} [{old}] ({new} {origin} [amd64])\n"

    def apply(self, check_mode=False):
        plan = Plan(check_mode)
        items = apply({"hold": _HOLD, "list_max_age_s": 3600}, Apt(self, Host(self.root)), plan)
        return {"status": [(item.name, item.status, item.reason) for item in items], **plan.result()}


@pytest.fixture
def debian(tmp_path):
    return Debian(tmp_path)


def test_only_what_the_security_archive_has_is_installed_in_its_version(debian):
    result = debian.apply()
    assert debian.calls == [("install", "openssl=3.5.1-1+deb13u1")]
    assert result["status"] == [("openssl", "applied", ""), ("linux-image-amd64", "not_applicable", "held by linux-*")]
    assert [one["path"] for one in result["differences"]] == ["openssl"]


def test_old_lists_are_read_anew_and_not_in_check_mode(debian):
    os.utime(debian.lists, (0, 0))
    debian.apply(check_mode=True)
    assert debian.calls == []
    debian.apply()
    assert debian.calls[0] == ("update",)


def test_second_run_changes_nothing(debian):
    debian.apply()
    assert not debian.apply()["changed"]


def test_check_mode_says_the_same_and_calls_nothing(debian):
    planned = debian.apply(check_mode=True)
    assert debian.calls == []
    assert planned["status"][0] == ("openssl", "drifted", "a security update waits")
    assert planned["differences"] == debian.apply()["differences"]


def test_update_that_pulls_a_held_package_along_is_held_too(debian):
    debian.updates["zlib1g"] = ("1", "2", _SECURITY)
    debian.installed["zlib1g"] = "1"
    debian.along["openssl"] = ["linux-image-amd64"]
    result = debian.apply()
    assert ("install", "zlib1g=2") in debian.calls
    assert ("openssl", "not_applicable", "would pull along linux-image-amd64, which is held") in result["status"]


def test_refusal_of_apt_is_told(debian):
    debian.refuses = True
    with pytest.raises(HostError, match="Failed to fetch openssl"):
        debian.apply()


def test_units_that_run_replaced_files_are_found(tmp_path):
    library = "7f00-7f01 r-xp 00000000 08:01 42   /usr/lib/x86_64-linux-gnu/libc.so.6"
    for pid, maps, cgroup in (
        ("1", f"{library} (deleted)", "0::/init.scope"), ("7", f"{library} (deleted)", "0::/system.slice/ssh.service"),
        ("8", library, "0::/system.slice/cron.service"), ("9", "7f00-7f01 r-xp 0 08:01 1 /memfd:x (deleted)", "0::/x.service"),
    ):
        (tmp_path / "proc" / pid).mkdir(parents=True)
        (tmp_path / "proc" / pid / "maps").write_text(maps + "\n")
        (tmp_path / "proc" / pid / "cgroup").write_text(cgroup + "\n")
    assert units_that_run_replaced_files(Host(tmp_path)) == ["init.scope", "ssh.service"]
