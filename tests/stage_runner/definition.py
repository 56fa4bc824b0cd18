# SPDX-License-Identifier: GPL-3.0-or-later
"""Reads which stages there are, and which skips are allowed."""

from __future__ import annotations

from dataclasses import dataclass
from fnmatch import fnmatchcase
from pathlib import Path
from typing import Any

import yaml

_STAGE_KEYS = {"name", "what", "budget_min", "sets", "command", "needs", "counted"}


class DefinitionError(Exception):
    """A stages or skips file that cannot be used, told in one line."""


@dataclass(frozen=True)
class Stage:
    """counted: the command leaves JUnit files in $STAGE_JUNIT, and at least one test in them; otherwise the stage counts as one test."""

    name: str
    what: str
    budget_s: float
    sets: tuple[str, ...]
    command: str
    needs: tuple[str, ...]
    counted: bool


@dataclass(frozen=True)
class Skip:
    """test: shell pattern of `class::name` as JUnit writes them."""

    test: str
    reason: str

    def allows(self, test: str) -> bool:
        return fnmatchcase(test, self.test)


def read_stages(source: Path) -> list[Stage]:
    """Every stage of the file, in its order; the order must satisfy `needs`."""
    tree = _read(source)
    stages: list[Stage] = []
    for entry in tree["stages"]:
        unknown = set(entry) - _STAGE_KEYS
        if unknown:
            raise DefinitionError(f"{source}: stage {entry.get('name')}: unknown key {min(unknown)}; known: {sorted(_STAGE_KEYS)}")
        known = {stage.name for stage in stages}
        missing = [name for name in entry.get("needs", []) if name not in known]
        if missing:
            raise DefinitionError(f"{source}: stage {entry['name']}: needs {missing[0]}, which does not stand before it")
        stages.append(Stage(
            name=entry["name"], what=entry["what"], budget_s=float(entry["budget_min"]) * 60, sets=tuple(entry["sets"]),
            command=entry["command"], needs=tuple(entry.get("needs", [])), counted=bool(entry.get("counted", False)),
        ))
    limit_s = float(tree["limit_min"]) * 60
    total_s = sum(stage.budget_s for stage in stages if "test" in stage.sets)
    if total_s > limit_s:
        raise DefinitionError(f"{source}: budgets of set test sum up to {total_s / 60:g} min, the limit is {limit_s / 60:g}; cut one")
    return stages


def read_skips(source: Path) -> list[Skip]:
    """The skips that are allowed, each with its reason."""
    skips = []
    for entry in _read(source)["skips"]:
        if not str(entry.get("reason", "")).strip():
            raise DefinitionError(f"{source}: {entry.get('test')}: a skip needs a reason")
        skips.append(Skip(test=entry["test"], reason=entry["reason"]))
    return skips


def _read(source: Path) -> dict[str, Any]:
    try:
        tree = yaml.safe_load(source.read_text())
    except (OSError, yaml.YAMLError) as wrong:
        raise DefinitionError(f"{source}: cannot be read: {wrong}") from wrong
    if not isinstance(tree, dict):
        raise DefinitionError(f"{source}: expected a mapping, found {type(tree).__name__}")
    return tree
