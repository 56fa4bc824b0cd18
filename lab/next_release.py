# SPDX-License-Identifier: GPL-3.0-or-later
"""Source of a release that differs from the one that trades by a line that nothing compiles."""

from __future__ import annotations

import shutil
from pathlib import Path

from lab.paths import BUILD, ROOT

_TREE = BUILD / "next"


def source() -> Path:
    """A fresh copy; the same each time, so that its release is built once."""
    remove()
    shutil.copytree(ROOT / "engine", _TREE, ignore=shutil.ignore_patterns("build"))
    with (_TREE / "README.md").open("a") as text:
        text.write("\nThe next release.\n")
    return _TREE


def remove() -> None:
    shutil.rmtree(_TREE, ignore_errors=True)
