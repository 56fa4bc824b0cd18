# SPDX-License-Identifier: GPL-3.0-or-later
"""Who holds the lease, by request."""

from __future__ import annotations

from kit.check import check, eventually, expect
from kit.site import Site

_SUSPICION_S = 10.0


@check("role.primary_and_back", "primary holds every strategy under a risen epoch; standby makes the rows vacant and keeps the epoch")
def primary_and_back(site: Site) -> None:
    engine = site.one
    before = {s["id"]: s["epoch"] for s in engine.strategies()}
    for _ in range(2):  # the second request changes nothing
        engine.put(role="primary").must(200)
        status = engine.api.status()
        expect(status["role"] == "primary", f"role after PUT role=primary: expected primary, found {status['role']}")
        for strategy in status["strategies"]:
            name, epoch = strategy["id"], before[strategy["id"]] + 1
            expect(strategy["holder"] == status["holder"], f"{name}: expected holder {status['holder']}, found {strategy['holder']}")
            expect(strategy["epoch"] == epoch, f"{name}: expected epoch {epoch}, found {strategy['epoch']}")
            expect(not strategy["trading"], f"{name}: trades although neither started nor enabled")
    engine.put(role="standby").must(200)
    eventually(lambda: all(s["holder"] is None and s["epoch"] == before[s["id"]] + 1 for s in engine.strategies()), 5,
               "after PUT role=standby: expected vacant rows with the epoch kept")
    expect(engine.role == "standby", "role after PUT role=standby: expected standby")


@check("role.living_holder_stays", "primary is refused with 409 that names the holder while another engine lives", "second")
def living_holder_stays(site: Site) -> None:
    site.one.put(role="primary").must(200)
    holder = site.one.holder
    for ask in (lambda: site.two.put(role="primary"), lambda: site.two.api.call("POST", "/api/v1/takeover", {})):
        reply = ask().must(409)
        named = reply.json.get("holder")
        expect(named == holder, f"{reply.request}: expected holder {holder} in the refusal, found {named}")
        expect(site.two.role == "standby", "refused, and yet primary")
        expect(site.one.role == "primary", f"{holder} lost its lease to a request that was refused")


@check("role.takeover", "a dead holder's strategies are taken over under a higher epoch, and its successor trades",
       "second", "restart", "venue_log")
def takeover(site: Site) -> None:
    site.trade(site.one)
    epochs = {s["id"]: s["epoch"] for s in site.one.strategies()}
    site.one.kill()
    mark = site.log.mark()
    # A beat that was written just before the end still counts as a sign of life.
    eventually(lambda: site.two.api.call("POST", "/api/v1/takeover", {}).status == 200, _SUSPICION_S,
               f"POST /api/v1/takeover is refused {_SUSPICION_S:g} s after the holder died")
    site.two.start_strategies()
    site.two.put(trading_enabled=True).must(200)
    site.await_orders(mark, site.two)
    low = [e for e in site.log.accepted(mark, site.two.holder) if e["epoch"] <= epochs[e["strategy"]]]
    expect(not low, f"{len(low)} orders of the successor under an epoch that is not above the dead holder's")
