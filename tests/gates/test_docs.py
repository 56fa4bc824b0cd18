# SPDX-License-Identifier: GPL-3.0-or-later
"""Pages name only what there is: every path, playbook, role, plugin and link, and the capability map every section of the runbook."""

from __future__ import annotations

import functools
import re
from pathlib import Path

import pytest

from repository import ROOT, modules, playbooks, roles, tracked

_PAGES = [ROOT / "README.md", *sorted((ROOT / "docs").glob("*.md"))]
_SECTIONS = {f"{chapter}.{section}" for chapter, last in {1: 3, 2: 2, 3: 8, 4: 1, 5: 3, 6: 3, 7: 2, 8: 1, 9: 2, 10: 1, 11: 2, 12: 3}.items()
             for section in range(1, last + 1)}
_TARGETS = set(re.findall(r"^([a-z-]+):", (ROOT / "Makefile").read_text(), re.MULTILINE))


def _stems(folder: str, ending: str) -> set[str]:
    return {source.stem for source in (ROOT / folder).glob(f"*{ending}")}


_THERE = {"playbook": set(playbooks()), "role": set(roles()), "module": set(modules()),
          "filter": _stems("plugins/filter", ".py") | _stems("plugins/filter", ".yml"), "test": _stems("plugins/test", ".yml"),
          "lookup": _stems("plugins/lookup", ".py"), "callback": _stems("plugins/callback", ".py"), "alert": _stems("docs/runbooks", ".md"),
          "rulebook": _stems("extensions/eda/rulebooks", ".yml")}


@functools.cache
def _paths() -> set[str]:
    return {str(parent) for path in tracked() for parent in (path, *path.parents)}


def _rows() -> list[list[str]]:
    lines = (ROOT / "docs" / "capabilities.md").read_text().splitlines()
    cells = [[cell.strip() for cell in line.strip("|").split("|")] for line in lines if line.startswith("| ")]
    return [row for row in cells if row[2] != "where it lives" and set(row[0]) != {"-"}]


@pytest.mark.parametrize("row", _rows(), ids=lambda row: f"{row[0]}: {row[1][:40]}")
def test_a_capability_lives_where_the_page_says(row: list[str]) -> None:
    place, kind, named = row[2], "", 0
    for word in re.findall(r"`[^`]+`|\w+", place):
        if not word.startswith("`"):
            kind = word.lower().removesuffix("s") if word.lower().removesuffix("s") in _THERE else kind
            continue
        name, named = word.strip("`"), named + 1
        if "/" in name:
            assert name in _paths(), f"{name}: no such file or folder"
        else:
            assert name in _THERE.get(kind, set()), f"{name}: no such {kind or 'thing, name its kind before it'}"
    assert named or "not built" in place.lower(), "expected where it lives, or that it is not built"


def test_every_section_of_the_runbook_is_on_the_page() -> None:
    assert {row[0] for row in _rows() if row[0][0].isdigit()} == _SECTIONS


@pytest.mark.parametrize("page", _PAGES, ids=lambda page: page.name)
def test_a_page_names_playbooks_targets_and_files_that_exist(page: Path) -> None:
    text = page.read_text()
    kinds = ("playbook", "role", "module", "filter", "lookup", "callback", "rulebook")
    there = set().union(*(_THERE[kind] for kind in kinds)) | {"NAME", "hft"}
    assert not {name for name in re.findall(r"hft\.ops\.(\w+)", text) if name not in there}
    assert not {name for name in re.findall(r"(?:^\$ |`)make ([a-z-]+)", text, re.MULTILINE) if name not in _TARGETS}
    links = [link.split("#")[0] for link in re.findall(r"\]\(([^)\s]+)\)", text) if "://" not in link]
    assert not [link for link in links if link and not (page.parent / link).exists()]


def test_what_the_index_takes_from_the_readme_is_there() -> None:
    marks = re.findall(r'^:(?:start-after|end-before): "(.+)"$', (ROOT / "docs" / "index.md").read_text(), re.MULTILINE)
    readme = (ROOT / "README.md").read_text()
    assert len(marks) == 2
    assert -1 < readme.find(f"\n{marks[0]}\n") < readme.find(f"\n{marks[1]}\n")
