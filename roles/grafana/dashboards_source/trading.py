# SPDX-License-Identifier: GPL-3.0-or-later
"""Trading: is it well, what does it do, what does it earn, what may it lose, how fast is it."""

from __future__ import annotations

from grafana_foundation_sdk.builders.dashboard import Dashboard
from panels import HELD, board, heat, lines, row, state

_E = 'instance=~"$engine"'
_S = 'instance=~"$engine", strategy=~"$strategy"'


def build() -> Dashboard:
    return board(
        "hft-trading",
        "Trading",
        "Engines, orders, result, risk and latency.",
        variables=(("engine", 'label_values(up{job="hft_system"}, instance)'), ("strategy", "label_values(open_orders, strategy)")),
        shows=[
            row("System health"),
            state("Engine answers", f'up{{job="hft_system", {_E}}}', "{{instance}}"),
            state(
                "Holders",
                f"sum by (strategy) (engine_lease_seconds_left{{{_S}}} > bool 0)",
                "{{strategy}}",
                says="One engine holds each strategy, or none does.",
            ),
            state("Session with the venue", f"venue_connected{{{_E}}}", "{{instance}} {{venue}}"),
            state("Kill switch", f"engine_killswitch{{{_E}}}", "{{instance}}", good=0),
            lines(
                "Time left of the lease",
                (f"engine_lease_seconds_left{{{_S}}}", "{{strategy}} {{instance}}"),
                unit="s",
                says="A holder renews it five times a second; at zero it sends nothing more.",
            ),
            lines(
                "Database connected, strategy frozen",
                (f"database_connected{{{_E}}}", "database {{instance}}"),
                (f"strategy_frozen{{{_S}}}", "frozen {{strategy}} {{instance}}"),
            ),
            row("Orders"),
            lines(
                "Orders by the state they reached",
                (f"sum by (status) (rate(trading_orders_total{{{_S}}}[$__rate_interval]))", "{{status}}"),
                unit="ops",
            ),
            lines("Fills", (f"sum by (strategy) (rate(trading_fills_total{{{_S}}}[$__rate_interval]))", "{{strategy}}"), unit="ops"),
            lines(
                "Orders that succeed",
                (f"hft:orders_succeeded:ratio1m{{{_S}}}", "{{strategy}} {{instance}}"),
                ("hft:limit:order_success_warning_ratio", "warning"),
                ("hft:limit:order_success_critical_ratio", "critical"),
                unit="percentunit",
                says="Where enough were sent within a minute to make a rate.",
            ),
            lines(
                "Orders the venue rejects",
                (f"hft:orders_rejected:ratio1m{{{_S}}}", "{{strategy}} {{instance}}"),
                ("hft:limit:order_reject_warning_ratio", "warning"),
                ("hft:limit:order_reject_critical_ratio", "critical"),
                unit="percentunit",
            ),
            row("Result and position"),
            lines(
                "Result of the UTC day",
                (f"daily_pnl_usd{{{_S}}} {HELD}", "{{strategy}}"),
                (f"-daily_loss_limit_usd{{{_S}}} {HELD}", "limit {{strategy}}"),
                unit="currencyUSD",
            ),
            lines(
                "Position",
                (f"position{{{_S}}} {HELD}", "{{strategy}} {{symbol}}"),
                (f"position_limit{{{_S}}} {HELD}", "limit {{strategy}}"),
            ),
            row("Risk"),
            lines(
                "Value at risk",
                (f"value_at_risk_usd{{{_S}}} {HELD}", "{{strategy}}"),
                ("hft:portfolio_value_at_risk_usd", "portfolio"),
                ("hft:portfolio_loss_limit_usd", "loss limits"),
                unit="currencyUSD",
                says="99 %, one day. Of the portfolio it is the sum: what strategies offset is not subtracted.",
            ),
            lines(
                "Concentration",
                ("hft:portfolio_concentration:ratio", "greatest share"),
                ("hft:limit:portfolio_concentration_ratio", "limit"),
                unit="percentunit",
            ),
            lines(
                "Orders refused by a check",
                (f"sum by (check) (increase(risk_check_failures_total{{{_E}}}[1m]))", "{{check}}"),
                ("hft:limit:risk_failures_per_minute", "limit"),
                says="A minute. They were not sent.",
            ),
            lines(
                "Comparisons with the venue",
                (f"sum by (strategy) (increase(reconciliations_total{{{_S}}}[5m]))", "{{strategy}}"),
                (f"sum by (strategy) (increase(reconciliation_differences_total{{{_S}}}[5m]))", "differences {{strategy}}"),
                says="Within five minutes.",
            ),
            row("Latency"),
            heat(
                "From tick to order",
                f"sum by (le) (increase(tick_to_order_seconds_bucket{{{_E}}}[$__rate_interval]))",
                "{{le}}",
                buckets=True,
                unit="s",
                span=24,
            ),
            lines(
                "From tick to order",
                (
                    f"histogram_quantile(0.5, sum by (le, instance) (rate(tick_to_order_seconds_bucket{{{_E}}}[$__rate_interval])))",
                    "p50 {{instance}}",
                ),
                (f"hft:tick_to_order_seconds:p95_1m{{{_E}}}", "p95 {{instance}}"),
                (f"hft:tick_to_order_seconds:p99_1m{{{_E}}}", "p99 {{instance}}"),
                ("hft:limit:order_p99_warning_seconds", "limit"),
                unit="s",
                logarithmic=True,
            ),
            lines(
                "From fill to position, p95",
                (f"hft:position_update_seconds:p95_1m{{{_E}}}", "{{instance}}"),
                ("hft:limit:position_p95_seconds", "limit"),
                unit="s",
                logarithmic=True,
            ),
            lines("Round trip to the venue", (f"venue_round_trip_seconds{{{_E}}}", "{{instance}} {{venue}}"), unit="s"),
            lines(
                "Records that wait for the database",
                (f"persistence_queue_depth{{{_E}}}", "{{instance}}"),
                (f"persistence_queue_oldest_seconds{{{_E}}}", "oldest, s {{instance}}"),
            ),
        ],
    )
