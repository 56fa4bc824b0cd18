# SPDX-License-Identifier: GPL-3.0-or-later
"""Where the lab keeps things, all inside the repository and git-ignored."""

from __future__ import annotations

from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
STATE = ROOT / ".lab"
BUILD = ROOT / "build"
INVENTORY = ROOT / "inventories" / "lab"
