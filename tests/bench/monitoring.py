# SPDX-License-Identifier: GPL-3.0-or-later
"""`make bench-monitoring`: what being scraped every second costs an engine that trades.

One engine, venue and database in a container of the bench image; windows of 2 s with and without scrapes, in pairs. The change is that
of the p99 from tick to order within a pair; its median has an interval of 95 % by the order of the pairs, and where that interval is
wider than the bar the change is said to be not resolvable. Writes build/bench/monitoring.json and prints it as the last line; exit 1
when the whole interval is above the bar, one scrape in 100 takes 5 ms or more, or the hot thread answers one.
"""

from __future__ import annotations

import argparse
import json
import statistics
import sys
from math import comb
from pathlib import Path
from typing import Any

from conclusion import conclude
from distributions import distribution
from place import Place

from lab import docker_engine, machine
from lab.failure import LabError

_ROOT = Path(__file__).resolve().parents[2]
_RESULT = _ROOT / "build" / "bench" / "monitoring.json"
_PAIRS = 60
_BAR_PCT = 5.0
_SCRAPE_BAR_MS = 5.0
_SEED = 42
_IMPORTS = "/repo/build/collections:/repo/tests/conformance"
# The packages wait in the image; the server that the package would start is not wanted.
_PREPARE = ("mkdir -p /etc/postgresql-common && echo create_main_cluster=false > /etc/postgresql-common/createcluster.conf && "
            "apt-get install -y --no-install-recommends --no-download postgresql-17 > /dev/null 2>&1 && ")


def interval(changes: list[float]) -> tuple[float, float]:
    """Of the median, 95 %, by order statistics: it asks nothing of the distribution."""
    ordered, n = sorted(changes), len(changes)
    outside, cut = 0.0, 0
    while outside + comb(n, cut) / 2 ** n <= 0.025:
        outside += comb(n, cut) / 2 ** n
        cut += 1
    return (ordered[cut - 1], ordered[n - cut]) if cut else (float("-inf"), float("inf"))


def verdict(low: float, high: float) -> str:
    if high < _BAR_PCT:
        return f"under {_BAR_PCT:g} %"
    return f"{_BAR_PCT:g} % or more" if low >= _BAR_PCT else "not resolvable"


def conclusions(measured: dict[str, Any]) -> dict[str, Any]:
    pairs = measured["pairs"]
    changes = [100 * (pair["with"]["p99_us"] / pair["without"]["p99_us"] - 1) for pair in pairs]
    low, high = interval(changes)
    return {
        "pairs": len(pairs), "window_s": measured["window_s"], "scrapes_per_s": measured["scrapes_per_s"],
        "orders_per_window": round(statistics.median(pair[way]["orders"] for pair in pairs for way in ("with", "without"))),
        "p99_us": {way: round(statistics.median(pair[way]["p99_us"] for pair in pairs), 2) for way in ("with", "without")},
        "p50_us": {way: round(statistics.median(pair[way]["p50_us"] for pair in pairs), 2) for way in ("with", "without")},
        "change_p99_pct": {"median": round(statistics.median(changes), 2), "low": round(low, 2), "high": round(high, 2)},
        "change": verdict(low, high),
        "scrape_ms": distribution(measured["scrape_ms"]), "page_bytes": measured["page_bytes"], "threads": measured["threads"],
    }


def missed(result: dict[str, Any]) -> list[str]:
    out = []
    if result["change_p99_pct"]["low"] >= _BAR_PCT:
        out.append(f"change_p99_pct: from {result['change_p99_pct']['low']} % on, expected under {_BAR_PCT:g} %")
    if result["scrape_ms"]["p99"] >= _SCRAPE_BAR_MS:
        out.append(f"scrape_ms: p99 {result['scrape_ms']['p99']}, expected under {_SCRAPE_BAR_MS:g}")
    if result["threads"]["answers_of_the_hot_thread"] or not result["threads"]["answers"]:
        out.append(f"threads: {result['threads']}, expected answers and none of the hot thread")
    return out


def measure(pairs: int) -> dict[str, Any]:
    result = machine.head(_SEED)
    place = Place(False, volumes=(f"{_ROOT}:/repo:ro",))
    place.compile("hft_system", "paper_venue", "market_maker")
    programs = f"{place.build}/hft_system {place.build}/paper_venue"
    engine = f"env PYTHONPATH={_IMPORTS} python3 /repo/tests/bench/scraped_engine.py {programs} {pairs} {_SEED}"
    said = place.said(["sh", "-ec", f"{_PREPARE} exec {engine}"])
    return {**result, **conclusions(json.loads(said.splitlines()[-1]))}


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--pairs", type=int, default=_PAIRS)
    arguments = parser.parse_args()
    try:
        docker_engine.ensure()
        result = measure(arguments.pairs)
    except LabError as failure:
        print(f"ERROR: {failure}", file=sys.stderr)
        return 1
    change = result["change_p99_pct"]
    print(f"==> a scrape a second changes the p99 from tick to order by {change['median']:+.1f} % "
          f"(95 %: {change['low']:+.1f} to {change['high']:+.1f}): {result['change']}")
    return conclude(result, _RESULT, missed(result))


if __name__ == "__main__":
    sys.exit(main())
