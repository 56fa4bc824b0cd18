# SPDX-License-Identifier: GPL-3.0-or-later
"""The calendars that ship are those that their sources give today, and do not end soon."""

from __future__ import annotations

import json
import subprocess
from datetime import datetime, timedelta, timezone
from pathlib import Path

import pytest

_HERE = Path(__file__).parent
_ROOT = _HERE.parents[1]
_SHIPPED = _ROOT / "plugins" / "plugin_utils" / "calendars"
_WITH_SESSIONS = sorted(file for file in _SHIPPED.glob("*.json") if "sessions" in json.loads(file.read_text()))


@pytest.fixture(scope="module")
def generated(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("calendars")
    subprocess.run([_ROOT / "tests" / "bootstrap", folder / "venv", _HERE / "requirements.txt"], check=True)
    year = json.loads(_WITH_SESSIONS[0].read_text())["from"][:4]
    subprocess.run([folder / "venv" / "bin" / "python", _HERE / "generate.py", "--year", year, "--into", folder], check=True)
    return folder


@pytest.mark.parametrize("shipped", _WITH_SESSIONS, ids=lambda file: file.stem)
def test_it_is_what_the_sources_say(generated: Path, shipped: Path) -> None:
    assert shipped.read_text() == (generated / shipped.name).read_text()


@pytest.mark.parametrize("shipped", _WITH_SESSIONS, ids=lambda file: file.stem)
def test_it_reaches_half_a_year_ahead(shipped: Path) -> None:
    """Else: python tests/calendars/generate.py, in an environment of the requirements beside it."""
    last = datetime.fromisoformat(json.loads(shipped.read_text())["to"]).replace(tzinfo=timezone.utc)
    assert last > datetime.now(timezone.utc) + timedelta(days=180)
