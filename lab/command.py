# SPDX-License-Identifier: GPL-3.0-or-later
"""Runs one program and turns its failure into a LabError."""

from __future__ import annotations

import subprocess
from pathlib import Path

from lab.failure import LabError


def run(*argv: str, stdin: bytes | None = None, fix: str, log: Path | None = None) -> str:
    """Run argv and return its standard output.

    fix: what the person should do when it fails, one clause.
    log: file that takes the whole output of a long command; the error then names it.
    """
    try:
        done = subprocess.run(argv, input=stdin, capture_output=True, check=False)
    except FileNotFoundError as missing:
        raise LabError(f"{argv[0]}: not installed; {fix}") from missing
    if log is not None:
        log.parent.mkdir(parents=True, exist_ok=True)
        log.write_bytes(done.stdout + done.stderr)
    if done.returncode != 0:
        said = done.stderr.decode(errors="replace").strip().splitlines() or ["no message"]
        where = f" (whole output: {log})" if log is not None else ""
        raise LabError(f"{' '.join(argv[:3])} failed: {said[-1]}{where}; {fix}")
    return done.stdout.decode(errors="replace")


def succeeds(*argv: str) -> bool:
    """True when argv runs and exits with 0; its output is dropped."""
    try:
        return subprocess.run(argv, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, check=False).returncode == 0
    except FileNotFoundError:
        return False
