# SPDX-License-Identifier: GPL-3.0-or-later
"""Writes the market calendars that the collection ships: sessions in UTC for this year and the next, one file a market.

    python tests/calendars/generate.py [--year 2026] [--into plugins/plugin_utils/calendars]

Two libraries are asked. Where they differ by more than a minute the day is marked `differs`, and the wider of the two counts: the market
is taken for open when either says so. Run it in an environment made from the requirements beside it.
"""

from __future__ import annotations

import argparse
import json
import sys
from dataclasses import dataclass
from datetime import date, datetime, timedelta, timezone
from importlib.metadata import version
from pathlib import Path
from typing import Any

import exchange_calendars
import pandas
import pandas_market_calendars

_ROOT = Path(__file__).resolve().parents[2]
_MINUTE = timedelta(minutes=1)


@dataclass(frozen=True)
class Market:
    mic: str
    name: str
    second: str  # its name in pandas_market_calendars, with rules of its own and not those of exchange_calendars
    times_of_second: bool = False  # the first knows the days only


_MARKETS = (
    Market("XNYS", "New York Stock Exchange", "NYSE"),
    Market("XNAS", "Nasdaq", "NASDAQ"),
    # The first lets one day begin when the day before ends, without the daily halt at 16:00 in Chicago.
    Market("CMES", "CME Globex, equity index futures", "CME Globex Equity", times_of_second=True),
    Market("IEPA", "ICE Futures U.S.", "ICEUS"),
    Market("XLON", "London Stock Exchange", "LSE"),
    Market("XEUR", "Eurex", "EUREX"),
    Market("XTKS", "Tokyo Stock Exchange", "JPX"),
    Market("XHKG", "Stock Exchange of Hong Kong", "HKEX"),
)


@dataclass(frozen=True)
class Session:
    open: datetime
    close: datetime
    pause: tuple[datetime, datetime] | None

    def near(self, other: Session) -> bool:
        if (self.pause is None) != (other.pause is None):
            return False
        ours = (self.open, self.close, *(self.pause or ()))
        theirs = (other.open, other.close, *(other.pause or ()))
        return all(abs(one - two) <= _MINUTE for one, two in zip(ours, theirs))

    def wider(self, other: Session) -> Session:
        return Session(min(self.open, other.open), max(self.close, other.close), self.pause if self.pause == other.pause else None)


def _utc(stamp: Any) -> datetime | None:
    return None if pandas.isna(stamp) else stamp.to_pydatetime().astimezone(timezone.utc)


def _sessions(table: pandas.DataFrame, opens: str, closes: str) -> dict[date, Session]:
    found = {}
    for day, row in table.iterrows():
        begin, end = _utc(row.get("break_start")), _utc(row.get("break_end"))
        session_open, session_close = _utc(row[opens]), _utc(row[closes])
        assert session_open
        assert session_close
        found[day.date()] = Session(session_open, session_close, (begin, end) if begin and end else None)
    return found


def calendar(market: Market, first: date, last: date) -> dict[str, Any]:
    one = exchange_calendars.get_calendar(market.mic, start=str(first), end=str(last))
    ours = _sessions(one.schedule, "open", "close")
    theirs = _sessions(pandas_market_calendars.get_calendar(market.second).schedule(str(first), str(last)), "market_open", "market_close")
    early = {stamp.date() for stamp in one.early_closes}
    late = {stamp.date() for stamp in one.late_opens}
    sessions = []
    for day in sorted({*ours, *theirs}):
        left, right = ours.get(day), theirs.get(day)
        if market.times_of_second and left and right:
            left = right
        session = left.wider(right) if left and right else left or right
        assert session
        flags = [*(["early_close"] if day in early else []), *(["late_open"] if day in late else []),
                 *(["differs"] if not left or not right or not left.near(right) else [])]
        sessions.append(_row(day, session, flags))
    return {
        "venue": market.mic, "name": market.name, "timezone": str(one.tz), "from": str(first), "to": str(last),
        "sources": {name: version(name) for name in ("exchange_calendars", "pandas_market_calendars")}, "sessions": sessions,
    }


def _row(day: date, session: Session, flags: list[str]) -> dict[str, Any]:
    row: dict[str, Any] = {"day": str(day), "open": _text(session.open), "close": _text(session.close)}
    if session.pause:
        row["breaks"] = [[_text(session.pause[0]), _text(session.pause[1])]]
    if flags:
        row["flags"] = flags
    return row


def _text(moment: datetime) -> str:
    return moment.strftime("%Y-%m-%dT%H:%MZ")


def text(document: dict[str, Any]) -> str:
    """JSON with a line a session, so that a change can be read."""
    head = {key: value for key, value in document.items() if key != "sessions"}
    lines = ",\n".join(json.dumps(row) for row in document["sessions"])
    return json.dumps(head, indent=1)[:-2] + ',\n "sessions": [\n' + lines + "\n]}\n"


def generate(year: int) -> dict[str, str]:
    """File name and content of every calendar."""
    return {f"{market.mic}.json": text(calendar(market, date(year, 1, 1), date(year + 1, 12, 31))) for market in _MARKETS}


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--year", type=int, default=datetime.now(timezone.utc).year, help="first of the two years")
    parser.add_argument("--into", type=Path, default=_ROOT / "plugins" / "plugin_utils" / "calendars")
    asked = parser.parse_args()
    for name, content in generate(asked.year).items():
        (asked.into / name).write_text(content)
        print(f"{asked.into / name}: {content.count('differs')} days on which the sources differ")
    return 0


if __name__ == "__main__":
    sys.exit(main())
