# SPDX-License-Identifier: GPL-3.0-or-later
"""`make figures`: writes the figures of README.md and docs/figures.md, as the benches left them in build/.

docs/figures.json keeps them, each bench with the machine and the commit that it ran on: the pages are held against that file where
build/ is empty. A bench that was not run keeps its former figures.
"""

from __future__ import annotations

import json
import re
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

_ROOT = Path(__file__).resolve().parents[2]
KEPT = _ROOT / "docs" / "figures.json"
PAGES = {_ROOT / "docs" / "figures.md": False, _ROOT / "README.md": True}

FIRST_HOUR = re.findall(r"^## (.+)$", (_ROOT / "docs" / "first_hour.md").read_text(), re.MULTILINE)
_FAULTS = ("lost", "phantom", "duplicate", "overlap")


@dataclass(frozen=True)
class Figure:
    """One line of a page: what it says of a bench's result."""

    what: str
    say: Callable[[dict[str, Any]], str]
    first: bool = False  # in the README too


@dataclass(frozen=True)
class Bench:
    """A target of the Makefile, the file that it leaves below build/, and what is quoted of it."""

    target: str
    file: str
    figures: tuple[Figure, ...]


def _spread(found: dict[str, Any], unit: str) -> str:
    return f"median {found['p50']:g} {unit}, p99 {found['p99']:g} {unit}, longest {found['max']:g} {unit}, n {found['n']}"


def _beside_theirs(found: dict[str, Any]) -> str:
    return f"{found['ours']['tasks_s']['p50']:g} s, by today's modules {found['theirs']['tasks_s']['p50']:g} s"


def _faults(result: dict[str, Any]) -> str:
    return ", ".join(f"{result[name]} {name}" for name in _FAULTS)


def _kill(found: dict[str, Any]) -> str:
    calm = found["calm"]
    return f"{_spread(found['engine_ms'], 'ms')}; {_spread(calm['engine_ms'], 'ms')} at {calm['orders_per_s']} orders/s a strategy"


BENCHES = (
    Bench("demo", "demo.json", (
        Figure("the demo, all of it", lambda found: f"{found['total_s']:g} s"),
        Figure("`site.yml` once more, on all hosts of the demo",
               lambda found: f"{found['second_site_run']['s']:g} s, {found['second_site_run']['changed']} changed"),
    )),
    Bench("bench-cutover", "bench/cutover.json", (
        Figure("a transfer under load: last order of the giver to the first of the taker",
               lambda found: _spread(found["gap_ms"], "ms"), True),
        Figure("the same at random instants without a transfer", lambda found: _spread(found["baseline_gap_ms"], "ms")),
        Figure("the same by the runbook's own steps",
               lambda found: f"{_spread(found['peer']['gap_ms'], 'ms')}: {found['peer']['ratio']:g} times as long", True),
        Figure("orders in all of that", _faults, True),
        Figure("kill switch: from the request to the last order at the venue", lambda found: _kill(found["killswitch"])),
        Figure("`killswitch.yml` from the begin of its first play to the last order",
               lambda found: _spread(found["killswitch"]["play_ms"], "ms")),
        Figure("the transfer asked for from far away", lambda found: f"{found['far']['added_ms']} ms added to a round trip: "
               f"median {found['far']['gap_ms']['p50']:g} ms, {found['far']['ratio']:g} times as long, n {found['far']['gap_ms']['n']}"),
        Figure("`rollback.yml` from the command to its end", lambda found: _spread(found["rollback_command_s"], "s"), True),
    )),
    Bench("chaos", "chaos.json", (
        Figure("faults in the middle of transfers: nothing lost, nothing doubled, nobody trading twice",
               lambda found: f"{found['survived']} of {found['cases']}, and {found['missed_phase']} outside their phase"),
    )),
    Bench("chaos-db", "chaos_db.json", (
        Figure("faults of the database under load: one primary, one timeline, every acknowledged row there, no epoch lower",
               lambda found: f"{sum(not one['wrong'] for one in found['faults'])} of {len(found['faults'])}"),
    )),
    Bench("bench-failover", "bench/failover.json", (
        Figure("an engine is killed: last order to the next one, elsewhere", lambda found: _spread(found["engine"]["rto_s"], "s"), True),
        Figure("its host is lost", lambda found: _spread(found["host"]["rto_s"], "s"), True),
        Figure("its host stands still", lambda found: _spread(found["freeze"]["rto_s"], "s")),
        Figure("orders in all of that", _faults),
    )),
    Bench("bench-db", "bench/database.json", (
        Figure("rows a second into the database, waiting for a standby", lambda found: f"{found['ingest']['rows_per_s']:,}"
               f", {found['ingest']['peer']['ratio']:g} times as many as {found['ingest']['peer']['name']}", True),
        Figure("the primary moved by `database_switchover.yml`: no write for",
               lambda found: f"{max(one['gap_ms'] for one in found['switchover']):g} ms at most, n {len(found['switchover'])}"),
        Figure("the primary killed: writes again after the command", lambda found: f"{found['failover']['resumed_after_command_s']:g} s"),
        Figure("rows in all of that", lambda found: f"{sum(one['lost'] for one in _moves(found))} lost, "
               f"{sum(one['doubled'] for one in _moves(found))} doubled, of {sum(one['rows'] for one in _moves(found)):,}"),
    )),
    Bench("bench-engine", "bench/engine.json", (
        Figure("market data to order, in the engine", lambda found: _spread(found["tick_to_order_ns"], "ns"), True),
        Figure("the kernel's part of a tick, allocations, locks", lambda found: f"{found['hot_path']['syscalls_per_tick']:g} calls, "
               f"{found['hot_path']['allocations']}, {found['hot_path']['locks']}"),
        Figure("an order on the wire and its answer", lambda found: f"{_spread(found['wire_ns'], 'ns')}: "
               f"{found['peer']['ratio']:g} times as fast as {found['peer']['name']}"),
    )),
    Bench("bench-host", "bench/host.json", tuple(
        Figure(f"a container's state, {run} run", lambda found, run=run: _beside_theirs(found["container"][run]))
        for run in ("first", "second"))),
    Bench("bench-regions", "bench/regions.json", (
        Figure("`regions.yml` in check mode on a simulated fleet",
               lambda found: f"{found['fleet'][-1]['took_s']:g} s for {found['fleet'][-1]['hosts']} hosts"),
    )),
    Bench("bench-first-hour", "bench/first_hour.json", (
        Figure("[the first hour](first_hour.md), all of it", lambda found: f"{found['total_s'] / 60:.0f} min"),
        *(Figure(f"the first hour: {title}", lambda found, title=title: f"{sum(found['steps'][title].values()):.0f} s")
          for title in FIRST_HOUR),
    )),
    Bench("bench-monitoring", "bench/monitoring.json", (
        Figure("a scrape of the engine's metrics", lambda found: _spread(found["scrape_ms"], "ms")),
        Figure("what a scrape a second does to the engine's p99", lambda found: found["change"]),
    )),
)


def _moves(found: dict[str, Any]) -> list[dict[str, Any]]:
    return [*found["switchover"], found["failover"]]


def refreshed(kept: dict[str, Any], build: Path) -> dict[str, Any]:
    """What was kept, with the figures of each bench that has left its result; ValueError where one has no such figure."""
    out = {}
    for bench in BENCHES:
        file = build / bench.file
        if not file.is_file():
            if bench.target in kept:
                out[bench.target] = kept[bench.target]
            continue
        try:
            found = json.loads(file.read_text())
            out[bench.target] = {"commit": found["commit"], "started_at": found["started_at"], "machine": found["machine"],
                                 "figures": {figure.what: figure.say(found) for figure in bench.figures}}
        except (ValueError, KeyError, TypeError, IndexError) as wrong:
            raise ValueError(f"build/{bench.file}: {wrong!r}; expected what make {bench.target} of this version leaves;"
                             " run that again") from wrong
    return out


def table(kept: dict[str, Any], first_alone: bool) -> str:
    """Markdown: the figures, and on the page that has all of them where each was measured."""
    lines = ["| what | measured | by |", "| --- | --- | --- |"]
    for bench in BENCHES:
        figures = kept.get(bench.target, {}).get("figures", {})
        lines += [f"| {figure.what} | {figures[figure.what]} | `make {bench.target}` |" for figure in bench.figures
                  if figure.what in figures and (figure.first or not first_alone)]
    if first_alone:
        return "\n".join(lines)
    lines += ["", "| by | began | commit | on |", "| --- | --- | --- | --- |"]
    for target, run in kept.items():
        machine = run["machine"]
        lines.append(f"| `make {target}` | {run['started_at']} | {run['commit'][:12]} | {machine['cores']} cores of {machine['cpu']}, "
                     f"{machine['memory_gib']:g} GiB, {machine['virt']}, kernel {machine['kernel']} |")
    return "\n".join(lines)


def with_figures(text: str, written: str) -> str:
    """The page with what stands between its marks replaced."""
    marks = re.compile(r"(<!-- figures: begin -->\n).*?(<!-- figures: end -->)", re.DOTALL)
    return marks.sub(lambda mark: f"{mark[1]}{written}\n{mark[2]}", text)


def main() -> int:
    try:
        kept = refreshed(json.loads(KEPT.read_text()), _ROOT / "build")
    except ValueError as wrong:
        print(f"ERROR: {wrong}", file=sys.stderr)
        return 1
    KEPT.write_text(json.dumps(kept, indent=2) + "\n")
    for page, first_alone in PAGES.items():
        page.write_text(with_figures(page.read_text(), table(kept, first_alone)))
    return 0


if __name__ == "__main__":
    sys.exit(main())
