# SPDX-License-Identifier: GPL-3.0-or-later
"""Speaks to a running QEMU (QEMU Machine Protocol, JSON lines over a unix socket)."""

from __future__ import annotations

import json
import os
import socket
from pathlib import Path

from lab.failure import LabError

_TIMEOUT_S = 10


def execute(path: Path, command: str) -> dict:
    """Run one command without arguments; returns what QEMU returns."""
    folder = os.open(path.parent, os.O_PATH | os.O_DIRECTORY)
    try:
        with socket.socket(socket.AF_UNIX) as line:
            line.settimeout(_TIMEOUT_S)
            # A socket's path may have 107 characters only, whatever the path of the checkout is.
            line.connect(f"/proc/self/fd/{folder}/{path.name}")
            answers = line.makefile("r")
            answers.readline()  # greeting
            for word in ("qmp_capabilities", command):
                line.sendall(json.dumps({"execute": word}).encode() + b"\n")
                answer = _answer(answers)
            if "error" in answer:
                raise LabError(f"QEMU refused {command}: {answer['error']['desc']}")
            return answer["return"]
    except OSError as why:
        raise LabError(f"QEMU does not answer on {path} ({why}); end it by the pid beside it") from why
    finally:
        os.close(folder)


def _answer(lines) -> dict:
    """The next line that is no event."""
    for text in lines:
        message = json.loads(text)
        if "event" not in message:
            return message
    raise OSError("connection closed")
