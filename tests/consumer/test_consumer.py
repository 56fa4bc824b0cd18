# SPDX-License-Identifier: GPL-3.0-or-later
"""A project outside this tree: the tarball in an empty directory, single roles by FQCN, its own molecule scenario."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import tarfile
from collections.abc import Iterator
from pathlib import Path

import pytest
import yaml

from lab import docker_engine, hosts, image, inventory
from lab.paths import ROOT, STATE

_PROJECT = Path(__file__).parent / "project"
_BIN = Path(sys.executable).parent


@pytest.fixture(scope="module")
def bare_hosts() -> Iterator[None]:
    docker_engine.ensure()
    network, every = inventory.read(_PROJECT / "inventory")
    hosts.down(network)
    for target in sorted({host.image for host in every}):
        image.build(target)
    hosts.up(network, every)
    yield
    hosts.down(network)


@pytest.fixture(scope="module")
def project(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The project in a directory of its own, with the collection as users get it."""
    folder = tmp_path_factory.mktemp("consumer") / "project"
    shutil.copytree(_PROJECT, folder)
    manifest = yaml.safe_load((ROOT / "galaxy.yml").read_text())
    archive = folder / f"hft-ops-{manifest['version']}.tar.gz"
    _run("ansible-galaxy", "collection", "build", "--output-path", str(folder), cwd=ROOT)
    _run("ansible-galaxy", "collection", "install", "--offline", "--no-deps", "-p", "collections", str(archive), cwd=folder)
    return folder


def _run(*argv: str, cwd: Path) -> str:
    # Nothing of this checkout: neither its configuration nor its link to the collection.
    env = {key: value for key, value in os.environ.items() if not key.startswith(("ANSIBLE_", "PYTHONPATH", "MOLECULE_"))}
    env |= {"CONSUMER_KEYS": str(STATE / "ssh"), "CONSUMER_ENGINE": str(ROOT / "engine"), "PATH": f"{_BIN}:{env['PATH']}"}
    done = subprocess.run(argv, cwd=cwd, env=env, capture_output=True, text=True, check=False)
    assert done.returncode == 0, (done.stdout + done.stderr)[-6000:]
    return done.stdout


def _on_host(command: str) -> str:
    return subprocess.run(["docker", "exec", "consumer-01", "sh", "-c", command], capture_output=True, text=True, check=True).stdout


def test_its_own_scenario_passes(project: Path, bare_hosts: None) -> None:
    _run("molecule", "test", "--destroy=never", cwd=project)


def test_a_change_of_one_engine_restarts_it_and_leaves_the_other(project: Path, bare_hosts: None) -> None:
    def started() -> list[str]:
        return _on_host("systemctl show --property=ActiveEnterTimestampMonotonic --value alpha_engine beta_engine").split()

    before = started()
    _run("ansible-playbook", "engines.yml", "-e", "@release.yml", "-e", '{"alpha_requests_per_s": 50}', cwd=project)
    after = started()
    assert [was != now for was, now in zip(before, after)] == [True, False]


def test_evidence_of_an_incident_comes_in_one_archive_without_a_secret(project: Path, bare_hosts: None) -> None:
    """By the playbook's FQCN; an engine that is asked, a host without one, and one that is silent."""
    (project / "silent.yml").write_text("all: {hosts: {silent-01: {ansible_host: 127.0.0.1, ansible_port: 1}}}\n")
    options = {"collect_hosts": "all", "collect_hosts_engine": "consumer-01", "engine_api_port": 18080, "evidence_metrics_port": 19464,
               "evidence_log_dir": "/var/log/alpha", "evidence_commands": {"slow": "sleep 60"}, "evidence_item_timeout_s": 5,
               "collect_dest": str(project)}
    said = _run("ansible-playbook", "-i", "inventory", "-i", "silent.yml", "hft.ops.collect", "-e", json.dumps(options), cwd=project)
    assert "from: consumer-01, consumer-build" in said
    assert "silent: silent-01" in said
    archive = next(project.glob("incident-*.tar.gz"))
    with tarfile.open(archive) as outer:
        outer.extractall(project, filter="data")
    folder = project / archive.name.removesuffix(".tar.gz")
    assert json.loads((folder / "engines.json").read_text())["consumer-01"]["status"]["engine"] == "alpha"
    with tarfile.open(folder / "consumer-01.tar.gz") as inner:
        inner.extractall(folder, filter="data")
    index = (folder / "consumer-01/index").read_text()
    assert {"engine/system.log: ok", "engine/metrics: ok", "host/changes.jsonl: ok", "host/core_dumps.json: ok",
            "slow: not within 5 s"} <= set(index.splitlines())
    assert not [path for path in folder.rglob("*") if path.is_file() and b"of-this-test-alone" in path.read_bytes()]
    assert "hft-evidence" not in _on_host("ls /var/tmp")
