#!/usr/bin/python
# Copyright: (c) hft.ops contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: config_files
short_description: Bring all configuration files of a service into their wanted state in one call
version_added: 0.1.0
description:
  - States the whole content of every configuration file of a service. The set is written to a scratch tree first, where the
    vendor's own tool checks it as a whole; only a set that passed replaces the live files, each in one atomic step.
  - When the check or a write fails, all files are as they were before.
  - Directories that do not exist are created, so the module can also plan for software that is not installed yet.
author: hft.ops contributors (@hft-ops)
extends_documentation_fragment: hft.ops.attributes
options:
  files:
    description: The files, each at most once.
    type: list
    elements: dict
    required: true
    suboptions:
      path:
        description: Absolute path of the file.
        type: path
        required: true
      content:
        description: Its whole content. Required with O(files[].state=present).
        type: str
      state:
        description: Whether the file is there.
        type: str
        choices: [present, absent]
        default: present
      owner:
        description: User that owns it.
        type: str
        default: root
      group:
        description: Group of it.
        type: str
        default: root
      mode:
        description: Its permission bits, as an octal string.
        type: str
        default: '0644'
      secret:
        description: Whether its content is left out of differences and diff. Set C(no_log) on the task as well.
        type: bool
        default: false
  validate:
    description:
      - Program and arguments that check the set; exit status 0 means that it is good.
      - C({root}) stands for the scratch tree, in which every file lies under its own path. A file that names another one of
        the set must do so relative to itself.
      - In check mode it runs too, unless the program is not installed yet.
    type: list
    elements: str
"""

EXAMPLES = r"""
- name: Prometheus and its rules, checked together by promtool
  hft.ops.config_files:
    files:
      - path: /etc/prometheus/prometheus.yml
        content: "{{ lookup('ansible.builtin.template', 'prometheus.yml.j2') }}"
      - path: /etc/prometheus/rules/engine.yml
        content: "{{ lookup('ansible.builtin.file', 'engine.rules.yml') }}"
    validate: [promtool, check, config, '{root}/etc/prometheus/prometheus.yml']
  notify: Reload prometheus
"""

RETURN = r"""
validated:
  description: Whether the tool checked the set; false when there was nothing to write, no tool was given, or it is not installed yet.
  returned: success
  type: bool
differences:
  description: Every difference between wanted and found, with its layer, path, before and after.
  returned: always
  type: list
  elements: dict
"""

import re
import shutil
import tempfile
from pathlib import Path
from typing import Any, Callable

from ansible.module_utils.basic import AnsibleModule
from ansible_collections.hft.ops.plugins.module_utils._change_record import ChangeRecord
from ansible_collections.hft.ops.plugins.module_utils._host import Host, HostError
from ansible_collections.hft.ops.plugins.module_utils._plan import Plan

_Run = Callable[[list], tuple]


def main() -> None:
    module = AnsibleModule(
        argument_spec={
            "files": {
                "type": "list", "elements": "dict", "required": True,
                "options": {
                    "path": {"type": "path", "required": True},
                    "content": {"type": "str"},
                    "state": {"type": "str", "choices": ["present", "absent"], "default": "present"},
                    "owner": {"type": "str", "default": "root"},
                    "group": {"type": "str", "default": "root"},
                    "mode": {"type": "str", "default": "0644"},
                    "secret": {"type": "bool", "default": False, "no_log": False},
                },
                "required_if": [("state", "present", ["content"])],
            },
            "validate": {"type": "list", "elements": "str"},
        },
        supports_check_mode=True,
    )
    plan = Plan(module.check_mode, ChangeRecord("config_files"))
    try:
        validated = apply(module.params["files"], module.params["validate"] or [], Host(), module.run_command, plan)
    except HostError as wrong:
        module.fail_json(msg=str(wrong), **plan.failure())
    module.exit_json(validated=validated, **plan.result())


def apply(files: list[dict[str, Any]], validate: list[str], host: Host, run: _Run, plan: Plan) -> bool:
    """Plan, check the set, and outside check mode write it; returns whether the tool checked it."""
    modes = _modes(files)
    for file in files:
        content = file["content"] if file["state"] == "present" else None
        plan.file(host.owned_file(file["path"]), content, modes[file["path"]], file["owner"], file["group"], file["secret"])
    checked = bool(plan.differences) and _check(files, validate, run, plan.check_mode)
    plan.run()
    return checked


def _modes(files: list[dict[str, Any]]) -> dict[str, int]:
    """Permission bits by path; refuses what cannot be meant."""
    modes: dict[str, int] = {}
    problems = []
    for file in files:
        path = file["path"]
        if not path.startswith("/") or path.endswith("/"):
            problems.append(f"files: {path}: expected the absolute path of a file")
        if path in modes:
            problems.append(f"files: {path}: listed twice")
        try:
            modes[path] = int(file["mode"], 8)
        except ValueError:
            problems.append(f"files: {path}: mode {file['mode']}: expected octal digits such as '0644'")
    if problems:
        raise HostError("; ".join(problems))
    return modes


def _check(files: list[dict[str, Any]], validate: list[str], run: _Run, check_mode: bool) -> bool:
    if not validate:
        return False
    if shutil.which(validate[0]) is None:
        if check_mode:
            return False
        raise HostError(f"validate: {validate[0]}: not installed on this host; install the package that brings it")
    with tempfile.TemporaryDirectory(prefix="hft-config-") as root:
        for file in (file for file in files if file["state"] == "present"):
            target = Path(root, file["path"].lstrip("/"))
            target.parent.mkdir(parents=True, exist_ok=True)
            target.write_text(file["content"], encoding="utf-8")
        code, out, err = run([argument.replace("{root}", root) for argument in validate])
        if code != 0:
            said = " ".join((err or out).replace(root, "").split())
            raise HostError(f"{' '.join(validate[:2])} refused the configuration, the old files stand: {said[:600]}{_meant(said, files)}")
    return True


def _meant(said: str, files: list[dict[str, Any]]) -> str:
    """The line that the tool's complaint counts, as the file that it was in is on no disk."""
    named = [file for file in files if file["path"] in said] or files
    if len(named) != 1 or named[0]["secret"] or named[0]["state"] == "absent":
        return ""
    path, lines = named[0]["path"], named[0]["content"].splitlines()
    counted = re.search(rf"\bline (\d+)|{re.escape(path)}:(\d+)", said)
    number = int(counted[1] or counted[2]) if counted else 0
    return f"; line {number} of {path} is: {lines[number - 1].strip()[:200]}" if 0 < number <= len(lines) else ""


if __name__ == "__main__":
    main()
