# SPDX-License-Identifier: GPL-3.0-or-later
"""The page of all playbooks, made of what each says at its top: what it does, how it is run, every variable, the way back."""

from __future__ import annotations

from pathlib import Path

_INTRODUCTION = """# Playbooks

What each playbook says of itself, word by word. All of them in a table, by what one wants to do: [README](../README.md#playbooks).
"""


def page(folder: Path) -> str:
    """Markdown. A playbook that says nothing at its top has no place on it, and fails the build."""
    return _INTRODUCTION + "".join(f"\n## {source.stem}\n\n```text\n{_said(source)}\n```\n" for source in sorted(folder.glob("*.yml")))


def _said(source: Path) -> str:
    lines = source.read_text().splitlines()[1:]
    end = next((number for number, line in enumerate(lines) if not line.startswith("#")), len(lines))
    if not end:
        raise SystemExit(f"ERROR: playbooks/{source.name}: expected a comment below its first line, which says what it does")
    return "\n".join(line.removeprefix("#").removeprefix(" ") for line in lines[:end])
