# SPDX-License-Identifier: GPL-3.0-or-later
"""Applies a unified diff strictly: what a hunk takes away must stand in its file exactly once, wherever that is now."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path


class NoLongerApplies(Exception):
    """The source moved on; the patch must be written anew."""


@dataclass(frozen=True)
class Patch:
    """what: the fault in one line; fails: the checks that must see it."""

    name: str
    what: str
    fails: list[str]
    hunks: list[tuple[str, str, str]]  # file, before, after


def read(source: Path) -> Patch:
    head, _, diff = source.read_text().partition("\n--- a/")
    told = dict(line.split(": ", 1) for line in head.splitlines() if ": " in line)
    patch = Patch(source.stem, told.get("What", ""), told.get("Fails", "").split(), list(_hunks(diff)))
    if not (patch.what and patch.fails and patch.hunks):
        raise NoLongerApplies(f"{source}: expected a line 'What: …', a line 'Fails: CHECK…' and a unified diff of a/<file of engine/>")
    return patch


def _hunks(diff: str) -> Iterator[tuple[str, str, str]]:
    for part in diff.split("\n--- a/"):
        file, _, rest = part.partition("\n")
        for hunk in rest.split("\n@@")[1:]:
            lines = hunk.splitlines()[1:]
            yield (file, "\n".join(line[1:] for line in lines if line[:1] != "+"),
                   "\n".join(line[1:] for line in lines if line[:1] != "-"))


def apply(patch: Patch, tree: Path) -> None:
    for file, before, after in patch.hunks:
        path = tree / file
        text = path.read_text() if path.exists() else ""
        found = text.count(before)
        if found != 1:
            raise NoLongerApplies(f"{patch.name}.patch no longer applies: in {file} these lines stand {found} times, expected once; "
                                  f"write the fault anew into today's source:\n{before}")
        path.write_text(text.replace(before, after))
