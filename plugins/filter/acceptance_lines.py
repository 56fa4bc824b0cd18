# SPDX-License-Identifier: GPL-3.0-or-later
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Filter over what an engine measured of itself at the beginning and at the end of an acceptance run."""

from __future__ import annotations

import re
from collections.abc import Callable

from ansible.errors import AnsibleFilterError

_SAMPLE = re.compile(r"^(?P<name>[a-zA-Z_:][\w:]*)(?:\{(?P<labels>[^}]*)\})? (?P<value>\S+)$")
_LABEL = re.compile(r'(\w+)="([^"]*)"')


def acceptance_lines(before: dict, after: dict, targets: dict) -> list:
    """Lines of check, ok and detail.

    before, after: metrics (the text of /api/v1/metrics), cpu_ns (processor time of the process), rss_kb, pid and at (seconds);
    targets: max_tick_to_order_us (99th percentile), max_cpu_pct (of all cores), max_memory_mb, max_growth_mb, cores.
    A number that is not there fails its line.
    """
    if before["pid"] != after["pid"]:
        return [_line("one process over the run", False, f"pid {before['pid']} became {after['pid']}: the engine was restarted")]
    first, last = _samples(before["metrics"]), _samples(after["metrics"])

    def grown(name: str, **labels: str) -> float | None:
        ends = [_sum(samples, name, labels) for samples in (first, last)]
        return None if None in ends else ends[1] - ends[0]

    accepted, sent = grown("trading_orders_total", status="accepted"), grown("trading_orders_total", status="sent")
    cancelled, fills = grown("trading_orders_total", status="cancelled"), grown("trading_fills_total")
    booked, unknown = grown("persistence_rows_total", table="fills"), grown("trading_orders_total", status="unknown")
    return [
        _line("orders submitted", _above(sent) and _above(accepted), f"{_told(sent)} sent, {_told(accepted)} accepted"),
        _line("orders cancelled", _above(cancelled), _told(cancelled)),
        _line("orders filled", _above(fills), f"{_told(fills)} fills"),
        # The last ones may still be on their way: what is not written is counted by the queue.
        _line("fills booked", _above(booked) and fills is not None and booked + _waiting(last) >= fills,
              f"{_told(booked)} rows of {_told(fills)} fills acknowledged by the database, {_waiting(last):g} records under way"),
        _line("no order of unknown state", unknown == 0, _told(unknown)),
        *_resources(before, after, targets),
        _at_most("tick to order, 99th percentile", _quantile(first, last, "tick_to_order_seconds", 0.99, 1e6),
                 targets["max_tick_to_order_us"], "us"),
    ]


def _resources(before: dict, after: dict, targets: dict) -> list:
    elapsed_s = after["at"] - before["at"]
    cpu_pct = (after["cpu_ns"] - before["cpu_ns"]) / 1e7 / elapsed_s / targets["cores"] if elapsed_s > 0 else None
    return [
        _at_most("processor", cpu_pct, targets["max_cpu_pct"], f"% of {targets['cores']} cores over {elapsed_s:.0f} s"),
        _at_most("memory", after["rss_kb"] / 1024, targets["max_memory_mb"], "MB"),
        _at_most("memory grown over the run", (after["rss_kb"] - before["rss_kb"]) / 1024, targets["max_growth_mb"], "MB"),
    ]


def _line(check: str, ok: bool, detail: str) -> dict:
    return {"check": check, "ok": ok, "detail": detail}


def _at_most(check: str, value: float | None, limit: float, unit: str) -> dict:
    if value is None:
        return _line(check, False, "not measured")
    return _line(check, value <= float(limit), f"{value:.1f} {unit}, at most {float(limit):g}")


def _above(value: float | None) -> bool:
    return value is not None and value > 0


def _told(value: float | None) -> str:
    return "not measured" if value is None else f"{value:g}"


def _samples(text: str) -> list:
    found = []
    for line in text.splitlines():
        match = None if line.startswith("#") else _SAMPLE.match(line)
        if match:
            found.append((match["name"], dict(_LABEL.findall(match["labels"] or "")), float(match["value"])))
    if not found:
        raise AnsibleFilterError(f"hft.ops.acceptance_lines: expected metrics, found {text[:60]!r}")
    return found


def _sum(samples: list, name: str, labels: dict) -> float | None:
    values = [value for one, has, value in samples if one == name and labels.items() <= has.items()]
    return sum(values) if values else None


def _waiting(samples: list) -> float:
    return _sum(samples, "persistence_queue_depth", {}) or 0.0


def _quantile(first: list, last: list, name: str, share: float, scale: float) -> float | None:
    """Upper bound of the bucket in which it lies, of what was added; infinite beyond the last bucket."""
    bounds = sorted({has["le"] for one, has, _value in last if one == f"{name}_bucket"}, key=float)
    grown = [(_sum(last, f"{name}_bucket", {"le": le}) or 0) - (_sum(first, f"{name}_bucket", {"le": le}) or 0) for le in bounds]
    if not grown or grown[-1] <= 0:
        return None
    return next(float(le) for le, count in zip(bounds, grown) if count >= share * grown[-1]) * scale


class FilterModule:
    """The filters of this file."""

    def filters(self) -> dict[str, Callable]:
        return {"acceptance_lines": acceptance_lines}
