# SPDX-License-Identifier: GPL-3.0-or-later
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Private to hft.ops. Where a run stands: its phases, and how long the rest takes by what the same playbook took before."""

from __future__ import annotations

import contextlib
import json
import os
import statistics
import tempfile
from typing import Any

_KEPT_RUNS = 10


class Timeline:
    """former: the runs before, each a list of [phase, seconds], newest last."""

    def __init__(self, former: list[list[list[Any]]], now_s: float) -> None:
        self.began_s = now_s
        self.done: list[list[Any]] = []
        self.current = ""
        self._current_began_s = now_s
        # The newest run knows which phases there are; how long each takes is the middle of all that had it.
        self._plan = [str(phase) for phase, _took in former[-1]] if former else []
        took: dict[str, list[float]] = {}
        for run in former:
            for phase, seconds in run:
                took.setdefault(phase, []).append(seconds)
        self._expected = {phase: statistics.median(seconds) for phase, seconds in took.items()}

    def begin(self, phase: str, now_s: float) -> None:
        self.end(now_s)
        before = sum(name == phase or name.startswith(f"{phase} #") for name, _took in self.done)
        self.current = f"{phase} #{before + 1}" if before else phase  # a playbook that is imported twice has its phases twice
        self._current_began_s = now_s

    def end(self, now_s: float) -> None:
        if self.current:
            self.done.append([self.current, round(now_s - self._current_began_s, 3)])
        self.current = ""

    def state(self, now_s: float) -> dict[str, Any]:
        """expected_s of the phase and remaining_s of the run are null where no former run tells."""
        spent = now_s - self._current_began_s
        expected = self._expected.get(self.current)
        return {"phase": self.current, "phase_s": round(spent, 1), "expected_s": None if expected is None else round(expected, 1),
                "elapsed_s": round(now_s - self.began_s, 1), "remaining_s": self._remaining(spent, expected)}

    def _remaining(self, spent: float, expected: float | None) -> float | None:
        if expected is None or self.current not in self._plan:
            return None
        later = self._plan[self._plan.index(self.current) + 1:]
        return round(max(0.0, expected - spent) + sum(self._expected[phase] for phase in later), 1)


def clock(seconds: float) -> str:
    """1:05, or 1:01:05."""
    whole = round(seconds)
    hours, minutes = whole // 3600, whole // 60 % 60
    return f"{hours}:{minutes:02}:{whole % 60:02}" if hours else f"{minutes}:{whole % 60:02}"


def line(state: dict[str, Any]) -> str:
    """For people."""
    left = "" if state["remaining_s"] is None else f", about {clock(state['remaining_s'])} left"
    return f"[{clock(state['elapsed_s'])}{left}] {state['phase']}"


def former_runs(path: str, key: str) -> list[list[list[Any]]]:
    """What is kept of them; nothing when the file is not one of ours."""
    return _runs(_kept(path).get(key))


def keep(path: str, key: str, run: list[list[Any]]) -> None:
    """Add a run that went through; the file is replaced in one step, so that two runs at once lose one entry at most."""
    kept = _kept(path)
    kept[key] = [*_runs(kept.get(key)), run][-_KEPT_RUNS:]
    folder = os.path.dirname(os.path.abspath(path))
    os.makedirs(folder, exist_ok=True)
    handle, scratch = tempfile.mkstemp(dir=folder)
    try:
        with os.fdopen(handle, "w", encoding="utf-8") as file:
            json.dump(kept, file)
        os.replace(scratch, path)
    except BaseException:
        with contextlib.suppress(OSError):
            os.unlink(scratch)
        raise


def _runs(kept: object) -> list[list[list[Any]]]:
    if not isinstance(kept, list):
        return []
    return [run for run in kept if isinstance(run, list) and all(
        isinstance(one, list) and len(one) == 2 and isinstance(one[0], str) and isinstance(one[1], (int, float)) for one in run)]


def _kept(path: str) -> dict[str, Any]:
    try:
        with open(path, encoding="utf-8") as file:
            kept = json.load(file)
    except (OSError, ValueError):
        return {}
    return kept if isinstance(kept, dict) else {}
