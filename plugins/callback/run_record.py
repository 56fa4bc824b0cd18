# SPDX-License-Identifier: GPL-3.0-or-later
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Callback that keeps what a run changed, item by item, as JSON lines."""

from __future__ import annotations

DOCUMENTATION = r"""
name: run_record
type: aggregate
short_description: Keep what a run changed, item by item, as JSON lines
version_added: 0.1.0
author:
  - hft.ops contributors (@hft-ops)
description:
  - Writes one JSON object a line for every item that a task changed, or would change in check mode, and for every
    failure and unreachable host, then one closing object with the totals of each host.
  - The record of a check run and the record of the real run that follows it can be compared line by line, which
    answers "what will it change" and "did it do just that".
  - The file is replaced at the start of each run. Values are never written, only hosts, tasks and paths, so the
    record holds no secret.
options:
  record_path:
    description: File to write; nothing is recorded when it is empty.
    type: str
    default: ''
    env:
      - name: HFT_RUN_RECORD
    ini:
      - section: callback_run_record
        key: path
requirements:
  - enabled in the configuration, C(callbacks_enabled = hft.ops.run_record)
"""

import json
import os

from ansible.plugins.callback import CallbackBase

# Where a module's result or arguments say what it touched, first match wins.
_RESULT_KEYS = ("dest", "path")
_ARGUMENT_KEYS = ("dest", "path", "name", "pkg", "db", "role", "slot_name")


def touched(result: dict) -> list[str]:
    """What one result changed: the paths of the collection's own difference record, else the module's target."""
    differences = result.get("differences")
    if isinstance(differences, list) and differences:
        return sorted({str(one.get("path", "")) for one in differences if isinstance(one, dict)})
    arguments = (result.get("invocation") or {}).get("module_args") or {}
    for source, keys in ((result, _RESULT_KEYS), (arguments, _ARGUMENT_KEYS)):
        for key in keys:
            if source.get(key):
                value = source[key]
                return sorted(map(str, value)) if isinstance(value, list) else [str(value)]
    label = result.get("_ansible_item_label", result.get("item"))
    return [label if isinstance(label, str) else ""]


class CallbackModule(CallbackBase):
    """See DOCUMENTATION."""

    CALLBACK_VERSION = 2.0
    CALLBACK_TYPE = "aggregate"
    CALLBACK_NAME = "hft.ops.run_record"
    CALLBACK_NEEDS_ENABLED = True

    def __init__(self) -> None:
        super().__init__()
        self._path = ""

    def v2_playbook_on_start(self, playbook) -> None:
        self._path = os.path.expanduser(self.get_option("record_path"))
        if self._path:
            os.makedirs(os.path.dirname(os.path.abspath(self._path)), exist_ok=True)
            with open(self._path, "w", encoding="utf-8"):
                pass  # a record speaks of one run

    def _write(self, **line) -> None:
        if self._path:
            with open(self._path, "a", encoding="utf-8") as out:
                out.write(json.dumps(line, sort_keys=True) + "\n")

    def v2_runner_on_ok(self, result) -> None:
        outcome = result._result
        for one in outcome.get("results", [outcome]) if result._task.loop else [outcome]:
            if not one.get("changed"):
                continue
            for path in touched(one):
                self._write(event="changed", host=result._host.get_name(), task=result._task.get_name().strip(), path=path)

    def v2_runner_on_failed(self, result, ignore_errors=False) -> None:
        self._write(event="failed", host=result._host.get_name(), task=result._task.get_name().strip())

    def v2_runner_on_unreachable(self, result) -> None:
        self._write(event="unreachable", host=result._host.get_name(), task=result._task.get_name().strip())

    def v2_playbook_on_stats(self, stats) -> None:
        self._write(event="totals", hosts={host: stats.summarize(host) for host in sorted(stats.processed)})
