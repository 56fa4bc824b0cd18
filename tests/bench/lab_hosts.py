# SPDX-License-Identifier: GPL-3.0-or-later
"""The lab's hosts from the machine's side: a shell as root, a query as postgres, a slow link to one, and what comes in the end."""

from __future__ import annotations

import contextlib
import subprocess
import sys
import time
from collections.abc import Callable, Iterator

from lab.failure import LabError
from lab.paths import ROOT


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


def eventually(what: str, probe: Callable[[], object], timeout_s: float = 30) -> object:
    """The first true answer of probe; fails naming what was waited for."""
    deadline = time.monotonic() + timeout_s
    last: object = None
    while time.monotonic() < deadline:
        try:
            last = probe()
        except (AssertionError, ValueError, LabError) as wrong:
            last = wrong
        else:
            if last:
                return last
        time.sleep(0.5)
    raise AssertionError(f"not within {timeout_s} s: {what}; last seen: {last!r}")


@contextlib.contextmanager
def slow_link(to: str, *, listen: str = "127.0.0.1", delay_ms: float, rate_kib: float = 0) -> Iterator[int]:
    """The port on which lab.relay leads to HOST:PORT; delay_ms each way, rate_kib a second (0: no limit)."""
    argv = [sys.executable, "-m", "lab.relay", "--listen", f"{listen}:0", "--to", to, "--delay-ms", str(delay_ms),
            "--rate-kib", str(rate_kib)]
    with subprocess.Popen(argv, cwd=ROOT, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as relay:
        try:
            yield int((relay.stdout.readline() if relay.stdout else "").split(" ")[0].rpartition(":")[2])
        finally:
            relay.communicate(timeout=30)  # the end of its input ends it
