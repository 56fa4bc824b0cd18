# SPDX-License-Identifier: GPL-3.0-or-later
"""The lab's hosts from the machine's side: a shell as root, a query as postgres."""

from __future__ import annotations

import subprocess

from lab.failure import LabError


def on(host: str, script: str) -> str:
    """Standard output of a script that must succeed."""
    done = subprocess.run(["docker", "exec", host, "/bin/bash", "-c", script], capture_output=True, text=True)
    if done.returncode != 0:
        raise LabError(f"{host}: {script!r} ended with {done.returncode}: {done.stderr.strip()}")
    return done.stdout


def asked(host: str, query: str, database: str = "postgres") -> str:
    """One value; empty when the server does not answer."""
    argv = ["docker", "exec", host, "runuser", "-u", "postgres", "--", "psql", "-XAtq", "-d", database, "-c", query]
    return subprocess.run(argv, capture_output=True, text=True).stdout.strip()
