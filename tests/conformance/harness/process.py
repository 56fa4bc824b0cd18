# SPDX-License-Identifier: GPL-3.0-or-later
"""Processes that outlive their starter, each known by a file with its id: `process.py start|kill SPEC`.

SPEC is a JSON file {argv, log, pid, user, environment}.
"""

from __future__ import annotations

import contextlib
import json
import os
import signal
import subprocess
import sys
import time
from dataclasses import asdict, dataclass, field
from pathlib import Path

_LIMIT_S = 20.0


@dataclass(frozen=True)
class Process:
    """user: run as this user (only root can); environment: added to that of the starter."""

    argv: list[str]
    log: str
    pid: str
    user: str | None = None
    environment: dict[str, str] = field(default_factory=dict)

    def start(self) -> None:
        if _alive(self._id()):
            raise RuntimeError(f"{self.argv[0]} runs already, as process {self._id()}")
        with Path(self.log).open("ab") as log:
            process = subprocess.Popen(self.argv, stdin=subprocess.DEVNULL, stdout=log, stderr=subprocess.STDOUT, start_new_session=True,
                                       env={**os.environ, **self.environment},
                                       **({"user": self.user, "group": self.user, "extra_groups": []} if self.user else {}))
        Path(self.pid).write_text(str(process.pid))

    def end(self, number: int = signal.SIGKILL) -> None:
        """Returns when it is gone."""
        pid = self._id()
        if pid is None:
            return
        with contextlib.suppress(ProcessLookupError):
            os.kill(pid, number)
        end = time.monotonic() + _LIMIT_S
        while _alive(pid) and time.monotonic() < end:
            with contextlib.suppress(ChildProcessError):
                os.waitpid(pid, os.WNOHANG)
            time.sleep(0.01)
        Path(self.pid).unlink(missing_ok=True)

    def save(self, spec: Path) -> None:
        spec.write_text(json.dumps(asdict(self)))

    def _id(self) -> int | None:
        try:
            return int(Path(self.pid).read_text())
        except (OSError, ValueError):
            return None


def _alive(pid: int | None) -> bool:
    if pid is None:
        return False
    try:
        state = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]
    except OSError:
        return False
    return state != "Z"


if __name__ == "__main__":
    spec = Process(**json.loads(Path(sys.argv[2]).read_text()))
    if sys.argv[1] == "start":
        spec.start()
    else:
        spec.end()
