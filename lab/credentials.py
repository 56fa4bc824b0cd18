# SPDX-License-Identifier: GPL-3.0-or-later
"""Makes the lab's passwords at the first run; later runs leave them as they are."""

from __future__ import annotations

import os
import secrets
from pathlib import Path

from lab.paths import INVENTORY

_NAMES = ("lab_secret_engine_db", "lab_secret_replication", "lab_secret_monitoring_db")


def ensure(inventory: Path = INVENTORY) -> None:
    """Write the inventory's secrets file (mode 0600, never in git) unless it exists."""
    file = inventory / "group_vars" / "all" / "secrets.yml"
    if file.exists():
        return
    lines = ["---", "# Made for this lab alone; git-ignored. Delete it only together with the lab (`make lab-down`)."]
    lines += [f"{name}: {secrets.token_urlsafe(24)}" for name in _NAMES]
    handle = os.open(file, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    with os.fdopen(handle, "w") as out:
        out.write("\n".join(lines) + "\n")
