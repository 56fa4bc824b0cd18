# SPDX-License-Identifier: GPL-3.0-or-later
"""What dashboards and rules ask a Prometheus, read from the files that are installed."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import yaml

from lab.paths import ROOT

_BOARDS = ROOT / "roles" / "grafana" / "files" / "dashboards"
_RULES = ROOT / "roles" / "prometheus" / "files" / "rules"
_REASONS = Path(__file__).with_name("not_in_the_lab.yml")
_WORDS = {"and", "or", "unless", "on", "ignoring", "by", "without", "group_left", "group_right", "bool", "offset", "inf", "nan"}


def panels() -> Iterator[tuple[str, str, str]]:
    """Dashboard, panel and expression of every query, with variables as a person gets them who chose all."""
    for source in sorted(_BOARDS.glob("*.json")):
        for panel in _flat(json.loads(source.read_text())["panels"]):
            for target in panel.get("targets", []):
                expression = target["expr"].replace("$__rate_interval", "1m")
                yield source.stem, panel["title"], re.sub(r"\$(engine|strategy|member|host)\b", ".*", expression)


def _flat(found: list[dict[str, Any]]) -> Iterator[dict[str, Any]]:
    for panel in found:
        yield panel
        yield from _flat(panel.get("panels", []))


def rules() -> Iterator[str]:
    """Expressions of all rules of the collection."""
    for source in sorted(_RULES.glob("*.yml")):
        for group in yaml.safe_load(source.read_text())["groups"]:
            yield from (rule["expr"] for rule in group["rules"])


def metrics(expression: str) -> set[str]:
    """Names of the series that an expression reads."""
    bare = re.sub(r"\"[^\"]*\"|'[^']*'", "", expression)
    bare = re.sub(r"\{[^}]*\}|\[[^]]*\]", " ", bare)
    bare = re.sub(r"\b(by|without|on|ignoring|group_left|group_right)\s*\([^)]*\)", " ", bare)
    names = re.findall(r"(?<![\w:.])([a-zA-Z_:][\w:]*)(?!\s*\()(?![\w:])", bare)
    return {name for name in names if name.lower() not in _WORDS}


def absent() -> dict[str, str]:
    """Metrics that the lab cannot have, each with its reason."""
    return {name: entry["reason"] for entry in yaml.safe_load(_REASONS.read_text()) for name in entry["metrics"]}
