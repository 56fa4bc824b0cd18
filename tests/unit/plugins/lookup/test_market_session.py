# SPDX-License-Identifier: GPL-3.0-or-later
"""Sessions, boundaries and room for a change, on the calendars that ship: clocks that change, short days, breaks, overlays, ends."""

from __future__ import annotations

import json
import time
from datetime import date, datetime, timezone
from pathlib import Path

import pytest
import yaml
from ansible.errors import AnsibleFilterError, AnsibleLookupError
from ansible_collections.hft.ops.plugins.lookup.market_session import LookupModule
from ansible_collections.hft.ops.plugins.plugin_utils._market_calendar import CalendarWrong
from ansible_collections.hft.ops.plugins.plugin_utils._market_question import ask
from ansible_collections.hft.ops.plugins.test import market_session as market_tests

_PLAIN = {"before_open_s": 0, "after_close_s": 0}

_STATES = [
    ("XNYS", "2026-11-20T15:00Z", "open", "2026-11-20T21:00:00Z", "closes"),
    ("XNYS", "2026-11-20T14:29:59Z", "closed", "2026-11-20T14:30:00Z", "opens"),
    ("XNYS", "2026-11-20T14:30Z", "open", "2026-11-20T21:00:00Z", "closes"),
    ("XNYS", "2026-11-20T21:00Z", "closed", "2026-11-23T14:30:00Z", "opens"),
    # The clocks of New York change before those of London, and Tokyo's never do.
    ("XNYS", "2026-03-06T14:00Z", "closed", "2026-03-06T14:30:00Z", "opens"),
    ("XNYS", "2026-03-09T13:45Z", "open", "2026-03-09T20:00:00Z", "closes"),
    ("XLON", "2026-03-27T07:30Z", "closed", "2026-03-27T08:00:00Z", "opens"),
    ("XLON", "2026-03-30T07:30Z", "open", "2026-03-30T15:30:00Z", "closes"),
    ("XTKS", "2026-03-30T00:00Z", "open", "2026-03-30T02:30:00Z", "the break begins"),
    # A short day, and a holiday.
    ("XNYS", "2026-11-27T17:30Z", "open", "2026-11-27T18:00:00Z", "closes"),
    ("XLON", "2026-12-24T13:00Z", "closed", "2026-12-29T08:00:00Z", "opens"),
    ("XNYS", "2026-07-03T15:00Z", "closed", "2026-07-06T13:30:00Z", "opens"),
    # A break at noon.
    ("XTKS", "2026-11-20T02:45Z", "break", "2026-11-20T03:30:00Z", "opens again"),
    ("XTKS", "2026-11-20T03:30Z", "open", "2026-11-20T06:30:00Z", "closes"),
    # A day of trade that begins the evening before, with an hour's halt.
    ("CMES", "2026-11-18T21:59Z", "open", "2026-11-18T22:00:00Z", "closes"),
    ("CMES", "2026-11-18T22:30Z", "closed", "2026-11-18T23:00:00Z", "opens"),
    ("CMES", "2026-11-22T12:00Z", "closed", "2026-11-22T23:00:00Z", "opens"),
    ("KRAKEN", "2026-11-21T03:00Z", "open", "2026-11-21T06:00:00Z", "low activity ends"),
]


def test_state_and_boundary() -> None:
    for venue, at, state, boundary, what in _STATES:
        told = ask(venue, at)
        assert (venue, at, told["state"], told["next_boundary"], told["next"]) == (venue, at, state, boundary, what)
        assert told["open"] is (state == "open")
        begin, end = (datetime.fromisoformat(text) for text in (at, boundary))
        assert told["next_boundary_s"] == (end - begin).total_seconds()


_ROOM = [
    ("XNYS", "2026-11-20T15:00Z", _PLAIN, False, "XNYS: open until 2026-11-20T21:00:00Z"),
    ("XNYS", "2026-11-27T15:00Z", _PLAIN, False, "XNYS: open until 2026-11-27T18:00:00Z, early today"),
    ("XNYS", "2026-11-20T22:00Z", {}, True, "XNYS: closed, opens at 2026-11-23T14:30:00Z"),
    ("XNYS", "2026-11-20T21:10Z", {}, False, "XNYS: closed at 2026-11-20T21:00:00Z, less than 900 s ago"),
    ("XNYS", "2026-11-20T12:30Z", {}, False, "XNYS: pre-market, opens at 2026-11-20T14:30:00Z"),
    ("XNYS", "2026-11-20T11:50Z", {"budget_s": 600}, True, "XNYS: closed, opens at"),
    ("XNYS", "2026-11-20T11:50Z", {"budget_s": 601}, False,
     "XNYS: needs 601 s, and the 9000 s before the opening begin in 600 s, at 2026-11-20T12:00:00Z"),
    ("XNYS", "2026-11-20T14:20Z", {**_PLAIN, "budget_s": 601}, False, "XNYS: needs 601 s, and it opens in 600 s"),
    ("XTKS", "2026-11-20T02:45Z", {"budget_s": 900}, False, "XTKS: in a break until 2026-11-20T03:30:00Z; use_breaks is false"),
    ("XTKS", "2026-11-20T02:45Z", {"budget_s": 900, "use_breaks": True}, True, "XTKS: break, opens again at"),
    ("XTKS", "2026-11-20T02:45Z", {"budget_s": 3600, "use_breaks": True}, False, "XTKS: needs 3600 s, and it opens in 2700 s"),
    ("CMES", "2026-11-18T22:10Z", {**_PLAIN, "budget_s": 900}, True, "CMES: closed, opens at"),
    ("BINANCE", "2026-11-20T03:00Z", {}, False, "BINANCE: never closes, and this is no time of low activity or maintenance"),
    ("BINANCE", "2026-11-21T03:00Z", {"budget_s": 900}, True, "BINANCE: open, low activity ends at 2026-11-21T06:00:00Z"),
    ("BINANCE", "2026-11-21T05:50Z", {"budget_s": 900}, False,
     "BINANCE: needs 900 s, and the time of low activity or maintenance ends in 600 s"),
]


def test_room_for_a_change() -> None:
    for venue, at, policy, may, reason in _ROOM:
        told = ask(venue, at, **policy)
        assert (at, told["may_change"], told["reason"][:len(reason)]) == (at, may, reason)
        assert (told["may_change_at"] == told["at"]) is may


_NEXT = [
    ("XNYS", "2026-11-20T15:00Z", {"budget_s": 900}, "2026-11-20T21:15:00Z"),
    ("XNYS", "2026-11-20T11:55Z", {"budget_s": 900}, "2026-11-20T21:15:00Z"),
    ("XTKS", "2026-11-20T02:00Z", {**_PLAIN, "budget_s": 900, "use_breaks": True}, "2026-11-20T02:30:00Z"),
    ("OKX", "2026-11-18T12:00Z", {"budget_s": 900}, "2026-11-21T02:00:00Z"),
    ("OKX", "2026-11-18T12:00Z", {"budget_s": 5 * 3600}, None),
]


def test_when_a_change_could_be_made() -> None:
    assert [(venue, at, policy, ask(venue, at, **policy)["may_change_at"]) for venue, at, policy, _free in _NEXT] == _NEXT


# ---- what the site knows better ------------------------------------------------------------------------------------------


def test_a_closure_nobody_foresaw() -> None:
    overlay = {"XNYS": {"closed": [{"day": "2026-11-20", "reason": "day of mourning"}]}}
    assert ask("XNYS", "2026-11-20T15:00Z", overlay)["may_change"]
    assert ask("XNYS", "2026-11-20T15:00Z", overlay)["next_boundary"] == "2026-11-23T14:30:00Z"


def test_a_special_session_in_the_venues_own_time_replaces_that_of_the_day() -> None:
    # Without quotes YAML makes a date and a time of them.
    noon = yaml.safe_load("2026-07-01 12:00:00")
    overlay = {"XLON": {"sessions": [{"day": date(2026, 12, 5), "open": "2026-12-05T10:00", "close": "2026-12-05T11:00"},
                                     {"day": "2026-07-01", "open": "2026-07-01T08:00", "close": noon}]}}
    assert ask("XLON", "2026-12-05T10:30Z", overlay)["open"]
    assert ask("XLON", "2026-07-01T07:30Z", overlay)["next_boundary"] == "2026-07-01T11:00:00Z"


def test_a_freeze_of_every_venue() -> None:
    overlay = {"all": {"freezes": [{"from": "2026-11-21T10:00Z", "to": "2026-11-21T14:00Z", "reason": "data centre works"}]}}
    during = ask("XNYS", "2026-11-21T12:00Z", overlay)
    assert (during["may_change"], during["open"], during["may_change_at"]) == (False, False, "2026-11-21T14:00:00Z")
    assert during["reason"] == "XNYS: frozen until 2026-11-21T14:00:00Z: data centre works"
    before = ask("XNYS", "2026-11-21T09:50Z", overlay, budget_s=900)
    assert before["reason"].startswith("XNYS: needs 900 s, and a freeze begins (data centre works) in 600 s")


def test_a_venue_has_its_own_buffers() -> None:
    overlay = {"CMES": {"before_open_s": 600, "after_close_s": 0}}
    assert ask("CMES", "2026-11-18T22:05Z", overlay, budget_s=900)["may_change"]
    assert not ask("CMES", "2026-11-18T22:05Z", budget_s=900)["may_change"]


def test_maintenance_over_midnight() -> None:
    for at, state, boundary in (("2026-11-18T23:45Z", "maintenance", "2026-11-19T00:30:00Z"),
                                ("2026-11-19T00:10Z", "maintenance", "2026-11-19T00:30:00Z"),
                                ("2026-11-19T00:30Z", "open", "2026-11-21T02:00:00Z"),
                                ("2026-11-18T23:29Z", "open", "2026-11-18T23:30:00Z")):
        told = ask("KRAKEN", at, {"KRAKEN": {"maintenance": [{"days": ["wed"], "from": "23:30", "to": "00:30"}]}})
        assert (at, told["state"], told["next_boundary"], told["may_change"]) == (at, state, boundary, state == "maintenance")


def test_maintenance_in_a_time_zone_whose_clocks_change(tmp_path: Path) -> None:
    """Twenty-three hours on the day on which the clocks go forward, twenty-five on the other."""
    (tmp_path / "V.json").write_text(json.dumps({"venue": "V", "name": "v", "timezone": "America/New_York", "continuous": {
        "maintenance": [{"days": ["sat", "sun"], "from": "12:00", "to": "12:00"}]}}))
    spring, autumn = (ask("V", at, calendars=str(tmp_path)) for at in ("2026-03-07T17:00Z", "2026-10-31T16:00Z"))
    assert (spring["next_boundary"], spring["next_boundary_s"]) == ("2026-03-09T16:00:00Z", 47 * 3600)
    assert (autumn["next_boundary"], autumn["next_boundary_s"]) == ("2026-11-02T17:00:00Z", 49 * 3600)


def test_the_overlay_from_a_file_where_yaml_reads_times_and_days_its_own_way(tmp_path: Path) -> None:
    file = tmp_path / "overlay.yml"
    file.write_text("OKX:\n  low_activity: [{days: [wed], from: 23:30, to: 01:00}]\nXNYS:\n  closed: [2026-11-20]\nXLON:\n")
    assert ask("OKX", "2026-11-19T00:10Z", str(file))["may_change"]
    assert not ask("XNYS", "2026-11-20T15:00Z", str(file))["open"]


# ---- regions -------------------------------------------------------------------------------------------------------------


def test_a_region_may_change_when_all_of_its_venues_may() -> None:
    regions = {"us_east": ["XNYS", "CMES"]}
    told = ask("us_east", "2026-11-18T22:20Z", regions=regions, budget_s=60)
    assert (told["region"], told["open"], told["may_change"]) == ("us_east", False, False)
    assert told["reason"].startswith("CMES: pre-market")
    assert told["next"] == "CMES opens"
    assert [one["venue"] for one in told["venues"]] == ["XNYS", "CMES"]
    assert ask("us_east", "2026-11-21T12:00Z", regions=regions)["may_change"]


# ---- no answer is better than a guess ------------------------------------------------------------------------------------

_REFUSED = [
    ({"term": "XNYZ"}, "no calendar for the venue XNYZ; did you mean XNYS; there are: BINANCE, "),
    ({"term": "xnys"}, "did you mean XNYS"),
    ({"term": "XNYS", "at": "2028-01-03T12:00Z"}, "the calendar reaches from 2026-01-01T05:00:00Z to 2028-01-01T05:00:00Z and does not"),
    ({"term": "XNYS", "at": "2027-12-31T22:00Z"}, "use a newer release of hft.ops, or put a generated XNYS.json"),
    ({"term": "XNYS", "at": "2025-12-31T22:00Z"}, "the calendar reaches from 2026"),
    ({"term": "XNYS", "at": "2027-12-31T20:00Z", "budget_s": 10 * 3600}, "the calendar reaches from"),
    ({"term": "XNYS", "at": "2026-11-20T12:00"}, "at: expected a moment with its offset"),
    ({"term": "XNYS", "at": "noon"}, "at: expected a moment with its offset"),
    ({"term": "XNYS", "overlay": {"XNYS": {"close": []}}}, "overlay, XNYS: unknown key close; expected closed"),
    ({"term": "XNYS", "overlay": {"XNYS": {"closed": ["tomorrow"]}}}, "XNYS: 'tomorrow' is no day"),
    ({"term": "XNYS", "overlay": {"XNYS": {"freezes": [{"from": "now", "to": "then"}]}}}, "XNYS: 'now' is no moment"),
    ({"term": "XNYS", "overlay": {"XNYS": {"sessions": [{"day": "2026-12-05", "open": "2026-12-05T12:00", "close": "2026-12-05T11:00"}]}}},
     "XNYS: the session of 2026-12-05 closes before it opens"),
    ({"term": "OKX", "overlay": {"OKX": {"maintenance": [{"days": ["sunday"], "from": "01:00", "to": "02:00"}]}}}, "OKX: maintenance: "),
    ({"term": "XNYS", "overlay": {"XNYS": {"before_open_s": "soon"}}}, "overlay, XNYS: before_open_s: expected seconds, found 'soon'"),
    ({"term": "XNYS", "overlay": {"XNYS": {"use_breaks": "no"}}}, "overlay, XNYS: use_breaks: expected true or false, found 'no'"),
    ({"term": "XNYS", "overlay": []}, "overlay: expected a dictionary by venue"),
    ({"term": "XNYS", "overlay": "/nowhere.yml"}, "overlay: .*No such file"),
    ({"term": "r", "regions": {"r": []}}, "region r: it has no venue"),
    ({"term": "XNYS", "budget_s": -1}, "budget_s: expected seconds, 0 to 2592000, found -1"),
    ({"term": "XNYS", "before_open_s": "soon"}, "before_open_s: expected seconds, 0 to 2592000, found 'soon'"),
    ({"term": "XNYS", "budget": 1}, "budget: unknown; expected budget_s"),
]


def test_refusals() -> None:
    for question, why in _REFUSED:
        with pytest.raises(CalendarWrong, match=why):
            ask(**{"at": "2026-11-20T12:00Z", **question})


def test_a_calendar_that_is_none(tmp_path: Path) -> None:
    (tmp_path / "V.json").write_text('{"venue": "V"}')
    with pytest.raises(CalendarWrong, match=r"V\.json: no market calendar \(KeyError: 'timezone'\)"):
        ask("V", calendars=str(tmp_path))


class Lookup(LookupModule):
    """Takes its options as they are given, without Ansible's configuration around it."""

    def set_options(self, task_keys=None, var_options=None, direct=None) -> None:
        self.given = {"regions": {}, **direct}

    def get_option(self, option: str, hostvars=None) -> object:
        return self.given.get(option)


def test_the_plugins_say_who_speaks() -> None:
    lookup = Lookup()
    assert [one["venue"] for one in lookup.run(["XNYS", "XTKS"], {}, at="2026-11-20T15:00Z")] == ["XNYS", "XTKS"]
    with pytest.raises(AnsibleLookupError, match=r"hft\.ops\.market_session: no calendar"):
        lookup.run(["NOPE"], {})
    tests = market_tests.TestModule().tests()
    assert tests["market_open"]("XNYS", at="2026-11-20T15:00Z")
    assert not tests["market_may_change"]("XNYS", at="2026-11-20T15:00Z")
    with pytest.raises(AnsibleFilterError, match=r"hft\.ops\.market_may_change: no calendar"):
        tests["market_may_change"]("NOPE")


def test_an_answer_takes_less_than_five_milliseconds() -> None:
    ask("XHKG", "2026-11-20T12:00Z")
    begin = time.process_time()
    for _again in range(50):
        ask("XHKG", datetime(2026, 11, 20, 12, tzinfo=timezone.utc), {"XHKG": {"closed": ["2026-11-24"]}}, budget_s=900)
    assert (time.process_time() - begin) / 50 < 0.005
