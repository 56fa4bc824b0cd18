# SPDX-License-Identifier: GPL-3.0-or-later
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Private to hft.ops. A question about venues and regions, as the lookup and the tests ask it."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime, timezone
from pathlib import Path
from typing import Any

import yaml
from ansible_collections.hft.ops.plugins.plugin_utils._market_calendar import CalendarWrong, load
from ansible_collections.hft.ops.plugins.plugin_utils._market_session import Policy, decide

_LONGEST_S = 30 * 86400


def ask(term: str, at: Any = None, overlay: Any = None, calendars: str | None = "", regions: Mapping[str, list[str]] | None = None,
        **policy: Any) -> dict[str, Any]:
    """What a venue, or all venues of a region, do at a moment (now when left out)."""
    moment = _moment(at)
    site = _overlay(overlay)
    rules = _policy(policy)
    venues = (regions or {}).get(term)
    if venues is None:
        return decide(load(term, site, calendars or ""), moment, rules)
    if not venues:
        raise CalendarWrong(f"region {term}: it has no venue")
    return _together(term, [decide(load(venue, site, calendars or ""), moment, rules) for venue in venues])


def _policy(given: dict[str, Any]) -> Policy:
    wanted: dict[str, Any] = {key: value for key, value in given.items() if value is not None}
    unknown = sorted(set(wanted) - {"budget_s", "before_open_s", "after_close_s", "use_breaks"})
    if unknown:
        raise CalendarWrong(f"{unknown[0]}: unknown; expected budget_s, before_open_s, after_close_s, use_breaks")
    for key in set(wanted) - {"use_breaks"}:
        try:
            wanted[key] = float(wanted[key])
        except (TypeError, ValueError):
            wanted[key] = -1.0
        if not 0 <= wanted[key] <= _LONGEST_S:
            raise CalendarWrong(f"{key}: expected seconds, 0 to {_LONGEST_S}, found {given[key]!r}")
    return Policy(**wanted)


def _moment(given: Any) -> datetime:
    if given in (None, ""):
        return datetime.now(timezone.utc)
    try:
        moment = given if isinstance(given, datetime) else datetime.fromisoformat(given)
    except (TypeError, ValueError):
        moment = None
    if moment is None or moment.tzinfo is None:
        raise CalendarWrong(f"at: expected a moment with its offset, for example 2026-12-24T18:00Z, found {given}")
    return moment.astimezone(timezone.utc)


def _overlay(given: Any) -> dict[str, Any]:
    if isinstance(given, str) and given:
        try:
            given = yaml.safe_load(Path(given).expanduser().read_text(encoding="utf-8"))
        except (OSError, yaml.YAMLError) as wrong:
            raise CalendarWrong(f"overlay: {' '.join(str(wrong).split())}; expected a file of YAML, or the dictionary itself") from None
    if given in (None, ""):
        return {}
    if not isinstance(given, Mapping) or not all(isinstance(one, Mapping) or one is None for one in given.values()):
        raise CalendarWrong("overlay: expected a dictionary by venue, for example {XNYS: {closed: ['2026-12-05']}}")
    return {str(venue): dict(one or {}) for venue, one in given.items()}


def _together(region: str, venues: list[dict[str, Any]]) -> dict[str, Any]:
    """A region may change when every venue of it may; it is open while one of them is."""
    against = [one for one in venues if not one["may_change"]]
    bounded = [one for one in venues if one["next_boundary"]]
    first = min(bounded, key=lambda one: one["next_boundary"], default=venues[0])
    return {
        "region": region, "at": venues[0]["at"], "open": any(one["open"] for one in venues),
        "next_boundary": first["next_boundary"], "next_boundary_s": first["next_boundary_s"],
        "next": f"{first['venue']} {first['next']}" if first["next"] else None,
        "may_change": not against, "reason": (against or [first])[0]["reason"], "venues": venues,
    }
