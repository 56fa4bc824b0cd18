# SPDX-License-Identifier: GPL-3.0-or-later
"""What stands in rendered manifests."""

from __future__ import annotations

from typing import Any

from lab.paths import ROOT

FOLDER = ROOT / "deploy" / "kubernetes"


def of_kind(objects: list[dict[str, Any]], kind: str) -> dict[str, dict[str, Any]]:
    return {one["metadata"]["name"]: one for one in objects if one["kind"] == kind}


def pods(objects: list[dict[str, Any]]) -> dict[str, dict[str, Any]]:
    """The template of every object that makes pods."""
    return {one["metadata"]["name"]: one["spec"]["template"] for one in objects if "template" in one.get("spec", {})}
