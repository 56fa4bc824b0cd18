# SPDX-License-Identifier: GPL-3.0-or-later
"""Fuzzes what reads from outside (engine/fuzz) by libFuzzer under address and undefined-behaviour sanitizers, from the kept corpus.

Built by clang in the benches' image, or with --host on this machine. --seconds: for each target. What is found new stays in
build/fuzz/<place>/corpus; an input that fails is named, and belongs into a unit test before it is mended.
"""

from __future__ import annotations

import argparse
import os
import subprocess
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import build_image
from stage_runner import junit

_ROOT = Path(__file__).resolve().parents[2]
_OUT = Path(os.environ.get("STAGE_JUNIT", _ROOT / "build" / "junit" / "fuzz"))
_TARGETS = sorted(folder.name for folder in (_ROOT / "engine" / "fuzz" / "corpus").iterdir())
_JOBS = min(2, len(os.sched_getaffinity(0)))


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seconds", type=int, default=10)
    parser.add_argument("--host", action="store_true")
    arguments = parser.parse_args()
    tag = "" if arguments.host else build_image.ready("bench")
    tree = _ROOT / "build" / "fuzz" / ("host" if arguments.host else "image")
    tree.mkdir(parents=True, exist_ok=True)
    steps = [_build(tag, tree)]
    if steps[0].failure is None:
        with ThreadPoolExecutor(_JOBS) as pool:
            steps += pool.map(lambda name: _fuzz(tag, tree, name, arguments.seconds), _TARGETS)
    junit.write("fuzz", steps, _OUT)
    for step in steps:
        print(f"==> {step.name}: {step.failure or 'ok'} ({step.took_s:.0f} s)", flush=True)
    return int(any(step.failure is not None for step in steps))


def _build(tag: str, tree: Path) -> junit.Step:
    begin = time.monotonic()
    source, build = (str(_ROOT / "engine"), str(tree)) if not tag else ("/source", "/build")
    commands = (["cmake", "-S", source, "-B", build, "-G", "Ninja", "-DCMAKE_CXX_COMPILER=clang++", "-DCMAKE_BUILD_TYPE=RelWithDebInfo",
                 "-DHFT_FUZZ=ON", "-DHFT_WERROR=OFF", "-DCMAKE_UNITY_BUILD=ON"],
                ["cmake", "--build", build, "-j", str(_JOBS), "--target", *[f"fuzz_{name}" for name in _TARGETS]])
    for command in commands:
        if (said := _run(tag, tree, command)).returncode != 0:
            print(said.stdout[-8000:])
            return junit.Step("build", time.monotonic() - begin, "did not build")
    return junit.Step("build", time.monotonic() - begin)


def _fuzz(tag: str, tree: Path, name: str, seconds: int) -> junit.Step:
    begin = time.monotonic()
    source, build = (str(_ROOT / "engine"), str(tree)) if not tag else ("/source", "/build")
    (tree / "corpus" / name).mkdir(parents=True, exist_ok=True)
    said = _run(tag, tree, [f"{build}/fuzz/fuzz_{name}", f"-max_total_time={seconds}", "-timeout=5", "-rss_limit_mb=2048", "-seed=42",
                            "-print_final_stats=1", f"-artifact_prefix={build}/{name}-", f"{build}/corpus/{name}",
                            f"{source}/fuzz/corpus/{name}"])
    (tree / f"{name}.log").write_text(said.stdout)
    if said.returncode == 0:
        return junit.Step(name, time.monotonic() - begin)
    print(said.stdout[-6000:])
    return junit.Step(name, time.monotonic() - begin, f"an input fails: {tree / name}-*, the whole story in {tree / name}.log")


def _run(tag: str, tree: Path, argv: list[str]) -> subprocess.CompletedProcess[str]:
    there = build_image.inside(tag, tree, argv) if tag else argv
    return subprocess.run(there, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, errors="replace")


if __name__ == "__main__":
    sys.exit(main())
