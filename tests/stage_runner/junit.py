# SPDX-License-Identifier: GPL-3.0-or-later
"""Counts the tests in JUnit files, whoever wrote them (pytest, ctest, ansible-test), and writes them for steps that are no test program."""

from __future__ import annotations

import xml.etree.ElementTree as ElementTree
from dataclasses import dataclass, field
from pathlib import Path


@dataclass
class Counts:
    passed: int = 0
    failed: int = 0
    skipped: list[str] = field(default_factory=list)
    """Names (`class::name`) of what was skipped."""

    @property
    def total(self) -> int:
        return self.passed + self.failed + len(self.skipped)


@dataclass(frozen=True)
class Step:
    """One thing that was tried; failure: why it failed, or None."""

    name: str
    took_s: float
    failure: str | None = None


def write(suite: str, steps: list[Step], folder: Path) -> None:
    root = ElementTree.Element("testsuite", name=suite, tests=str(len(steps)))
    for step in steps:
        case = ElementTree.SubElement(root, "testcase", classname=suite, name=step.name, time=f"{step.took_s:.1f}")
        if step.failure is not None:
            ElementTree.SubElement(case, "failure", message=step.failure)
    folder.mkdir(parents=True, exist_ok=True)
    ElementTree.ElementTree(root).write(folder / f"{suite}.xml", encoding="unicode")


def count(folder: Path) -> Counts:
    """All tests of all *.xml below the folder."""
    counts = Counts()
    for source in sorted(folder.rglob("*.xml")):
        try:
            # Written by our own stages a moment ago, not by a stranger.
            root = ElementTree.parse(source).getroot()  # noqa: S314
        except ElementTree.ParseError:
            # A writer that was cut off has not proven anything.
            counts.failed += 1
            continue
        for case in root.iter("testcase"):
            outcome = {child.tag for child in case}
            if outcome & {"failure", "error"} or case.get("status") == "fail":
                counts.failed += 1
            elif "skipped" in outcome or case.get("status") in {"notrun", "disabled"}:
                counts.skipped.append(f"{case.get('classname', '')}::{case.get('name', '')}")
            else:
                counts.passed += 1
    return counts
