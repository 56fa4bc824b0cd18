# SPDX-License-Identifier: GPL-3.0-or-later
"""Runs the linters that are named, all without names, the later ones also when an earlier one complained; each counts as one test."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from pathlib import Path

from stage_runner import junit

_LINTERS = {
    "yamllint": ("yamllint", "--strict", "."),
    "ruff": ("ruff", "check", "--no-cache", "."),
    "ansible-lint": ("ansible-lint", "--offline", "--nocolor", "--strict"),
    "antsibull-changelog": ("antsibull-changelog", "lint"),
    "codespell": ("codespell",),
    # What hosts run. Other plugins run on the control node, whose ansible-core asks for more.
    "vermin": ("vermin", "--quiet", "--no-tips", "--violations", "--target=3.9-", "plugins/modules", "plugins/module_utils",
               *(str(folder) for folder in sorted(Path("roles").glob("*/files")))),
    "reuse": ("reuse", "lint", "--quiet"),
}


def main() -> int:
    steps = []
    for name in sys.argv[1:] or _LINTERS:
        print(f"==> {name}", flush=True)
        begin = time.monotonic()
        code = subprocess.run(_LINTERS[name]).returncode
        steps.append(junit.Step(name, time.monotonic() - begin, None if code == 0 else f"ended with {code}"))
    if "STAGE_JUNIT" in os.environ:
        junit.write("lint", steps, Path(os.environ["STAGE_JUNIT"]))
    return int(any(step.failure for step in steps))


if __name__ == "__main__":
    sys.exit(main())
