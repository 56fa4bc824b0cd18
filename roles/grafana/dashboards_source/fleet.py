# SPDX-License-Identifier: GPL-3.0-or-later
"""Fleet by region: one line for each, wherever targets have the label `region`."""

from __future__ import annotations

from grafana_foundation_sdk.builders.dashboard import Dashboard
from panels import HELD, board, lines, listing, row


def build() -> Dashboard:
    return board(
        "hft-fleet",
        "Fleet by region",
        "Every region beside the others.",
        shows=[
            row("Well"),
            lines("Engines that answer", ('sum by (region) (up{job="hft_system"})', "{{region}}"), span=8),
            lines("Hosts that answer", ('sum by (region) (up{job="node_exporter"})', "{{region}}"), span=8),
            lines("Strategies that are held", ("sum by (region) (engine_lease_seconds_left > bool 0)", "{{region}}"), span=8),
            listing("Alerts", ('ALERTS{alertstate="firing", severity!="none"} or ALERTS{alertname="Watchdog"}', "{{alertname}}"), span=24),
            row("Trade"),
            lines(
                "Orders sent", ('sum by (region) (rate(trading_orders_total{status="sent"}[$__rate_interval]))', "{{region}}"), unit="ops"
            ),
            lines("Fills", ("sum by (region) (rate(trading_fills_total[$__rate_interval]))", "{{region}}"), unit="ops"),
            lines(
                "Orders on paper",
                ("sum by (region, strategy) (increase(trading_paper_orders_total[1m]))", "{{strategy}} {{region}}"),
                ("hft:limit:probe_orders_per_minute", "limit of a probe"),
                says="A minute. Each went through every check and was not sent; those of a probe must never cease.",
                span=24,
            ),
            lines(
                "Result of the UTC day",
                (f"sum by (region) (daily_pnl_usd {HELD})", "{{region}}"),
                unit="currencyUSD",
            ),
            lines(
                "Value at risk",
                (f"sum by (region) (value_at_risk_usd {HELD})", "{{region}}"),
                unit="currencyUSD",
            ),
            row("Latency and databases"),
            lines(
                "From tick to order, p99",
                ("histogram_quantile(0.99, sum by (le, region) (rate(tick_to_order_seconds_bucket[$__rate_interval])))", "{{region}}"),
                unit="s",
                logarithmic=True,
            ),
            lines("Round trip to the venue", ("max by (region) (venue_round_trip_seconds)", "{{region}}"), unit="s"),
            lines(
                "Standby most behind",
                ("max by (region) (pg_replication_lag_seconds and on (instance) pg_replication_is_replica == 1)", "{{region}}"),
                unit="s",
            ),
            lines("Clock most off", ("max by (region) (abs(node_timex_offset_seconds))", "{{region}}"), unit="s"),
        ],
    )
