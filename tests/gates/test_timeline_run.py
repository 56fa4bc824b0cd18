# SPDX-License-Identifier: GPL-3.0-or-later
"""A run with the callback hft.ops.timeline, and the next one, which knows how long it takes."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

from ansible_collections.hft.ops.plugins.plugin_utils._timeline import former_runs

from repository import ROOT


def _play(folder: Path, fail: bool, *options: str) -> tuple[str, list[dict]]:
    plays = [{"name": "first", "tasks": [{"name": "wait", "ansible.builtin.pause": {"seconds": 1}},
                                         {"name": "end", "ansible.builtin.assert": {"that": [not fail]}}]},
             {"name": "second", "tasks": []}]
    (folder / "play.yml").write_text(json.dumps([{**play, "hosts": "localhost", "gather_facts": False} for play in plays]))
    environment = {**os.environ, "ANSIBLE_CALLBACKS_ENABLED": "hft.ops.timeline", "HFT_TIMELINE_PATH": str(folder / "lines"),
                   "HFT_TIMELINE_HISTORY": str(folder / "history"), "HFT_TIMELINE_INTERVAL_S": "0.4", "ANSIBLE_NOCOLOR": "1",
                   "ANSIBLE_COLLECTIONS_PATH": str(ROOT / "build" / "collections")}
    done = subprocess.run([str(Path(sys.executable).with_name("ansible-playbook")), "-i", "localhost,", "-c", "local", *options,
                           str(folder / "play.yml")], capture_output=True, text=True, env=environment, check=False)
    assert done.returncode == (2 if fail else 0), done.stdout + done.stderr
    return done.stdout, [json.loads(one) for one in (folder / "lines").read_text().splitlines()]


def test_a_run_and_the_next(tmp_path: Path) -> None:
    out, lines = _play(tmp_path, False)
    assert "] first" in out
    assert "left]" not in out
    assert [one["event"] for one in lines if one["event"] != "progress"] == ["run", "phase", "phase", "end"]
    progress = [one for one in lines if one["event"] == "progress"]
    assert (progress[0]["phase"], progress[0]["task"], progress[0]["remaining_s"]) == ("first", "wait", None)
    out, lines = _play(tmp_path, True)
    assert "left] first" in out
    assert lines[-1]["failed"] is True
    assert len(former_runs(str(tmp_path / "history"), "play.yml")) == 1, "a run that failed is none to go by"
