# Copyright: (c) hft.ops contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import os
import time

import pytest
from ansible_collections.hft.ops.plugins.module_utils._apt import Apt
from ansible_collections.hft.ops.plugins.module_utils._host import Host, HostError
from ansible_collections.hft.ops.plugins.module_utils._plan import Plan
from ansible_collections.hft.ops.plugins.modules.packages import apply

_POLICY = "usr/sbin/policy-rc.d"


class Debian:
    """A host's dpkg and apt-get: what is installed, what its sources have, and what was called."""

    def __init__(self, root):
        self.root = root
        self.installed = {"base-files": "13", "libpq5": "17.6-1"}
        self.sources = {"chrony": "4.6-1", "libpq5": "17.7-1", "prometheus": "2.53"}
        self.hidden = {}  # in the sources, and not in the lists that the host has read
        self.installs_nothing = False
        self.offline = False
        self.policies = []
        self.calls = []
        lists = root / "var/lib/apt/lists"
        lists.mkdir(parents=True)
        (lists / "deb_Packages").touch()

    def __call__(self, argv, environ_update=None):
        if argv[0] == "dpkg-query":
            return 0, "".join(f"{name}\t{version}\tinstalled\tvirtual-{name} (= 1)\n" for name, version in self.installed.items()) \
                + "gone\t1\tconfig-files\t\n", ""
        verb, names = argv[1], [word for word in argv[2:] if not word.startswith(("-", "D"))]
        self.calls.append((verb, *names))
        policy = self.root / _POLICY
        self.policies.append(policy.read_text() if policy.exists() else None)
        if verb == "update" and self.offline:
            return 100, "", "E: Failed to fetch http://archive/InRelease\n"
        if verb == "update":
            self.sources.update(self.hidden)
        for text in names if verb == "install" else ():
            name, _equal, version = text.partition("=")
            if name not in self.sources:
                return 100, "Reading package lists...", f"E: Unable to locate package {name}\n"
            if not self.installs_nothing:
                self.installed[name] = version or self.sources[name]
        for name in names if verb == "remove" else ():
            del self.installed[name]
        return 0, "", ""

    def apply(self, *names, check_mode=False, state="present", start_services=False, list_max_age_s=86400):
        plan = Plan(check_mode)
        params = {"names": list(names), "state": state, "start_services": start_services, "list_max_age_s": list_max_age_s}
        items = apply(params, Apt(self, Host(self.root)), plan)
        return {"status": [(item.name, item.status) for item in items], **plan.result()}


@pytest.fixture
def debian(tmp_path):
    return Debian(tmp_path)


def test_what_is_missing_is_installed_in_one_call_and_read_back(debian):
    result = debian.apply("libpq5", "chrony", "prometheus")
    assert debian.calls == [("install", "chrony", "prometheus")]
    assert [one["path"] for one in result["differences"]] == ["chrony", "prometheus"]
    assert result["status"] == [("libpq5", "applied"), ("chrony", "applied"), ("prometheus", "applied")]
    debian.calls.clear()
    assert not debian.apply("libpq5", "chrony", "prometheus")["changed"]
    assert debian.calls == []


def test_check_mode_states_the_same_and_calls_nothing(debian):
    planned = debian.apply("chrony", "libpq5=17.7-1", check_mode=True)
    assert debian.calls == []
    assert planned["status"] == [("chrony", "drifted"), ("libpq5", "drifted")]
    assert planned["differences"] == debian.apply("chrony", "libpq5=17.7-1")["differences"]
    assert debian.installed["libpq5"] == "17.7-1"


def test_an_installed_package_is_never_upgraded_by_chance(debian):
    assert not debian.apply("libpq5")["changed"]
    assert debian.installed["libpq5"] == "17.6-1"


def test_virtual_packages_and_leftover_configuration(debian):
    assert not debian.apply("virtual-libpq5")["changed"]
    with pytest.raises(HostError, match="Unable to locate package gone"):
        debian.apply("gone")


def test_removal(debian):
    result = debian.apply("libpq5", "chrony", state="absent")
    assert debian.calls == [("remove", "libpq5")]
    assert result["differences"] == [{"layer": "persisted", "path": "libpq5", "before": "17.6-1", "after": None}]


@pytest.mark.parametrize("before", [None, "#!/bin/sh\nexit 0\n"])
def test_no_service_starts_and_the_policy_is_as_before(debian, before):
    policy = debian.root / _POLICY
    policy.parent.mkdir(parents=True)
    if before:
        policy.write_text(before)
        policy.chmod(0o755)
    debian.apply("chrony")
    assert "exit 101" in debian.policies[-1]
    assert (policy.read_text() if policy.exists() else None) == before
    with pytest.raises(HostError):
        debian.apply("nothing-of-this-name")
    assert (policy.read_text() if policy.exists() else None) == before


def test_a_policy_left_by_a_run_that_was_cut_off_is_taken_away(debian):
    debian.apply("chrony")
    policy = debian.root / _POLICY
    policy.write_text(debian.policies[-1])
    debian.apply("prometheus")
    assert not policy.exists()


def test_services_start_when_asked_for(debian):
    debian.apply("chrony", start_services=True)
    assert debian.policies == [None]


def test_old_lists_are_read_anew_before_and_young_ones_when_a_name_is_not_found(debian):
    debian.hidden = {"new": "1"}
    debian.apply("new")
    assert [call[0] for call in debian.calls] == ["install", "update", "install"]
    debian.calls.clear()
    day_ago = time.time() - 90_000
    os.utime(debian.root / "var/lib/apt/lists", (day_ago, day_ago))
    debian.apply("chrony")
    assert [call[0] for call in debian.calls] == ["update", "install"]


def test_without_a_way_to_the_sources_the_first_reason_is_told(debian):
    debian.offline = True
    with pytest.raises(HostError, match=r"Unable to locate package new \(and fresh lists cannot be read: apt-get update: Failed to fetch"):
        debian.apply("new")
    assert debian.apply("chrony")["changed"], "what young lists have needs no fresh ones"


def test_lists_that_were_never_read_are(debian):
    (debian.root / "var/lib/apt/lists/deb_Packages").unlink()
    debian.apply("chrony")
    assert [call[0] for call in debian.calls] == ["update", "install"]


def test_what_apt_says_is_done_and_is_not_is_an_error(debian):
    debian.installs_nothing = True
    with pytest.raises(HostError, match=r"^chrony: wanted installed, is absent"):
        debian.apply("chrony")


def test_all_wrong_names_are_told_at_once(debian):
    with pytest.raises(HostError) as wrong:
        debian.apply("Chrony", "a b", "x=", "libpq5-", "chrony", "chrony")
    for part in ("'Chrony'", "'a b'", "'x='", "'libpq5-'", "chrony: listed twice"):
        assert part in str(wrong.value)
    assert debian.calls == []
