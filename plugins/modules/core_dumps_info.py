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
extends_documentation_fragment: hft.ops.attributes.information
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

import subprocess

from ansible.module_utils.basic import AnsibleModule
from ansible_collections.hft.ops.plugins.module_utils._host import HostError
from ansible_collections.hft.ops.plugins.module_utils._kept_core_dumps import describe, list_dumps


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


if __name__ == "__main__":
    main()
