# SPDX-License-Identifier: GPL-3.0-or-later
"""Deployment: who deploys, what each cutover took, which version runs where, and the new version beside the old one."""

from __future__ import annotations

from grafana_foundation_sdk.builders.dashboard import Dashboard
from grafana_foundation_sdk.builders.timeseries import Panel
from panels import board, lines, listing, row, state

# What an engine measures, by the version that it runs: canary and baseline are two lines of one panel.
_VERSION = "on (instance) group_left (version) build_info"


def _tick_to_order(name: str, quantile: float) -> Panel:
    rates = f"sum by (le, version) (rate(tick_to_order_seconds_bucket[$__rate_interval]) * {_VERSION})"
    return lines(f"From tick to order, {name}", (f"histogram_quantile({quantile}, {rates})", "{{version}}"), unit="s", logarithmic=True)


def build() -> Dashboard:
    return board(
        "hft-deployment",
        "Deployment",
        "Cutovers, what they cost, and the versions that run.",
        shows=[
            row("Now"),
            listing("Versions by host", ("build_info", "{{instance}} {{version}}")),
            state(
                "Deployment in progress since",
                "max by (id, who) (time() - hft_deployment_lock_since_timestamp_seconds)",
                "{{id}} {{who}}",
                good=0,
                unit="s",
            ),
            state("Frozen by a transfer", "sum by (strategy) (strategy_frozen)", "{{strategy}}", good=0),
            lines(
                "Who holds what", ("engine_lease_seconds_left > bool 0", "{{strategy}} {{instance}}"), says="1 while it holds the lease."
            ),
            lines("Epoch", ("max by (strategy) (engine_lease_epoch)", "{{strategy}}"), says="Each change of the holder is one step."),
            row("Cutovers"),
            listing("The last of each kind", ("hft_deployment_finished_timestamp_seconds", "{{action}} {{verdict}}")),
            lines("How many, by verdict", ("max by (action, verdict) (hft_deployment_runs)", "{{action}} {{verdict}}")),
            lines(
                "Between two orders at the venue",
                ("max by (action) (hft_deployment_gap_seconds)", "{{action}}"),
                unit="s",
                says="Of the last one that was done.",
            ),
            lines(
                "Phases of the last one",
                ("max by (action, phase) (hft_deployment_phase_seconds)", "{{action}} {{phase}}"),
                unit="s",
                stacked=True,
            ),
            row("Canary beside baseline"),
            _tick_to_order("p99", 0.99),
            _tick_to_order("p50", 0.5),
            lines(
                "Orders accepted",
                (f'sum by (version) (rate(trading_orders_total{{status="accepted"}}[$__rate_interval]) * {_VERSION})', "{{version}}"),
                unit="ops",
            ),
            lines(
                "Orders rejected, or of unknown state",
                (
                    f'sum by (version) (rate(trading_orders_total{{status=~"rejected|unknown"}}[$__rate_interval]) * {_VERSION})',
                    "{{version}}",
                ),
                unit="ops",
            ),
            lines(
                "Orders refused by a check",
                (f"sum by (version) (rate(risk_check_failures_total[$__rate_interval]) * {_VERSION})", "{{version}}"),
                unit="ops",
            ),
            lines("Fills", (f"sum by (version) (rate(trading_fills_total[$__rate_interval]) * {_VERSION})", "{{version}}"), unit="ops"),
        ],
    )
