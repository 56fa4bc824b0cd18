# SPDX-License-Identifier: GPL-3.0-or-later
"""The right to trade: from an acknowledged write of its own, until its deadline, under an epoch the venue accepts."""

from __future__ import annotations

import time

from kit.check import check, eventually, expect
from kit.database import literal
from kit.site import Site
from kit.venue_session import fence

# An epoch far above: whoever claims next must have asked the venue, not only the row.
_JUMP = 7
_BEAT_S = 1.0


@check("lease.a_read_is_no_right", "a row that names the engine, written by somebody else, gives it no right", "venue_log", "database")
def a_read_is_no_right(site: Site) -> None:
    engine = site.one
    engine.start_strategies()
    engine.put(trading_enabled=True).must(200)
    holder, mark = engine.holder, site.log.mark()
    for strategy in engine.strategy_names():
        site.database.value(f"UPDATE public.engine_lease SET holder = {literal(holder)}, epoch = epoch + 1, beat = beat + 1 "
                            f"WHERE strategy = {literal(strategy)}")
    time.sleep(3)
    acted = [e for e in site.log.after(mark) if e.get("holder") == holder and e["ev"] in ("accepted", "rejected", "fence", "fence_refused")]
    expect(not acted, f"{holder} read its name in the row and acted at the venue {len(acted)} times: {sorted({e['ev'] for e in acted})}")
    expect(engine.role == "standby", "the engine read its name in the row and calls itself primary")


@check("lease.stale_epoch", "refused by the venue for its epoch, an engine stops for good and says so", "venue", "venue_log")
def stale_epoch(site: Site) -> None:
    mark = site.trade(site.one)
    holder = site.one.holder
    _fence_all(site)
    eventually(lambda: site.one.role == "standby", 3, f"{holder} is primary 3 s after the venue gave its epoch to another")
    site.silent(holder, 2, "after the venue refused its epoch")
    refused = [e for e in site.log.after(mark) if e["ev"] == "rejected" and e["holder"] == holder and e["reason"] == "stale_epoch"]
    # One tick sends an order a side, and a tick or two pass before the first refusal is read.
    expect(len(refused) <= 40, f"{holder} sent {len(refused)} orders under an epoch that the venue refused")


@check("lease.claims_above_the_venue", "a claim rises above every epoch that the venue has seen", "venue", "venue_log")
def claims_above_the_venue(site: Site) -> None:
    _fence_all(site)
    highest = {s: site.log.highest_epoch(s) for s in site.one.strategy_names()}
    site.trade(site.one)
    for strategy in site.one.strategies():
        expect(strategy["epoch"] > highest[strategy["id"]],
               f"{strategy['id']}: claimed epoch {strategy['epoch']}, the venue has seen {highest[strategy['id']]}")


@check("lease.deadline", "without acknowledged beats it trades on until the lease's deadline, and not after", "venue_log", "database")
def deadline(site: Site) -> None:
    engine = site.one
    site.trade(engine)
    holder = engine.holder
    ttl_s = min(site.database.lease(s)["ttl_ms"] for s in engine.strategy_names()) / 1000
    site.database.hang_commits()
    # A beat that was on its way while the server took the new setting may still be acknowledged.
    last_ack = time.monotonic() + _BEAT_S
    middle = site.log.mark()
    time.sleep(min(ttl_s / 4, 10))
    expect(site.log.accepted(middle, holder), f"{holder} stopped trading at once when the database hung: its lease runs {ttl_s:g} s")
    time.sleep(max(0.0, last_ack + ttl_s - time.monotonic()))
    site.silent(holder, 3, f"after its lease of {ttl_s:g} s ran out without an acknowledged beat")
    site.database.heal()


def _fence_all(site: Site) -> None:
    """Somebody else takes every strategy at the venue, as a taker does."""
    if site.venue is None:
        raise LookupError("the environment names no venue")
    for strategy in site.one.strategy_names():
        epoch = site.log.highest_epoch(strategy) + _JUMP
        expect(fence(site.venue, strategy, epoch), f"the venue did not grant the kit epoch {epoch} of {strategy}")
