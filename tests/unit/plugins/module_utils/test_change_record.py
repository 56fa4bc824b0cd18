# Copyright: (c) hft.ops contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

from pathlib import Path

import pytest
from ansible_collections.hft.ops.plugins.module_utils._change_record import PATH, ChangeRecord, originals
from ansible_collections.hft.ops.plugins.module_utils._host import Host, HostError
from ansible_collections.hft.ops.plugins.module_utils._plan import HIDDEN, Difference, Plan


def _run(root: Path, *differences: Difference, check_mode: bool = False, fails: bool = False) -> None:
    def write() -> None:
        if fails:
            raise HostError("refused")

    plan = Plan(check_mode, ChangeRecord("services", Host(root)))
    plan.change(Difference("live", "first", 0, 1), write=lambda: None, undo=lambda: None)
    plan.change(*differences, write=write, undo=lambda: None)
    plan.run()


def _entries(root: Path) -> list[dict]:
    return ChangeRecord("any", Host(root)).read()


def test_what_is_written_stands_in_the_record_with_what_was_there_before(tmp_path: Path) -> None:
    _run(tmp_path, Difference("persisted", "a.service", "disabled", "enabled"))
    entry, = _entries(tmp_path)
    assert entry["module"] == "services"
    assert entry["differences"][1] == {"layer": "persisted", "path": "a.service", "before": "disabled", "after": "enabled"}
    assert (tmp_path / PATH.lstrip("/")).stat().st_mode & 0o777 == 0o600


def test_check_mode_and_a_run_without_a_difference_leave_no_line(tmp_path: Path) -> None:
    _run(tmp_path, Difference("live", "b", 1, 2), check_mode=True)
    Plan(False, ChangeRecord("services", Host(tmp_path))).run()
    assert _entries(tmp_path) == []


def test_a_secret_is_not_in_the_record(tmp_path: Path) -> None:
    _run(tmp_path, Difference("persisted", "/etc/key", "old-word", "new-word", secret=True))
    assert _entries(tmp_path)[0]["differences"][1]["before"] == HIDDEN
    assert "word" not in (tmp_path / PATH.lstrip("/")).read_text()


def test_what_was_taken_back_at_once_is_no_original(tmp_path: Path) -> None:
    with pytest.raises(HostError, match="refused"):
        _run(tmp_path, Difference("live", "b", 1, 2), fails=True)
    assert [entry.get("undone", False) for entry in _entries(tmp_path)] == [False, True]
    assert originals(_entries(tmp_path)) == {}


def test_the_first_before_counts_until_it_is_back(tmp_path: Path) -> None:
    record = ChangeRecord("sysctl", Host(tmp_path))

    def change(before: int, after: int) -> None:
        record.append([Difference("live", "vm.swappiness", before, after).shown()])

    change(60, 10)
    change(10, 1)
    assert originals(_entries(tmp_path)) == {("sysctl", "live", "vm.swappiness"): 60}
    change(1, 60)
    assert originals(_entries(tmp_path)) == {}
    change(30, 1)
    assert originals(_entries(tmp_path)) == {("sysctl", "live", "vm.swappiness"): 30}


def test_a_record_that_cannot_be_written_stops_the_run_before_its_first_write(tmp_path: Path) -> None:
    (tmp_path / "var/lib").mkdir(parents=True)
    (tmp_path / "var/lib/hft_ops").write_text("a file in the way")
    plan = Plan(False, ChangeRecord("services", Host(tmp_path)))
    plan.change(Difference("live", "a", 1, 2), write=lambda: pytest.fail("written without a record"))
    with pytest.raises(HostError, match=r"changes\.jsonl: the record of changes cannot be written .*nothing was changed"):
        plan.run()


def test_a_line_cut_off_at_the_end_is_left_out_and_a_broken_one_is_named(tmp_path: Path) -> None:
    _run(tmp_path, Difference("live", "b", 1, 2))
    real = tmp_path / PATH.lstrip("/")
    real.write_text(real.read_text() + '{"time": "2026')
    assert len(_entries(tmp_path)) == 1
    real.write_text("no json\n")
    with pytest.raises(HostError, match=r"changes\.jsonl:1: is not a line of the record"):
        _entries(tmp_path)
