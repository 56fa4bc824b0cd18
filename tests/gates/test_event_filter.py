# SPDX-License-Identifier: GPL-3.0-or-later
"""What a rulebook sees of a notification: plain names, or nothing. The rulebook itself runs in tests/eda."""

from __future__ import annotations

import runpy
from typing import Any

import pytest

from repository import ROOT, load, playbooks

_MAIN = runpy.run_path(str(ROOT / "extensions/eda/plugins/event_filter/alerts.py"))["main"]
_RULES = load(ROOT / "extensions/eda/rulebooks/alerts.yml")[0]["rules"]


def _alert(change: dict[str, Any] | None = None, **labels: Any) -> dict[str, Any]:
    return {"status": "firing", "fingerprint": "f00d", "startsAt": "2026-01-01T00:00:00.123456789Z", **(change or {}),
            "labels": {"alertname": "EngineDown", "instance": "e1:9464", **labels}}


def _seen(*alerts: Any) -> list[dict[str, Any]]:
    return _MAIN({"payload": {"alerts": list(alerts)}, "meta": {"headers": {"X": "{{ 1 }}"}}})


@pytest.mark.parametrize(("labels", "engine"), [
    ({}, "e1"), ({"engine": "e2"}, "e2"), ({"engine": "e2", "host": "hft-prod-01"}, "hft-prod-01"), ({"instance": "e1"}, "e1"),
])
def test_an_alert_is_a_small_event(labels: dict[str, str], engine: str) -> None:
    assert _seen(_alert(secret="x", **labels)) == [{"alertname": "EngineDown", "status": "firing", "engine": engine, "fingerprint": "f00d",
                                                    "starts_at": "2026-01-01T00:00:00.123456789Z"}]


@pytest.mark.parametrize("alert", [
    _alert(host="{{ lookup('pipe', 'id') }}"), _alert(alertname="a b"), _alert(alertname=7), _alert(host="-e"), _alert(instance=""),
    _alert({"fingerprint": "{% x %}"}), _alert({"status": None}), _alert({"startsAt": "{{ 1 }}"}), _alert({"startsAt": 1}),
    _alert({"startsAt": "2026-01-01T00:00:00"}), _alert(host="x" * 101), _alert(host="x\ny"), {"labels": 1}, None, "text",
], ids=str)
def test_what_is_no_plain_name_is_dropped_and_the_others_are_not(alert: Any) -> None:
    assert [one["engine"] for one in _seen(alert, _alert(host="good"))] == ["good"]


@pytest.mark.parametrize("event", [{}, {"payload": []}, {"payload": {"alerts": {}}}, {"payload": None}])
def test_what_is_no_notification_is_nothing(event: dict[str, Any]) -> None:
    assert _MAIN(event) == []


def test_a_controller_that_gives_the_body_alone_is_understood() -> None:
    assert len(_MAIN({"alerts": [_alert()]})) == 1


def test_rules_run_playbooks_that_are_there_for_alerts_that_are_there() -> None:
    assert {rule["action"]["run_playbook"]["name"].removeprefix("hft.ops.") for rule in _RULES} <= set(playbooks())
    known = {rule["alert"] for source in (ROOT / "roles/prometheus/files/rules").glob("*.yml") for group in load(source)["groups"]
             for rule in group["rules"] if "alert" in rule}
    named = {name for rule in _RULES for name in rule["condition"].split('"') if name[:1].isupper()}
    assert named
    assert named <= known
