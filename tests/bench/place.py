# SPDX-License-Identifier: GPL-3.0-or-later
"""Where the programs of engine/bench are built and run."""

from __future__ import annotations

import json
import os
import subprocess
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from lab import image
from lab.failure import LabError

_ROOT = Path(__file__).resolve().parents[2]
_JOBS = str(min(2, len(os.sched_getaffinity(0))))


class Place:
    """Where the programs are built and run: this host, or a container of the bench image."""

    def __init__(self, host: bool, network: str = "", volumes: Sequence[str] = ()) -> None:
        self._network = ["--network", network] if network else []
        self._volumes = [part for volume in volumes for part in ("--volume", volume)]
        self._tag = "" if host else image.build("bench")
        self.tree = _ROOT / "build" / "bench" / ("host" if host else "image")
        self.tree.mkdir(parents=True, exist_ok=True)
        self._source = str(_ROOT / "engine") if host else "/source"
        self.build = str(self.tree) if host else "/build"

    def command(self, argv: Sequence[str], environment: Sequence[str] = ()) -> list[str]:
        """How the command is run there."""
        if not self._tag:
            return ["env", *environment, *argv]
        # strace and valgrind trace a process, which Docker's default profile refuses.
        return ["docker", "run", "--rm", "--init", "--entrypoint", "env", "--security-opt", "seccomp=unconfined",
                "--cap-add", "SYS_PTRACE", "--ulimit", "nofile=1024:4096", "--volume", f"{_ROOT / 'engine'}:/source:ro",
                "--volume", f"{self.tree}:/build", *self._network, *self._volumes, self._tag, *environment, *argv]

    def said(self, argv: Sequence[str], environment: Sequence[str] = ()) -> str:
        """Standard output of a command that must succeed."""
        argv = self.command(argv, environment)
        done = subprocess.run(argv, capture_output=True, text=True)
        if done.returncode != 0:
            raise LabError(f"{' '.join(argv)}: exit {done.returncode}\n{done.stdout[-4000:]}{done.stderr[-4000:]}")
        return done.stdout

    def compile(self, *programs: str) -> None:
        self.said(["cmake", "-S", self._source, "-B", self.build, "-G", "Ninja", "-DCMAKE_BUILD_TYPE=Release", "-DHFT_BUILD_BENCH=ON",
                   "-DCMAKE_UNITY_BUILD=ON"])
        self.said(["cmake", "--build", self.build, "-j", _JOBS, "--target", *programs])

    def program(self, name: str, **options: object) -> dict[str, Any]:
        """The JSON object a bench program prints."""
        words = [f"--{key}={value}" for key, value in options.items()]
        return json.loads(self.said([f"{self.build}/bench/{name}", *words]).splitlines()[-1])
