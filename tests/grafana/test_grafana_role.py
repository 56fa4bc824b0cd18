# SPDX-License-Identifier: GPL-3.0-or-later
"""What role grafana writes and refuses, on a container of the lab's host image. Grafana itself is in no archive that can be reached."""

from __future__ import annotations

import json
import os
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
import yaml

from lab import image
from lab.paths import ROOT

_SECRET = "a pass: with 'quotes' and %s"
_GOOD = {"grafana_admin_password": _SECRET, "grafana_data_sources": [{"name": "us-east", "url": "http://hft-mon-01:9090", "default": True}]}
_BOARD = "/etc/grafana/hft_dashboards/trading.json"


@pytest.fixture(scope="module")
def host() -> Iterator[str]:
    """A container with the group that the vendor's package makes."""
    start = [
        "docker",
        "run",
        "--detach",
        "--rm",
        "--network",
        "none",
        "--entrypoint",
        "/bin/sh",
        image.tag("host"),
        "-c",
        "groupadd --system grafana && exec sleep 600",
    ]
    container = subprocess.run(start, capture_output=True, text=True, check=True).stdout.strip()
    yield container
    subprocess.run(["docker", "kill", container], capture_output=True, check=False)


@pytest.fixture
def play(host: str, tmp_path: Path) -> Callable[..., subprocess.CompletedProcess]:
    """play(variables, *arguments): preflight and configuration of the role, on that container."""

    def run(variables: dict, *arguments: str) -> subprocess.CompletedProcess:
        playbook = tmp_path / "play.yml"
        # No program and no systemd there: a handler of the play takes the place of the role's.
        told = {"name": "Restart grafana", "ansible.builtin.debug": {"msg": "Grafana would be restarted"}}
        playbook.write_text(
            yaml.safe_dump(
                [{"hosts": "all", "gather_facts": False, "vars": variables, "roles": [{"role": "hft.ops.grafana"}], "handlers": [told]}]
            )
        )
        command = [
            "ansible-playbook",
            "-i",
            f"{host},",
            "-c",
            "community.docker.docker",
            "-e",
            "ansible_python_interpreter=/usr/bin/python3",
            "--tags",
            "grafana_preflight,grafana_configure",
            *arguments,
            str(playbook),
        ]
        environment = {**os.environ, "ANSIBLE_CONFIG": str(ROOT / "ansible.cfg"), "ANSIBLE_NOCOLOR": "1"}
        return subprocess.run(command, capture_output=True, text=True, check=False, cwd=ROOT, env=environment)

    return run


def _read(host: str, path: str) -> str:
    return subprocess.run(["docker", "exec", host, "cat", path], capture_output=True, text=True, check=True).stdout


def test_files_are_written_and_a_second_run_changes_nothing(play: Callable, host: str) -> None:
    assert "changed=0" not in play(_GOOD, "--check").stdout
    done = play(_GOOD)
    assert done.returncode == 0, done.stdout + done.stderr
    assert _SECRET not in done.stdout
    again = play(_GOOD)
    assert "changed=0" in again.stdout, again.stdout
    source = yaml.safe_load(_read(host, "/etc/grafana/provisioning/datasources/hft.yml"))["datasources"][0]
    assert (source["uid"], source["type"], source["isDefault"], source["editable"]) == ("hft-us-east", "prometheus", True, False)
    folder = yaml.safe_load(_read(host, "/etc/grafana/provisioning/dashboards/hft.yml"))["providers"][0]
    assert (folder["folder"], folder["allowUiUpdates"], folder["options"]["path"]) == ("HFT", False, "/etc/grafana/hft_dashboards")
    assert json.loads(_read(host, _BOARD))["uid"] == "hft-trading"
    assert _read(host, "/etc/grafana/hft_admin_password") == _SECRET
    assert "$__file{/etc/grafana/hft_admin_password}" in _read(host, "/etc/grafana/grafana.ini")
    kept = subprocess.run(
        ["docker", "exec", host, "stat", "-c", "%U %G %a", "/etc/grafana/hft_admin_password"], capture_output=True, text=True, check=True
    )
    assert kept.stdout.strip() == "root grafana 640"


def test_a_dashboard_edited_by_hand_is_shown_and_put_right(play: Callable, host: str) -> None:
    play(_GOOD)
    subprocess.run(["docker", "exec", host, "sed", "-i", "s/engine_killswitch/vector(0) #/", _BOARD], check=True)
    shown = play(_GOOD, "--check", "--diff").stdout
    assert "changed=1" in shown
    assert "vector(0) #" in shown
    assert "vector(0) #" in _read(host, _BOARD)
    assert "changed=1" in play(_GOOD).stdout
    assert "vector(0) #" not in _read(host, _BOARD)


@pytest.mark.parametrize(
    ("variables", "named"),
    [
        ({"grafana_admin_password": "admin"}, "expected at least 12 characters"),
        ({"grafana_admin_password": "short"}, "expected at least 12 characters"),
        ({"grafana_admin_user": "a-long-enough-name", "grafana_admin_password": "a-long-enough-name"}, "expected at least 12 characters"),
        ({"grafana_data_sources": []}, "expected names that differ"),
        ({"grafana_data_sources": [{"name": "a", "url": "hft-mon-01:9090", "default": True}]}, "hft-mon-01:9090"),
        ({"grafana_data_sources": [{"name": "a", "url": "http://x:1"}]}, "default true at exactly one"),
        ({"grafana_source": "archive"}, "grafana_archive_sha256"),
        ({"grafana_source": "apt"}, "grafana_source"),
        ({"grafana_certificate": "/etc/x.pem"}, "grafana_key"),
        ({"grafana_dashboards": ["roles/grafana/files/dashboards/trading.json"]}, "used once"),
    ],
)
def test_wrong_input_is_refused_and_changes_nothing(play: Callable, host: str, variables: dict, named: str) -> None:
    play(_GOOD)
    before = _read(host, "/etc/grafana/grafana.ini") + _read(host, "/etc/grafana/provisioning/datasources/hft.yml")
    done = play({**_GOOD, **variables})
    assert done.returncode != 0
    assert named in " ".join(done.stdout.split()), done.stdout
    assert _read(host, "/etc/grafana/grafana.ini") + _read(host, "/etc/grafana/provisioning/datasources/hft.yml") == before
