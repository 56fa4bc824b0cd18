# SPDX-License-Identifier: GPL-3.0-or-later
"""promtool of the lab's hosts reads all rules and sets without a complaint, and runs every case."""

from __future__ import annotations

import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from lab import image
from lab.paths import ROOT

_HERE = Path(__file__).parent
_FILES = ROOT / "roles" / "prometheus" / "files"
# Packages wait in the archive of a host's image; nothing is installed there.
_UNPACK = "dpkg -x /var/cache/apt/archives/promtool_*.deb /opt/promtool && touch /opt/ready && exec sleep 600"


@pytest.fixture(scope="session")
def promtool() -> Iterator[Callable[..., subprocess.CompletedProcess]]:
    """promtool(*arguments): in a container of a host's image, in which the repository is read-only at /src."""
    start = ["docker", "run", "--detach", "--rm", "--network", "none", "--volume", f"{ROOT}:/src:ro", "--workdir", "/src",
             "--entrypoint", "/bin/sh", image.tag("host"), "-c", _UNPACK]
    container = subprocess.run(start, capture_output=True, text=True, check=True).stdout.strip()

    def run(*arguments: str) -> subprocess.CompletedProcess:
        wait = 'until test -e /opt/ready; do sleep 0.05; done; exec /opt/promtool/usr/bin/promtool "$@"'
        return subprocess.run(["docker", "exec", container, "timeout", "120", "/bin/sh", "-c", wait, "promtool", *arguments],
                              capture_output=True, text=True, check=False)

    yield run
    subprocess.run(["docker", "kill", container], capture_output=True, check=False)


@pytest.mark.parametrize("source", sorted(_FILES.glob("*/*.yml")), ids=lambda source: source.stem)
def test_rules_are_right(promtool: Callable, source: Path) -> None:
    done = promtool("check", "rules", "--lint=all", "--lint-fatal", str(source.relative_to(ROOT)))
    assert done.returncode == 0, done.stdout + done.stderr


@pytest.mark.parametrize("source", sorted(_HERE.glob("*.yml")), ids=lambda source: source.stem)
def test_alerts_fire_when_they_must_and_only_then(promtool: Callable, source: Path) -> None:
    done = promtool("test", "rules", str(source.relative_to(ROOT)))
    assert done.returncode == 0, done.stdout + done.stderr
