# SPDX-License-Identifier: GPL-3.0-or-later
"""What cutover.yml silences at Debian's Alertmanager by its API while trading moves, and that a cutover goes on where nobody answers."""

from __future__ import annotations

import json
import os
import subprocess
import urllib.request
from collections.abc import Iterator
from pathlib import Path

import pytest
import yaml
from ansible_collections.hft.ops.plugins.filter.alertmanager_config import alertmanager_config
from backfilled import alertmanager, free_port

_ROOT = Path(__file__).parents[2]
_DEFAULTS = {name.removeprefix("alertmanager_"): value
             for name, value in yaml.safe_load((_ROOT / "roles/alertmanager/defaults/main.yml").read_text()).items()}
_ALERTS = [("EngineWarm", "hft-prod-01", "warning"), ("EngineWarm", "hft-prod-02", "warning"), ("EngineWarm", "hft-prod-021", "warning"),
           ("TwoHolders", "hft-prod-02", "critical")]


@pytest.fixture(scope="module")
def port(tmp_path_factory: pytest.TempPathFactory) -> Iterator[int]:
    folder = tmp_path_factory.mktemp("alertmanager")
    (folder / "alertmanager.yml").write_text(yaml.safe_dump(alertmanager_config([], _DEFAULTS, "/s")["config"]))
    with alertmanager(folder) as listening:
        yield listening


def _silence(folder: Path, port: int, state: str, hosts: list[str]) -> str:
    """What the tasks of cutover.yml say."""
    given = {"cutover_alertmanager_url": f"http://127.0.0.1:{port}",
             "__silence": state, "__silence_id": "cutover-7", "__silence_hosts": hosts}
    tasks = [{"ansible.builtin.import_tasks": f"{_ROOT}/playbooks/tasks/silence.yml"}]
    play = {"hosts": "localhost", "connection": "local", "gather_facts": False, "vars": given, "tasks": tasks}
    (folder / "play.yml").write_text(json.dumps([play]))
    done = subprocess.run(["ansible-playbook", "-i", "localhost,", str(folder / "play.yml")], capture_output=True, text=True, cwd=_ROOT,
                          env={**os.environ, "ANSIBLE_CONFIG": f"{_ROOT}/ansible.cfg"})
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def _silenced(port: int) -> list[tuple[str, str]]:
    with urllib.request.urlopen(f"http://127.0.0.1:{port}/api/v2/alerts", timeout=10) as answer:
        return sorted((one["labels"]["host"], one["labels"]["severity"]) for one in json.load(answer) if one["status"]["silencedBy"])


def test_what_both_engines_tell_is_silenced_but_what_is_critical_and_told_again_afterwards(port: int, tmp_path: Path) -> None:
    alerts = json.dumps([{"labels": {"alertname": name, "host": host, "severity": severity}} for name, host, severity in _ALERTS]).encode()
    headers = {"Content-Type": "application/json"}
    with urllib.request.urlopen(urllib.request.Request(f"http://127.0.0.1:{port}/api/v2/alerts", alerts, headers), timeout=10):
        pass
    both = ["hft-prod-01", "hft-prod-02"]
    assert "NOT SILENCED" not in _silence(tmp_path, port, "present", both)
    assert _silenced(port) == [(host, "warning") for host in both]
    _silence(tmp_path, port, "absent", [])
    assert _silenced(port) == []


def test_an_alertmanager_that_does_not_answer_is_told_and_holds_nothing_up(tmp_path: Path) -> None:
    assert "ALERTS ARE NOT SILENCED: " in _silence(tmp_path, free_port(), "present", ["hft-prod-01"])
