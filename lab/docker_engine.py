# SPDX-License-Identifier: GPL-3.0-or-later
"""Brings a running Docker Engine: the one that is there, else Debian's package, started by hand where no init does it."""

from __future__ import annotations

import subprocess
import time
from pathlib import Path

from lab import programs
from lab.command import succeeds
from lab.failure import LabError
from lab.paths import STATE

_START_TIMEOUT_S = 60
# An engine that was ended leaves these; a new one takes whatever has such a pid now for its predecessor.
_PID_FILES = {Path("/var/run/docker.pid"): "dockerd", Path("/var/run/docker/containerd/containerd.pid"): "containerd"}


def ensure() -> None:
    """Leave a running engine alone; install and start one otherwise."""
    if answers():
        return
    programs.ensure("dockerd", "docker.io", "iptables")
    if Path("/run/systemd/system").is_dir() and succeeds("systemctl", "start", "docker.service") and _answers_within(_START_TIMEOUT_S):
        return
    _start_by_hand()


def answers() -> bool:
    """True when a Docker Engine answers on this machine."""
    return succeeds("docker", "info")


def _start_by_hand() -> None:
    for file, program in _PID_FILES.items():
        if file.exists() and not _is_running(file.read_text().strip(), program):
            file.unlink()
    log = STATE / "log/dockerd.log"
    log.parent.mkdir(parents=True, exist_ok=True)
    with log.open("ab") as out:
        subprocess.Popen(["dockerd"], stdin=subprocess.DEVNULL, stdout=out, stderr=out, start_new_session=True)
    if not _answers_within(_START_TIMEOUT_S):
        raise LabError(f"dockerd did not answer within {_START_TIMEOUT_S} s; read {log}")


def _is_running(pid: str, program: str) -> bool:
    comm = Path("/proc") / pid / "comm"
    return pid.isdigit() and comm.exists() and comm.read_text().strip() == program


def _answers_within(timeout_s: float) -> bool:
    deadline = time.monotonic() + timeout_s
    while time.monotonic() < deadline:
        if answers():
            return True
        time.sleep(0.5)
    return False
