# SPDX-License-Identifier: GPL-3.0-or-later
"""Builds the engine in the image of the build host and runs its unit tests: as released, and under sanitizers.

The source is mounted read-only; build trees stay in build/engine/<variant>, so a second run compiles only what changed.
With names as arguments: only these variants.
"""

from __future__ import annotations

import os
import subprocess
import sys
import time
from dataclasses import dataclass
from pathlib import Path

import build_image
from stage_runner import junit

_ROOT = Path(__file__).resolve().parents[2]
_BUILD = _ROOT / "build" / "engine"
_OUT = Path(os.environ.get("STAGE_JUNIT", _ROOT / "build" / "junit" / "engine"))
_JOBS = str(min(2, len(os.sched_getaffinity(0))))


@dataclass(frozen=True)
class Variant:
    """options: for cmake; targets: the test programs; environment: for them."""

    name: str
    options: tuple[str, ...]
    targets: tuple[str, ...]
    environment: tuple[str, ...] = ()


# Compile time is most of it, so each variant builds what it alone can tell: the optimised one the programs, the API and what the
# hot path calls; address and undefined everything that trades; thread what has threads. Sanitizer builds leave out the programs
# (Boost.Beast costs minutes there).
_VARIANTS = (
    Variant("release", ("-DCMAKE_BUILD_TYPE=Release",), ("hft_system", "hft_ctl", "paper_venue",
            "strategy_modules", "engine_api_tests", "engine_hot_path_tests", "bench_replay", "bench_hot_path")),
    Variant("asan", ("-DCMAKE_BUILD_TYPE=Debug", "-DHFT_SANITIZE=address,undefined"), ("engine_unit_tests", "engine_integration_tests"),
            ("ASAN_OPTIONS=detect_stack_use_after_return=1", "UBSAN_OPTIONS=halt_on_error=1:print_stacktrace=1")),
    Variant("tsan", ("-DCMAKE_BUILD_TYPE=RelWithDebInfo", "-DHFT_SANITIZE=thread"), ("engine_integration_tests",),
            ("TSAN_OPTIONS=halt_on_error=1",)),
)


def main() -> int:
    wanted = [variant for variant in _VARIANTS if variant.name in sys.argv[1:] or not sys.argv[1:]]
    tag = build_image.ready()
    failed = [variant.name for variant in wanted if not _passes(tag, variant)]
    if failed:
        print(f"ERROR: failed: {', '.join(failed)}", file=sys.stderr)
    return int(bool(failed))


def _passes(tag: str, variant: Variant) -> bool:
    """Whether the variant compiles and its tests pass; ctest's own JUnit file tells the tests apart."""
    tree = _BUILD / variant.name
    tree.mkdir(parents=True, exist_ok=True)
    results = tree / "junit.xml"
    results.unlink(missing_ok=True)
    begin = time.monotonic()
    built = all(_in_container(tag, tree, variant, argv) for argv in (
        ["cmake", "-S", "/source", "-B", "/build", "-G", "Ninja", "-DHFT_BUILD_TESTS=ON", "-DCMAKE_UNITY_BUILD=ON",
         "-DHFT_SOURCE_ID=00000000", *variant.options],
        ["cmake", "--build", "/build", "-j", _JOBS, "--target", *variant.targets],
    ))
    step = junit.Step("build", time.monotonic() - begin, None if built else "did not build")
    junit.write(f"engine-{variant.name}-build", [step], _OUT)
    print(f"==> {variant.name}: {step.failure or 'built'} ({step.took_s:.0f} s)", flush=True)
    if not built:
        return False
    begin = time.monotonic()
    passed = _in_container(tag, tree, variant, ["ctest", "--test-dir", "/build", "--output-on-failure", "--timeout", "120", "-j", _JOBS,
                                                "--no-tests=error", "--exclude-regex", "_NOT_BUILT$",
                                                "--output-junit", "/build/junit.xml"])
    print(f"==> {variant.name}: tests {'passed' if passed else 'FAILED'} ({time.monotonic() - begin:.0f} s)", flush=True)
    if results.exists():
        # One class name a variant, so that a skip can be named.
        text = results.read_text().replace('classname="', f'classname="engine-{variant.name}.')
        (_OUT / f"engine-{variant.name}.xml").write_text(text)
    return passed


def _in_container(tag: str, tree: Path, variant: Variant, argv: list[str]) -> bool:
    environment = [part for setting in variant.environment for part in ("--env", setting)]
    return subprocess.run(build_image.inside(tag, tree, argv, *environment)).returncode == 0


if __name__ == "__main__":
    sys.exit(main())
