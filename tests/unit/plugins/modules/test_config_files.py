# Copyright: (c) hft.ops contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import grp
import os
import pwd
from pathlib import Path

import pytest
from ansible_collections.hft.ops.plugins.module_utils._host import Host, HostError
from ansible_collections.hft.ops.plugins.module_utils._plan import Plan
from ansible_collections.hft.ops.plugins.modules.config_files import apply

_USER = pwd.getpwuid(os.geteuid()).pw_name
_GROUP = grp.getgrgid(os.getegid()).gr_name


class Tool:
    """Stands for the vendor's tool: remembers what it was shown, answers with a code."""

    def __init__(self, code: int = 0, said: str = "") -> None:
        self.code, self.said, self.seen = code, said, {}

    def __call__(self, argv: list) -> tuple:
        root = Path(argv[-1])
        self.seen = {"/" + str(path.relative_to(root)): path.read_text() for path in root.rglob("*") if path.is_file()}
        return self.code, "", self.said


def _file(path: str, content: str, **more: object) -> dict:
    return {"path": path, "content": content, "state": "present", "owner": _USER, "group": _GROUP, "mode": "0644", "secret": False, **more}


def _apply(root: Path, files: list, tool: Tool, check_mode: bool = False, program: str = "true") -> Plan:
    plan = Plan(check_mode)
    apply(files, [program, "{root}"], Host(root), tool, plan)
    return plan


def test_writes_the_set_with_its_directories_after_the_tool_saw_all_of_it(tmp_path: Path) -> None:
    tool = Tool()
    plan = _apply(tmp_path, [_file("/etc/a/main.yml", "one\n"), _file("/etc/a/rules/r.yml", "two\n", mode="0600")], tool)
    assert plan.changed
    assert tool.seen == {"/etc/a/main.yml": "one\n", "/etc/a/rules/r.yml": "two\n"}
    assert (tmp_path / "etc/a/main.yml").read_text() == "one\n"
    assert (tmp_path / "etc/a/rules/r.yml").stat().st_mode & 0o777 == 0o600


def test_second_run_changes_nothing_and_asks_no_tool(tmp_path: Path) -> None:
    files = [_file("/etc/a.yml", "one\n")]
    _apply(tmp_path, files, Tool())
    tool = Tool(code=1)
    assert not _apply(tmp_path, files, tool).changed
    assert tool.seen == {}


def test_refused_set_leaves_every_old_file(tmp_path: Path) -> None:
    _apply(tmp_path, [_file("/etc/a.yml", "old a\n"), _file("/etc/b.yml", "old b\n")], Tool())
    with pytest.raises(HostError, match=r"refused the configuration, the old files stand: line 3: no such key"):
        _apply(tmp_path, [_file("/etc/a.yml", "new a\n"), _file("/etc/b.yml", "new b\n")], Tool(code=1, said="line 3:\n no such key"))
    assert (tmp_path / "etc/a.yml").read_text() == "old a\n"
    assert (tmp_path / "etc/b.yml").read_text() == "old b\n"


@pytest.mark.parametrize(("secret", "told"), [(False, "; line 2 of /etc/a.yml is: wrong$"), (True, "in /etc/a.yml$")])
def test_refused_line_is_shown_unless_it_is_secret(tmp_path: Path, secret: bool, told: str) -> None:
    files = [{**_file("/etc/a.yml", "right\n  wrong\n"), "secret": secret}, _file("/etc/b.yml", "b\n")]
    with pytest.raises(HostError, match=told):
        _apply(tmp_path, files, Tool(code=1, said="2026-11-22T18:01:42Z invalid directive at line 2 in /etc/a.yml"))


def test_failed_write_restores_the_files_before_it(tmp_path: Path) -> None:
    _apply(tmp_path, [_file("/etc/a.yml", "old\n")], Tool())
    (tmp_path / "etc/blocked").write_text("a file where a directory is needed")
    with pytest.raises(HostError, match=r"/etc/blocked/b.yml: cannot be written"):
        _apply(tmp_path, [_file("/etc/a.yml", "new\n"), _file("/etc/blocked/b.yml", "new\n")], Tool())
    assert (tmp_path / "etc/a.yml").read_text() == "old\n"


def test_check_mode_plans_the_same_and_writes_nothing(tmp_path: Path) -> None:
    files = [_file("/etc/a/main.yml", "one\n")]
    planned = _apply(tmp_path, files, Tool(), check_mode=True).result()["differences"]
    assert not (tmp_path / "etc").exists()
    assert _apply(tmp_path, files, Tool()).result()["differences"] == planned


def test_check_mode_names_what_the_tool_refuses(tmp_path: Path) -> None:
    with pytest.raises(HostError, match="no such key"):
        _apply(tmp_path, [_file("/etc/a.yml", "one\n")], Tool(code=1, said="no such key"), check_mode=True)


def test_missing_tool_is_planned_over_and_refused(tmp_path: Path) -> None:
    files = [_file("/etc/a.yml", "one\n")]
    assert _apply(tmp_path, files, Tool(), check_mode=True, program="no-such-tool").changed
    with pytest.raises(HostError, match="no-such-tool: not installed on this host"):
        _apply(tmp_path, files, Tool(), program="no-such-tool")
    assert not (tmp_path / "etc").exists()


def test_mode_alone_is_a_difference(tmp_path: Path) -> None:
    _apply(tmp_path, [_file("/etc/a.yml", "one\n")], Tool())
    (tmp_path / "etc/a.yml").chmod(0o666)
    plan = _apply(tmp_path, [_file("/etc/a.yml", "one\n")], Tool())
    assert [difference.path for difference in plan.differences] == ["/etc/a.yml (mode)"]
    assert (tmp_path / "etc/a.yml").stat().st_mode & 0o777 == 0o644


def test_secret_content_is_in_no_result(tmp_path: Path) -> None:
    result = _apply(tmp_path, [_file("/etc/a.env", "PASSWORD=hunter2\n", secret=True)], Tool()).result()
    assert "hunter2" not in str(result)


@pytest.mark.parametrize(("files", "named"), [
    ([_file("etc/a", "")], "etc/a: expected the absolute path"),
    ([_file("/etc/a/", "")], "/etc/a/: expected the absolute path"),
    ([_file("/etc/a", ""), _file("/etc/a", "")], "/etc/a: listed twice"),
    ([_file("/etc/a", "", mode="rw")], "mode rw: expected octal"),
])
def test_wrong_input_is_refused_before_anything(tmp_path: Path, files: list, named: str) -> None:
    with pytest.raises(HostError, match=named):
        _apply(tmp_path, files, Tool())
    assert not list(tmp_path.iterdir())


def test_a_file_that_is_to_be_absent_goes_and_the_tool_does_not_see_it(tmp_path: Path) -> None:
    _apply(tmp_path, [_file("/etc/a", "one\n"), _file("/etc/b", "two\n")], Tool())
    tool = Tool()
    plan = _apply(tmp_path, [_file("/etc/a", "one\n"), {**_file("/etc/b", ""), "content": None, "state": "absent"}], tool)
    assert [(one.path, one.before, one.after) for one in plan.differences] == [("/etc/b", "two\n", None)]
    assert not (tmp_path / "etc/b").exists()
    assert tool.seen == {"/etc/a": "one\n"}
    assert not _apply(tmp_path, [{**_file("/etc/b", ""), "content": None, "state": "absent"}], Tool()).changed
