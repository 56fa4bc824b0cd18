# SPDX-License-Identifier: GPL-3.0-or-later
"""deploy/pipeline names what there is, asks whom the gates ask, and its own programs do what its jobs rely on."""

from __future__ import annotations

import hashlib
import json
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from ansible_collections.hft.ops.plugins.filter.deployment_gates import PASSED, deployment_gates

from repository import ROOT, load, playbooks
from test_commands import variables_of

_FOLDER = ROOT / "deploy" / "pipeline"
_WORKFLOW = load(_FOLDER / "workflow.yml")
_JOBS: dict[str, dict[str, Any]] = _WORKFLOW["jobs"]
_STEPS = [(job, step) for job, about in _JOBS.items() for step in about["steps"]]
_RUNS = {f"{job}: {step.get('name', 'step')}": step["run"] for job, step in _STEPS if "run" in step}


def _before(job: str) -> set[str]:
    """Jobs that must have passed."""
    needs = _JOBS[job].get("needs", [])
    direct = {needs} if isinstance(needs, str) else set(needs)
    return direct.union(*map(_before, direct))


@pytest.mark.parametrize("name", _RUNS)
def test_a_step_names_playbooks_files_and_variables_that_exist(name: str) -> None:
    line = " ".join(_RUNS[name].split())
    assert subprocess.run(["bash", "-n", "-c", _RUNS[name]], check=False).returncode == 0
    assert not [file for file in re.findall(r"pipeline/([\w.]+)", line) if not (_FOLDER / file).exists()]
    for command in re.findall(r"ansible-playbook hft\.ops\.(.+?)(?= ansible-playbook|$)", line):
        playbook = command.split()[0]
        assert playbook in playbooks()
        named = re.findall(r"-e ['\"]?(?:\{\\?\")?([a-z_]\w*)", command)
        assert not set(named) - variables_of(playbook)


def test_evidence_is_asked_for_by_the_kinds_that_jobs_leave() -> None:
    left = {kind for run in _RUNS.values() for kind in re.findall(r"evidence\.py (\w+)", run)}
    asked = re.search(r'"gates_evidence_needed": (\[[^\]]+\])', _RUNS["production: Cutover"])
    assert asked is not None
    assert set(json.loads(asked[1])) == left


def test_nothing_reaches_production_past_the_tests_staging_and_the_approvals() -> None:
    needed = load(ROOT / "roles" / "gates" / "defaults" / "main.yml")["gates_approvals_needed"]
    assert _before("production") == set(_JOBS) - {"production"}
    for stage in ("staging", "production"):
        approvals = {_JOBS[job]["environment"] for job in _before(stage) if "environment" in _JOBS[job]} - {"staging"}
        assert {f"approval-{role}" for role in needed[stage]} <= approvals
    assert _JOBS["production"]["if"] == "github.ref == 'refs/heads/main'"
    names = [step.get("name") for step in _JOBS["production"]["steps"]]
    assert names.index("Market hours") < names.index("Cutover")


def test_a_run_is_never_cut_off_by_another() -> None:
    assert _WORKFLOW["concurrency"]["cancel-in-progress"] is False


def test_nothing_of_the_caller_is_taken_for_shell() -> None:
    """What somebody types into the form is a variable of the shell, never a part of its script."""
    assert not [name for name, run in _RUNS.items() if "${{" in run]


def test_the_jobs_can_do_no_more_than_read() -> None:
    assert set(_WORKFLOW["permissions"].values()) == {"read"}


@pytest.fixture
def checkout(tmp_path: Path) -> Path:
    """A release as build.yml leaves it."""
    archive = tmp_path / "release" / "hft_system-0.1.0+0a1b2c3d.tar.gz"
    archive.parent.mkdir()
    archive.write_bytes(b"an archive")
    release = {"version": "0.1.0+0a1b2c3d", "archive": f"release/{archive.name}", "sha256": hashlib.sha256(b"an archive").hexdigest()}
    (archive.parent / "release.json").write_text(json.dumps(release))
    return tmp_path


def _run(program: str, *argv: str, cwd: Path) -> subprocess.CompletedProcess[str]:
    return subprocess.run([sys.executable, str(_FOLDER / program), *argv], cwd=cwd, capture_output=True, text=True, check=False)


def test_what_the_jobs_leave_passes_the_gates_for_this_release_alone(checkout: Path) -> None:
    # As GitHub documents it: one review for each time that somebody answered.
    (checkout / "approvals.json").write_text(json.dumps([
        {"state": "approved", "comment": "", "user": {"login": "ada"}, "environments": [{"id": 1, "name": "approval-vp_engineering"}]},
        {"state": "approved", "comment": "", "user": {"login": "bo"}, "environments": [{"id": 2, "name": "approval-trading_desk"}]},
        {"state": "rejected", "comment": "", "user": {"login": "cy"}, "environments": [{"id": 3, "name": "approval-team_lead"}]},
        {"state": "approved", "comment": "", "user": {"login": "di"}, "environments": [{"id": 4, "name": "production"}]},
    ]))
    for kind in ("tests", "staging"):
        assert _run("evidence.py", kind, cwd=checkout).returncode == 0
    told = json.loads(_run("gates.py", "approvals.json", "evidence", cwd=checkout).stdout)
    release = json.loads((checkout / "release" / "release.json").read_text())
    policy = {"approvals": ["vp_engineering", "trading_desk"], "evidence": ["tests", "staging"]}
    measured = {"approvals": told["gates_approvals"], "evidence": told["gates_evidence"], "release": release}

    def failed(measured: dict, policy: dict) -> set[str]:
        rows = {row["gate"]: row["verdict"] for row in deployment_gates(measured, policy)}
        return {gate for gate, verdict in rows.items() if gate.split(":")[0] in {"approvals", "evidence"} and verdict != PASSED}

    assert failed(measured, policy) == set()
    assert failed({**measured, "release": {"sha256": "cd" * 32}}, policy) == {"evidence: tests", "evidence: staging"}
    assert failed(measured, {**policy, "approvals": ["team_lead"]}) == {"approvals"}, "rejected is not approved"


def test_there_is_no_evidence_of_an_archive_that_is_another(checkout: Path) -> None:
    next((checkout / "release").glob("*.tar.gz")).write_bytes(b"another archive")
    done = _run("evidence.py", "tests", cwd=checkout)
    assert done.returncode == 1
    assert "build the release again" in done.stderr
    assert not (checkout / "evidence").exists()
