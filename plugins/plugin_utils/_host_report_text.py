# SPDX-License-Identifier: GPL-3.0-or-later
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Private to hft.ops. How a host stands, as text: lines for a terminal, Markdown, and metrics for Prometheus."""

from __future__ import annotations

from typing import Any

from ansible_collections.hft.ops.plugins.plugin_utils._host_knobs import LAYERS, WORDS, plain, summary, title

# A line of the table fits a terminal of 132 columns, whatever the values are.
_WIDTHS = {"name": 40, "wanted": 26, "booted": 20, "live": 26}
_HEADS = {"name": "knob", "wanted": "wanted", "booted": "booted", "live": "live"}


def lines(report: dict[str, Any]) -> list[dict[str, str]]:
    """Lines for a person at a terminal: each with the status it is about, empty where it is about none."""
    shown = [one for one in report["knobs"] if one["status"] != "not_applicable"]
    cells = {column: [_cut(plain(one[column]), limit) for one in shown] for column, limit in _WIDTHS.items()}
    widths = {column: max([len(_HEADS[column]), *map(len, cells[column])]) for column in _WIDTHS}

    def row(values: dict[str, str], status: str) -> str:
        return "  " + "  ".join([*(values[column].ljust(widths[column]) for column in _WIDTHS), status])

    found = [{"text": title(report), "status": ""}, {"text": f"  {summary(report)}", "status": report["verdict"]}]
    if shown:
        found += [{"text": "", "status": ""}, {"text": row(_HEADS, "status"), "status": ""}]
    role = None
    for number, one in enumerate(shown):
        if one["role"] != role:
            role = one["role"]
            found.append({"text": f"  {role} ".ljust(sum(widths.values()) + 24, "─"), "status": ""})
        found.append({"text": row({column: cells[column][number] for column in _WIDTHS}, WORDS[one["status"]]), "status": one["status"]})
        if one["status"] != "applied" and one["reason"]:
            found.append({"text": f"    └ {one['reason']}", "status": one["status"]})
    found += _not_applicable(report)
    return found


def _not_applicable(report: dict[str, Any]) -> list[dict[str, str]]:
    """Said once for each reason: on a container half of the knobs have the same."""
    by_reason: dict[str, list[str]] = {}
    for one in report["knobs"]:
        if one["status"] == "not_applicable":
            by_reason.setdefault(one["reason"], []).append(one["name"])
    if not by_reason:
        return []
    head = [{"text": "", "status": ""}, {"text": "  not applicable on this host", "status": "not_applicable"}]
    return head + [{"text": f"    {', '.join(names)}: {reason}", "status": "not_applicable"} for reason, names in by_reason.items()]


def _cut(value: str, limit: int) -> str:
    return value if len(value) <= limit else f"{value[:limit - 1]}…"


def markdown(report: dict[str, Any]) -> str:
    """The same for a ticket or a wiki; the pictures are on the HTML page."""
    system = report["system"]
    offset = system.get("clock_offset_s")
    text = [f"# {report['host']}: {report['verdict'].replace('_', ' ')}", "",
            f"{_escaped(title(report))}; {summary(report)}; read at {report['at']}", "", f"Command line: `{system['command_line']}`", ""]
    if offset is not None:
        text += [f"Clock offset: {offset * 1e6:.1f} µs", ""]
    text += ["| role | knob | wanted | persisted | booted | live | status | reason |", "| --- | --- | --- | --- | --- | --- | --- | --- |"]
    text += ["| " + " | ".join(_escaped(cell) for cell in (
        one["role"], one["name"], *(plain(one[layer]) for layer in LAYERS), WORDS[one["status"]],
        one["reason"] or "-")) + " |" for one in report["knobs"]]
    for when in ("before", "after"):
        probe = (report.get("probe") or {}).get(when)
        if probe:
            text += ["", f"## Latency {when}: {probe['verdict'].replace('_', ' ')}", "", _escaped(probe.get("verdict_reason") or "-"), "",
                     "| tool | CPU | samples | p50 µs | p99 µs | p99.9 µs | max µs |", "| --- | --- | --- | --- | --- | --- | --- |"]
            keys = ("cpu", "samples", "p50_us", "p99_us", "p99_9_us", "max_us")
            text += ["| " + " | ".join([test["tool"], *(plain(one.get(key)) for key in keys)]) + " |"
                     for test in probe["tests"] for one in test.get("cpus") or []]
            text += ["", *(f"- `{test['command']}`" for test in probe["tests"] if test.get("command"))]
    return "\n".join(text) + "\n"


def _escaped(cell: str) -> str:
    return str(cell).replace("\\", "\\\\").replace("|", "\\|").replace("<", "&lt;").replace("\n", " ")


def metrics(report: dict[str, Any]) -> str:
    """For node_exporter's textfile collector. A knob that is not applicable is neither right nor wrong, and has no series."""
    text = ["# HELP hft_host_knob_ok 1 when every layer of the knob holds what is wanted, 0 when not.", "# TYPE hft_host_knob_ok gauge"]
    text += [f'hft_host_knob_ok{{role="{_label(one["role"])}",knob="{_label(one["name"])}"}} {int(one["status"] == "applied")}'
             for one in report["knobs"] if one["status"] != "not_applicable"]
    text += ["# HELP hft_host_reboot_required 1 when a knob waits for a reboot.", "# TYPE hft_host_reboot_required gauge",
             f"hft_host_reboot_required {int(report['counts']['pending_reboot'] > 0)}"]
    return "\n".join(text) + "\n"


def _label(value: str) -> str:
    return value.replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\n")
