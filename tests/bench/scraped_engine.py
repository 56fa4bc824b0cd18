# SPDX-License-Identifier: GPL-3.0-or-later
"""scraped_engine.py ENGINE VENUE PAIRS SEED: an engine that trades, in pairs of 2 s windows with and without scrapes; one JSON object.

Runs where the engine was built, with PostgreSQL, strace and the path of its imports; tests/bench/monitoring.py puts it there. The windows
of a pair come in an order drawn by the seed. Both are bounded by a reading of the same page, whose counters make the distribution of the
window.
"""

from __future__ import annotations

import http.client
import json
import random
import re
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

from ansible_collections.hft.ops.plugins.module_utils._engine_api import EngineApi
from harness.machine import machine

_ROOT = Path(__file__).resolve().parents[2]
_WINDOW_S = 2.0
_SCRAPES_AT_S = (0.5, 1.5)  # as with an interval of 1 s
_TICKS_PER_S = 1_000
_BUCKET = re.compile(r'^tick_to_order_seconds_bucket\{[^}]*le="([^"]+)"[^}]*\} (\S+)', re.MULTILINE)
_TRACED_SCRAPES = 20


class Scraper:
    """One connection after another, as Prometheus keeps one open; took_ms has what each scrape took."""

    def __init__(self, port: int) -> None:
        self.link = http.client.HTTPConnection("127.0.0.1", port, timeout=5)
        self.took_ms: list[float] = []
        self.bytes = 0

    def page(self) -> str:
        begin = time.monotonic()
        self.link.request("GET", "/metrics")
        text = self.link.getresponse().read()
        self.took_ms.append(1e3 * (time.monotonic() - begin))
        self.bytes = len(text)
        return text.decode()

    def buckets(self) -> dict[float, float]:
        """Orders by the bound that they were no slower than, over all strategies."""
        found: dict[float, float] = {}
        for bound, count in _BUCKET.findall(self.page()):
            found[float(bound)] = found.get(float(bound), 0.0) + float(count)
        return found


def quantile(buckets: dict[float, float], share: float) -> float:
    """As histogram_quantile: straight within a bucket."""
    ordered = sorted(buckets.items())
    wanted, lower, before = share * ordered[-1][1], 0.0, 0.0
    for bound, count in ordered:
        if count >= wanted and count > before:
            return lower if bound == float("inf") else lower + (bound - lower) * (wanted - before) / (count - before)
        lower, before = bound, count
    return lower


def window(scraper: Scraper, scraped: bool) -> dict[str, float]:
    first = scraper.buckets()
    begin = time.monotonic()
    for at in _SCRAPES_AT_S if scraped else ():
        time.sleep(max(0.0, begin + at - time.monotonic()))
        scraper.page()
    time.sleep(max(0.0, begin + _WINDOW_S - time.monotonic()))
    last = scraper.buckets()
    taken = {bound: last[bound] - first[bound] for bound in last}
    return {"orders": max(taken.values()), "p50_us": 1e6 * quantile(taken, 0.5), "p99_us": 1e6 * quantile(taken, 0.99)}


def threads(scraper: Scraper, process: int, trace: Path) -> dict[str, Any]:
    """Who answers a scrape and who trades, by the system calls of every thread while both go on; trace: a file for them."""
    tracer = subprocess.Popen(["strace", "-f", "-qq", "-s", "12", "-e", "trace=recvfrom,recvmsg,sendto,sendmsg,read,write,writev",
                               "-p", str(process), "-o", str(trace)])
    time.sleep(1)
    for _scrape in range(_TRACED_SCRAPES):
        scraper.page()
        time.sleep(0.05)
    tracer.terminate()
    tracer.wait()
    answers: dict[str, int] = {}
    received: dict[str, int] = {}
    for line in trace.read_text(errors="replace").splitlines():
        thread, _space, call = line.partition(" ")
        if "HTTP/1.1 200" in call:
            answers[thread] = answers.get(thread, 0) + 1
        if call.lstrip().startswith(("recvfrom(", "recvmsg(")):
            received[thread] = received.get(thread, 0) + 1
    hot = max(received, key=lambda thread: received[thread])
    return {"answers": sum(answers.values()), "answers_of_the_hot_thread": answers.get(hot, 0),
            "reads_of_the_hot_thread": received[hot], "threads_that_answer": len(answers)}


def trade(description: dict[str, Any]) -> None:
    """The first engine claims, and its strategies start."""
    engine = description["engines"][0]
    api = EngineApi("127.0.0.1", int(engine["url"].rpartition(":")[2]), token=engine["token"])
    end = time.monotonic() + 30
    while True:
        try:
            api.set_config(10, role="primary", trading_enabled=True)
            break
        except Exception:
            if time.monotonic() > end:
                raise
            time.sleep(0.2)
    for strategy in api.status()["strategies"]:
        api.start_strategy(strategy["id"])
    while not any(api.accepted_orders().values()):
        if time.monotonic() > end:
            raise RuntimeError("no order was accepted within 30 s")
        time.sleep(0.2)


def main() -> None:
    engine, venue, pairs, seed = Path(sys.argv[1]), Path(sys.argv[2]), int(sys.argv[3]), int(sys.argv[4])
    order = random.Random(seed)  # noqa: S311 - nothing secret
    with (tempfile.TemporaryDirectory() as folder,
          machine(engine, venue, _ROOT / "engine" / "migrations", Path(folder, "logs"), _TICKS_PER_S) as file):
        description = json.loads(file.read_text())
        trade(description)
        config = json.loads((file.parent / "conformance-a.json").read_text())
        scraper = Scraper(config["metrics"]["port"])
        window(scraper, False)  # warm
        found = []
        for _pair in range(pairs):
            both = {scraped: window(scraper, scraped) for scraped in order.sample([True, False], 2)}
            found.append({"with": both[True], "without": both[False]})
        took = list(scraper.took_ms)
        process = int((file.parent / "conformance-a.pid").read_text())
        who = threads(scraper, process, Path(folder, "strace"))
        print(json.dumps({"window_s": _WINDOW_S, "scrapes_per_s": len(_SCRAPES_AT_S) / _WINDOW_S, "pairs": found,
                          "scrape_ms": took, "page_bytes": scraper.bytes, "threads": who}))


if __name__ == "__main__":
    main()
