#!/usr/bin/python
# Copyright: (c) hft.ops contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: accounts
short_description: System groups, system users and their directories in one call
version_added: 0.1.0
description:
  - Makes the groups, users and directories that are missing and brings those that differ to what is wanted.
  - Reads with C(getent), so users of a directory service count as existing; only local ones can be changed.
  - Users get no password and no home directory is made for them.
author: hft.ops contributors (@hft-ops)
extends_documentation_fragment: hft.ops.attributes
options:
  groups:
    description: Groups, made as system ones.
    type: list
    elements: dict
    default: []
    suboptions:
      name:
        description: Name of the group.
        type: str
        required: true
      gid:
        description: Its number; the host's next free one when not given.
        type: int
  users:
    description: Users, made as system ones.
    type: list
    elements: dict
    default: []
    suboptions:
      name:
        description: Name of the user.
        type: str
        required: true
      group:
        description: Primary group, one of O(groups) or one that exists.
        type: str
        required: true
      groups:
        description: Further groups. The user stays in those that are not named.
        type: list
        elements: str
        default: []
      uid:
        description: Its number; the host's next free one when not given.
        type: int
      home:
        description: Home directory. It is not made.
        type: path
        required: true
      shell:
        description: Login shell.
        type: path
        required: true
  directories:
    description: Directories. Missing parents are made with mode 0755 and belong to root.
    type: list
    elements: dict
    default: []
    suboptions:
      path:
        description: Absolute path.
        type: path
        required: true
      owner:
        description: User that owns it, one of O(users) or one that exists.
        type: str
        default: root
      group:
        description: Group of it.
        type: str
        default: root
      mode:
        description: Its permission bits, as an octal string.
        type: str
        default: '0755'
notes:
  - A group or user that exists under another number is an error, because its files would keep the old one.
seealso:
  - module: ansible.builtin.user
"""

EXAMPLES = r"""
- name: The user of the engine and its log directory
  hft.ops.accounts:
    groups:
      - name: hft_user
    users:
      - name: hft_user
        group: hft_user
        home: /opt/hft_system
        shell: /usr/sbin/nologin
    directories:
      - path: /var/log/hft_system
        owner: hft_user
        group: hft_user
"""

RETURN = r"""
differences:
  description: Every difference between wanted and found, with its layer, path (group, user or directory), before and after.
  returned: always
  type: list
  elements: dict
"""

import re
import shutil
from typing import Any, Callable

from ansible.module_utils.basic import AnsibleModule
from ansible_collections.hft.ops.plugins.module_utils._change_record import ChangeRecord
from ansible_collections.hft.ops.plugins.module_utils._host import Host, HostError
from ansible_collections.hft.ops.plugins.module_utils._plan import Difference, Plan

# What useradd of every supported system takes (shadow's own rule).
_NAME = re.compile(r"[a-z_][a-z0-9_-]{0,31}")


def main() -> None:
    group = {"name": {"type": "str", "required": True}, "gid": {"type": "int"}}
    user = {
        "name": {"type": "str", "required": True}, "group": {"type": "str", "required": True},
        "groups": {"type": "list", "elements": "str", "default": []}, "uid": {"type": "int"},
        "home": {"type": "path", "required": True}, "shell": {"type": "path", "required": True},
    }
    directory = {
        "path": {"type": "path", "required": True}, "owner": {"type": "str", "default": "root"},
        "group": {"type": "str", "default": "root"}, "mode": {"type": "str", "default": "0755"},
    }
    module = AnsibleModule(
        argument_spec={
            "groups": {"type": "list", "elements": "dict", "default": [], "options": group},
            "users": {"type": "list", "elements": "dict", "default": [], "options": user},
            "directories": {"type": "list", "elements": "dict", "default": [], "options": directory},
        },
        supports_check_mode=True,
    )
    plan = Plan(module.check_mode, ChangeRecord("accounts"))
    try:
        apply(module.params, Host(), module.run_command, plan)
    except HostError as wrong:
        module.fail_json(msg=str(wrong), **plan.failure())
    module.exit_json(**plan.result())


def apply(wanted: dict[str, Any], host: Host, run_command: Callable[..., tuple], plan: Plan) -> None:
    """Plan and, outside check mode, run."""
    accounts = _Accounts(run_command)
    groups, users = accounts.groups(), accounts.users()
    _refuse_bad_input(wanted, groups, users)
    for group in wanted["groups"]:
        if group["name"] not in groups:
            _plan_group(group, accounts, plan)
    for user in wanted["users"]:
        if user["name"] not in users:
            _plan_new_user(user, accounts, plan)
        else:
            _plan_user(user, users[user["name"]], groups, accounts, plan)
    for directory in wanted["directories"]:
        _plan_directory(directory, host, plan)
    plan.run()


class _Accounts:
    """The account database of the host."""

    def __init__(self, run_command: Callable[..., tuple]) -> None:
        self._run_command = run_command

    def groups(self) -> dict[str, dict[str, Any]]:
        """Number and members by name."""
        return {fields[0]: {"gid": int(fields[2]), "members": set(filter(None, fields[3].split(",")))} for fields in self._entries("group")}

    def users(self) -> dict[str, dict[str, Any]]:
        """Number, number of the primary group, home and shell by name."""
        return {fields[0]: {"uid": int(fields[2]), "gid": int(fields[3]), "home": fields[5], "shell": fields[6]}
                for fields in self._entries("passwd")}

    def do(self, argv: list[str]) -> None:
        rc, _out, err = self._run_command(argv)
        if rc != 0:
            raise HostError(f"{' '.join(argv)}: {err.strip().splitlines()[-1] if err.strip() else f'ended with {rc}'}")

    def _entries(self, database: str) -> list[list[str]]:
        rc, out, err = self._run_command(["getent", database])
        if rc != 0:
            raise HostError(f"getent {database}: {err.strip() or f'ended with {rc}'}")
        return [line.split(":") for line in out.splitlines() if line.count(":") >= 3]


def _refuse_bad_input(wanted: dict[str, Any], groups: dict[str, dict], users: dict[str, dict]) -> None:
    known_groups = {one["name"] for one in wanted["groups"]} | set(groups)
    known_users = {one["name"] for one in wanted["users"]} | set(users)
    problems = _problems_of_names("groups", "gid", wanted["groups"], groups) + _problems_of_names("users", "uid", wanted["users"], users)
    for user in wanted["users"]:
        problems += [f"users: {user['name']}: group {name}: neither on this host nor under groups"
                     for name in [user["group"], *user["groups"]] if name not in known_groups]
    for directory in wanted["directories"]:
        wrong = _problems_of_directory(directory, known_users, known_groups)
        problems += [f"directories: {directory['path']}: {problem}" for problem in wrong]
    if problems:
        raise HostError("; ".join(problems))


def _problems_of_names(option: str, key: str, wanted: list[dict[str, Any]], found: dict[str, dict]) -> list[str]:
    names = [one["name"] for one in wanted]
    problems = [f"{option}: {name}: listed twice" for name in sorted({name for name in names if names.count(name) > 1})]
    bad = [name for name in names if not _NAME.fullmatch(name)]
    problems += [f"{option}: {name!r}: expected a lower-case name of letters, digits, _ and -" for name in bad]
    for one in wanted:
        name, number = one["name"], one[key]
        if number is not None and name in found and found[name][key] != number:
            problems.append(f"{option}: {name}: has {key} {found[name][key]} on this host, wanted {number}; "
                            f"files would keep the old number: renumber it by hand, or leave {key} out")
    return problems


def _problems_of_directory(directory: dict[str, Any], users: set[str], groups: set[str]) -> list[str]:
    problems = []
    if not directory["path"].startswith("/"):
        problems.append("expected an absolute path")
    if not re.fullmatch(r"0?[0-7]{3}", directory["mode"]):
        problems.append(f"mode {directory['mode']}: expected octal digits such as 0755")
    if directory["owner"] not in users:
        problems.append(f"owner {directory['owner']}: neither on this host nor under users")
    if directory["group"] not in groups:
        problems.append(f"group {directory['group']}: neither on this host nor under groups")
    return problems


def _plan_group(group: dict[str, Any], accounts: _Accounts, plan: Plan) -> None:
    name = group["name"]
    number = [] if group["gid"] is None else ["--gid", str(group["gid"])]
    plan.change(Difference("persisted", f"group {name}", None, "present"),
                write=lambda: accounts.do(["groupadd", "--system", *number, name]),
                undo=lambda: accounts.do(["groupdel", name]))


def _plan_new_user(user: dict[str, Any], accounts: _Accounts, plan: Plan) -> None:
    argv = ["useradd", "--system", "--no-create-home", "--gid", user["group"], "--home-dir", user["home"], "--shell", user["shell"]]
    argv += [] if user["uid"] is None else ["--uid", str(user["uid"])]
    argv += ["--groups", ",".join(user["groups"])] if user["groups"] else []
    plan.change(Difference("persisted", f"user {user['name']}", None, _shown(user["group"], user["home"], user["shell"], user["groups"])),
                write=lambda: accounts.do([*argv, user["name"]]),
                undo=lambda: accounts.do(["userdel", user["name"]]))


def _plan_user(user: dict[str, Any], now: dict[str, Any], groups: dict[str, dict], accounts: _Accounts, plan: Plan) -> None:
    name = user["name"]
    primary = next((group for group, entry in groups.items() if entry["gid"] == now["gid"]), str(now["gid"]))
    member_of = sorted(group for group, entry in groups.items() if name in entry["members"])
    missing = [group for group in user["groups"] if group not in (*member_of, primary)]
    argv, back = [], []
    compared = (("--gid", primary, user["group"]), ("--home", now["home"], user["home"]), ("--shell", now["shell"], user["shell"]))
    for option, was, wanted in compared:
        if was != wanted:
            argv += [option, wanted]
            back += [option, was]
    if missing:
        argv += ["--append", "--groups", ",".join(missing)]
        back += ["--groups", ",".join(member_of)]
    if argv:
        plan.change(Difference("persisted", f"user {name}", _shown(primary, now["home"], now["shell"], member_of),
                               _shown(user["group"], user["home"], user["shell"], sorted({*member_of, *missing}))),
                    write=lambda: accounts.do(["usermod", *argv, name]), undo=lambda: accounts.do(["usermod", *back, name]))


def _plan_directory(directory: dict[str, Any], host: Host, plan: Plan) -> None:
    path, real = directory["path"], host.path(directory["path"])
    mode = int(directory["mode"], 8)
    wanted = _owned(directory["owner"], directory["group"], mode)
    if not real.exists():
        plan.change(Difference("persisted", f"directory {path}", None, wanted),
                    write=lambda: _own(host, path, directory["owner"], directory["group"], mode), undo=real.rmdir)
        return
    if not real.is_dir():
        raise HostError(f"directories: {path}: is a file; move it away")
    now = real.stat()
    before = _owned(real.owner(), real.group(), now.st_mode & 0o7777)
    if before != wanted:
        plan.change(Difference("persisted", f"directory {path}", before, wanted),
                    write=lambda: _own(host, path, directory["owner"], directory["group"], mode),
                    undo=lambda: _own(host, path, now.st_uid, now.st_gid, now.st_mode & 0o7777))


def _own(host: Host, path: str, owner: str | int, group: str | int, mode: int) -> None:
    real = host.path(path)
    real.mkdir(mode=0o755, parents=True, exist_ok=True)
    shutil.chown(real, owner, group)
    real.chmod(mode)


def _shown(group: str, home: str, shell: str, groups: list[str]) -> str:
    return f"group {group}, home {home}, shell {shell}" + (f", also in {', '.join(groups)}" if groups else "")


def _owned(owner: str, group: str, mode: int) -> str:
    return f"{owner}:{group} {mode:04o}"


if __name__ == "__main__":
    main()
