# SPDX-License-Identifier: GPL-3.0-or-later
"""The program of the role alert_hook behind Debian's Alertmanager: what it really sends is understood, and counts once."""

from __future__ import annotations

import http.client
import json
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from backfilled import alertmanager
from hook_decision import Decisions
from hook_ledger import Ledger
from hook_server import Server
from hook_settings import load

_TOKEN = "0123456789abcdef0123"
_CONFIG = """
route: {{receiver: hook, group_by: [alertname], group_wait: 0s, group_interval: 1s, repeat_interval: 1s}}
receivers:
  - name: hook
    webhook_configs:
      - {{url: "http://127.0.0.1:{port}/alerts", send_resolved: true, http_config: {{authorization: {{credentials: {token}}}}}}}
"""


@pytest.fixture
def hook(tmp_path: Path) -> Iterator[Server]:
    rule = {"name": "slow", "action": "rollback", "scope": "engine", "within_s": 0,
            "signals": [{"source": "", "match": {"alertname": "OrderLatency"}}]}
    (tmp_path / "secrets.json").write_text(json.dumps({"hook": _TOKEN, "engines": {}}))
    (tmp_path / "config.json").write_text(json.dumps({
        "listen": "127.0.0.1:0", "tls": {}, "secrets": "secrets.json", "state_dir": str(tmp_path), "dry_run": False, "request_ttl_s": 900,
        "alert_age_s": 3600, "kill_retry_s": 60, "keep_days": 30, "max_body_bytes": 65536, "engines": {}, "rules": [rule]}))
    settings = load(tmp_path / "config.json")
    server = Server(settings, Decisions(settings, Ledger(tmp_path, 30)))
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield server
    server.shutdown()
    server.server_close()


@pytest.fixture
def port(hook: Server, tmp_path: Path) -> Iterator[int]:
    (tmp_path / "alertmanager.yml").write_text(_CONFIG.format(port=hook.server_port, token=_TOKEN))
    with alertmanager(tmp_path) as listening:
        yield listening


def _fire(port: int, name: str) -> None:
    alerts = [{"labels": {"alertname": name, "instance": "hft-prod-02:9464", "severity": "critical"}}]
    link = http.client.HTTPConnection("127.0.0.1", port, timeout=5)
    link.request("POST", "/api/v2/alerts", json.dumps(alerts), {"Content-Type": "application/json"})
    assert link.getresponse().status == 200
    link.close()


def _told(capfd: pytest.CaptureFixture[str], lines: list[dict[str, Any]], wanted: str) -> list[dict[str, Any]]:
    """Lines of the hook's journal until one has the outcome."""
    end = time.monotonic() + 20
    while not any(line.get("outcome") == wanted for line in lines):
        assert time.monotonic() < end, lines
        time.sleep(0.1)
        lines += [json.loads(line) for line in capfd.readouterr().out.splitlines() if line.startswith("{")]
    return lines


def test_an_alert_becomes_one_request_and_its_repetitions_none(port: int, hook: Server, capfd: pytest.CaptureFixture[str]) -> None:
    began = time.monotonic()
    _fire(port, "OrderLatency")
    lines = _told(capfd, [], "rollback requested")
    assert time.monotonic() - began < 5
    _told(capfd, lines, "repeated")
    with hook.decisions.lock:
        request, = hook.decisions.ledger.open_requests()
    assert (request["engine"], request["reason"]) == ("hft-prod-02", "slow: OrderLatency on hft-prod-02")
    assert not [line for line in lines if line["event"] == "refused"]
