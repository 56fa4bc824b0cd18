# SPDX-License-Identifier: GPL-3.0-or-later
"""Proves the kit: the reference engine passes every check, and engines broken on purpose fail exactly the checks that name their fault.

Compiles engine/ as it stands and once with each patch of broken/, runs the kit against each in an environment of its own, and writes
build/conformance.json. With names as arguments (reference, 01_…): only these.
"""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from harness import patch
from harness.machine import MachineFailed, machine
from harness.postgres import PostgresFailed, programs

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))
from lab.failure import LabError
from lab.programs import ensure

_HERE = Path(__file__).resolve().parent
_ROOT = _HERE.parents[1]
_BUILD = _ROOT / "build" / "conformance"
_SOURCE, _TREE = _BUILD / "source", _BUILD / "tree"
_TABLE = _ROOT / "build" / "conformance.json"
_JOBS = str(min(2, len(os.sched_getaffinity(0))))
# The shape of the API is the same in all of them, and the generated requests take as long as all the rest.
_SKIPPED_WHEN_BROKEN = ("openapi.*",)
_REFERENCE = "reference"
_PACKAGES = ("g++", "cmake", "ninja-build", "libboost-dev", "nlohmann-json3-dev", "libpq-dev", "libssl-dev")


class CannotRun(Exception):
    """Something the self-test needs is not there, told in one line."""


@dataclass(frozen=True)
class Built:
    """An engine ready to run; fault: none for the reference engine."""

    name: str
    program: Path
    fault: patch.Patch | None = None


def main(wanted: list[str]) -> int:
    begin = time.monotonic()
    # Whoever stops this stops the kits with it; what they ran on is then ended by its context.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
    try:
        _need_tools()
        faults = [patch.read(source) for source in sorted((_HERE / "broken").glob("*.patch"))]
        unknown = set(wanted) - {_REFERENCE, *(fault.name for fault in faults)}
        if unknown:
            raise CannotRun(f"no broken engine {min(unknown)}; there are {', '.join(fault.name for fault in faults)}")
        engines = [built for built in _build_all([fault for fault in faults if not wanted or fault.name in wanted])
                   if not wanted or built.name in wanted]
    except (CannotRun, patch.NoLongerApplies, PostgresFailed, LabError) as wrong:
        print(f"ERROR: {wrong}", file=sys.stderr)
        return 2
    with ThreadPoolExecutor(int(_JOBS)) as pool:
        rows = [_tell(row) for row in pool.map(_hold_against_contract, engines)]
    good = sum(row["ok"] for row in rows)
    _TABLE.write_text(json.dumps({"total_s": round(time.monotonic() - begin, 1), "as_expected": good, "engines": rows}, indent=2) + "\n")
    print(f"==> {good} of {len(rows)} engines as expected; {_TABLE.relative_to(_ROOT)}")
    return int(good != len(rows))


def _need_tools() -> None:
    """Brought from the machine's own packages where it is root's to do so."""
    for program in ("g++", "cmake", "ninja"):
        ensure(program, *_PACKAGES)
    try:
        programs()
    except PostgresFailed:
        ensure("initdb", "postgresql")
        programs()


# ---- building ---------------------------------------------------------------------------------------------------------


def _build_all(faults: list[patch.Patch]) -> list[Built]:
    """One source and one build tree for all, so that each fault compiles only what it changes."""
    # Every patch must apply before the first minute goes into compiling.
    for fault in faults:
        _sync()
        patch.apply(fault, _SOURCE)
    _sync()
    launcher = ["-DCMAKE_CXX_COMPILER_LAUNCHER=ccache"] if shutil.which("ccache") else []
    # A fault may leave a parameter unused: warnings are for the product's own build.
    _run("cmake", "-S", str(_SOURCE), "-B", str(_TREE), "-G", "Ninja", "-DCMAKE_BUILD_TYPE=Release", "-DHFT_WERROR=OFF",
         "-DHFT_BUILD_TESTS=OFF", "-DHFT_SOURCE_ID=00000000", *launcher)
    engines = [_build(_REFERENCE, None)]
    for fault in faults:
        _sync()
        patch.apply(fault, _SOURCE)
        engines.append(_build(fault.name, fault))
    _sync()
    return engines


def _build(name: str, fault: patch.Patch | None) -> Built:
    begin = time.monotonic()
    _run("ninja", "-C", str(_TREE), "-j", _JOBS)
    folder = _BUILD / "engines" / name
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    for program in ("hft_system", "paper_venue"):
        shutil.copy2(_TREE / program, folder)
    shutil.copytree(_TREE / "lib" / "strategies", folder / "lib" / "strategies")
    print(f"==> built {name} ({time.monotonic() - begin:.0f} s)", flush=True)
    return Built(name, folder / "hft_system", fault)


def _sync() -> None:
    """Makes the copied source equal to engine/. Only what differs is written: a new time makes ninja compile it."""
    original = _ROOT / "engine"
    wanted = {path.relative_to(original) for path in original.rglob("*") if path.is_file()}
    for stray in {path.relative_to(_SOURCE) for path in _SOURCE.rglob("*") if path.is_file()} - wanted:
        (_SOURCE / stray).unlink()
    for name in wanted:
        content, copy = (original / name).read_bytes(), _SOURCE / name
        if not copy.exists() or copy.read_bytes() != content:
            copy.parent.mkdir(parents=True, exist_ok=True)
            copy.write_bytes(content)


def _run(*argv: str) -> None:
    done = subprocess.run(argv, capture_output=True, text=True)
    if done.returncode:
        raise CannotRun(f"{' '.join(argv[:4])} … failed:\n{(done.stdout + done.stderr)[-3000:]}")


# ---- running ----------------------------------------------------------------------------------------------------------


def _hold_against_contract(engine: Built) -> dict[str, Any]:
    begin = time.monotonic()
    results = _BUILD / "results" / f"{engine.name}.json"
    results.unlink(missing_ok=True)
    logs = _BUILD / "logs" / engine.name
    skip = [part for pattern in (_SKIPPED_WHEN_BROKEN if engine.fault else ()) for part in ("--skip", pattern)]
    output = ""
    try:
        with machine(engine.program, engine.program.with_name("paper_venue"), _ROOT / "engine" / "migrations", logs) as description:
            done = subprocess.run([sys.executable, str(_HERE), "--environment", str(description), "--json", str(results), *skip],
                                  capture_output=True, text=True)
            output = done.stdout + done.stderr
    except (MachineFailed, PostgresFailed, RuntimeError) as wrong:
        output = f"{output}{wrong}"
    if not results.exists():
        return {"engine": engine.name, "ok": False, "why": f"the kit did not run: {output[-500:]}"}
    (logs / "kit.txt").write_text(output)
    checks = json.loads(results.read_text())["checks"]
    failed = [check["name"] for check in checks if check["verdict"] == "failed"]
    not_run = [check["name"] for check in checks if check["verdict"] == "not run"]
    expected = sorted(engine.fault.fails) if engine.fault else []
    return {
        "engine": engine.name, "fault": engine.fault.what if engine.fault else None, "ok": sorted(failed) == expected and not not_run,
        "passed": len(checks) - len(failed) - len(not_run), "failed": failed, "expected": expected, "not_run": not_run,
        "seconds": round(time.monotonic() - begin, 1), "checks": checks,
    }


def _tell(row: dict[str, Any]) -> dict[str, Any]:
    print(f"{'ok' if row['ok'] else 'WRONG':6}{row['engine']:34}", end="")
    if "why" in row:
        print(row["why"], flush=True)
        return row
    print(f"{row['passed']:3} passed, failed: {', '.join(row['failed']) or 'none'} ({row['seconds']:.0f} s)", flush=True)
    if not row["ok"]:
        print(f"      expected to fail: {', '.join(row['expected']) or 'none'}; not run: {', '.join(row['not_run']) or 'none'}")
        for check in row["checks"]:
            if check["verdict"] == "failed":
                print(f"      {check['name']}: {check['detail']}")
    return row


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
