# SPDX-License-Identifier: GPL-3.0-or-later
"""After any start an engine is standby."""

from __future__ import annotations

import time

from kit.check import check, expect
from kit.site import Site

_WATCH_S = 3.0


@check("start.standby", "killed while trading, it comes back as standby, stopped, under a new incarnation, and asks for nothing", "restart")
def standby(site: Site) -> None:
    engine = site.one
    engine.start_strategies()
    engine.put(role="primary", trading_enabled=True).must(200)
    before = engine.holder
    engine.restart()
    expect(engine.holder != before, f"the new process calls itself {before} as the old one did: expected a new incarnation")
    end = time.monotonic() + _WATCH_S
    while time.monotonic() < end:
        status = engine.api.status()
        expect(status["role"] == "standby", "role after a restart: expected standby, found primary")
        expect(not status["trading_enabled"], "trading_enabled after a restart: expected false")
        acting = [s["id"] for s in status["strategies"] if s["trading"] or s["state"] != "stopped" or s["holder"] == status["holder"]]
        expect(not acting, f"after a restart: {', '.join(acting)} runs, trades or is held again, unasked")
        time.sleep(0.1)
