# SPDX-License-Identifier: GPL-3.0-or-later
"""`make pictures`: draws the dashboards from the panels' own queries. Not Grafana: its layout and what it asks, drawn by matplotlib.

draw.py URL [MINUTES]: a Prometheus that scrapes engines, and how much of its past. Writes NAME.png beside this file.
"""

from __future__ import annotations

import json
import math
import re
import sys
import time
import urllib.parse
import urllib.request
from pathlib import Path
from typing import Any

import matplotlib

matplotlib.use("Agg")
import matplotlib.pyplot as plt
from matplotlib.axes import Axes

_HERE = Path(__file__).resolve().parent
_BOARDS = _HERE.parents[1] / "roles" / "grafana" / "files" / "dashboards"
_STEP_S = 2


def main() -> None:
    if not re.match(r"https?://", "".join(sys.argv[1:2])):
        sys.exit(f"ERROR: PROMETHEUS {''.join(sys.argv[1:2])!r}: expected the address of a Prometheus, such as http://127.0.0.1:9090")
    url, minutes = sys.argv[1].rstrip("/"), float(sys.argv[2]) if sys.argv[2:] else 5
    end = time.time()
    for source in sorted(_BOARDS.glob("*.json")):
        board = json.loads(source.read_text())
        panels = [panel for panel in board["panels"] if panel["type"] != "row"]
        figure = plt.figure(figsize=(16, 1 + 2.4 * math.ceil(sum(panel["gridPos"]["w"] for panel in panels) / 24)))
        rows = max(panel["gridPos"]["y"] + panel["gridPos"]["h"] for panel in panels)
        for panel in panels:
            place = panel["gridPos"]
            # A little room around each panel, in the units of the grid.
            axes = figure.add_axes(((place["x"] + 1.1) / 25, 1 - (place["y"] + place["h"] - 0.6) / (rows + 1),
                                    (place["w"] - 1.2) / 25, (place["h"] - 2.1) / (rows + 1)))
            _draw(axes, panel, [_series(url, target, end, minutes) for target in panel["targets"]], end)
        moment = time.strftime("%Y-%m-%d %H:%M UTC", time.gmtime(end))
        figure.suptitle(f"{board['title']}: drawn by matplotlib from the panels' own queries, lab data of {moment}", fontsize=11, y=1)
        figure.savefig(_HERE / f"{source.stem}.png", dpi=70, bbox_inches="tight")
        plt.close(figure)


def _series(url: str, target: dict[str, Any], end: float, minutes: float) -> list[tuple[str, list[tuple[float, float]]]]:
    """Name and points of each line of a query; variables are chosen as all."""
    expression = re.sub(r"\$(engine|strategy|member|host)\b", ".*", target["expr"].replace("$__rate_interval", "1m"))
    asked = urllib.parse.urlencode({"query": expression, "start": end - 60 * minutes, "end": end, "step": _STEP_S})
    with urllib.request.urlopen(f"{url}/api/v1/query_range?{asked}", timeout=30) as answer:
        found = json.load(answer)["data"]["result"]
    return [(re.sub(r"\{\{(\w+)\}\}", lambda label, one=one: one["metric"].get(label[1], ""), target["legendFormat"]).strip(),
             [(at, float(value)) for at, value in one["values"]]) for one in found]


def _draw(axes: Axes, panel: dict[str, Any], queries: list, end: float) -> None:
    axes.set_title(panel["title"], fontsize=8, loc="left")
    axes.tick_params(labelsize=6)
    lines = [line for query in queries for line in query if any(math.isfinite(value) for _, value in line[1])]
    if not lines:
        _words(axes, ["no data at that time"])
    elif panel["type"] in {"stat", "table"}:
        _words(axes, [f"{name or panel['title']}: {points[-1][1]:g}" for name, points in lines][:12])
    elif panel["type"] == "heatmap":
        _heat(axes, lines, end, buckets=panel["targets"][0].get("format") == "heatmap")
    else:
        for name, points in lines:
            axes.plot([at - end for at, _ in points], [value for _, value in points], linewidth=0.8, label=name[:45])
        if panel["fieldConfig"]["defaults"].get("custom", {}).get("scaleDistribution", {}).get("type") == "log":
            axes.set_yscale("log")
        axes.grid(alpha=0.3)
        axes.legend(fontsize=5, loc="upper left", ncols=2)


def _words(axes: Axes, lines: list[str]) -> None:
    axes.set_xticks([])
    axes.set_yticks([])
    axes.text(0.02, 0.95, "\n".join(lines), fontsize=7, va="top", family="monospace")


def _heat(axes: Axes, lines: list, end: float, *, buckets: bool) -> None:
    if buckets:  # cumulative: what lies in a bucket is what it has more than the one below
        lines = sorted(lines, key=lambda line: float(line[0]))
    times = sorted({at for _, points in lines for at, _ in points})
    grid = [[dict(points).get(at, math.nan) for at in times] for _, points in lines]
    if buckets:
        grid = [row if not below else [value - less for value, less in zip(row, below)] for row, below in zip(grid, [[], *grid])]
    axes.pcolormesh([at - end for at in times], range(len(lines)), grid, cmap="Oranges", shading="nearest")
    axes.set_yticks(range(len(lines)), [name for name, _ in lines], fontsize=5)


if __name__ == "__main__":
    main()
