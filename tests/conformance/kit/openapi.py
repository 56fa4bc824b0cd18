# SPDX-License-Identifier: GPL-3.0-or-later
"""Does the API keep its own description: requests made from engine/openapi.yaml by schemathesis."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

from kit.check import Broken, check
from kit.site import Site

_DESCRIPTION = Path(os.environ.get("CONFORMANCE_OPENAPI", Path(__file__).resolve().parents[3] / "engine" / "openapi.yaml"))
_CHECKS = "status_code_conformance,content_type_conformance,response_schema_conformance"
_LIMIT_S = 300


@check("openapi.reads", "every GET answers as openapi.yaml describes, whatever the parameters", "schemathesis")
def reads(site: Site) -> None:
    _run(site, "--include-method", "GET", "--checks", _CHECKS)


@check("openapi.hostile_writes", "no hostile body is taken, each is refused as openapi.yaml describes", "schemathesis")
def hostile_writes(site: Site) -> None:
    # Only what must be refused: a generated request that is valid would trade.
    _run(site, "--exclude-method", "GET", "--mode", "negative", "--checks", f"{_CHECKS},negative_data_rejection")


def _run(site: Site, *options: str) -> None:
    headers = [part for name, value in site.one.api.headers.items() for part in ("-H", f"{name}: {value}")]
    # It keeps notes in the folder it runs in.
    with tempfile.TemporaryDirectory() as folder:
        description = Path(folder) / "openapi.json"
        description.write_text(json.dumps(_without_security()))
        done = subprocess.run([
            sys.executable, "-m", "schemathesis.cli", "run", str(description), "--url", site.one.api.url, "--phases", "coverage,fuzzing",
            "--max-examples", "25", "--seed", "1", "--generation-deterministic", "--no-color", "--warnings", "off", "--rate-limit", "auto",
            *headers, *options,
        ], capture_output=True, text=True, timeout=_LIMIT_S, cwd=folder)
    if done.returncode:
        raise Broken(_told(done.stdout + done.stderr))


def _without_security() -> dict[str, Any]:
    """The check `refusals.wrong_token` is about tokens. On loopback an engine may ask for none, whatever the description requires."""
    import yaml

    tree: dict[str, Any] = yaml.safe_load(_DESCRIPTION.read_text())
    tree.pop("security", None)
    for path in tree["paths"].values():
        for operation in path.values():
            if isinstance(operation, dict):
                operation.pop("security", None)
    return tree


def _told(output: str) -> str:
    """The first failure of a long report, on one line."""
    place = re.search(r"^_+ (\S+ \S+) _+$", output, re.MULTILINE)
    failures = re.findall(r"^- (.+(?:\n\n? {4}.+)*)", output, re.MULTILINE)
    what = " ".join(failures[0].split()) if failures else " ".join(output.split())[-300:]
    return f"{place.group(1) + ': ' if place else ''}{what[:300]} ({len(failures)} failures)"
