# SPDX-License-Identifier: GPL-3.0-or-later
"""docs/first_hour.md as a list of steps: the files that it has written and the commands that it has typed, in their order."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from pathlib import Path

PAGE = Path(__file__).resolve().parents[2] / "docs" / "first_hour.md"
_PART = re.compile(r"^## (?P<title>[^\n]+)$"
                   r"|^`(?P<file>[^`\n]+)`:\n\n```yaml\n(?P<text>.*?)^```$"
                   r"|^```console\n(?P<console>.*?)^```$", re.MULTILINE | re.DOTALL)


@dataclass
class Step:
    """done: ("write", file, text) or ("type", command), in the order of the page."""

    title: str
    done: list[tuple[str, ...]] = field(default_factory=list)

    @property
    def commands(self) -> list[str]:
        return [act[1] for act in self.done if act[0] == "type"]


def steps() -> list[Step]:
    found: list[Step] = []
    for part in _PART.finditer(PAGE.read_text()):
        if part["title"]:
            found.append(Step(part["title"]))
        elif part["file"]:
            found[-1].done.append(("write", part["file"], part["text"]))
        else:
            found[-1].done += [("type", line.removeprefix("$ ")) for line in part["console"].splitlines() if line.startswith("$ ")]
    return found
