# SPDX-License-Identifier: GPL-3.0-or-later
"""What a measurement was made on: the same head for every JSON that a target leaves in build/."""

from __future__ import annotations

import os
import platform
import subprocess
from datetime import datetime, timezone
from importlib.metadata import version
from pathlib import Path

from lab.paths import ROOT


def _first(text: str, key: str) -> str:
    return next((line.split(":", 1)[1].strip() for line in text.splitlines() if line.startswith(key)), "unknown")


def _said(*argv: str) -> str:
    try:
        return subprocess.run(argv, cwd=ROOT, capture_output=True, text=True, check=False).stdout.strip() or "unknown"
    except FileNotFoundError:
        return "unknown"


def head(seed: int | None = 0) -> dict:
    """Keys that measures demand of every object: machine, versions, commit, started_at, seed."""
    memory_kib = int(_first(Path("/proc/meminfo").read_text(), "MemTotal").split()[0])
    return {
        "machine": {
            "cpu": _first(Path("/proc/cpuinfo").read_text(), "model name"),
            "cores": os.cpu_count(),
            "memory_gib": round(memory_kib / 2**20, 1),
            "virt": _said("systemd-detect-virt"),
            "kernel": platform.release(),
            "load_1m": round(os.getloadavg()[0], 1),
        },
        "versions": {
            "python": platform.python_version(),
            "ansible_core": version("ansible-core"),
            "docker": _said("docker", "version", "--format", "{{.Server.Version}}"),
        },
        "commit": _said("git", "rev-parse", "HEAD"),
        "started_at": datetime.now(timezone.utc).isoformat(timespec="seconds"),
        "seed": seed,
    }
