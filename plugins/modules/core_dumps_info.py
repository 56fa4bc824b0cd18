#!/usr/bin/python
# Copyright: (c) hft.ops contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: core_dumps_info
short_description: Core dumps of a host, and the build ids of what had been mapped
version_added: 0.1.0
description:
  - Finds the newest core dumps that C(systemd-coredump) told the journal of, and reads the build ids of the program and its libraries from
    each dump itself, so that they are right also when the files on disk were replaced since.
  - Nothing is written; a compressed dump is read as C(coredumpctl) decompresses it. Needs no debugger and no elfutils.
author: hft.ops contributors (@hft-ops)
extends_documentation_fragment: hft.ops.attributes
options:
  since:
    description: From when on, as journalctl understands it; from the first one that is left when empty.
    type: str
    default: ''
  newest:
    description: So many core dumps at most, 1 to 100.
    type: int
    default: 5
  timeout_s:
    description: How long it may take to list them, and to read each, in seconds.
    type: int
    default: 20
seealso:
  - module: hft.ops.engine_build
"""

EXAMPLES = r"""
- name: What died here today
  hft.ops.core_dumps_info:
    since: today
  register: died

- name: Debug symbols of these builds
  ansible.builtin.debug:
    msg: "{{ query('hft.ops.debug_symbols', *ids, release_dir='build/releases') }}"
  vars:
    ids: "{{ died.core_dumps | map(attribute='build_ids') | map('dict2items') | flatten | map(attribute='value') | unique }}"
"""

RETURN = r"""
core_dumps:
  description: Newest first.
  returned: success
  type: list
  elements: dict
  contains:
    time: {description: 'When, UTC.', type: str}
    pid: {description: Process., type: int}
    signal: {description: Number of the signal that ended it., type: int}
    executable: {description: Its program., type: str}
    core: {description: Where the dump lies or lay on the host; empty where none was kept., type: str}
    build_ids: {description: Build id of each program and library that was mapped by its path., type: dict}
    problem: {description: Why build ids are missing; empty where all are there., type: str}
problem:
  description: Why the core dumps could not be listed; empty when they were.
  returned: success
  type: str
"""

import contextlib
import datetime
import json
import os
import struct
import subprocess
import threading
from collections.abc import Iterator
from typing import IO, cast

from ansible.module_utils.basic import AnsibleModule
from ansible_collections.hft.ops.plugins.module_utils._core_dump import mapped_build_ids
from ansible_collections.hft.ops.plugins.module_utils._host import HostError

# The message that systemd-coredump writes for each dump.
_MESSAGE = "MESSAGE_ID=fc2e22bc6ee647b6b90729ab34a250b1"
_FIELDS = "COREDUMP_PID,COREDUMP_SIGNAL,COREDUMP_EXE,COREDUMP_FILENAME"
_COMPRESSED = (".zst", ".xz", ".lz4")


def main() -> None:
    module = AnsibleModule(
        argument_spec={
            "since": {"type": "str", "default": ""},
            "newest": {"type": "int", "default": 5},
            "timeout_s": {"type": "int", "default": 20},
        },
        supports_check_mode=True,
    )
    wanted = module.params
    if not 1 <= wanted["newest"] <= 100:
        module.fail_json(msg=f"newest {wanted['newest']}: expected 1 to 100")
    problem, told = "", []
    try:
        told = list_dumps("journalctl", wanted["since"], wanted["newest"], wanted["timeout_s"])
    except (HostError, OSError, ValueError, subprocess.TimeoutExpired) as wrong:
        problem = f"core dumps cannot be listed: {wrong}"
    dumps = [describe(one, wanted["timeout_s"]) for one in told]
    module.exit_json(changed=False, core_dumps=dumps, problem=problem)


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


if __name__ == "__main__":
    main()
