# SPDX-License-Identifier: GPL-3.0-or-later
"""What the verify step of all scenarios shares."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path

import pytest
import yaml

_ROOT = Path(__file__).resolve().parent.parent


@pytest.fixture
def play(tmp_path):
    """Run tasks on one host of molecule/inventory: play("mol-01", tasks, *options) → finished process, both streams as text."""

    def run(name: str, tasks: list[dict], *options: str) -> subprocess.CompletedProcess[str]:
        playbook = tmp_path / "play.yml"
        playbook.write_text(yaml.safe_dump([{"name": "Play", "hosts": name, "gather_facts": False, "tasks": tasks}]))
        return _ansible_playbook(playbook, *options)

    return run


@pytest.fixture
def database_playbook(request):
    """Run a playbook of the collection on the scenario's cluster, mol-01 to mol-03: database_playbook("database_upgrade", *options)."""

    def run(name: str, *options: str) -> subprocess.CompletedProcess[str]:
        return _ansible_playbook(_ROOT / "playbooks" / f"{name}.yml", "-e", f"@{request.path.parent}/variables.yml",
                                 "-e", "database_hosts=mol-01:mol-02:mol-03", *options)

    return run


def _ansible_playbook(playbook: Path, *options: str) -> subprocess.CompletedProcess[str]:
    argv = ["ansible-playbook", f"--inventory={_ROOT}/molecule/inventory", *options, str(playbook)]
    plain = {**os.environ, "ANSIBLE_FORCE_COLOR": "0", "ANSIBLE_NOCOLOR": "1"}  # molecule asks for colours, tests read words
    return subprocess.run(argv, cwd=_ROOT, env=plain, capture_output=True, text=True, check=False)


@pytest.fixture
def wrong_input(play):
    """Run tasks that must be refused; returns what was printed, on one line."""

    def run(name: str, tasks: list[dict], *options: str) -> str:
        done = play(name, tasks, *options)
        said = " ".join((done.stdout + done.stderr).split())
        assert done.returncode == 2, f"expected a failed task, got exit status {done.returncode}: {said}"
        assert "unreachable=0" in said
        return said

    return run
