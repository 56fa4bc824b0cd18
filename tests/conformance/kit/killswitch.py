# SPDX-License-Identifier: GPL-3.0-or-later
"""The kill switch: latches at once, lasts, and is cleared only by an explicit call with a reason."""

from __future__ import annotations

import time

from kit.check import check, eventually, expect
from kit.database import literal
from kit.site import Engine, Site

_REASON = "conformance: kill"
_SOON_S = 0.25


@check("killswitch.latches", "latched with the first reason; primary and start are refused with 409 while it is")
def latches(site: Site) -> None:
    engine = site.one
    engine.latch(_REASON).must(200)
    engine.latch("conformance: a later reason").must(200)
    _expect_latched(engine)
    engine.put(role="primary").must(409)
    engine.api.call("POST", f"/api/v1/strategies/{engine.strategy_names()[0]}/start").must(409)


@check("killswitch.clear_needs_reason", "a clear without a reason is 400 and clears nothing; with one it clears, and gives no role back")
def clear_needs_reason(site: Site) -> None:
    engine = site.one
    engine.latch(_REASON).must(200)
    for body in (b"", b"{}", b'{"reason": ""}', b'{"reason": null}'):
        reply = engine.api.call("DELETE", "/api/v1/killswitch", raw=body)
        expect(reply.status == 400, f"DELETE /api/v1/killswitch with {body!r}: expected 400, found {reply.status}")
        _expect_latched(engine)
    eventually(lambda: engine.clear().status == 200, 10, "the kill switch cannot be cleared with a reason")
    expect(not engine.latched(), "cleared with 200, and yet latched")
    expect(engine.role == "standby", "clearing the kill switch gave the role back")


@check("killswitch.survives_restart", "latched before a kill -9, latched after the start, with its reason", "restart")
def survives_restart(site: Site) -> None:
    site.one.latch(_REASON).must(200)
    site.one.restart()
    _expect_latched(site.one)
    site.one.put(role="primary").must(409)


@check("killswitch.stops_orders", "no order after the answer, and what was open is cancelled", "venue_log")
def stops_orders(site: Site) -> None:
    mark = site.trade(site.one)
    holder = site.one.holder
    site.one.latch(_REASON).must(200)
    # One order may be on its way while the answer is.
    time.sleep(_SOON_S)
    site.silent(holder, 2, "after the kill switch was latched")
    _expect_none_open(site, mark, holder)


@check("killswitch.needs_no_database", "latches, stops and cancels at once while no commit is acknowledged", "venue_log", "database")
def needs_no_database(site: Site) -> None:
    mark = site.trade(site.one)
    holder = site.one.holder
    site.database.hang_commits()
    begin = time.monotonic()
    site.one.latch(_REASON).must(200)
    took_s = time.monotonic() - begin
    expect(took_s < 2, f"POST /api/v1/killswitch took {took_s:.1f} s while the database hung")
    time.sleep(_SOON_S)
    site.silent(holder, 2, "after the kill switch was latched while the database hung")
    _expect_none_open(site, mark, holder)


@check("killswitch.latches_rows", "the rows follow, and every engine of the strategies is refused", "second")
def latches_rows(site: Site) -> None:
    site.one.put(role="primary").must(200)
    site.one.latch(_REASON).must(200)
    eventually(lambda: all(s["killed"] for s in site.two.strategies()), 5, "the other engine does not see killed rows within 5 s")
    site.two.put(role="primary").must(409)
    expect(site.two.arm(f"kill-{time.time_ns()}").status == 409, "arm for killed rows: expected 409")


@check("killswitch.killed_row_stops_holder", "a holder whose rows are killed by somebody else gives up", "venue_log", "database")
def killed_row_stops_holder(site: Site) -> None:
    site.trade(site.one)
    holder = site.one.holder
    for strategy in site.one.strategy_names():
        site.database.value(f"SELECT public.lease_kill({literal(strategy)}, 'conformance')")
    eventually(lambda: site.one.role == "standby", 2, f"{holder} is primary 2 s after its rows were killed")
    site.silent(holder, 2, "after its rows were killed")
    expect(site.one.put(role="primary").status == 409, "PUT role=primary with killed rows: expected 409")


def _expect_latched(engine: Engine) -> None:
    state = engine.api.get("/api/v1/killswitch").must(200).json
    expect(state["latched"], "GET /api/v1/killswitch: expected latched true, found false")
    expect(state["reason"] == _REASON, f"GET /api/v1/killswitch: expected reason {_REASON!r}, found {state['reason']!r}")


def _expect_none_open(site: Site, mark: int, holder: str) -> None:
    is_open: dict[int, str] = {}
    for event in site.log.after(mark):
        if event["ev"] == "accepted" and event["holder"] == holder:
            is_open[event["order_id"]] = event["strategy"]
        elif event["ev"] == "cancelled" or (event["ev"] == "fill" and event["cumulative"] >= event["qty"]):
            is_open.pop(event["order_id"], None)
    expect(not is_open, f"{len(is_open)} orders of {holder} are open at the venue after the kill")
