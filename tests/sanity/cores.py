# SPDX-License-Identifier: GPL-3.0-or-later
"""`ansible-test sanity` and `units` on every other ansible-core that meta/runtime.yml lets in, each in an environment of its own.

Newer ones want a newer Python than the control node's: they run in a container of Debian 13, which sees the tree and changes nothing in it.
With versions as arguments: only these.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import time
from pathlib import Path

from ansible_test import pip_config

from lab import docker_engine, image
from lab.failure import LabError
from stage_runner import junit

_ROOT = Path(__file__).resolve().parents[2]
_WORK = _ROOT / "build" / "cores"
_OUT = Path(os.environ.get("STAGE_JUNIT", _ROOT / "build" / "junit" / "cores"))
_VERBS = ("units", "sanity")
# The pinned one of requirements.txt is proven by stages of its own.
_ON_THIS_PYTHON = ("2.17.14", "2.18.19")
_ON_DEBIAN_13 = ("2.20.10", "2.21.5")
_CERTIFICATES = Path("/etc/ssl/certs/ca-certificates.crt")
_INSIDE = """set -eu
export DEBIAN_FRONTEND=noninteractive PYTHONDONTWRITEBYTECODE=1 PYTHONPATH=/tree/tests:/tree
apt-get update -qq && apt-get install -y -qq --no-install-recommends git python3-venv >/dev/null
git config --global --add safe.directory /tree
cd /tree && python3 tests/sanity/cores.py --here "$@"
"""


def main() -> int:
    wanted = [word for word in sys.argv[1:] if word != "--here"] or [*_ON_THIS_PYTHON, *_ON_DEBIAN_13]
    there = [core for core in wanted if core in _ON_DEBIAN_13 and "--here" not in sys.argv]
    failed = [core for core in wanted if core not in there and not _holds(core)]
    if there and not _hold_in_container(there):
        failed += there
    return int(bool(failed))


def _holds(core: str) -> bool:
    """Whether sanity and units pass on that core, told in JUnit files of a folder of its own."""
    venv = _WORK / core
    asked = _WORK / f"{core}.txt"
    _WORK.mkdir(parents=True, exist_ok=True)
    pytest = [line for line in (_ROOT / "requirements.txt").read_text().splitlines() if line.startswith(("pytest==", "pytest-xdist=="))]
    lines = "\n".join([f"ansible-core=={core}", *pytest, ""])
    if not (venv / "bin" / "ansible-test").exists() or asked.read_text() != lines:
        asked.write_text(lines)
        subprocess.run([_ROOT / "tests" / "bootstrap", venv, asked], check=True)
    failed = [verb for verb in _VERBS if not _passes(core, venv, verb)]
    return not failed


def _passes(core: str, venv: Path, verb: str) -> bool:
    begin = time.monotonic()
    folder = _OUT / core / verb
    folder.mkdir(parents=True, exist_ok=True)
    code = subprocess.run([venv / "bin" / "python", _ROOT / "tests" / "sanity" / "ansible_test.py", verb], env={
        **os.environ, "STAGE_JUNIT": str(folder), "PATH": f"{venv / 'bin'}:{os.environ['PATH']}"}).returncode
    took_s = time.monotonic() - begin
    print(f"==> {verb} on ansible-core {core}: {'passed' if code == 0 else 'FAILED'} ({took_s:.0f} s)", flush=True)
    junit.write(f"cores-{core}-{verb}", [junit.Step("run", took_s, None if code == 0 else f"ended with {code}")], _OUT)
    return code == 0


def _hold_in_container(cores: list[str]) -> bool:
    """The tree read-only, with a build folder that goes with the container; pip as it is set up on this machine."""
    junit_there = _WORK / "debian-13" / "junit"
    shutil.rmtree(junit_there, ignore_errors=True)
    junit_there.mkdir(parents=True)
    pip_there = junit_there.with_name("pip.conf")
    pip_there.write_text(pip_config())
    try:
        docker_engine.ensure()
        tag = image.build("build")
    except LabError as failure:
        print(f"ERROR: {failure}", file=sys.stderr)
        return False
    volumes = [f"{_ROOT}:/tree:ro", "/tree/build", f"{junit_there}:/tree/build/junit", f"{pip_there}:/etc/pip.conf:ro"]
    if _CERTIFICATES.exists():
        volumes.append(f"{_CERTIFICATES}:{_CERTIFICATES}:ro")
    mounts = [part for volume in volumes for part in ("--volume", volume)]
    code = subprocess.run(["docker", "run", "--rm", "--init", "--entrypoint", "bash", *mounts, tag,
                           "-c", _INSIDE, "bash", *cores]).returncode
    shutil.copytree(junit_there, _OUT, dirs_exist_ok=True)
    return code == 0


if __name__ == "__main__":
    sys.exit(main())
