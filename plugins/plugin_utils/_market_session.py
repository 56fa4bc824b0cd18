# SPDX-License-Identifier: GPL-3.0-or-later
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Private to hft.ops. Whether a market is open, until when, and whether a change may be made now and end in time."""

from __future__ import annotations

from bisect import bisect_right
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from operator import attrgetter
from typing import Any

from ansible_collections.hft.ops.plugins.plugin_utils._market_calendar import Calendar, CalendarWrong, Session, Window

# How far ahead the next moment for a change is looked for; a week repeats itself, holidays are rarely longer.
_AHEAD = timedelta(days=14)


@dataclass(frozen=True)
class Policy:
    budget_s: float = 0  # change plus rollback
    before_open_s: float = 9000
    after_close_s: float = 900
    use_breaks: bool = False  # a break within a session is time for a change

    def of(self, calendar: Calendar) -> Policy:
        return replace(self, **calendar.settings)


@dataclass(frozen=True)
class Blocked:
    begin: datetime
    end: datetime
    now: str  # why not, while it lasts
    soon: str  # what begins with it


@dataclass(frozen=True)
class Boundary:
    at: datetime
    what: str


def decide(calendar: Calendar, at: datetime, policy: Policy) -> dict[str, Any]:
    """What the venue does at this moment. Fails where the calendar does not reach."""
    policy = policy.of(calendar)
    budget = timedelta(seconds=policy.budget_s)
    state, boundary, session = _continuous(calendar, at) if calendar.continuous else _in_sessions(calendar, at, budget)
    blocked = sorted(_blocked(calendar, at, at + _AHEAD + budget, policy), key=attrgetter("begin"))
    free_at = _free(blocked, at, budget)
    if free_at > at + _AHEAD or (calendar.last and free_at + budget > calendar.last):
        free_at = None
    return {
        "venue": calendar.venue,
        "at": _text(at),
        "open": state == "open",
        "state": state,
        "flags": list(session.flags) if session else [],
        "next_boundary": _text(boundary.at) if boundary else None,
        "next_boundary_s": int((boundary.at - at).total_seconds()) if boundary else None,
        "next": boundary.what if boundary else None,
        "may_change": free_at == at,
        "may_change_at": _text(free_at) if free_at else None,
        "reason": _reason(calendar, blocked, at, policy, state, boundary),
    }


def _text(moment: datetime) -> str:
    return moment.strftime("%Y-%m-%dT%H:%M:%SZ")


def _free(blocked: list[Blocked], at: datetime, budget: timedelta) -> datetime:
    """The first moment from which nothing is in the way for as long as the budget."""
    for one in blocked:
        if one.begin - at >= budget and one.begin > at:
            break
        at = max(at, one.end)
    return at


def _reason(calendar: Calendar, blocked: list[Blocked], at: datetime, policy: Policy, state: str, boundary: Boundary | None) -> str:
    """One line: what is in the way now, else what begins too soon, else until when nothing is."""
    now = [one for one in blocked if one.begin <= at < one.end]
    if now:
        return f"{calendar.venue}: {now[-1].now}"
    for one in blocked:
        left = (one.begin - at).total_seconds()
        if 0 < left < policy.budget_s:
            return f"{calendar.venue}: needs {policy.budget_s:g} s, and {one.soon} in {left:g} s, at {_text(one.begin)}"
    until = f", {boundary.what} at {_text(boundary.at)}" if boundary else ""
    return f"{calendar.venue}: {state}{until}"


# ---- markets with sessions --------------------------------------------------------------------------------------------------


def _in_sessions(calendar: Calendar, at: datetime, budget: timedelta) -> tuple[str, Boundary, Session | None]:
    index = bisect_right(calendar.sessions, at, key=attrgetter("open"))
    current = calendar.sessions[index - 1] if index and at < calendar.sessions[index - 1].close else None
    if at < calendar.first or at + budget >= calendar.last or (not current and index == len(calendar.sessions)):
        raise CalendarWrong(
            f"{calendar.venue}: the calendar reaches from {_text(calendar.first)} to {_text(calendar.last)} and does not say what comes "
            f"after {_text(at)}; use a newer release of hft.ops, or put a generated {calendar.venue}.json into a directory of your own and "
            f"name it as calendars")
    if not current:
        return "closed", Boundary(calendar.sessions[index].open, "opens"), None
    for begin, end in current.breaks:
        if at < begin:
            return "open", Boundary(begin, "the break begins"), current
        if at < end:
            return "break", Boundary(end, "opens again"), current
    return "open", Boundary(current.close, "closes"), current


def _around(calendar: Calendar, begin: datetime, end: datetime, policy: Policy) -> list[Session]:
    first = bisect_right(calendar.sessions, begin - timedelta(seconds=policy.after_close_s), key=attrgetter("close"))
    last = bisect_right(calendar.sessions, end + timedelta(seconds=policy.before_open_s), key=attrgetter("open"))
    return list(calendar.sessions[first:last])


def _of_session(session: Session, policy: Policy) -> list[Blocked]:
    before, after = timedelta(seconds=policy.before_open_s), timedelta(seconds=policy.after_close_s)
    found = []
    if before:
        found.append(Blocked(session.open - before, session.open, f"pre-market, opens at {_text(session.open)}",
                             f"the {policy.before_open_s:g} s before the opening begin"))
    begin = session.open
    for pause in session.breaks:
        if policy.use_breaks:
            found.append(Blocked(begin, pause[0], f"open until the break at {_text(pause[0])}", "it opens"))
            begin = pause[1]
        else:
            found.append(Blocked(pause[0], pause[1], f"in a break until {_text(pause[1])}; use_breaks is false", "the break begins"))
    early = ", early today" if "early_close" in session.flags else ""
    found.append(Blocked(begin, session.close, f"open until {_text(session.close)}{early}", "it opens"))
    if after:
        why = f"closed at {_text(session.close)}, less than {policy.after_close_s:g} s ago"
        found.append(Blocked(session.close, session.close + after, why, "it closes"))
    return found


# ---- markets that never close -----------------------------------------------------------------------------------------------


def _spans(calendar: Calendar, windows: tuple[Window, ...], begin: datetime, end: datetime) -> list[tuple[datetime, datetime]]:
    """Every time that one of the windows is on, merged where they meet."""
    day, last = begin.astimezone(calendar.zone).date() - timedelta(days=1), end.astimezone(calendar.zone).date()
    found = []
    while day <= last:
        found += [window.on(day, calendar.zone) for window in windows if day.weekday() in window.days]
        day += timedelta(days=1)
    merged: list[tuple[datetime, datetime]] = []
    for one in sorted(found):
        if merged and one[0] <= merged[-1][1]:
            merged[-1] = (merged[-1][0], max(merged[-1][1], one[1]))
        else:
            merged.append(one)
    return [one for one in merged if one[1] > begin and one[0] < end]


def _continuous(calendar: Calendar, at: datetime) -> tuple[str, Boundary | None, None]:
    ahead = at + timedelta(days=8)
    away = _spans(calendar, calendar.maintenance, at, ahead)
    quiet = _spans(calendar, calendar.low_activity, at, ahead)
    moments = [Boundary(edge, what) for spans, names in ((away, ("maintenance begins", "maintenance ends")),
                                                         (quiet, ("low activity begins", "low activity ends")))
               for span in spans for edge, what in zip(span, names) if edge > at]
    state = "maintenance" if any(begin <= at for begin, _end in away) else "open"
    return state, min(moments, key=attrgetter("at"), default=None), None


def _outside_windows(calendar: Calendar, begin: datetime, end: datetime) -> list[Blocked]:
    found, cursor = [], begin
    for span in _spans(calendar, calendar.low_activity + calendar.maintenance, begin, end):
        if span[0] > cursor:
            found.append((cursor, span[0]))
        cursor = span[1]
    if cursor < end:
        found.append((cursor, end))
    why = "never closes, and this is no time of low activity or maintenance"
    if not calendar.low_activity + calendar.maintenance:
        why = "never closes, and no low_activity or maintenance is known; give them in the overlay"
    return [Blocked(one[0], one[1], why, "the time of low activity or maintenance ends") for one in found]


def _blocked(calendar: Calendar, begin: datetime, end: datetime, policy: Policy) -> list[Blocked]:
    found = [Blocked(one.begin, one.end, f"frozen until {_text(one.end)}: {one.reason}", f"a freeze begins ({one.reason})")
             for one in calendar.freezes if one.end > begin and one.begin < end]
    if calendar.continuous:
        return found + _outside_windows(calendar, begin, end)
    return found + [one for session in _around(calendar, begin, end, policy) for one in _of_session(session, policy) if one.end > begin]
