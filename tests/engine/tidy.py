# SPDX-License-Identifier: GPL-3.0-or-later
"""`make tidy`: clang-tidy on every source of the engine but its tests, by engine/.clang-tidy, in the image of the build host.

With sources as arguments (core/lease.cpp): only these.
"""

from __future__ import annotations

import os
import subprocess
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import build_image
import clang_tidy
from stage_runner import junit

_ROOT = Path(__file__).resolve().parents[2]
_BUILD = _ROOT / "build" / "engine" / "tidy"
_OUT = Path(os.environ.get("STAGE_JUNIT", _ROOT / "build" / "junit" / "tidy"))
_FOLDERS = ("apps", "core", "io", "strategies")
_JOBS = min(2, len(os.sched_getaffinity(0)))
# The program comes with the Python package, as it is; the headers are those of the build host.
_PROGRAM = Path(clang_tidy.__file__).parent / "data"


def main() -> int:
    sources = sorted(str(path.relative_to(build_image.ENGINE)) for folder in _FOLDERS
                     for path in (build_image.ENGINE / folder).rglob("*.cpp") if "example" not in path.parts)
    wanted = [source for source in sources if source in sys.argv[1:] or not sys.argv[1:]]
    _BUILD.mkdir(parents=True, exist_ok=True)
    tag = build_image.ready()
    if code := _in_container(tag, "cmake", "-S", "/source", "-B", "/build", "-G", "Ninja", "-DHFT_SOURCE_ID=00000000").returncode:
        return code
    with ThreadPoolExecutor(_JOBS) as pool:
        steps = list(pool.map(lambda source: _look_at(tag, source), wanted))
    junit.write("tidy", steps, _OUT)
    return int(any(step.failure for step in steps))


def _look_at(tag: str, source: str) -> junit.Step:
    begin = time.monotonic()
    done = _in_container(tag, "/tidy/bin/clang-tidy", "-p", "/build", "--quiet", f"/source/{source}")
    said = [line for line in done.stdout.splitlines() if "error:" in line]
    print(f"==> {source}: {'ok' if done.returncode == 0 else chr(10).join(said) or done.stderr}", flush=True)
    return junit.Step(source, time.monotonic() - begin, None if done.returncode == 0 else "\n".join(said) or done.stderr)


def _in_container(tag: str, *argv: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(build_image.inside(tag, _BUILD, argv, "--volume", f"{_PROGRAM}:/tidy:ro"), capture_output=True, text=True)


if __name__ == "__main__":
    sys.exit(main())
