# SPDX-License-Identifier: GPL-3.0-or-later
"""metric_analysis against a real Prometheus: what it compares, and what it says when it cannot."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from backfilled import PASSWORD, STEP_S, WINDOW_S, Server

_P99 = 'avg_over_time(tick_to_order_p99{{engine="{}"}}[$step])'
_RATE = 'rate(orders_total{{engine="{}"}}[$step])'


def _analysis(server: Server, folder: Path, metric: dict[str, Any], **more: Any) -> dict[str, Any]:
    """What the module says, run as Ansible runs it."""
    arguments = {"url": server.url, "ca": str(server.ca), "username": "deployments", "password": PASSWORD, "error_retry_s": 0.05,
                 "metrics": [{"name": "m", "consecutive_error_limit": 0, **metric}], **more}
    (folder / "arguments.json").write_text(json.dumps({"ANSIBLE_MODULE_ARGS": arguments}))
    done = subprocess.run([sys.executable, "-m", "ansible_collections.hft.ops.plugins.modules.metric_analysis", folder / "arguments.json"],
                          cwd=Path(__file__).parents[2] / "build/collections", capture_output=True, text=True)
    assert "Traceback" not in done.stderr, done.stderr
    return json.loads(done.stdout)


def _compare(query: str, engine: str, **more: Any) -> dict[str, Any]:
    return {"query": query.format(engine),
            "comparison": {"baseline_query": query.format("old"), "window_s": WINDOW_S, "step_s": STEP_S, **more}}


@pytest.mark.parametrize(("query", "engine", "direction", "verdict", "reason"), [
    (_P99, "same", "increase", "successful", "1 metric successful"),
    (_P99, "slower", "increase", "failed", "m: failed once, the limit is 0: canary higher than baseline"),
    (_P99, "part", "increase", "successful", "1 metric successful"),
    (_P99, "mostly_away", "increase", "error", "no data: canary gave no sample in the window"),
    (_RATE, "restarted", "decrease", "successful", "1 metric successful"),
    (_RATE, "slow", "decrease", "failed", "canary lower than baseline"),
])
def test_comparison(server: Server, tmp_path: Path, query: str, engine: str, direction: str, verdict: str, reason: str) -> None:
    said = _analysis(server, tmp_path, _compare(query, engine, direction=direction))
    assert (said["verdict"], said.get("failed", False)) == (verdict, verdict != "successful"), said
    assert reason in said["reason"]
    measured = said["metrics"][0]["measurements"][0]
    if engine == "part":
        assert 105 <= len(measured["samples"]) <= 112
    if verdict != "error":
        assert len(measured["baseline_samples"]) == WINDOW_S / STEP_S
        assert measured["comparison"]["baseline"]["samples"] == len(measured["baseline_samples"])


def test_a_threshold(server: Server, tmp_path: Path) -> None:
    said = _analysis(server, tmp_path, {"query": 'tick_to_order_p99{engine="same"}', "success_condition": "result < 12"})
    assert said["verdict"] == "successful"


@pytest.mark.parametrize(("metric", "reason"), [
    (_compare("tick_to_odrer_p99", ""), "no data: canary and baseline gave no sample in the window"),
    (_compare("tick_to_order_p99[", ""), "bad_data: "),
    (_compare("tick_to_order_p99", ""), "the query gave 5 series where one is compared; join them"),
    ({"query": "tick_to_odrer_p99", "success_condition": "result < 12"}, "no data: the query gave no sample"),
    ({"query": "rate(tick_to_order_p99)", "success_condition": "result < 12"}, "bad_data: "),
])
def test_a_query_that_gives_no_number_is_an_error(server: Server, tmp_path: Path, metric: dict[str, Any], reason: str) -> None:
    said = _analysis(server, tmp_path, metric)
    assert (said["verdict"], said["failed"]) == ("error", True)
    assert reason in said["msg"]
    assert "\n" not in said["msg"]


@pytest.mark.parametrize(("change", "reason"), [
    ({"url": "https://127.0.0.1:1"}, "https://127.0.0.1:1: [Errno 111] Connection refused"),
    ({"ca": "other"}, "certificate verify failed"),
    ({"ca": "/nowhere.pem"}, "No such file"),
    ({"password": "wrong"}, "answered 401 Unauthorized"),
    ({"username": None, "password": None}, "answered 401 Unauthorized"),
    ({"url": "http"}, "Client sent an HTTP request to an HTTPS server"),
])
def test_a_prometheus_that_cannot_be_asked_is_an_error(server: Server, tmp_path: Path, change: dict[str, Any], reason: str) -> None:
    names = {"other": str(server.other_ca), "http": server.url.replace("https", "http")}
    change = {key: names.get(value, value) for key, value in change.items()}
    said = _analysis(server, tmp_path, _compare(_P99, "same"), **change)
    assert (said["verdict"], said["failed"]) == ("error", True)
    assert reason in said["msg"]
    assert PASSWORD not in json.dumps(said)
