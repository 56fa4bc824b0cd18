# SPDX-License-Identifier: GPL-3.0-or-later
"""deploy/container in a folder of its own, with a release that was compiled here, brought up by compose and taken down at the end; and the
tools that deploy/ is held against."""

from __future__ import annotations

import os
import shutil
import socket
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml
from ansible_collections.hft.ops.plugins.module_utils._engine_archive import pack, sha256_of
from manifests import FOLDER

from lab import docker_engine, image
from lab.paths import BUILD, ROOT

_PROJECT = "hft_container"
_TREE = BUILD / "engine" / "release"
# What a shell could make something else of stands in the password.
SECRETS = {"DB_PASSWORD": 'of-this-test-"$alone`\\', "API_TOKENS_READ": "read-of-this-test", "API_TOKENS_OPERATE": "operate-of-this-test",
           "API_TOKENS_KILL": "kill-of-this-test"}


class Compose:
    """docker compose on the folder, as a person would type it there."""

    def __init__(self, folder: Path, tool: str, environment: dict[str, str]) -> None:
        self.folder, self._tool, self._environment = folder, tool, environment

    def run(self, *argv: str, **variables: str) -> subprocess.CompletedProcess[str]:
        environment = {**self._environment, **variables, "COMPOSE_PROJECT_NAME": _PROJECT}
        # The folder at its own path: what compose mounts is looked up by the engine, on this machine.
        there = [part for name, value in environment.items() for part in ("--env", f"{name}={value}")]
        return subprocess.run(["docker", "run", "--rm", "--volume", "/var/run/docker.sock:/var/run/docker.sock", "--volume",
                               f"{self.folder}:{self.folder}", "--workdir", str(self.folder), *there, self._tool, "docker-compose", *argv],
                              capture_output=True, text=True, check=False)

    def does(self, *argv: str) -> str:
        done = self.run(*argv)
        assert done.returncode == 0, (done.stdout + done.stderr)[-6000:]
        return done.stdout

    def container(self, service: str) -> str:
        return self.does("ps", "--all", "--quiet", service).strip()

    def shell(self, service: str, script: str) -> str:
        """What a script says inside; errors of single commands are the caller's to read."""
        return subprocess.run(["docker", "exec", self.container(service), "bash", "-c", script], capture_output=True, text=True,
                              check=False).stdout.strip()


@pytest.fixture(scope="session")
def tool() -> str:
    """An image with docker compose and kustomize."""
    docker_engine.ensure()
    tag, folder = "hft-deploy-tools:trixie", str(Path(__file__).parent)
    base = f"BASE={image.base()}"
    subprocess.run(["docker", "build", "--quiet", "--build-arg", base, "--tag", tag, folder], check=True, capture_output=True)
    return tag


@pytest.fixture(scope="session")
def rendered(tool: str) -> str:
    return subprocess.run(["docker", "run", "--rm", "--volume", f"{FOLDER}:/kubernetes:ro", tool, "kustomize", "build", "/kubernetes"],
                          capture_output=True, text=True, check=True).stdout


@pytest.fixture(scope="session")
def objects(rendered: str) -> list[dict[str, Any]]:
    return list(yaml.safe_load_all(rendered))


@pytest.fixture(scope="session")
def validators() -> Path:
    """The folder of the programs that know the published schemas."""
    wanted, place = Path(__file__).with_name("requirements.txt"), BUILD / "deploy" / "venv"
    ready = place / "requirements.txt"
    if not ready.exists() or ready.read_text() != wanted.read_text():
        place.parent.mkdir(parents=True, exist_ok=True)
        subprocess.run([ROOT / "tests" / "bootstrap", place, wanted], check=True)
        shutil.copy(wanted, ready)
    return place / "bin"


def in_build_tree(*argv: str) -> str:
    """What a command prints in the image of the build host, where stage engine compiled; the collection's own code is in its path."""
    done = subprocess.run(["docker", "run", "--rm", "--entrypoint", argv[0], "--volume", f"{ROOT / 'engine'}:/source:ro", "--volume",
                           f"{_TREE}:/build", "--volume", f"{ROOT / 'plugins'}:/collection/ansible_collections/hft/ops/plugins:ro", "--env",
                           "PYTHONPATH=/collection", "--env", "PYTHONDONTWRITEBYTECODE=1", "--user", f"{os.getuid()}:{os.getgid()}",
                           image.build("build"), *argv[1:]], capture_output=True, text=True, check=False)
    assert done.returncode == 0, f"stage engine compiles it: {done.stderr[-2000:]}"
    return done.stdout


@pytest.fixture(scope="session")
def release(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The release archive of what stage engine compiled, stripped and with its bill of materials as engine_build leaves it."""
    stage = _TREE / "stage"
    shutil.rmtree(stage, ignore_errors=True)
    in_build_tree("cmake", "--install", "/build", "--prefix", "/build/stage", "--strip")
    in_build_tree("python3", "-c", "from ansible_collections.hft.ops.plugins.module_utils._bill_of_materials import write; "
                  "write('/build/stage', '/build', 'hft_system', '0.1.0+00000000', ('/source',))")
    archive = tmp_path_factory.mktemp("release") / "release.tar.gz"
    pack(str(stage), "hft_system-0.1.0+00000000", str(archive))
    return archive


@pytest.fixture(scope="session")
def compose(release: Path, tool: str) -> Iterator[Compose]:
    folder = BUILD / "deploy" / "container"
    shutil.rmtree(folder, ignore_errors=True)
    shutil.copytree(ROOT / "deploy" / "container", folder, ignore=shutil.ignore_patterns("release.tar.gz", "secrets"))
    shutil.copy(release, folder / "release.tar.gz")
    (folder / "secrets").mkdir(mode=0o700)
    quoted = {name: "".join(f"\\{letter}" if letter in '\\"$`' else letter for letter in value) for name, value in SECRETS.items()}
    (folder / "secrets" / "engine.env").write_text("".join(f'{name}="{value}"\n' for name, value in quoted.items()))
    api, metrics = _free_ports()
    made = Compose(folder, tool, {"HFT_VERSION": "0.1.0-00000000", "HFT_BASE": image.base(), "HFT_API_PORT": str(api),
                                     "HFT_METRICS_PORT": str(metrics), "HFT_RELEASE_SHA256": sha256_of(str(release))})
    yield made
    made.does("down", "--volumes", "--rmi", "local", "--timeout", "5")


@pytest.fixture(scope="session")
def up(compose: Compose) -> Compose:
    compose.does("build")
    compose.does("up", "--wait")
    return compose


def _free_ports() -> tuple[int, int]:
    with socket.socket() as one, socket.socket() as other:
        for end in (one, other):
            end.bind(("127.0.0.1", 0))
        return one.getsockname()[1], other.getsockname()[1]
