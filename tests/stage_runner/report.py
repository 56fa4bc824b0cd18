# SPDX-License-Identifier: GPL-3.0-or-later
"""Tells the result of a run: a table for people, build/test.json for tools, the closing line for both."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from stage_runner.execution import Outcome

_ROW = "{:<16} {:>8} {:>8}  {:>6} {:>6} {:>7}  {}"


def table(outcomes: list[Outcome]) -> str:
    lines = [_ROW.format("stage", "time", "budget", "passed", "failed", "skipped", "")]
    for outcome in outcomes:
        counts = outcome.counts
        verdict = ("ok" if outcome.ok else "FAILED") + (", over its budget" if outcome.over_budget else "")
        lines.append(_ROW.format(outcome.stage.name, _clock(outcome.wall_s), _clock(outcome.stage.budget_s), counts.passed, counts.failed,
                                 len(counts.skipped), verdict))
    total_s = sum(outcome.wall_s for outcome in outcomes)
    lines.append(_ROW.format("all", _clock(total_s), _clock(sum(outcome.stage.budget_s for outcome in outcomes)), *_sums(outcomes), ""))
    lines += [f"{outcome.stage.name}: failed: {failure.test}" for outcome in outcomes for failure in outcome.counts.failures]
    lines += [f"{outcome.stage.name}: {complaint}" for outcome in outcomes for complaint in outcome.complaints]
    return "\n".join(lines)


def write(target: Path, outcomes: list[Outcome], extra: dict[str, Any]) -> None:
    target.parent.mkdir(parents=True, exist_ok=True)
    record = {
        "stages": [
            {
                "name": outcome.stage.name,
                "budget_s": outcome.stage.budget_s,
                "wall_s": outcome.wall_s,
                "over_budget": outcome.over_budget,
                "passed": outcome.counts.passed,
                "failed": outcome.counts.failed,
                "skipped": len(outcome.counts.skipped),
                "complaints": outcome.complaints,
                "failures": [failure.test for failure in outcome.counts.failures],
            }
            for outcome in outcomes
        ],
        "total_s": round(sum(outcome.wall_s for outcome in outcomes), 1),
        "skips": [skip for outcome in outcomes for skip in outcome.skips],
        **extra,
    }
    target.write_text(json.dumps(record, indent=2) + "\n")


def closing_line(outcomes: list[Outcome]) -> str:
    return "{} passed, {} failed, {} skipped".format(*_sums(outcomes))


def _sums(outcomes: list[Outcome]) -> tuple[int, int, int]:
    return (
        sum(outcome.counts.passed for outcome in outcomes),
        sum(outcome.counts.failed for outcome in outcomes),
        sum(len(outcome.counts.skipped) for outcome in outcomes),
    )


def _clock(seconds: float) -> str:
    return f"{int(seconds) // 60}:{int(seconds) % 60:02d}"
