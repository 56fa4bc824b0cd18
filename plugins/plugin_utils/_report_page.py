# SPDX-License-Identifier: GPL-3.0-or-later
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Private to hft.ops. The record of a run as one HTML page that needs nothing else: no script, no request, every text escaped."""

from __future__ import annotations

import math
from datetime import datetime
from functools import lru_cache
from html import escape
from pathlib import Path
from typing import Any

from ansible_collections.hft.ops.plugins.plugin_utils._report_timeline import Band, Bar, duration, sparkline, timeline

_STYLE = Path(__file__).resolve().parent / "_report_style.css"
# What a word means to somebody who looks for one second.
_MOOD = {"done": "good", "rolled_back": "care", "refused": "care", "aborted": "care", "failed": "bad",
         "pass": "good", "fail": "bad", "overridden": "care", "skipped": "",
         "successful": "good", "inconclusive": "care", "error": "care"}
_POLICY = "default-src 'none'; style-src 'unsafe-inline'; img-src data:"


@lru_cache(maxsize=1)
def _style() -> str:
    return _STYLE.read_text(encoding="utf-8")


def page(record: dict[str, Any]) -> str:
    title = f"{_words(record['action'])}: {_words(record['verdict'])}"
    body = [_head(record, title), _facts(record), _pictures(record), _gates(record), _watch(record), _phases(record), _hosts(record),
            f"<footer>Record {escape(record['id'])}, schema {record['schema']}. Times are UTC.</footer>"]
    return "\n".join([
        "<!DOCTYPE html>", '<html lang="en">', "<head>", '<meta charset="utf-8">',
        f'<meta http-equiv="Content-Security-Policy" content="{escape(_POLICY)}">',
        '<meta name="viewport" content="width=device-width, initial-scale=1">', '<link rel="icon" href="data:,">',
        f"<title>{escape(title)}</title>", f"<style>\n{_style()}</style>", "</head>",
        "<body>", *filter(None, body), "</body>", "</html>", ""])


def _words(name: Any) -> str:
    return str(name).replace("_", " ")


def _text(value: Any) -> str:
    """A value for a person, escaped."""
    if value is None or value == "":
        return "-"
    if isinstance(value, bool):
        return "yes" if value else "no"
    return escape(f"{value:g}" if isinstance(value, float) else str(value))


def _verdict(word: str) -> str:
    return f'<td class="verdict {_MOOD.get(word, "")}">{escape(_words(word))}</td>'


def _table(heads: list[str], rows: list[list[str]]) -> str:
    """Cells are HTML already; those that bring their own <td> keep it."""
    lines = ["<tr>" + "".join(cell if cell.startswith("<td") else f"<td>{cell}</td>" for cell in row) + "</tr>" for row in rows]
    head = "".join(f"<th>{escape(one)}</th>" for one in heads)
    return "\n".join(['<div class="scroll"><table>', f"<thead><tr>{head}</tr></thead>", "<tbody>", *lines, "</tbody></table></div>"])


def _section(title: str, *parts: str) -> str:
    return "\n".join([f"<h2>{escape(title)}</h2>", *parts])


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
    facts = [
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
    cells = [f'<div><dt>{escape(name)}</dt><dd class="{kind}">{_text(value)}</dd></div>' for name, value, kind in facts if value]
    return "\n".join(["<dl>", *cells, "</dl>"])


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
    bars = [Bar(one["part"], _words(one["phase"]) if one["part"] == "play" else f"{one['part']}: {_words(one['phase'])}", one["at_us"],
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
        parts.append(_section("The run", f'<div class="scroll">{timeline("run", "Phases of the run", play, band)}</div>'))
    if inner:
        picture = timeline("transfer", "Phases of the transfer, giver and taker", inner, gap(record, inner))
        parts.append(_section("The transfer", f'<div class="scroll">{picture}</div>',
                              "<p class=\"key\">Each part by the clock of its own host; the gap by the log of the venue.</p>"))
    return "\n".join(parts)


# ---- tables ---------------------------------------------------------------------------------------------------------------


def _gates(record: dict[str, Any]) -> str:
    gates = record.get("gates") or []
    if not gates:
        return ""
    rows = [[_text(one["gate"]), _text(one.get("asked")), _text(one.get("found")), _verdict(one["verdict"]), _text(one.get("reason"))]
            for one in gates]
    return _section("Gates", _table(["Gate", "Asked", "Found", "Verdict", "Reason"], rows))


def _watch(record: dict[str, Any]) -> str:
    watch = record.get("watch")
    if not watch:
        return ""
    rows = []
    for one in watch.get("metrics") or []:
        counts = ", ".join(f"{number} {phase}" for phase, number in (one.get("counts") or {}).items() if number)
        name = f"{_text(one.get('name'))}{' (dry run)' if one.get('dry_run') else ''}<br><code>{_text(one.get('query'))}</code>"
        rows.append([name, sparkline(_values(one)), _text(counts), _verdict(str(one.get("verdict"))), _text(one.get("reason"))])
    return _section("Watch", f"<p>{escape(_words(watch.get('verdict')))}: {_text(watch.get('reason'))}</p>",
                    _table(["Metric", "Measured", "Measurements", "Verdict", "Reason"], rows) if rows else "")


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
    rows = [[_text(one["part"]), _text(_words(one["phase"])), f'<td class="number">{one["at_us"] / 1e6:.6f}</td>',
             f'<td class="number">{"-" if one.get("took_us") is None else duration(one["took_us"])}</td>'] for one in phases]
    return _section("Phases", _table(["Part", "Phase", "Began, s", "Took"], rows)) if rows else ""


def _hosts(record: dict[str, Any]) -> str:
    rows = [[_text(one["host"]), _text(one.get("role")), _text(one.get("version")), f"<code>{_text(one.get('sha256'))}</code>"]
            for one in record.get("hosts") or []]
    return _section("Hosts", _table(["Host", "Role", "Version", "sha256"], rows)) if rows else ""
