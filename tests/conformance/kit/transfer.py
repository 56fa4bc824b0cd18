# SPDX-License-Identifier: GPL-3.0-or-later
"""The one primitive that moves trading: arm, freeze, drain, hand over, claim, fence."""

from __future__ import annotations

import time

from kit.check import Broken, check, eventually, expect, polls
from kit.site import Engine, Site
from kit.venue_log import orders_open_at_fences

_TIMES = 3
_ATTEMPTS = 4


@check("transfer.both_ways", "trading moves to the armed engine and back; the taker trades, the giver is standby", "second", "venue_log")
def both_ways(site: Site) -> None:
    begin = site.trade(site.one)
    giver, taker = site.one, site.two
    for _ in range(2 * _TIMES):
        epochs = {s["id"]: s["epoch"] for s in giver.strategies()}
        mark = _move(site, giver, taker)
        site.await_orders(mark, taker)
        expect(taker.role == "primary", f"{taker.name} took the transfer and calls itself standby")
        eventually(lambda giver=giver: giver.role == "standby", 2, "the giver of a transfer that is done calls itself primary")
        for strategy in taker.strategies():
            before = epochs[strategy["id"]]
            expect(strategy["epoch"] == before + 1, f"{strategy['id']}: epoch {strategy['epoch']} after {before}")
        giver, taker = taker, giver
    refused = [e for e in site.log.after(begin) if e["ev"] == "rejected" and e["reason"] in ("stale_epoch", "foreign_incarnation")]
    expect(not refused, f"{len(refused)} orders were refused for their epoch in planned transfers")


@check("transfer.drained", "a giver hands over with every order answered and none open", "second", "venue_log")
def drained(site: Site) -> None:
    begin = site.trade(site.one)
    giver, taker = site.one, site.two
    for _ in range(2 * _TIMES):
        _await_open_orders(giver)
        site.await_orders(_move(site, giver, taker), taker)
        giver, taker = taker, giver
    left = orders_open_at_fences(site.log.after(begin))
    expect(not left, f"{len(left)} orders of the giver were open at the venue when the taker fenced")


@check("transfer.needs_an_armed_taker", "to an engine that is not armed, or no longer, it is refused, and the giver trades on",
       "second", "venue_log")
def needs_an_armed_taker(site: Site) -> None:
    site.trade(site.one)
    withdrawn = _name()
    site.two.arm(withdrawn).must(200)
    site.two.api.call("DELETE", "/api/v1/arm", {"id": withdrawn}).must(200)
    for name in (_name(), withdrawn):
        site.one.transfer(name, site.two.name).must(409)
        mark = site.log.mark()
        site.await_orders(mark, site.one)
        expect(site.two.role == "standby", "a taker that was not armed became primary")


@check("transfer.in_doubt_stays_frozen", "a giver that cannot know whether its handover stands sends nothing until it knows",
       "second", "venue_log", "database")
def in_doubt_stays_frozen(site: Site) -> None:
    for _ in range(_ATTEMPTS):
        site.trade(site.one)
        name, holder = _name(), site.one.holder
        site.two.arm(name).must(200)
        site.database.hang_commits()
        reply = site.one.transfer(name, site.two.name)
        doubt = any(step["step"] == "in doubt" for step in site.one.record_of(name)["steps"])
        if reply.status != 200 and doubt:
            site.silent(holder, 3, "while it could not know whether its handover stands")
            site.database.heal()
            _settled(site)
            return
        # Refused before anything was sent: the hang came too early. Once more.
        expect(reply.status != 200, "a handover was called done while no commit was acknowledged")
        site.rest()
    raise Broken(f"no transfer of {_ATTEMPTS} came to the handover while commits hung")


def _settled(site: Site) -> None:
    """Once commits go through again, exactly one of the two engines trades."""
    mark = site.log.mark()
    for _ in polls(15):
        traders = {e["holder"] for e in site.log.accepted(mark)}
        if traders:
            break
    else:
        raise Broken("nobody trades 15 s after the database healed: neither the handover nor the giver's beat came through")
    mark = site.log.mark()
    time.sleep(1)
    for strategy in site.one.strategy_names():
        traders = {e["holder"] for e in site.log.accepted(mark) if e["strategy"] == strategy}
        expect(len(traders) == 1, f"{strategy}: expected one trader after the doubt ended, found {sorted(traders)}")


def _move(site: Site, giver: Engine, taker: Engine) -> int:
    name = _name()
    taker.arm(name).must(200)
    mark = site.log.mark()
    giver.transfer(name, taker.name).must(200)
    eventually(lambda: taker.record_of(name)["outcome"] == "done", 5,
               lambda: f"the taker of a transfer that is done says {taker.record_of(name)}")
    return mark


def _await_open_orders(engine: Engine) -> None:
    eventually(lambda: any(s["open_orders"] > 0 for s in engine.strategies()), 5, "no order is open: the drain cannot be seen")


def _name() -> str:
    return f"conformance-{time.time_ns()}"
