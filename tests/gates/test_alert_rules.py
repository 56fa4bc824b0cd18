# SPDX-License-Identifier: GPL-3.0-or-later
"""Every alert says how bad it is, what it is and what to do, has a runbook, and was seen firing and silent; every limit is in every set."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest

from repository import ROOT, load, playbooks, roles

_FILES = ROOT / "roles" / "prometheus" / "files"
_RUNBOOKS = ROOT / "docs" / "runbooks"
_SEVERITIES = {"critical", "warning", "info", "none"}
# What always fires is never silent.
_NEVER_SILENT = {"Watchdog"}


def _rules(folder: str) -> list[tuple[Path, dict[str, Any]]]:
    sources = sorted((_FILES / folder).glob("*.yml"))
    return [(source, rule) for source in sources for group in load(source)["groups"] for rule in group["rules"]]


_ALERTS = {rule["alert"]: rule for _, rule in _rules("rules") if "alert" in rule}
_CASES = [case for source in (ROOT / "tests" / "rules").glob("*.yml") for test in load(source).get("tests", [])
          for case in test.get("alert_rule_test", [])]
_SETS = sorted((_FILES / "thresholds").glob("*.yml"))


def _limits(source: Path, prefix: str) -> list[str]:
    return sorted(rule["record"].removeprefix(prefix) for group in load(source)["groups"] for rule in group["rules"])


def test_alerts_have_one_rule_each() -> None:
    assert len(_ALERTS) == sum("alert" in rule for _, rule in _rules("rules"))


@pytest.mark.parametrize("name", _ALERTS)
def test_an_alert_says_what_a_person_needs(name: str) -> None:
    rule = _ALERTS[name]
    assert rule["labels"]["severity"] in _SEVERITIES
    assert set(rule["annotations"]) == {"summary", "action", "runbook"}
    assert all(rule["annotations"].values())
    assert rule["annotations"]["runbook"] == f"docs/runbooks/{name}.md"
    text = (_RUNBOOKS / f"{name}.md").read_text()
    assert re.findall(r"^#+ (.+)", text, re.MULTILINE) == [name, "Look first", "Do", "Back to normal"]


@pytest.mark.parametrize("name", _ALERTS)
def test_an_alert_was_seen_firing_and_silent(name: str) -> None:
    seen = {bool(case["exp_alerts"]) for case in _CASES if case["alertname"] == name}
    assert seen == ({True} if name in _NEVER_SILENT else {True, False})


def test_there_is_no_runbook_or_case_of_an_alert_that_is_not() -> None:
    assert {source.stem for source in _RUNBOOKS.glob("*.md")} == set(_ALERTS)
    assert {case["alertname"] for case in _CASES} == set(_ALERTS)


@pytest.mark.parametrize("source", sorted(_RUNBOOKS.glob("*.md")), ids=lambda source: source.stem)
def test_a_runbook_names_playbooks_and_variables_that_exist(source: Path) -> None:
    text = source.read_text()
    named = set(re.findall(r"hft\.ops\.(\w+)", text))
    assert named <= {*playbooks(), *roles()}
    for name, arguments in re.findall(r"ansible-playbook hft\.ops\.(\w+)(.*)", text):
        playbook = (ROOT / "playbooks" / f"{name}.yml").read_text()
        given = re.findall(r"-e (\w+)=", arguments) + re.findall(r'"(\w+)":', arguments)
        assert not [one for one in given if one not in playbook], f"{name}.yml takes no such variable"
    assert not [link for link in re.findall(r"\]\((\w+\.md)\)", text) if not (_RUNBOOKS / link).is_file()]


@pytest.mark.parametrize("source", _SETS, ids=lambda source: source.stem)
def test_a_set_names_every_limit(source: Path) -> None:
    assert _limits(source, "hft:threshold:") == _limits(_FILES / "rules" / "limits.yml", "hft:limit:")


def test_limits_are_the_override_or_the_set_and_each_is_used() -> None:
    limits = [rule for source, rule in _rules("rules") if source.name == "limits.yml"]
    for rule in limits:
        name = rule["record"].removeprefix("hft:limit:")
        assert rule["expr"] == f"hft:threshold_override:{name} or hft:threshold:{name}"
    others = [rule["expr"] for source, rule in _rules("rules") if source.name != "limits.yml"]
    used = {name for expression in others for name in re.findall(r"scalar\(hft:limit:(\w+)\)", expression)}
    assert used == {rule["record"].removeprefix("hft:limit:") for rule in limits}
    assert f"!= {len(limits)}" in _ALERTS["ThresholdsMissing"]["expr"]


def test_inhibitions_name_alerts_that_are_and_hold_back_nothing_critical_but_what_a_host_explains() -> None:
    inhibitions = load(ROOT / "roles" / "alertmanager" / "defaults" / "main.yml")["alertmanager_inhibitions"]
    matchers = [matcher for one in inhibitions for side in ("source", "target") for matcher in one[side]]
    named = {name for matcher in matchers if matcher.startswith("alertname") for name in matcher.partition('"')[2].strip('"').split("|")}
    assert named <= set(_ALERTS)
    held_back = {name for one in inhibitions for name, rule in _ALERTS.items()
                 if all(_fits(matcher, {"alertname": name, **rule["labels"]}) for matcher in one["target"])}
    assert {name for name in held_back if _ALERTS[name]["labels"]["severity"] == "critical"} == {"EngineDown"}
    assert "Watchdog" not in held_back


def _fits(matcher: str, labels: dict[str, str]) -> bool:
    label, how, value = re.fullmatch(r'(\w+)(=~?)"(.*)"', matcher).groups()
    return bool(re.fullmatch(value if how == "=~" else re.escape(value), labels.get(label, "")))


def test_rules_are_no_templates() -> None:
    """Of the role, that is; {{ $labels }} and {{ $value }} are Prometheus's."""
    for source in _FILES.glob("*/*.yml"):
        found = re.findall(r"\{\{.*?\}\}|\{%.*?%\}", source.read_text())
        assert not [one for one in found if not re.match(r"\{\{ \$(labels|value)", one)]
