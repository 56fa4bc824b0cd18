# SPDX-License-Identifier: GPL-3.0-or-later
"""How a bench ends."""

from __future__ import annotations

import json
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any


def conclude(result: dict[str, Any], file: Path, faults: Sequence[str]) -> int:
    """Keep the result, tell what does not hold, print the result as the last line; the exit code: 1 when something does not hold."""
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text(json.dumps(result, indent=2) + "\n")
    for fault in faults:
        print(f"MISSED: {fault}", file=sys.stderr)
    print(json.dumps(result))
    return int(bool(faults))
