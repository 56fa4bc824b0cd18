# SPDX-License-Identifier: GPL-3.0-or-later
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Private to hft.ops. The knobs of a host as the roles published them, their count and the verdict."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

# The worst first; a host's verdict is the first of them that any knob has.
STATUSES = ("failed", "drifted", "pending_reboot", "applied", "not_applicable")
WORDS = {"failed": "FAILED", "drifted": "DRIFTED", "pending_reboot": "needs a reboot", "applied": "as wanted",
         "not_applicable": "not applicable"}
LAYERS = ("wanted", "persisted", "booted", "live")


def gather(items: dict[str, Iterable[dict[str, Any]]]) -> dict[str, Any]:
    """Keys knobs, counts and verdict of a report; items: by role, as modules return them."""
    knobs = [{"role": role, "name": str(one["name"]), "status": one["status"], "reason": one.get("reason") or "",
              **{layer: one.get(layer) for layer in LAYERS}} for role, ones in items.items() for one in ones]
    counts = {status: sum(knob["status"] == status for knob in knobs) for status in STATUSES}
    worst = next((status for status in STATUSES[:3] if counts[status]), "as_wanted")
    return {"knobs": knobs, "counts": counts, "verdict": worst}


def plain(value: Any) -> str:
    """What one layer holds, on one line; "-" where it holds nothing."""
    if value is None or value == "":
        return "-"
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, dict):
        return ", ".join(f"{key} {plain(one)}" for key, one in value.items()) or "-"
    if isinstance(value, (list, tuple)):
        return ", ".join(plain(one) for one in value) or "-"
    return " ".join(str(value).split())


def title(report: dict[str, Any]) -> str:
    """Host, system and kernel on one line."""
    system = report["system"]
    kernel = f"{system['kernel']} ({'real-time' if system['realtime'] else 'not real-time'})"
    place = "" if system["virtualization"] == "none" else f"{system['virtualization']}, no claim about latency"
    return " · ".join(filter(None, (report["host"], system.get("distribution"), kernel, place)))


def summary(report: dict[str, Any]) -> str:
    """How many knobs stand how, the worst first."""
    counts = report["counts"]
    return " · ".join(f"{counts[status]} {WORDS[status]}" for status in STATUSES if counts[status]) or "no knob was asked"
