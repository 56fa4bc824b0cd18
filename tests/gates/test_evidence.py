# SPDX-License-Identifier: GPL-3.0-or-later
"""What role evidence writes about core dumps is JSON, whatever stands in it, and names the archive of their debug symbols."""

from __future__ import annotations

import io
import json
import os
import subprocess
import tarfile
from pathlib import Path

from repository import ROOT

_ROLE = ROOT / "roles/evidence"
_BUILD_ID = "ab" + "cd" * 19
_PATH = "/opt/it's \"one\""


def test_core_dump_leads_to_its_debug_symbols(tmp_path: Path) -> None:
    symbols = tmp_path / "hft_system-1-dbgsym.tar.gz"
    with tarfile.open(symbols, "w:gz") as tar:
        tar.addfile(tarfile.TarInfo(f"hft_system-1-dbgsym/lib/debug/.build-id/{_BUILD_ID[:2]}/{_BUILD_ID[2:]}.debug"), io.BytesIO())
    dumps = [{"pid": 7, "executable": _PATH, "build_ids": {_PATH: _BUILD_ID, "/lib/libc.so.6": "ee" * 20}},
             {"pid": 8, "executable": "", "build_ids": {}}]
    variables = {"evidence_release_dir": str(tmp_path), "__evidence_core_dumps": {"core_dumps": dumps, "problem": ""}}
    task = {"ansible.builtin.shell": f"{{{{ __evidence_items['host/core_dumps.json'] }}}} > {tmp_path}/said"}
    files = [str(_ROLE / "defaults/main.yml"), str(_ROLE / "vars/main.yml")]
    play = {"hosts": "localhost", "connection": "local", "gather_facts": False, "become": False, "vars_files": files, "tasks": [task]}
    (tmp_path / "play.yml").write_text(json.dumps([play]))
    argv = ["ansible-playbook", str(tmp_path / "play.yml"), "-i", "localhost,", "-e", json.dumps(variables)]
    done = subprocess.run(argv, cwd=ROOT, env={**os.environ, "ANSIBLE_NOCOLOR": "1"}, capture_output=True, text=True)
    assert done.returncode == 0, done.stdout + done.stderr
    said = json.loads((tmp_path / "said").read_text())
    assert (said["core_dumps"], said["problem"]) == (dumps, "")
    assert said["debug_symbols"] == {_BUILD_ID: str(symbols)}
