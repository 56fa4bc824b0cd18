# SPDX-License-Identifier: GPL-3.0-or-later
"""Where a run stands by what former runs took."""

from __future__ import annotations

from pathlib import Path

import pytest
from ansible_collections.hft.ops.plugins.plugin_utils._timeline import Timeline, clock, former_runs, keep, line

_FORMER = [[["gates", 10.0], ["transfer", 2.0], ["watch", 30.0]], [["gates", 20.0], ["transfer", 2.0], ["watch", 30.0]],
           [["gates", 12.0], ["transfer", 4.0], ["watch", 30.0], ["record", 1.0]]]


def test_the_rest_is_what_is_left_of_this_phase_and_the_later_ones() -> None:
    timeline = Timeline(_FORMER, 100)
    timeline.begin("gates", 100)
    assert timeline.state(105) == {"phase": "gates", "phase_s": 5, "expected_s": 12, "elapsed_s": 5, "remaining_s": 7 + 2 + 30 + 1}
    assert timeline.state(125)["remaining_s"] == 33, "a phase that is late is about to end"
    timeline.begin("watch", 130)
    assert (timeline.state(140)["remaining_s"], timeline.state(140)["elapsed_s"]) == (21, 40)
    timeline.end(160)
    assert timeline.done == [["gates", 30], ["watch", 30]]


def test_what_no_former_run_had_is_not_guessed() -> None:
    for former, phase in (([], "gates"), (_FORMER, "another")):
        timeline = Timeline(former, 0)
        timeline.begin(phase, 0)
        assert (timeline.state(1)["remaining_s"], timeline.state(1)["expected_s"]) == (None, None)


def test_a_phase_that_comes_twice_is_two() -> None:
    timeline = Timeline([], 0)
    for at, phase in enumerate(("ask", "move", "ask", "ask")):
        timeline.begin(phase, at)
    timeline.end(9)
    assert timeline.done == [["ask", 1], ["move", 1], ["ask #2", 1], ["ask #3", 6]]


@pytest.mark.parametrize(("seconds", "told"), [(0, "0:00"), (65, "1:05"), (3665, "1:01:05"), (59.6, "1:00")])
def test_clock(seconds: float, told: str) -> None:
    assert clock(seconds) == told


def test_line() -> None:
    assert line({"elapsed_s": 40, "remaining_s": 21, "phase": "watch"}) == "[0:40, about 0:21 left] watch"
    assert line({"elapsed_s": 40, "remaining_s": None, "phase": "watch"}) == "[0:40] watch"


def test_ten_runs_are_kept_of_each_playbook(tmp_path: Path) -> None:
    path = str(tmp_path / "new" / "history.json")
    for number in range(12):
        keep(path, "a.yml", [["phase", float(number)]])
    keep(path, "b.yml", [["phase", 0.5]])
    assert [run[0][1] for run in former_runs(path, "a.yml")] == [float(number) for number in range(2, 12)]
    assert [one.name for one in (tmp_path / "new").iterdir()] == ["history.json"]


@pytest.mark.parametrize("content", ["", "[]", '{"a.yml": 1}', '{"a.yml": [[["phase"]]]}', '{"a.yml": [[[1, 2]], 3]}'])
def test_a_history_of_somebody_else_is_none(tmp_path: Path, content: str) -> None:
    (tmp_path / "history").write_text(content)
    assert former_runs(str(tmp_path / "history"), "a.yml") == []
    keep(str(tmp_path / "history"), "a.yml", [["phase", 1.0]])
    assert former_runs(str(tmp_path / "history"), "a.yml") == [[["phase", 1.0]]]
