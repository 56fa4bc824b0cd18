# SPDX-License-Identifier: GPL-3.0-or-later
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Private to hft.ops. Market calendars: what ships, what a site lays over it. Times are UTC once read."""

from __future__ import annotations

import difflib
import json
from dataclasses import dataclass, field, replace
from datetime import date, datetime, time, timedelta, timezone
from functools import lru_cache
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

SHIPPED = Path(__file__).resolve().parent / "calendars"
_DAYS = ("mon", "tue", "wed", "thu", "fri", "sat", "sun")
_OVERLAY_KEYS = ("closed", "sessions", "freezes", "low_activity", "maintenance", "before_open_s", "after_close_s", "use_breaks")
_EVERYWHERE = "all"


class CalendarWrong(ValueError):
    """What was asked cannot be answered: one line that names the venue and the fix."""


@dataclass(frozen=True)
class Session:
    day: date
    open: datetime
    close: datetime
    breaks: tuple[tuple[datetime, datetime], ...] = ()
    flags: tuple[str, ...] = ()


@dataclass(frozen=True)
class Window:
    """A time of day that comes again every week."""

    days: tuple[int, ...]
    begin: time
    end: time

    def on(self, day: date, zone: ZoneInfo) -> tuple[datetime, datetime]:
        """In UTC; an end at or before the beginning is the day after."""
        last = day if self.end > self.begin else day + timedelta(days=1)
        return (datetime.combine(day, self.begin, zone).astimezone(timezone.utc),
                datetime.combine(last, self.end, zone).astimezone(timezone.utc))


@dataclass(frozen=True)
class Freeze:
    begin: datetime
    end: datetime
    reason: str


@dataclass(frozen=True)
class Calendar:
    venue: str
    name: str
    zone: ZoneInfo
    first: datetime | None = None  # the horizon; a market that never closes has none
    last: datetime | None = None
    sessions: tuple[Session, ...] = ()
    low_activity: tuple[Window, ...] = ()
    maintenance: tuple[Window, ...] = ()
    freezes: tuple[Freeze, ...] = ()
    settings: dict[str, Any] = field(default_factory=dict)  # before_open_s and the like, where the site says so

    @property
    def continuous(self) -> bool:
        return self.last is None


def load(venue: str, overlay: dict[str, Any] | None = None, directory: str = "") -> Calendar:
    """The calendar of a venue as this site has it."""
    sources = [Path(directory).expanduser()] if directory else []
    for source in (*sources, SHIPPED):
        file = source / f"{venue}.json"
        if file.is_file():
            return _laid_over(_read(str(file), file.stat().st_mtime_ns), overlay or {})
    known = sorted({file.stem for source in (*sources, SHIPPED) for file in source.glob("*.json")})
    near = difflib.get_close_matches(venue.upper(), known, 1)
    raise CalendarWrong(f"no calendar for the venue {venue}{f'; did you mean {near[0]}' if near else ''}; there are: {', '.join(known)}; "
                        f"put {venue}.json into a directory of your own and name it as calendars")


@lru_cache(maxsize=64)
def _read(file: str, _changed: int) -> Calendar:
    try:
        return _calendar(json.loads(Path(file).read_text(encoding="utf-8")))
    except (OSError, ValueError, KeyError, TypeError, AttributeError) as wrong:
        raise CalendarWrong(f"{file}: no market calendar ({type(wrong).__name__}: {wrong}); see the README in {SHIPPED}") from None


def _calendar(document: dict[str, Any]) -> Calendar:
    try:
        zone = ZoneInfo(document["timezone"])
    except ZoneInfoNotFoundError:
        raise ValueError(f"the time zone {document['timezone']} is not on this machine; install tzdata") from None
    plain = Calendar(document["venue"], document["name"], zone)
    if "continuous" in document:
        return replace(plain, **_all_windows(plain, document["continuous"]))
    return replace(plain, first=_midnight(date.fromisoformat(document["from"]), zone),
                   last=_midnight(date.fromisoformat(document["to"]) + timedelta(days=1), zone),
                   sessions=tuple(_session(plain, row) for row in document["sessions"]))


def _midnight(day: date, zone: ZoneInfo) -> datetime:
    return datetime.combine(day, time(), zone).astimezone(timezone.utc)


def _session(calendar: Calendar, row: dict[str, Any]) -> Session:
    breaks = tuple((moment(calendar, begin), moment(calendar, end)) for begin, end in row.get("breaks", []))
    session = Session(_date(calendar, row["day"]), moment(calendar, row["open"]), moment(calendar, row["close"]), breaks,
                      tuple(row.get("flags", [])))
    if session.open >= session.close:
        raise CalendarWrong(f"{calendar.venue}: the session of {session.day} closes before it opens")
    return session


def moment(calendar: Calendar, given: Any) -> datetime:
    """A moment in UTC; without an offset it is the venue's own time."""
    if isinstance(given, str):
        try:
            given = datetime.fromisoformat(given)
        except ValueError:
            raise CalendarWrong(f"{calendar.venue}: '{given}' is no moment; expected for example 2026-12-24T13:00, in {calendar.zone.key}, "
                                f"or 2026-12-24T18:00Z") from None
    if isinstance(given, datetime):
        return (given if given.tzinfo else given.replace(tzinfo=calendar.zone)).astimezone(timezone.utc)
    if isinstance(given, date):
        return _midnight(given, calendar.zone)
    raise CalendarWrong(f"{calendar.venue}: {given!r} is no moment; expected for example 2026-12-24T13:00")


def _date(calendar: Calendar, given: Any) -> date:
    try:
        return given.date() if isinstance(given, datetime) else given if isinstance(given, date) else date.fromisoformat(given)
    except (TypeError, ValueError):
        raise CalendarWrong(f"{calendar.venue}: {given!r} is no day; expected for example 2026-12-24") from None


def _all_windows(calendar: Calendar, given: dict[str, Any]) -> dict[str, Any]:
    return {kind: _windows(calendar, given[kind], kind) for kind in ("low_activity", "maintenance") if kind in given}


def _windows(calendar: Calendar, given: list[dict[str, Any]], kind: str) -> tuple[Window, ...]:
    try:
        return tuple(Window(tuple(_DAYS.index(day) for day in one.get("days", _DAYS)), _time(one["from"]), _time(one["to"]))
                     for one in given)
    except (ValueError, KeyError, TypeError, AttributeError) as wrong:
        raise CalendarWrong(f"{calendar.venue}: {kind}: {wrong}; expected for example "
                            f"{{days: [sat, sun], from: '02:00', to: '06:00'}}") from None


def _time(given: Any) -> time:
    # YAML reads 23:30 without quotes as 1410, a number of minutes.
    return time(*divmod(given, 60)) if isinstance(given, int) else time.fromisoformat(given)


def _laid_over(calendar: Calendar, overlay: dict[str, Any]) -> Calendar:
    """What the site knows better; `all` reaches every venue."""
    for place in (_EVERYWHERE, calendar.venue):
        site = overlay.get(place) or {}
        unknown = sorted(set(site) - set(_OVERLAY_KEYS))
        if unknown:
            raise CalendarWrong(f"overlay, {place}: unknown key {unknown[0]}; expected {', '.join(_OVERLAY_KEYS)}")
        if site:
            calendar = _one_over(calendar, site)
    return calendar


def _one_over(calendar: Calendar, site: dict[str, Any]) -> Calendar:
    closed = {_date(calendar, one["day"] if isinstance(one, dict) else one) for one in site.get("closed", [])}
    own = tuple(_session(calendar, row) for row in site.get("sessions", []))
    replaced = closed | {one.day for one in own}
    sessions = tuple(sorted((*(one for one in calendar.sessions if one.day not in replaced), *own), key=lambda one: one.open))
    freezes = tuple(Freeze(moment(calendar, one["from"]), moment(calendar, one["to"]), str(one.get("reason", "no reason given")))
                    for one in site.get("freezes", []))
    return replace(calendar, sessions=sessions, freezes=calendar.freezes + freezes,
                   settings={**calendar.settings, **_settings(calendar, site)}, **_all_windows(calendar, site))


def _settings(calendar: Calendar, site: dict[str, Any]) -> dict[str, Any]:
    found: dict[str, Any] = {}
    for key in ("before_open_s", "after_close_s"):
        if key in site:
            try:
                found[key] = float(site[key])
            except (TypeError, ValueError):
                raise CalendarWrong(f"overlay, {calendar.venue}: {key}: expected seconds, found {site[key]!r}") from None
    if "use_breaks" in site:
        if not isinstance(site["use_breaks"], bool):
            raise CalendarWrong(f"overlay, {calendar.venue}: use_breaks: expected true or false, found {site['use_breaks']!r}")
        found["use_breaks"] = site["use_breaks"]
    return found
