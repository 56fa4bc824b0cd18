# SPDX-License-Identifier: GPL-3.0-or-later
"""Writes the dashboards: python roles/grafana/dashboards_source [FOLDER]. What is committed in files/dashboards is what this writes."""

from __future__ import annotations

import sys
from pathlib import Path

import database
import deployment
import fleet
import host_tuning
import trading
from grafana_foundation_sdk.cog.encoder import JSONEncoder

_BOARDS = {"trading": trading, "deployment": deployment, "database": database, "host_tuning": host_tuning, "fleet": fleet}
_FOLDER = Path(__file__).resolve().parent.parent / "files" / "dashboards"


def main() -> None:
    folder = Path(sys.argv[1]) if sys.argv[1:] else _FOLDER
    folder.mkdir(parents=True, exist_ok=True)
    for name, source in _BOARDS.items():
        text = JSONEncoder(sort_keys=True, indent=1).encode(source.build().build())
        (folder / f"{name}.json").write_text(text + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
