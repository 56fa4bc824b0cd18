# SPDX-License-Identifier: GPL-3.0-or-later
"""Writes evidence/KIND.json: KIND passed with the archive of release/release.json. A job comes here only when all before it passed."""

from __future__ import annotations

import hashlib
import json
import sys
from pathlib import Path


def main(kind: str) -> int:
    release = json.loads(Path("release/release.json").read_text())
    # Of the archive that is here, not of what was said about it.
    found = hashlib.sha256(Path(release["archive"]).read_bytes()).hexdigest()
    if found != release["sha256"]:
        print(f"{release['archive']}: expected the sha256 {release['sha256']}, found {found}; build the release again", file=sys.stderr)
        return 1
    file = Path("evidence") / f"{kind}.json"
    file.parent.mkdir(exist_ok=True)
    file.write_text(json.dumps({"kind": kind, "sha256": found, "passed": True}) + "\n")
    return 0


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
