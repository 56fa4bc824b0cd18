# SPDX-License-Identifier: GPL-3.0-or-later
"""deploy/pipeline: the workflow against the published schema, the market gate as its job runs it. Names: tests/gates/test_pipeline.py."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path

import pytest

from lab.paths import ROOT

_FOLDER = ROOT / "deploy" / "pipeline"


def test_the_workflow_is_what_the_published_schema_allows(validators: Path) -> None:
    done = subprocess.run([validators / "check-jsonschema", "--builtin-schema", "vendor.github-workflows", _FOLDER / "workflow.yml"],
                          capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr


@pytest.mark.parametrize(("at", "may", "said"), [
    ("2026-12-22T15:00Z", False, "XNYS"),
    ("2026-12-22T22:00Z", True, ""),
    ("2026-12-24T18:00Z", False, "2026-12-24T18:15:00Z"),
], ids=["open", "closed", "just closed, early that day"])
def test_the_market_gate(tmp_path: Path, at: str, may: bool, said: str) -> None:
    (tmp_path / "hosts.yml").write_text("all: {vars: {gates_markets: [XNYS]}}\n")
    done = subprocess.run(["ansible-playbook", "-i", str(tmp_path / "hosts.yml"), str(_FOLDER / "market.yml"), "-e", f"market_at={at}"],
                          cwd=ROOT, env=os.environ, capture_output=True, text=True, check=False)
    assert (done.returncode == 0) is may, done.stdout + done.stderr
    assert said in done.stdout


def test_the_build_is_understood(tmp_path: Path) -> None:
    (tmp_path / "hosts.yml").write_text("build: {hosts: {builder: {}}}\n")
    done = subprocess.run(["ansible-playbook", "-i", str(tmp_path / "hosts.yml"), str(_FOLDER / "build.yml"), "--syntax-check"],
                          cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
