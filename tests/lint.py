# SPDX-License-Identifier: GPL-3.0-or-later
"""Runs every linter, two at a time, whatever another one says; each counts as one test."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from stage_runner import junit

_ANSIBLE_LINT = ("ansible-lint", "--offline", "--nocolor", "--strict")
# The longest first. ansible-lint uses one core; roles, which it also finds through the playbooks, are half of its work.
_LINTERS = {
    "ansible-lint": (*_ANSIBLE_LINT, "--exclude", "roles/"),
    "ansible-lint of roles": (*_ANSIBLE_LINT, "roles"),
    "yamllint": ("yamllint", "--strict", "."),
    "ruff": ("ruff", "check", "--no-cache", "."),
    "antsibull-changelog": ("antsibull-changelog", "lint"),
}


def _lint(name: str) -> junit.Step:
    begin = time.monotonic()
    done = subprocess.run(_LINTERS[name], stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
    print(f"==> {name}\n{done.stdout}", end="", flush=True)
    return junit.Step(name, time.monotonic() - begin, None if done.returncode == 0 else f"ended with {done.returncode}")


def main() -> int:
    with ThreadPoolExecutor(max_workers=2) as two:
        steps = list(two.map(_lint, _LINTERS))
    if "STAGE_JUNIT" in os.environ:
        junit.write("lint", steps, Path(os.environ["STAGE_JUNIT"]))
    return int(any(step.failure for step in steps))


if __name__ == "__main__":
    sys.exit(main())
