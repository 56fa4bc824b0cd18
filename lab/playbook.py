# SPDX-License-Identifier: GPL-3.0-or-later
"""Runs a playbook of the collection on a lab and reads back what it did."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from dataclasses import dataclass
from pathlib import Path

from lab.failure import LabError
from lab.paths import BUILD, INVENTORY, ROOT


@dataclass(frozen=True)
class Run:
    """What one playbook run did. rc: exit code; changes: (host, task, path) in order; totals: host → counts."""

    name: str
    rc: int
    wall_s: float
    output: str
    changes: list[tuple[str, str, str]]
    totals: dict[str, dict[str, int]]

    @property
    def changed(self) -> int:
        return sum(host["changed"] for host in self.totals.values())


def run(name: str, *arguments: str, inventory: Path = INVENTORY, record: str = "", show: bool = True) -> Run:
    """Run playbooks/NAME.yml; show: let a person watch it. The output is kept in build/log, the record in build/record."""
    record_file = BUILD / "record" / f"{record or name}.jsonl"
    log_file = BUILD / "log" / f"{record or name}.log"
    for file in (record_file, log_file):
        file.parent.mkdir(parents=True, exist_ok=True)
    record_file.unlink(missing_ok=True)
    argv = ["ansible-playbook", "--inventory", str(inventory), *arguments, str(ROOT / "playbooks" / f"{name}.yml")]
    environment = {**os.environ, "HFT_RUN_RECORD": str(record_file), "ANSIBLE_CONFIG": str(ROOT / "ansible.cfg")}
    if show and sys.stdout.isatty():
        environment["ANSIBLE_FORCE_COLOR"] = "1"
    begin = time.monotonic()
    lines = []
    with log_file.open("w") as log, subprocess.Popen(
        argv, cwd=ROOT, env=environment, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True
    ) as process:
        for line in process.stdout or ():
            lines.append(line)
            log.write(line)
            if show:
                print(f"    {line}", end="", flush=True)
    changes, totals = read_record(record_file)
    return Run(name, process.returncode, round(time.monotonic() - begin, 1), "".join(lines), changes, totals)


def must(name: str, *arguments: str, **options) -> Run:
    """As run(); a failed run is a LabError."""
    done = run(name, *arguments, **options)
    if done.rc != 0:
        log = f"build/log/{options.get('record') or name}.log"
        raise LabError(f"{name}.yml ended with {done.rc}; read {log}, mend it, run `make demo` again")
    return done


def read_record(file: Path) -> tuple[list[tuple[str, str, str]], dict[str, dict[str, int]]]:
    """Changes and totals from a file of the run_record callback."""
    changes: list[tuple[str, str, str]] = []
    totals: dict[str, dict[str, int]] = {}
    for line in file.read_text().splitlines() if file.exists() else ():
        event = json.loads(line)
        if event["event"] == "changed":
            changes.append((event["host"], event["task"], event["path"]))
        elif event["event"] == "totals":
            totals = event["hosts"]
    return changes, totals
