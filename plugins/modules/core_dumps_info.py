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
  - Asks C(coredumpctl) for the newest core dumps, and reads the build ids of the program and its libraries from each dump itself, so that
    they are right also when the files on disk were replaced since. Nothing is written; the dump is read as it is decompressed.
  - Needs no debugger and no elfutils. A host without C(coredumpctl) has no core dumps.
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
    core: {description: 'What is left of the dump, as coredumpctl says: V(present), V(truncated), V(missing), V(none).', type: str}
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
import struct
import subprocess
import threading
from collections.abc import Iterator
from typing import IO, cast

from ansible.module_utils.basic import AnsibleModule
from ansible_collections.hft.ops.plugins.module_utils._core_dump import mapped_build_ids
from ansible_collections.hft.ops.plugins.module_utils._host import HostError

_READABLE = ("present", "truncated", "journal")


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
    problem, listed = "", []
    program = module.get_bin_path("coredumpctl")
    if program:
        try:
            listed = list_dumps(program, wanted["since"], wanted["timeout_s"])[:wanted["newest"]]
        except (HostError, OSError, ValueError, subprocess.TimeoutExpired) as wrong:
            problem = f"coredumpctl list: {wrong}"
    dumps = [describe(one, [program or "", *_found_by(one)], wanted["timeout_s"]) for one in listed]
    module.exit_json(changed=False, core_dumps=dumps, problem=problem)


def list_dumps(program: str, since: str, timeout_s: float) -> list[dict]:
    """What coredumpctl lists, newest first."""
    argv = [program, "list", "--json=short", "--no-pager", *([f"--since={since}"] if since else [])]
    done = subprocess.run(argv, stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=timeout_s, check=False)
    if "No coredumps found" in done.stderr or (done.returncode == 0 and not done.stdout.strip()):
        return []
    if done.returncode != 0:
        raise HostError((done.stderr.strip().splitlines() or ["no output"])[-1])
    return sorted(json.loads(done.stdout), key=lambda one: one["time"], reverse=True)


def _found_by(one: dict) -> list[str]:
    """How coredumpctl finds this dump again: process ids come again, so within its second."""
    second = one["time"] // 1000000
    return ["dump", str(one["pid"]), f"--since=@{second}", f"--until=@{second + 1}"]


def describe(one: dict, argv: list[str], timeout_s: float) -> dict:
    """One listed dump with the build ids that are in it. argv: writes the dump to its output."""
    build_ids: dict[str, str] = {}
    problem = ""
    if one.get("corefile") not in _READABLE:
        problem = f"core dump is {one.get('corefile') or 'not there'}; base_coredump (role base) says what is kept"
    else:
        try:
            with _output_of(argv, timeout_s) as core:
                build_ids.update(mapped_build_ids(core))
        except (HostError, OSError, struct.error) as wrong:
            problem = str(wrong)
    time = datetime.datetime.fromtimestamp(one["time"] / 1000000, datetime.timezone.utc).strftime("%Y-%m-%dT%H:%M:%SZ")
    return {"time": time, "pid": one["pid"], "signal": one.get("sig"), "executable": one.get("exe") or "",
            "core": one.get("corefile") or "", "build_ids": build_ids, "problem": problem}


@contextlib.contextmanager
def _output_of(argv: list[str], timeout_s: float) -> Iterator[IO[bytes]]:
    """What a command writes, ended when its time is over or the reader has enough."""
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
