# SPDX-License-Identifier: GPL-3.0-or-later
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Private to hft.ops. The record of a run as one HTML page that needs nothing else: no script, no request, every text escaped."""

from __future__ import annotations

import math
from datetime import datetime
from html import escape
from typing import Any

from ansible_collections.hft.ops.plugins.plugin_utils._html import document, facts, section, table, text, words
from ansible_collections.hft.ops.plugins.plugin_utils._report_timeline import Band, Bar, duration, sparkline, timeline

# What a word means to somebody who looks for one second.
_MOOD = {"done": "good", "rolled_back": "care", "paused": "care", "refused": "care", "aborted": "care", "failed": "bad",
         "pass": "good", "fail": "bad", "overridden": "care", "skipped": "",
         "successful": "good", "inconclusive": "care", "error": "care"}


def page(record: dict[str, Any]) -> str:
    title = f"{words(record['action'])}: {words(record['verdict'])}"
    body = [_head(record, title), _facts(record), _pictures(record), _gates(record), _watch(record), _phases(record), _hosts(record),
            f"<footer>Record {escape(record['id'])}, schema {record['schema']}. Times are UTC.</footer>"]
    return document(title, body)


def _verdict(word: str) -> str:
    return f'<td class="verdict {_MOOD.get(word, "")}">{escape(words(word))}</td>'


def _head(record: dict[str, Any], title: str) -> str:
    sides = [record.get("from") or {}, record.get("to") or {}]
    way = " → ".join(" ".join(filter(None, (side.get("engine"), side.get("version")))) or "nobody" for side in sides) if any(sides) else ""
    where = ", ".join(str(record[key]) for key in ("stage", "region") if record.get(key))
    lines = [f"<h1>{escape(title)}</h1>", f"<p>{escape(' · '.join(filter(None, (way, where))))}</p>"]
    if record.get("detail"):
        lines.append(f'<p class="detail">{escape(record["detail"])}</p>')
    return "\n".join([f'<header class="{_MOOD[record["verdict"]]}">', *lines, "</header>"])


def _facts(record: dict[str, Any]) -> str:
    orders = record.get("orders") or {}
    took = (_moment(record["finished_at"]) - _moment(record["started_at"])).total_seconds()
    pairs = [
        ("Gap without orders", duration(record["gap_ms"] * 1000) if record.get("gap_ms") is not None else None, "big"),
        ("Whole run", duration(max(0.0, took) * 1e6), "big"),
        ("Orders a second before → after", " → ".join(_plain(orders.get(key)) for key in ("before", "after")) if orders else None, ""),
        ("Started", record["started_at"], ""),
        ("Finished", record["finished_at"], ""),
        ("Who", record.get("who"), ""),
        ("Ticket", record.get("ticket"), ""),
        ("Reason", record.get("reason"), ""),
        ("Approvals", ", ".join(_approval(one) for one in record.get("approvals") or []), ""),
        ("Strategies", ", ".join(record.get("strategies") or []), ""),
    ]
    return facts(pairs)


def _plain(value: float | None) -> str:
    return "-" if value is None else f"{value:g}"


def _moment(text: str) -> datetime:
    return datetime.fromisoformat(text.replace("Z", "+00:00"))


def _approval(one: str | dict[str, Any]) -> str:
    if isinstance(one, str):
        return one
    role = f" ({one['role']})" if one.get("role") else ""
    return f"{one.get('name', '-')}{role}"


# ---- pictures -------------------------------------------------------------------------------------------------------------


def _bars(record: dict[str, Any], *parts: str) -> list[Bar]:
    bars = [Bar(one["part"], words(one["phase"]) if one["part"] == "play" else f"{one['part']}: {words(one['phase'])}", one["at_us"],
                one.get("took_us") or 0) for one in record.get("phases") or [] if one["part"] in parts]
    return sorted(bars, key=lambda one: (one.at_us, one.end_us))


def gap(record: dict[str, Any], inner: list[Bar]) -> Band | None:
    """The gap on the axis of the phases. Without its beginning it ends where the taker does."""
    if record.get("gap_ms") is None or not inner:
        return None
    length = record["gap_ms"] * 1000
    begin = record.get("gap_from_us")
    if begin is None:
        taker = [one.end_us for one in inner if one.lane == "taker"]
        begin = max(taker or [one.end_us for one in inner]) - length
    return Band(f"gap {duration(length)}", begin, begin + length)


def _pictures(record: dict[str, Any]) -> str:
    play, inner = _bars(record, "play"), _bars(record, "giver", "taker")
    parts = []
    if play:
        band = Band("transfer", min(one.at_us for one in inner), max(one.end_us for one in inner)) if inner else None
        parts.append(section("The run", f'<div class="scroll">{timeline("run", "Phases of the run", play, band)}</div>'))
    if inner:
        picture = timeline("transfer", "Phases of the transfer, giver and taker", inner, gap(record, inner))
        parts.append(section("The transfer", f'<div class="scroll">{picture}</div>',
                             "<p class=\"key\">Each part by the clock of its own host; the gap by the log of the venue.</p>"))
    return "\n".join(parts)


# ---- tables ---------------------------------------------------------------------------------------------------------------


def _gates(record: dict[str, Any]) -> str:
    gates = record.get("gates") or []
    if not gates:
        return ""
    rows = [[text(one["gate"]), text(one.get("asked")), text(one.get("found")), _verdict(one["verdict"]), text(one.get("reason"))]
            for one in gates]
    return section("Gates", table(["Gate", "Asked", "Found", "Verdict", "Reason"], rows))


def _watch(record: dict[str, Any]) -> str:
    watch = record.get("watch")
    if not watch:
        return ""
    rows = []
    for one in watch.get("metrics") or []:
        counts = ", ".join(f"{number} {phase}" for phase, number in (one.get("counts") or {}).items() if number)
        name = f"{text(one.get('name'))}{' (dry run)' if one.get('dry_run') else ''}<br><code>{text(one.get('query'))}</code>"
        rows.append([name, sparkline(_values(one)), text(counts), _verdict(str(one.get("verdict"))), text(one.get("reason"))])
    return section("Watch", f"<p>{escape(words(watch.get('verdict')))}: {text(watch.get('reason'))}</p>",
                   table(["Metric", "Measured", "Measurements", "Verdict", "Reason"], rows) if rows else "")


def _values(metric: dict[str, Any]) -> list[tuple[float, str]]:
    """The first sample of each measurement that is a number."""
    found = []
    for one in metric.get("measurements") or []:
        sample = (one.get("samples") or [None])[0]
        if isinstance(sample, (int, float)) and not isinstance(sample, bool) and math.isfinite(sample):
            found.append((float(sample), str(one.get("phase"))))
    return found


def _phases(record: dict[str, Any]) -> str:
    phases = sorted(record.get("phases") or [], key=lambda one: one["at_us"])
    rows = [[text(one["part"]), text(words(one["phase"])), f'<td class="number">{one["at_us"] / 1e6:.6f}</td>',
             f'<td class="number">{"-" if one.get("took_us") is None else duration(one["took_us"])}</td>'] for one in phases]
    return section("Phases", table(["Part", "Phase", "Began, s", "Took"], rows)) if rows else ""


def _hosts(record: dict[str, Any]) -> str:
    rows = [[text(one["host"]), text(one.get("role")), text(one.get("version")), f"<code>{text(one.get('sha256'))}</code>"]
            for one in record.get("hosts") or []]
    return section("Hosts", table(["Host", "Role", "Version", "sha256"], rows)) if rows else ""
