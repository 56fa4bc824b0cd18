# SPDX-License-Identifier: GPL-3.0-or-later
"""The runner of the stages says no where it must: it is what all other tests rest on."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import yaml

from repository import ROOT, load

_RUNNER = ROOT / "tests" / "run_stages.py"
_JUNIT = '<testsuite><testcase classname="c" name="good"/><testcase classname="c" name="left"><skipped/></testcase></testsuite>'


def _run(folder: Path, stages: list[dict[str, Any]], skips: list[dict[str, str]] | None = None) -> tuple[int, str, dict[str, Any]]:
    for stage in stages:
        for key, value in {"what": "a trial", "budget_min": 1, "sets": ["test"]}.items():
            stage.setdefault(key, value)
    (folder / "stages.yml").write_text(yaml.safe_dump({"limit_min": 45, "stages": stages}))
    (folder / "skips.yml").write_text(yaml.safe_dump({"skips": skips or []}))
    done = subprocess.run([sys.executable, str(_RUNNER), "--stages", str(folder / "stages.yml"), "--skips", str(folder / "skips.yml"),
                           "--build", str(folder)], capture_output=True, text=True)
    record = folder / "test.json"
    return done.returncode, done.stdout + done.stderr, json.loads(record.read_text()) if record.exists() else {}


def test_passing_stages_pass(tmp_path: Path) -> None:
    code, said, record = _run(tmp_path, [{"name": "a", "command": "true"}, {"name": "b", "command": "true", "needs": ["a"]}])
    assert code == 0
    assert said.rstrip().splitlines()[-1] == "2 passed, 0 failed, 0 skipped"
    assert [stage["passed"] for stage in record["stages"]] == [1, 1]
    assert {"machine", "versions", "commit", "started_at", "seed", "total_s", "skips"} <= set(record)


def test_a_failure_stops_only_what_needs_it(tmp_path: Path) -> None:
    code, said, _ = _run(tmp_path, [{"name": "a", "command": "echo why; false"}, {"name": "b", "command": "true", "needs": ["a"]},
                                    {"name": "c", "command": "true"}])
    assert code == 1
    assert "why" in said
    assert "not run, because a failed" in said
    assert said.rstrip().splitlines()[-1] == "1 passed, 2 failed, 0 skipped"


def test_over_budget_is_told_and_recorded(tmp_path: Path) -> None:
    code, said, record = _run(tmp_path, [{"name": "slow", "command": "sleep 5", "budget_min": 0.075}])
    assert code == 0
    assert "ok, over its budget" in said
    assert [stage["over_budget"] for stage in record["stages"]] == [True]


def test_far_over_budget_fails(tmp_path: Path) -> None:
    code, said, _ = _run(tmp_path, [{"name": "slow", "command": "sleep 2", "budget_min": 0.005}])
    assert code == 1
    assert "its budget is 0.3 s; make it faster" in said


def test_budgets_beyond_the_limit_are_refused(tmp_path: Path) -> None:
    code, said, _ = _run(tmp_path, [{"name": "a", "command": "true", "budget_min": 30}, {"name": "b", "command": "true", "budget_min": 16}])
    assert code == 2
    assert "46 min, the limit is 45" in said


@pytest.mark.parametrize(("skips", "code"), [([], 1), ([{"test": "c::left", "reason": "no such device here"}], 0)])
def test_a_skip_needs_its_reason(tmp_path: Path, skips: list[dict[str, str]], code: int) -> None:
    stages = [{"name": "a", "counted": True, "command": f"echo '{_JUNIT}' > $STAGE_JUNIT/x.xml"}]
    got, _, record = _run(tmp_path, stages, skips)
    assert got == code
    assert record["skips"] == skips
    assert record["stages"][0]["skipped"] == 1


def test_a_counted_stage_without_tests_fails(tmp_path: Path) -> None:
    code, said, _ = _run(tmp_path, [{"name": "a", "counted": True, "command": "true"}])
    assert code == 1
    assert "no test ran" in said


def test_a_failed_test_is_named_with_what_it_said(tmp_path: Path) -> None:
    failed = ('<testsuite><testcase classname="c" name="bad" status="fail"><failure message=""/>'
              "<system-out>1 is not 2</system-out></testcase></testsuite>")
    stages = [{"name": "a", "counted": True, "command": f"echo '{failed}' > $STAGE_JUNIT/x.xml; false"}]
    code, said, record = _run(tmp_path, stages)
    assert code == 1
    assert "1 is not 2" in said
    assert "a: failed: c::bad" in said
    assert record["stages"][0]["failures"] == ["c::bad"]


def test_a_cut_off_junit_file_fails(tmp_path: Path) -> None:
    code, _, _ = _run(tmp_path, [{"name": "a", "counted": True, "command": "echo '<testsuite><testcase' > $STAGE_JUNIT/x.xml"}])
    assert code == 1


def test_budgets_sum_up_to_at_most_45_minutes() -> None:
    tree = load(ROOT / "tests" / "stages.yml")
    assert tree["limit_min"] <= 45
    assert sum(stage["budget_min"] for stage in tree["stages"] if "test" in stage["sets"]) <= 45
    assert sum(stage["budget_min"] for stage in tree["stages"] if "fast" in stage["sets"]) <= 4
