# SPDX-License-Identifier: GPL-3.0-or-later
"""What operators and runbooks read."""

from __future__ import annotations

import re
from typing import Any

from kit.check import check, expect
from kit.site import Site

_METRIC = re.compile(r"^[a-zA-Z_:][a-zA-Z0-9_:]*(\{.*\})? [^ ]+$")


@check("status.health", "/api/v1/health says healthy; /health and /ready answer 200")
def health(site: Site) -> None:
    found = site.one.api.get("/api/v1/health").must(200).json
    expect(found.get("health") == "healthy", f'GET /api/v1/health: expected "health": "healthy", found {found}')
    for probe in ("/health", "/ready"):
        site.one.api.get(probe).must(200)


@check("status.runbook_fields", "status has role, holder, strategies with P&L, exchanges with their connection")
def runbook_fields(site: Site) -> None:
    status = site.one.api.status()
    _has(status, "status", "role", "version", "engine", "holder", "trading_enabled", "killswitch", "strategies", "exchanges")
    expect(re.fullmatch(r"[^/]+/[^/]+", status["holder"]), f"status.holder: expected <engine>/<incarnation>, found {status['holder']!r}")
    expect(status["strategies"], "status.strategies: expected at least one")
    for strategy in status["strategies"]:
        _has(strategy, f"strategy {strategy.get('id')}", "id", "state", "trading", "holder", "epoch", "killed", "performance")
        _has(strategy["performance"], "performance", "daily_pnl_usd")
        expect(isinstance(strategy["performance"]["daily_pnl_usd"], (int, float)), "daily_pnl_usd: expected a number")
    expect(status["exchanges"], "status.exchanges: expected at least one")
    for exchange in status["exchanges"]:
        found = exchange.get("status")
        expect(found == "connected", f'exchange {exchange.get("name")}: expected "connected", found {found!r}')


@check("status.one_strategy", "a strategy is shown alone as in the list, an unknown one is 404")
def one_strategy(site: Site) -> None:
    listed = site.one.api.get("/api/v1/strategies").must(200).json["strategies"]
    for strategy in listed:
        alone = site.one.api.get(f"/api/v1/strategies/{strategy['id']}").must(200).json
        expect(set(alone) == set(strategy), f"GET /api/v1/strategies/{strategy['id']}: other keys than in the list")
    site.one.api.get("/api/v1/strategies/conformance-none").must(404)


@check("status.requires_restart", "/api/v1/config/status says whether the file needs a restart; a reload of the same changes nothing")
def requires_restart(site: Site) -> None:
    for reply in (site.one.api.get("/api/v1/config/status").must(200), site.one.api.call("POST", "/api/v1/config/reload").must(200)):
        found = reply.json.get("requires_restart")
        expect(found is False, f"{reply.request}: expected requires_restart false for an unchanged file, found {found}")


@check("status.metrics", "metrics are Prometheus text")
def metrics(site: Site) -> None:
    page = site.one.api.get("/api/v1/metrics").must(200)
    expect(page.content_type.startswith("text/plain"), f"GET /api/v1/metrics: expected text/plain, found {page.content_type}")
    samples = [line for line in page.text.splitlines() if line and not line.startswith("#")]
    wrong = [line for line in samples if not _METRIC.match(line)]
    expect(samples and not wrong, f"GET /api/v1/metrics: not a sample: {wrong[:1] or 'an empty page'}")
    expect("trading_orders_total" in page.text, "GET /api/v1/metrics: no trading_orders_total")


def _has(found: dict[str, Any], where: str, *keys: str) -> None:
    missing = [key for key in keys if key not in found]
    expect(not missing, f"{where}: missing {', '.join(missing)}")
