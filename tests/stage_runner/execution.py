# SPDX-License-Identifier: GPL-3.0-or-later
"""Runs one stage: its output goes to a log, its tests are counted, its time is held against its budget."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import time
from dataclasses import dataclass, field
from pathlib import Path

from stage_runner.definition import Skip, Stage
from stage_runner.junit import Counts, count

_HEARTBEAT_S = 30
_TAIL_LINES = 40
# A stage that hangs must not hang the run; one that is only slow may end, so that its tests are seen.
_STOP_AFTER_BUDGETS = 2
# Up to here a busy neighbour explains it, and it is only told; beyond, the stage has grown.
_FAIL_AFTER_BUDGETS = 1.5


@dataclass
class Outcome:
    """What became of a stage; complaints: one line for each reason why it failed."""

    stage: Stage
    wall_s: float = 0.0
    counts: Counts = field(default_factory=Counts)
    complaints: list[str] = field(default_factory=list)
    skips: list[dict[str, str]] = field(default_factory=list)
    log: Path | None = None

    @property
    def ok(self) -> bool:
        return not self.complaints and self.counts.failed == 0

    @property
    def over_budget(self) -> bool:
        """Told; a failure only by half as much again, because the machines are shared."""
        return self.wall_s > self.stage.budget_s


def not_run(stage: Stage, broken: list[str]) -> Outcome:
    """A stage whose groundwork failed: it proved nothing, so it failed."""
    return Outcome(stage, counts=Counts(failed=1), complaints=[f"not run, because {', '.join(broken)} failed"])


def run(stage: Stage, build: Path, allowed: list[Skip]) -> Outcome:
    log = build / "log" / f"{stage.name}.log"
    junit = build / "junit" / stage.name
    shutil.rmtree(junit, ignore_errors=True)
    junit.mkdir(parents=True)
    log.parent.mkdir(parents=True, exist_ok=True)
    begin = time.monotonic()
    code = _run_logged(stage, log, {**os.environ, "STAGE_JUNIT": str(junit)})
    outcome = Outcome(stage, wall_s=round(time.monotonic() - begin, 1), log=log)
    _judge(outcome, code, junit, allowed)
    return outcome


def tail(log: Path) -> str:
    return "\n".join(log.read_text(errors="replace").splitlines()[-_TAIL_LINES:])


def _run_logged(stage: Stage, log: Path, env: dict[str, str]) -> int:
    begin = time.monotonic()
    with log.open("wb") as out:
        # A process group of its own, so that all that a hanging stage started can be ended with it.
        process = subprocess.Popen(["bash", "-euo", "pipefail", "-c", stage.command], stdin=subprocess.DEVNULL, stdout=out,
                                   stderr=subprocess.STDOUT, env=env, start_new_session=True)
        try:
            while True:
                try:
                    return process.wait(timeout=_HEARTBEAT_S)
                except subprocess.TimeoutExpired:
                    took_s = time.monotonic() - begin
                    print(f"    {stage.name}: {took_s:.0f} s of {stage.budget_s:.0f} s; {_last_line(log)}", flush=True)
                    if took_s > _STOP_AFTER_BUDGETS * stage.budget_s:
                        return _stop(process)
        except BaseException:
            _stop(process)
            raise


def _stop(process: subprocess.Popen[bytes]) -> int:
    for number in (signal.SIGTERM, signal.SIGKILL):
        try:
            os.killpg(process.pid, number)
            return process.wait(timeout=20)
        except subprocess.TimeoutExpired:
            continue
        except ProcessLookupError:
            break
    return process.wait()


def _last_line(log: Path) -> str:
    lines = log.read_text(errors="replace").rstrip().splitlines()
    return lines[-1].strip()[:100] if lines else ""


def _judge(outcome: Outcome, code: int, junit: Path, allowed: list[Skip]) -> None:
    stage = outcome.stage
    outcome.counts = count(junit)
    if code < 0:
        outcome.complaints.append(f"ended by signal {-code} after {outcome.wall_s:g} s")
    elif code > 0 and not outcome.counts.failed:
        outcome.complaints.append(f"its command ended with {code}")
    if stage.counted and not outcome.counts.total and code == 0:
        outcome.complaints.append("no test ran")
    if not stage.counted and not outcome.counts.total and code == 0:
        outcome.counts.passed = 1
    for test in outcome.counts.skipped:
        reason = next((skip.reason for skip in allowed if skip.allows(test)), None)
        if reason is None:
            outcome.complaints.append(f"{test}: skipped, and tests/skips.yml does not name it with a reason")
        else:
            outcome.skips.append({"test": test, "reason": reason})
    if outcome.wall_s > _FAIL_AFTER_BUDGETS * stage.budget_s:
        outcome.complaints.append(f"took {outcome.wall_s:g} s, its budget is {stage.budget_s:g} s; make it faster, or cut another for it")
    if outcome.complaints and not outcome.counts.failed:
        outcome.counts.failed = 1
