# Copyright: (c) hft.ops contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import grp
import os
import pwd

import pytest
from ansible_collections.hft.ops.plugins.module_utils._host import Host, HostError
from ansible_collections.hft.ops.plugins.module_utils._plan import Plan
from ansible_collections.hft.ops.plugins.modules.accounts import apply

_ME = pwd.getpwuid(os.getuid()).pw_name
_MINE = grp.getgrgid(os.getgid()).gr_name


class Database:
    """getent, and a record of the commands that would change it."""

    def __init__(self):
        self.groups = {"adm": "adm:x:4:syslog", _MINE: f"{_MINE}:x:{os.getgid()}:"}
        self.users = {_ME: f"{_ME}:x:{os.getuid()}:{os.getgid()}::/root:/bin/bash"}
        self.calls = []
        self.refuse = ""

    def __call__(self, argv):
        if argv[0] == "getent":
            return 0, "\n".join((self.groups if argv[1] == "group" else self.users).values()) + "\n", ""
        self.calls.append(" ".join(argv))
        return (1, "", "useradd: no such luck\n") if argv[0] == self.refuse else (0, "", "")

    def apply(self, root, check_mode=False, groups=(), users=(), directories=()):
        plan = Plan(check_mode)
        apply({"groups": list(groups), "users": list(users), "directories": list(directories)}, Host(root), self, plan)
        return plan.result()


def _user(name="hft_user", group="hft_user", groups=(), uid=None, home="/opt/hft_system", shell="/bin/bash"):
    return {"name": name, "group": group, "groups": list(groups), "uid": uid, "home": home, "shell": shell}


def _directory(path="/var/log/hft", owner=_ME, group=_MINE, mode="0750"):
    return {"path": path, "owner": owner, "group": group, "mode": mode}


_GROUP = {"name": "hft_user", "gid": None}


def test_what_is_missing_is_made_in_order(tmp_path):
    host = Database()
    result = host.apply(tmp_path, groups=[_GROUP, {"name": "rt", "gid": 990}], users=[_user(groups=["adm"], uid=991)],
                        directories=[_directory()])
    assert host.calls == [
        "groupadd --system hft_user", "groupadd --system --gid 990 rt",
        "useradd --system --no-create-home --gid hft_user --home-dir /opt/hft_system --shell /bin/bash --uid 991 --groups adm hft_user"]
    assert [one["path"] for one in result["differences"]] == ["group hft_user", "group rt", "user hft_user", "directory /var/log/hft"]
    assert (tmp_path / "var/log/hft").stat().st_mode & 0o777 == 0o750


def test_check_mode_states_the_same_and_does_nothing(tmp_path):
    wanted = {"groups": [_GROUP], "users": [_user()], "directories": [_directory()]}
    host = Database()
    planned = host.apply(tmp_path, check_mode=True, **wanted)
    assert host.calls == []
    assert not (tmp_path / "var").exists()
    assert planned["differences"] == host.apply(tmp_path, **wanted)["differences"]


def test_what_is_as_wanted_is_left_alone(tmp_path):
    host = Database()
    host.groups["hft_user"] = "hft_user:x:990:"
    host.groups["adm"] = "adm:x:4:syslog,hft_user"
    host.users["hft_user"] = "hft_user:x:990:990::/opt/hft_system:/bin/bash"
    (tmp_path / "var/log/hft").mkdir(parents=True, mode=0o750)
    (tmp_path / "var/log/hft").chmod(0o750)
    assert not host.apply(tmp_path, groups=[_GROUP], users=[_user(groups=["adm"])], directories=[_directory()])["changed"]
    assert host.calls == []


def test_what_differs_is_changed_in_one_call(tmp_path):
    host = Database()
    host.groups["hft_user"] = "hft_user:x:990:"
    host.users["hft_user"] = "hft_user:x:990:4::/home/hft:/bin/bash"
    (tmp_path / "d").mkdir()
    (tmp_path / "d").chmod(0o777)
    result = host.apply(tmp_path, users=[_user(groups=["adm"])], directories=[_directory("/d")])
    assert host.calls == ["usermod --gid hft_user --home /opt/hft_system hft_user"], "adm is its primary group until now"
    assert [(one["path"], one["before"]) for one in result["differences"]] == [
        ("user hft_user", "group adm, home /home/hft, shell /bin/bash"), ("directory /d", f"{_ME}:{_MINE} 0777")]
    assert (tmp_path / "d").stat().st_mode & 0o777 == 0o750


def test_a_failure_takes_back_what_was_made(tmp_path):
    host = Database()
    host.refuse = "useradd"
    with pytest.raises(HostError, match="no such luck"):
        host.apply(tmp_path, groups=[_GROUP], users=[_user()])
    assert host.calls[-1] == "groupdel hft_user"


def test_all_that_is_wrong_is_told_at_once(tmp_path):
    host = Database()
    (tmp_path / "file").touch()
    with pytest.raises(HostError) as wrong:
        host.apply(tmp_path, groups=[{"name": "adm", "gid": 5}, {"name": "Bad Name", "gid": None}], users=[_user(group="nobody_made_it")],
                   directories=[_directory("relative"), _directory("/x", mode="rwx"), _directory("/y", owner="ghost")])
    for part in ("adm: has gid 4 on this host, wanted 5", "'Bad Name'", "group nobody_made_it", "relative: expected an absolute",
                 "mode rwx", "owner ghost"):
        assert part in str(wrong.value)
    with pytest.raises(HostError, match=r"/file: is a file"):
        host.apply(tmp_path, directories=[_directory("/file")])
    assert host.calls == []
