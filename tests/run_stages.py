#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-3.0-or-later
"""Runs a set of stages: make test-fast, test, test-all; or --stage NAME for single ones, with the tree on PYTHONPATH."""

from __future__ import annotations

import argparse
import os
import sys
from pathlib import Path

from lab import machine
from stage_runner import definition, execution, report

_ROOT = Path(__file__).resolve().parent.parent

_TOLD_FAILURES = 5


def main() -> int:
    args = _arguments()
    try:
        stages = definition.read_stages(args.stages)
        allowed = definition.read_skips(args.skips)
        wanted = _select(stages, args)
    except definition.DefinitionError as wrong:
        print(f"ERROR: {wrong}", file=sys.stderr)
        return 2
    os.chdir(_ROOT)
    _prepare_environment()
    provenance = machine.head(seed=None)
    outcomes = _run_all(wanted, args.build, allowed)
    report.write(args.build / "test.json", outcomes, {"set": args.set, **provenance})
    print(f"\n{report.table(outcomes)}\n\n{report.closing_line(outcomes)}", flush=True)
    return 0 if all(outcome.ok for outcome in outcomes) else 1


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--set", default="test", choices=("fast", "test", "all"))
    parser.add_argument("--stage", action="append", default=[], help="only this stage, whatever its set; may be given again")
    parser.add_argument("--stages", type=Path, default=_ROOT / "tests" / "stages.yml")
    parser.add_argument("--skips", type=Path, default=_ROOT / "tests" / "skips.yml")
    parser.add_argument("--build", type=Path, default=_ROOT / "build", help="where logs, JUnit files and test.json go")
    return parser.parse_args()


def _select(stages: list[definition.Stage], args: argparse.Namespace) -> list[definition.Stage]:
    unknown = set(args.stage) - {stage.name for stage in stages}
    if unknown:
        names = ", ".join(stage.name for stage in stages)
        raise definition.DefinitionError(f"--stage {min(unknown)}: no such stage in {args.stages}; there are {names}")
    return [stage for stage in stages if (stage.name in args.stage if args.stage else args.set in stage.sets)]


def _prepare_environment() -> None:
    """What every stage finds: the pinned tools first on PATH, the tree's own packages, this checkout's ansible.cfg."""
    os.environ["PATH"] = f"{Path(sys.executable).parent}:{os.environ['PATH']}"
    os.environ["PYTHONPATH"] = f"{_ROOT / 'tests'}:{_ROOT}"
    os.environ["PYTHONDONTWRITEBYTECODE"] = "1"
    os.environ["ANSIBLE_CONFIG"] = str(_ROOT / "ansible.cfg")


def _run_all(stages: list[definition.Stage], build: Path, allowed: list[definition.Skip]) -> list[execution.Outcome]:
    outcomes: dict[str, execution.Outcome] = {}
    for number, stage in enumerate(stages, start=1):
        print(f"==> [{number}/{len(stages)}] {stage.name}: {stage.what} (budget {stage.budget_s / 60:g} min)", flush=True)
        broken = [name for name in stage.needs if name in outcomes and not outcomes[name].ok]
        outcome = execution.not_run(stage, broken) if broken else execution.run(stage, build, allowed)
        outcomes[stage.name] = outcome
        _tell(outcome)
    return list(outcomes.values())


def _tell(outcome: execution.Outcome) -> None:
    counts = outcome.counts
    said = f"{counts.passed} passed, {counts.failed} failed, {len(counts.skipped)} skipped"
    print(f"    {'ok' if outcome.ok else 'FAILED'} in {outcome.wall_s:g} s: {said}", flush=True)
    if not outcome.ok:
        for failure in counts.failures[:_TOLD_FAILURES]:
            print(f"    ---- failed: {failure.test} ----\n{failure.said}\n    ----", flush=True)
        if outcome.log is not None and not counts.failures:
            print(f"    ---- end of {outcome.log} ----\n{execution.tail(outcome.log)}\n    ----", flush=True)
        for complaint in outcome.complaints:
            print(f"    {complaint}", flush=True)


if __name__ == "__main__":
    sys.exit(main())
