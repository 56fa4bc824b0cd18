# SPDX-License-Identifier: GPL-3.0-or-later
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Private to hft.ops. How a host stands, as one HTML page with the measured latencies as pictures."""

from __future__ import annotations

from html import escape
from typing import Any

from ansible_collections.hft.ops.plugins.plugin_utils._histogram import histogram
from ansible_collections.hft.ops.plugins.plugin_utils._host_knobs import LAYERS, WORDS, plain, summary, title
from ansible_collections.hft.ops.plugins.plugin_utils._html import document, facts, section, table, text

_MOOD = {"failed": "bad", "drifted": "bad", "pending_reboot": "care", "applied": "good", "not_applicable": "", "as_wanted": "good"}
_HEADLINE = {"failed": "not as wanted", "drifted": "not as wanted", "pending_reboot": "needs a reboot", "as_wanted": "as wanted"}
_LATENCY_HEADS = ["When", "CPU", "Samples", "Min µs", "p50 µs", "p99 µs", "p99.9 µs", "Max µs", "Interrupts", "of devices"]


def page(report: dict[str, Any]) -> str:
    headline = f"{report['host']}: {_HEADLINE[report['verdict']]}"
    body = [_head(report, headline), _facts(report), _knobs(report), *_latencies(report), _commands(report), _versions(report),
            f"<footer>Schema {report['schema']}. Times are UTC.</footer>"]
    return document(headline, body)


def _head(report: dict[str, Any], headline: str) -> str:
    return "\n".join([f'<header class="{_MOOD[report["verdict"]]}">', f"<h1>{escape(headline)}</h1>", f"<p>{escape(title(report))}</p>",
                      f'<p class="detail">{escape(summary(report))}</p>', "</header>"])


def _facts(report: dict[str, Any]) -> str:
    system = report["system"]
    offset = system.get("clock_offset_s")
    after = (report.get("probe") or {}).get("after") or {}
    return facts([
        ("Latency", after.get("verdict", "").replace("_", " "), "big"),
        ("Why", after.get("verdict_reason"), ""),
        ("Clock offset", None if offset is None else f"{offset * 1e6:.1f} µs", ""),
        ("Command line of the kernel", system["command_line"], ""),
        ("Kernel", system.get("kernel_version"), ""),
        ("Boot", system["boot_id"], ""),
        ("Read at", report["at"], ""),
        ("Waits for a reboot", "; ".join(report.get("reboot_reasons") or []), ""),
    ])


def _knobs(report: dict[str, Any]) -> str:
    rows = [[text(one["role"]), f"<code>{escape(one['name'])}</code>", *(text(plain(one[layer])) for layer in LAYERS),
             f'<td class="verdict {_MOOD[one["status"]]}">{WORDS[one["status"]]}</td>', text(one["reason"])] for one in report["knobs"]]
    heads = ["Role", "Knob", "Wanted", "Persisted", "Booted", "Live", "Status", "Reason"]
    return section("Knobs", table(heads, rows)) if rows else ""


def _tests(report: dict[str, Any], when: str) -> dict[str, dict[str, Any]]:
    probe = (report.get("probe") or {}).get(when) or {}
    return {one["tool"]: one for one in probe.get("tests", [])}


def _latencies(report: dict[str, Any]) -> list[str]:
    before, after = _tests(report, "before"), _tests(report, "after")
    parts = []
    for tool in list(dict.fromkeys([*after, *before])):
        earlier, now = before.get(tool) or {}, after.get(tool) or {}
        samples = [_samples(earlier), _samples(now)]
        body = []
        if any(samples):
            picture = histogram(tool, f"{tool}: samples by latency, before and after", *samples, (now or earlier).get("threshold_us"))
            body.append(f'<div class="scroll">{picture}</div><p class="key"><span class="before">■</span> before '
                        f'<span class="after">■</span> after; samples of all measured CPUs, both axes logarithmic</p>')
        rows = [row for when, test in (("before", earlier), ("after", now)) for row in _rows(when, test)]
        if rows:
            body.append(table(_LATENCY_HEADS, rows))
        said = [f"{when}: {test['reason']}" for when, test in (("before", earlier), ("after", now)) if test.get("reason")]
        body.extend(f"<p>{escape(one)}</p>" for one in said)
        parts.append(section(f"Latency by {tool}", *body))
    return parts


def _samples(test: dict[str, Any]) -> dict[int, int]:
    """Samples of all CPUs by microseconds."""
    found: dict[int, int] = {}
    for one in test.get("cpus") or []:
        for us, count in (one.get("histogram") or {}).items():
            found[int(us)] = found.get(int(us), 0) + int(count)
    return found


def _rows(when: str, test: dict[str, Any]) -> list[list[str]]:
    interrupts = {one["cpu"]: one for one in test.get("interrupts") or []}

    def number(value: Any) -> str:
        return f'<td class="number">{text(value)}</td>'

    return [[text(when), *(number(one.get(key)) for key in ("cpu", "samples", "min_us", "p50_us", "p99_us", "p99_9_us", "max_us")),
             *(number(interrupts.get(one["cpu"], {}).get(key)) for key in ("total", "devices"))] for one in test.get("cpus") or []]


def _commands(report: dict[str, Any]) -> str:
    rows = [[text(when), text(tool), f"<code>{escape(str(test.get('command') or '-'))}</code>", text(test.get("version"))]
            for when in ("before", "after") for tool, test in _tests(report, when).items()]
    return section("Commands", table(["When", "Tool", "Command line", "Version"], rows)) if rows else ""


def _versions(report: dict[str, Any]) -> str:
    rows = [[text(name), text(value)] for name, value in (report.get("versions") or {}).items()]
    return section("Versions", table(["What", "Version"], rows)) if rows else ""
