# SPDX-License-Identifier: GPL-3.0-or-later
"""What Debian's Alertmanager holds back by the role's own inhibitions, and what it never does."""

from __future__ import annotations

import json
import time
import urllib.request
from collections.abc import Iterator
from pathlib import Path

import pytest
import yaml
from ansible_collections.hft.ops.plugins.filter.alertmanager_config import alertmanager_config
from backfilled import alertmanager

_ROLE = Path(__file__).parents[2] / "roles" / "alertmanager"
_DEFAULTS = {name.removeprefix("alertmanager_"): value for name, value in yaml.safe_load((_ROLE / "defaults/main.yml").read_text()).items()}
_E1 = {"host": "e1", "instance": "e1:9464"}
_HELD_BACK = [
    {**_E1, "alertname": "EngineDown", "severity": "critical"},
    {"host": "e1", "instance": "e1:9256", "alertname": "TargetDown", "severity": "warning"},
    {**_E1, "alertname": "OrderLatencyP99High", "severity": "warning"},
    {"host": "e2", "instance": "e2:9464", "strategy": "a", "alertname": "OrderRejectsHigh", "severity": "warning"},
]
_TOLD = [
    {"host": "e1", "instance": "e1:9100", "alertname": "HostDown", "severity": "critical"},
    # What else is critical there was told by an engine that answers.
    {**_E1, "alertname": "KillSwitchEngaged", "severity": "critical"},
    {"strategy": "a", "alertname": "TwoHolders", "severity": "critical"},
    {"alertname": "Watchdog", "severity": "none"},
    {"alertname": "PortfolioConcentrated", "severity": "warning"},
    {"host": "e2", "instance": "e2:9464", "alertname": "EngineDown", "severity": "critical"},
    {"host": "e2", "instance": "e2:9464", "strategy": "a", "alertname": "OrderRejectsCritical", "severity": "critical"},
    {"host": "e2", "instance": "e2:9464", "strategy": "b", "alertname": "OrderRejectsHigh", "severity": "warning"},
    # Of a site that labels no host: it must not be taken for that of all alerts without one.
    {"instance": "elsewhere:9100", "alertname": "HostDown", "severity": "critical"},
]


@pytest.fixture
def port(tmp_path: Path) -> Iterator[int]:
    (tmp_path / "alertmanager.yml").write_text(yaml.safe_dump(alertmanager_config([], _DEFAULTS, "/s")["config"]))
    with alertmanager(tmp_path) as listening:
        yield listening


def _held_back(port: int) -> set[str]:
    with urllib.request.urlopen(f"http://127.0.0.1:{port}/api/v2/alerts", timeout=10) as answer:
        found = json.load(answer)
    assert len(found) == len(_HELD_BACK + _TOLD)
    return {json.dumps(one["labels"], sort_keys=True) for one in found if one["status"]["inhibitedBy"]}


def test_the_children_of_a_host_and_the_warning_of_a_critical_one_are_held_back_and_nothing_else(port: int) -> None:
    alerts = json.dumps([{"labels": labels} for labels in _HELD_BACK + _TOLD]).encode()
    headers = {"Content-Type": "application/json"}
    with urllib.request.urlopen(urllib.request.Request(f"http://127.0.0.1:{port}/api/v2/alerts", alerts, headers), timeout=10):
        pass
    wanted = {json.dumps(labels, sort_keys=True) for labels in _HELD_BACK}
    end = time.monotonic() + 20
    while (found := _held_back(port)) != wanted:
        assert time.monotonic() < end, f"held back: {found}"
        time.sleep(0.1)
