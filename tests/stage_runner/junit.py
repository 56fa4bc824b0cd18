# SPDX-License-Identifier: GPL-3.0-or-later
"""Counts the tests in JUnit files, whoever wrote them (pytest, ctest, ansible-test), and writes them for steps that are no test program."""

from __future__ import annotations

import xml.etree.ElementTree as ElementTree
from dataclasses import dataclass, field
from pathlib import Path

_SAID_LINES = 25


@dataclass(frozen=True)
class Failure:
    """test: `class::name`; said: the end of what it said about itself."""

    test: str
    said: str


@dataclass
class Counts:
    passed: int = 0
    failed: int = 0
    skipped: list[str] = field(default_factory=list)
    """Names (`class::name`) of what was skipped."""
    failures: list[Failure] = field(default_factory=list)

    @property
    def total(self) -> int:
        return self.passed + self.failed + len(self.skipped)


@dataclass(frozen=True)
class Step:
    """One thing that was tried; failure: why it failed, or None; skipped: why it could not be tried, or None."""

    name: str
    took_s: float
    failure: str | None = None
    skipped: str | None = None


def write(suite: str, steps: list[Step], folder: Path) -> None:
    root = ElementTree.Element("testsuite", name=suite, tests=str(len(steps)))
    for step in steps:
        case = ElementTree.SubElement(root, "testcase", classname=suite, name=step.name, time=f"{step.took_s:.1f}")
        if step.failure is not None:
            ElementTree.SubElement(case, "failure", message=step.failure)
        elif step.skipped is not None:
            ElementTree.SubElement(case, "skipped", message=step.skipped)
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
            counts.failures.append(Failure(source.name, "not a whole JUnit file: its writer was cut off"))
            continue
        for case in root.iter("testcase"):
            outcome = {child.tag for child in case}
            if outcome & {"failure", "error"} or case.get("status") == "fail":
                counts.failed += 1
                counts.failures.append(Failure(_name(case), _said(case)))
            elif "skipped" in outcome or case.get("status") in {"notrun", "disabled"}:
                counts.skipped.append(_name(case))
            else:
                counts.passed += 1
    return counts


def _name(case: ElementTree.Element) -> str:
    return f"{case.get('classname', '')}::{case.get('name', '')}"


def _said(case: ElementTree.Element) -> str:
    parts = [part for child in case for part in (child.get("message", ""), child.text or "") if part.strip()]
    return "\n".join("\n".join(parts).strip().splitlines()[-_SAID_LINES:])
