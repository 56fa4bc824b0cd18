# SPDX-License-Identifier: GPL-3.0-or-later
"""Runs on an engine's host, with the process id of the engine: presses the kill switch once.

Prints when the request left, and for how long the threads of the engine and this one waited for a core until the answer was there, all
together and the one that waited longest: the kernel counts that in the second field of schedstat, whoever else had the core.
"""

from __future__ import annotations

import json
import os
import socket
import sys
import time
from pathlib import Path

_BODY = json.dumps({"reason": "bench"}).encode()
_REQUEST = (b"POST /api/v1/killswitch HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\nContent-Type: application/json\r\n"
            b"Content-Length: %d\r\n\r\n%s" % (len(_BODY), _BODY))
# What brought this program here (a shell, an interpreter) is over by then.
_SETTLE_S = 0.3


def waited_ns(processes: tuple[int, ...]) -> dict[Path, int]:
    """By thread, the time it stood in a run queue so far."""
    return {task: int((task / "schedstat").read_text().split()[1])
            for process in processes for task in Path(f"/proc/{process}/task").iterdir()}


def main() -> int:
    processes = (os.getpid(), int(sys.argv[1]))
    with socket.create_connection(("127.0.0.1", 8080), timeout=10) as link:
        time.sleep(_SETTLE_S)
        before = waited_ns(processes)
        at_ns = time.time_ns()
        link.sendall(_REQUEST)
        answer = link.recv(65536)
        after = waited_ns(processes)
    if not answer.startswith(b"HTTP/1.1 200 "):
        print(f"the kill switch was not latched: {answer.decode(errors='replace')}", file=sys.stderr)
        return 1
    waited = [now - before.get(task, 0) for task, now in after.items()]
    print(json.dumps({"at_ns": at_ns, "waited_ns": sum(waited), "waited_most_ns": max(waited)}))
    return 0


if __name__ == "__main__":
    sys.exit(main())
