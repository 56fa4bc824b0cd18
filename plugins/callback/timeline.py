# SPDX-License-Identifier: GPL-3.0-or-later
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Callback that tells where a long run stands."""

from __future__ import annotations

DOCUMENTATION = r"""
name: timeline
type: aggregate
short_description: Tell where a long run stands, phase by phase, with elapsed and remaining time
version_added: 0.1.0
author:
  - hft.ops contributors (@hft-ops)
description:
  - Says at the start of each play, and every O(interval_s) while it lasts, how long the run has taken and about how long it still takes.
    The rest is known by the last ten runs of the same playbook that went through, in check mode and without it apart; before there is
    one, only the elapsed time is told.
  - With O(path) the same goes to a file as JSON lines, for a screen or a pipeline. It holds names of plays and tasks, and times.
  - Nothing that goes wrong here fails the run.
options:
  interval_s:
    description: Seconds between two lines within a phase; 0 tells the beginnings alone.
    type: float
    default: 30
    env:
      - name: HFT_TIMELINE_INTERVAL_S
    ini:
      - section: callback_timeline
        key: interval_s
  path:
    description: File that takes JSON lines, replaced at the start of each run; nothing is written when it is empty.
    type: str
    default: ''
    env:
      - name: HFT_TIMELINE_PATH
    ini:
      - section: callback_timeline
        key: path
  history:
    description: File that keeps how long phases took.
    type: str
    default: ~/.cache/hft_ops/timeline.json
    env:
      - name: HFT_TIMELINE_HISTORY
    ini:
      - section: callback_timeline
        key: history
requirements:
  - enabled in the configuration, C(callbacks_enabled = hft.ops.timeline)
"""

import json
import os
import threading
import time

from ansible import context
from ansible.plugins.callback import CallbackBase
from ansible_collections.hft.ops.plugins.plugin_utils._timeline import Timeline, former_runs, keep, line


class CallbackModule(CallbackBase):
    """See DOCUMENTATION."""

    CALLBACK_VERSION = 2.0
    CALLBACK_TYPE = "aggregate"
    CALLBACK_NAME = "hft.ops.timeline"
    CALLBACK_NEEDS_ENABLED = True

    def __init__(self) -> None:
        super().__init__()
        self._timeline = Timeline([], time.monotonic())
        self._lock = threading.Lock()
        self._over = threading.Event()
        self._key = self._task = self._path = self._history = ""

    def v2_playbook_on_start(self, playbook) -> None:
        self._path = os.path.expanduser(self.get_option("path"))
        self._history = os.path.expanduser(self.get_option("history"))
        self._key = os.path.basename(playbook._file_name) + (" --check" if context.CLIARGS.get("check") else "")
        self._timeline = Timeline(former_runs(self._history, self._key), time.monotonic())
        self._begin_file()
        self._write("run", playbook=self._key)
        interval_s = self.get_option("interval_s")
        if interval_s > 0:
            threading.Thread(target=self._again, args=(interval_s,), daemon=True).start()

    def v2_playbook_on_play_start(self, play) -> None:
        with self._lock:
            self._task = ""
            self._timeline.begin(play.get_name().strip(), time.monotonic())
        self._tell("phase")

    def v2_playbook_on_task_start(self, task, is_conditional) -> None:
        self._task = task.get_name().strip()

    def v2_playbook_on_stats(self, stats) -> None:
        self._over.set()
        with self._lock:
            self._timeline.end(time.monotonic())
        failed = bool(stats.failures or stats.dark)
        self._write("end", took_s=round(time.monotonic() - self._timeline.began_s, 1), failed=failed, phases=self._timeline.done)
        if failed or not self._timeline.done:
            return  # how long half a run took tells nothing about a whole one
        try:
            keep(self._history, self._key, self._timeline.done)
        except OSError as wrong:
            self._display.warning(f"timeline: {self._history}: {wrong.strerror}; how long this run took is not kept")

    def _again(self, interval_s: float) -> None:
        while not self._over.wait(interval_s):
            self._tell("progress")

    def _tell(self, event: str) -> None:
        with self._lock:
            state = self._timeline.state(time.monotonic())
        if not state["phase"]:
            return
        self._display.display(line(state) + (f": {self._task}" if event == "progress" and self._task else ""), color="bright gray")
        self._write(event, task=self._task, **state)

    def _begin_file(self) -> None:
        if not self._path:
            return
        try:
            os.makedirs(os.path.dirname(os.path.abspath(self._path)), exist_ok=True)
            with open(self._path, "w", encoding="utf-8"):
                pass  # it speaks of one run
        except OSError as wrong:
            self._display.warning(f"timeline: {self._path}: {wrong.strerror}; nothing is written")
            self._path = ""

    def _write(self, event: str, **more) -> None:
        if not self._path:
            return
        try:
            with open(self._path, "a", encoding="utf-8") as out:
                out.write(json.dumps({"event": event, "at": round(time.time(), 3), **more}, sort_keys=True) + "\n")
        except OSError as wrong:
            self._display.warning(f"timeline: {self._path}: {wrong.strerror}; nothing more is written")
            self._path = ""
