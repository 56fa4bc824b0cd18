# SPDX-License-Identifier: GPL-3.0-or-later
"""This version converges a lab that the version before converged, while its engines trade: no lease changes, no engine starts anew.

The version before is the newest tag, or the revision that UPGRADE_FROM names, used as people use it: built, installed, by FQCN, with its
own inventory. The engines' release stays, as the upgrade of the collection (docs/upgrade.md) leaves it: both runs are given the same one.
"""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from lab import credentials, docker_engine, hosts, image, inventory
from lab.paths import BUILD, INVENTORY, ROOT, STATE

_BIN = Path(sys.executable).parent
_WORK = BUILD / "upgrade"
_SECRETS = Path("group_vars") / "all" / "secrets.yml"


def _said(*argv: str, cwd: Path = ROOT) -> str:
    return subprocess.run(argv, cwd=cwd, capture_output=True, text=True, check=False).stdout.strip()


def _former() -> str:
    return os.environ.get("UPGRADE_FROM") or _said("git", "describe", "--tags", "--abbrev=0")


class Version:
    """The collection of a tree where only it is installed, and that tree's inventory of the lab."""

    def __init__(self, name: str, tree: Path) -> None:
        self.tree, self.collections, self.log = tree, _WORK / name / "collections", _WORK / f"{name}.log"
        shutil.rmtree(_WORK / name, ignore_errors=True)
        archives = _WORK / name / "archive"
        archives.mkdir(parents=True)
        self._run("ansible-galaxy", "collection", "build", "--output-path", str(archives))
        self._run("ansible-galaxy", "collection", "install", "--offline", "--no-deps", "-p", str(self.collections),
                  str(next(archives.glob("*.tar.gz"))))

    def play(self, name: str, **variables: object) -> str:
        return self._run("ansible-playbook", "-i", "inventories/lab", "-e", json.dumps(variables), f"hft.ops.{name}")

    def _run(self, *argv: str) -> str:
        env = {key: value for key, value in os.environ.items() if not key.startswith("ANSIBLE_")}
        env |= {"ANSIBLE_COLLECTIONS_PATH": str(self.collections), "ANSIBLE_PIPELINING": "true"}
        done = subprocess.run([str(_BIN / argv[0]), *argv[1:]], cwd=self.tree, env=env, capture_output=True, text=True, check=False)
        with self.log.open("a") as log:
            log.write(done.stdout + done.stderr)
        assert done.returncode == 0, f"{' '.join(argv[:4])}: {(done.stdout + done.stderr)[-4000:]}"
        return done.stdout


@pytest.fixture(scope="module")
def former() -> Version:
    revision = _former()
    if not revision:
        pytest.skip("no version was published before this one; UPGRADE_FROM=REVISION tries any other")
    shutil.rmtree(_WORK, ignore_errors=True)
    tree = _WORK / "tree"
    tree.mkdir(parents=True)
    archive = subprocess.run(["git", "archive", revision], cwd=ROOT, capture_output=True, check=True).stdout
    subprocess.run(["tar", "-x"], cwd=tree, input=archive, check=True)
    credentials.ensure()
    shutil.copy(INVENTORY / _SECRETS, tree / "inventories" / "lab" / _SECRETS)
    (tree / ".lab").symlink_to(STATE)
    return Version("former", tree)


@pytest.fixture(scope="module")
def bare_lab(former: Version) -> None:
    docker_engine.ensure()
    network, every = inventory.read(INVENTORY)
    hosts.down(network)
    for target in sorted({host.image for host in every}):
        image.build(target)
    hosts.up(network, every)


def _rows() -> list[str]:
    """Strategy, holder and epoch; a holder's name ends with the incarnation of its process."""
    ask = "runuser -u postgres -- psql -XAtq -d hft_db -c 'SELECT strategy, holder, epoch FROM engine_lease ORDER BY 1'"
    return _said("docker", "exec", "hft-db-01", "sh", "-c", ask).splitlines()


def _processes() -> list[str]:
    return [_said("docker", "exec", host, "systemctl", "show", "--property=MainPID,ActiveEnterTimestampMonotonic", "hft_system")
            for host in ("hft-prod-01", "hft-prod-02")]


@pytest.mark.long
def test_a_run_of_this_version_touches_no_lease_holder(former: Version, bare_lab: None) -> None:
    former.play("site")
    archive = max((former.tree / "build" / "releases").glob("hft_system-*[0-9a-f].tar.gz"), key=lambda path: path.stat().st_mtime)
    version = archive.name.removeprefix("hft_system-").removesuffix(".tar.gz")
    sha256 = archive.with_name(archive.name + ".sha256").read_text().split()[0]
    former.play("trading", trading_action="start", trading_engine="hft-prod-01")
    rows, processes = _rows(), _processes()
    assert rows
    assert all("hft-prod-01/" in row for row in rows)

    this = Version("this", ROOT)
    this.play("site", site_release={"version": version, "archive": str(archive), "sha256": sha256})
    assert (_rows(), _processes()) == (rows, processes)
    this.play("validate")
