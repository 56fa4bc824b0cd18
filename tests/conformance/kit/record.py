# SPDX-License-Identifier: GPL-3.0-or-later
"""What the venue's log and the database say about everything the kit made the engines do. The last group: it reads the rest."""

from __future__ import annotations

from typing import Any

from kit.check import check, eventually, expect
from kit.site import Site
from kit.venue_log import Event, duplicates, overlaps, unfenced

_DRAIN_S = 30


@check("record.fence_first", "each epoch begins with a FENCE of its holder, before its first order", "venue_log")
def fence_first(site: Site) -> None:
    _some(site.log.after())
    found = unfenced(site.log.after())
    expect(not found, f"{len(found)} epochs without a fence, the first {_name(found)}")


@check("record.no_overlap", "no order is accepted under an epoch after a higher one, or of two incarnations under one", "venue_log")
def no_overlap(site: Site) -> None:
    _some(site.log.after())
    found = overlaps(site.log.after())
    expect(not found, f"{len(found)} orders overlap, the first {_name(found)}")


@check("record.no_duplicate", "no intent (strategy, venue's tick, leg) is accepted twice", "venue_log")
def no_duplicate(site: Site) -> None:
    _some(site.log.after())
    found = duplicates(site.log.after())
    expect(not found, f"{len(found)} intents accepted twice, the first {_name(found)}")


@check("record.orders_and_fills_kept", "every order and fill of the venue's log is in the database once, and no other",
       "venue_log", "database")
def orders_and_fills_kept(site: Site) -> None:
    for engine in site.engines:
        eventually(lambda engine=engine: engine.api.status()["lag"]["queue_depth"] == 0, _DRAIN_S,
                   f"the journal is not empty after {_DRAIN_S} s")
    events = site.log.after()
    began = int(min(e["t"] for e in events))
    known = f"sent_ns >= {began} AND venue_order_id IS NOT NULL"
    orders = site.database.rows(f"SELECT strategy, epoch, engine, seq FROM public.orders WHERE {known}")
    fills = site.database.rows(f"SELECT strategy, fill_id FROM public.fills WHERE venue_ns >= {began}")
    seen = [(e["strategy"], e["epoch"], e["holder"], e["seq"]) for e in events if e["ev"] == "accepted"]
    _same("orders", seen, [(r["strategy"], r["epoch"], r["engine"], r["seq"]) for r in orders])
    traded = [(e["strategy"], e["fill_id"]) for e in events if e["ev"] == "fill"]
    _same("fills", traded, [(r["strategy"], r["fill_id"]) for r in fills])


def _same(what: str, venue: list[Any], database: list[Any]) -> None:
    expect(venue, f"the venue's log has no {what}: nothing was proved")
    missing, more = set(venue) - set(database), set(database) - set(venue)
    expect(not missing, f"{len(missing)} {what} of the venue's log are not in the database, the first {min(missing, default='')}")
    expect(not more, f"{len(more)} {what} in the database are not in the venue's log, the first {min(more, default='')}")
    expect(len(database) == len(set(database)), f"{len(database) - len(set(database))} {what} stand twice in the database")


def _some(events: list[Event]) -> None:
    expect(any(e["ev"] == "accepted" for e in events), "the venue's log has no accepted order: nothing was proved")


def _name(events: list[Event]) -> str:
    return f"{events[0]['strategy']} epoch {events[0]['epoch']} of {events[0]['holder']}" if events else ""
