# SPDX-License-Identifier: GPL-3.0-or-later
"""Fleet by region: one line for each, wherever targets have the label `region`."""

from __future__ import annotations

from grafana_foundation_sdk.builders.dashboard import Dashboard
from panels import board, lines, listing, row


def build() -> Dashboard:
    made = board("hft-fleet", "Fleet by region", "Every region beside the others.")
    return (
        made.with_row(row("Well"))
        .with_panel(lines("Engines that answer", ('sum by (region) (up{job="hft_system"})', "{{region}}"), span=8))
        .with_panel(lines("Hosts that answer", ('sum by (region) (up{job="node_exporter"})', "{{region}}"), span=8))
        .with_panel(lines("Strategies that are held", ("sum by (region) (engine_lease_seconds_left > bool 0)", "{{region}}"), span=8))
        .with_panel(
            listing("Alerts", ('ALERTS{alertstate="firing", severity!="none"} or ALERTS{alertname="Watchdog"}', "{{alertname}}"), span=24)
        )
        .with_row(row("Trade"))
        .with_panel(
            lines(
                "Orders sent", ('sum by (region) (rate(trading_orders_total{status="sent"}[$__rate_interval]))', "{{region}}"), unit="ops"
            )
        )
        .with_panel(lines("Fills", ("sum by (region) (rate(trading_fills_total[$__rate_interval]))", "{{region}}"), unit="ops"))
        .with_panel(
            lines(
                "Result of the UTC day",
                ("sum by (region) (daily_pnl_usd and on (instance, strategy) engine_lease_seconds_left > 0)", "{{region}}"),
                unit="currencyUSD",
            )
        )
        .with_panel(
            lines(
                "Value at risk",
                ("sum by (region) (value_at_risk_usd and on (instance, strategy) engine_lease_seconds_left > 0)", "{{region}}"),
                unit="currencyUSD",
            )
        )
        .with_row(row("Latency and databases"))
        .with_panel(
            lines(
                "From tick to order, p99",
                ("histogram_quantile(0.99, sum by (le, region) (rate(tick_to_order_seconds_bucket[$__rate_interval])))", "{{region}}"),
                unit="s",
                logarithmic=True,
            )
        )
        .with_panel(lines("Round trip to the venue", ("max by (region) (venue_round_trip_seconds)", "{{region}}"), unit="s"))
        .with_panel(
            lines(
                "Standby most behind",
                ("max by (region) (pg_replication_lag_seconds and on (instance) pg_replication_is_replica == 1)", "{{region}}"),
                unit="s",
            )
        )
        .with_panel(lines("Clock most off", ("max by (region) (abs(node_timex_offset_seconds))", "{{region}}"), unit="s"))
    )
