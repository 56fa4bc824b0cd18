# SPDX-License-Identifier: GPL-3.0-or-later
"""The dashboards that ship are what their source writes, and each panel asks something of the data source that the viewer chose."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from repository import ROOT

_ROLE = ROOT / "roles" / "grafana"
_BOARDS = sorted((_ROLE / "files" / "dashboards").glob("*.json"))


def _panels(board: dict[str, Any]) -> list[dict[str, Any]]:
    inside = [panel for row in board["panels"] for panel in row.get("panels", [])]
    return [panel for panel in board["panels"] if panel["type"] != "row"] + inside


def test_dashboards_are_what_their_source_writes(tmp_path: Path) -> None:
    subprocess.run([sys.executable, "-B", str(_ROLE / "dashboards_source"), str(tmp_path)], check=True)
    written = {source.name: source.read_text() for source in tmp_path.iterdir()}
    assert written == {source.name: source.read_text() for source in _BOARDS}, "run: python roles/grafana/dashboards_source"


def test_the_five_dashboards_are_there_once() -> None:
    titles = sorted(json.loads(source.read_text())["title"] for source in _BOARDS)
    assert titles == ["Database", "Deployment", "Fleet by region", "Host tuning", "Trading"]
    uids = [json.loads(source.read_text())["uid"] for source in _BOARDS]
    assert len(set(uids)) == len(uids)


@pytest.mark.parametrize("source", _BOARDS, ids=lambda source: source.stem)
def test_a_panel_has_a_title_a_place_and_queries(source: Path) -> None:
    board = json.loads(source.read_text())
    panels = _panels(board)
    assert len(panels) > 5
    for panel in panels:
        assert panel["title"]
        assert panel["targets"]
        assert {target["datasource"]["uid"] for target in panel["targets"]} == {"${datasource}"}
        assert all(target["expr"].strip() for target in panel["targets"])
        assert panel["gridPos"]["x"] + panel["gridPos"]["w"] <= 24


@pytest.mark.parametrize("source", _BOARDS, ids=lambda source: source.stem)
def test_a_dashboard_shows_alerts_and_cannot_be_edited_in_place(source: Path) -> None:
    board = json.loads(source.read_text())
    assert board["editable"] is False
    assert [one["name"] for one in board["annotations"]["list"]] == ["Alerts"]
    assert "ALERTS" in board["annotations"]["list"][0]["expr"]
