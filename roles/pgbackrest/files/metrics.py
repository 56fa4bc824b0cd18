# SPDX-License-Identifier: GPL-3.0-or-later
# Managed by the role hft.ops.pgbackrest: edits are removed by the next run.
"""pgbackrest_metrics.py STANZA DIRECTORY: age and size of the backups, for node_exporter's textfile collector."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

_METRICS = (
    ("hft_backup_last_completed_timestamp_seconds", "When the last backup of a type ended.", lambda one: one["timestamp"]["stop"]),
    ("hft_backup_repository_bytes", "What the last backup of a type added to the repository.",
     lambda one: one["info"]["repository"]["delta"]),
    ("hft_backup_database_bytes", "Size of the cluster at the last backup of a type.", lambda one: one["info"]["size"]),
)


def text(stanza: dict[str, Any]) -> str:
    """The metrics of what `pgbackrest info` says of one stanza."""
    last = {one["type"]: one for one in sorted(stanza.get("backup", []), key=lambda one: one["timestamp"]["stop"]) if not one.get("error")}
    lines = []
    for name, says, value in _METRICS:
        lines += [f"# HELP {name} {says}", f"# TYPE {name} gauge"]
        lines += [f'{name}{{stanza="{stanza["name"]}",type="{kind}"}} {value(one)}' for kind, one in sorted(last.items())]
    return "\n".join(lines) + "\n"


def main() -> None:
    stanza, directory = sys.argv[1:]
    # Not as root, which would leave files and locks of its own where postgres writes.
    argv = ["/usr/sbin/runuser", "-u", "postgres", "--", "/usr/bin/pgbackrest", f"--stanza={stanza}", "--output=json", "info"]
    said = subprocess.run(argv, cwd="/", capture_output=True, text=True, check=True).stdout
    Path(directory).mkdir(mode=0o755, parents=True, exist_ok=True)
    target = Path(directory, "hft_backup.prom")
    scratch = target.with_suffix(".new")
    scratch.write_text(text(json.loads(said)[0]), encoding="utf-8")
    scratch.chmod(0o644)
    scratch.replace(target)


if __name__ == "__main__":
    main()
