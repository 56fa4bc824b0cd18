# Copyright: (c) hft.ops contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Private to hft.ops. Core dumps that systemd-coredump kept: those of which the journal tells, and what had been mapped in each."""

from __future__ import annotations

import contextlib
import datetime
import json
import os
import struct
import subprocess
import threading
from collections.abc import Iterator
from typing import IO, cast

from ansible_collections.hft.ops.plugins.module_utils._core_dump import mapped_build_ids
from ansible_collections.hft.ops.plugins.module_utils._host import HostError

# The message that systemd-coredump writes for each dump.
_MESSAGE = "MESSAGE_ID=fc2e22bc6ee647b6b90729ab34a250b1"
_FIELDS = "COREDUMP_PID,COREDUMP_SIGNAL,COREDUMP_EXE,COREDUMP_FILENAME"
_COMPRESSED = (".zst", ".xz", ".lz4")


def list_dumps(program: str, since: str, newest: int, timeout_s: float) -> list[dict]:
    """What the journal was told of core dumps, newest first."""
    argv = [program, "--quiet", "--no-pager", "--reverse", f"--lines={newest}", "--output=json", f"--output-fields={_FIELDS}",
            *([f"--since={since}"] if since else []), _MESSAGE]
    done = subprocess.run(argv, stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=timeout_s, check=False)
    if done.returncode != 0 and done.stderr.strip():
        raise HostError(done.stderr.strip().splitlines()[-1])
    return [json.loads(line) for line in done.stdout.splitlines() if line.startswith("{")]


def describe(told: dict, timeout_s: float, program: str = "coredumpctl") -> dict:
    """One core dump as the journal has it, with the build ids that are in it."""
    core = told.get("COREDUMP_FILENAME") or ""
    build_ids: dict[str, str] = {}
    problem = ""
    if not core:
        problem = "no core dump was kept as a file; base_coredump (role base) says what is kept"
    else:
        try:
            with _read(core, program, timeout_s) as stream:
                build_ids.update(mapped_build_ids(stream))
        except (HostError, OSError, struct.error) as wrong:
            problem = str(wrong)
    time = datetime.datetime.fromtimestamp(int(told["__REALTIME_TIMESTAMP"]) / 1000000, datetime.timezone.utc)
    return {"time": time.strftime("%Y-%m-%dT%H:%M:%SZ"), "pid": int(told.get("COREDUMP_PID") or 0),
            "signal": int(told.get("COREDUMP_SIGNAL") or 0), "executable": told.get("COREDUMP_EXE") or "", "core": core,
            "build_ids": build_ids, "problem": problem}


@contextlib.contextmanager
def _read(core: str, program: str, timeout_s: float) -> Iterator[IO[bytes]]:
    """The dump as the kernel wrote it. What decompresses is ended when its time is over or the reader has enough."""
    if not os.path.exists(core):
        raise HostError(f"core dump {core}: is gone; base_coredump (role base) says how much is kept")
    if not core.endswith(_COMPRESSED):
        with open(core, "rb") as plain:
            yield plain
        return
    # The name of the file, as process ids come again.
    argv = [program, "dump", f"COREDUMP_FILENAME={core}"]
    with subprocess.Popen(argv, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL) as running:
        limit = threading.Timer(timeout_s, running.kill)
        limit.start()
        try:
            yield cast("IO[bytes]", running.stdout)
        finally:
            limit.cancel()
            running.kill()
