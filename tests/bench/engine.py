# SPDX-License-Identifier: GPL-3.0-or-later
"""`make bench-engine`: the engine's hot path, its rings and its wire, each beside its peer in the same run.

Builds engine/bench as released, in the image of the build host with the benches' packages, or with --host on this machine (it
needs them installed then). Writes build/bench/engine.json and prints it as the last line; exit 1 when a bar is missed that does not
depend on how busy the machine is: allocations, locks, system calls, instructions, the replay.
"""

from __future__ import annotations

import argparse
import json
import re
import sys
from collections import Counter
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from conclusion import conclude
from place import Place

from lab import docker_engine, machine
from lab.failure import LabError

_ROOT = Path(__file__).resolve().parents[2]
_RESULT = _ROOT / "build" / "bench" / "engine.json"
_BASELINE = _ROOT / "engine" / "bench" / "instructions.json"
_PROGRAMS = ("bench_hot_path", "bench_ring", "bench_wire", "bench_syscalls", "bench_replay")
# What the hot thread may ask of the kernel; reads of the clock show up only where the machine has no vDSO clock.
_ALLOWED = {"recvfrom", "recvmsg", "sendto", "sendmsg", "clock_gettime"}
# The C library picks its string functions by CPU; these exist on all, so one baseline fits every machine.
_PLAIN_CPU = "GLIBC_TUNABLES=glibc.cpu.hwcaps=-AVX2,-AVX2_Usable,-AVX512F,-AVX512VL,-EVEX,-ERMS,-FSRM,-BMI2"


@dataclass(frozen=True)
class Size:
    """How much of everything; short: enough to see that it works."""

    latency_repetitions: int
    latency_ticks: int
    throughput_ticks: int
    ring_repetitions: int
    wire_repetitions: int
    wire_ticks: int
    wire_rate: int
    replay_ticks: int


LONG = Size(latency_repetitions=10, latency_ticks=200_000, throughput_ticks=5_000_000, ring_repetitions=20, wire_repetitions=4,
            wire_ticks=4_000, wire_rate=1_000, replay_ticks=24_000_000)
SHORT = Size(latency_repetitions=2, latency_ticks=50_000, throughput_ticks=200_000, ring_repetitions=2, wire_repetitions=1,
             wire_ticks=500, wire_rate=200, replay_ticks=1_000_000)


def _hot_path(place: Place, size: Size, seed: int) -> dict[str, Any]:
    counts = place.program("bench_hot_path", mode="counts", ticks=100_000, requote=1, seed=seed)
    calls = _system_calls(place, seed)
    return {
        "layout": "run_to_completion", "wait": "spin", "allocations": counts["allocations"], "locks": counts["locks"],
        "syscalls_per_tick": calls["per_tick"], "syscalls": calls["by_name"], "syscalls_other": calls["other"],
        "instructions_per_tick": _instructions(place, requote=1, seed=seed),
        "instructions_per_quiet_tick": _instructions(place, requote=1_000_000, seed=seed),
    }


def _system_calls(place: Place, seed: int) -> dict[str, Any]:
    """Counted by strace over the turns between the two names that the hot thread gives itself."""
    ticks = 2_000
    place.said(["strace", "-f", "-qq", "-o", f"{place.build}/strace.txt", f"{place.build}/bench/bench_syscalls",
                f"--ticks={ticks}", f"--seed={seed}"])
    lines = (place.tree / "strace.txt").read_text().splitlines()
    begin = next(i for i, line in enumerate(lines) if 'PR_SET_NAME, "hot-begin"' in line)
    end = next(i for i, line in enumerate(lines) if 'PR_SET_NAME, "hot-end"' in line)
    thread = lines[begin].split()[0]
    # A call that another thread's line interrupts is told in two lines; the second begins with "<...".
    named = (re.match(rf"{thread}\s+(\w+)\(", line) for line in lines[begin + 1:end])
    names = Counter(match.group(1) for match in named if match)
    return {"per_tick": round(sum(names.values()) / ticks, 3), "by_name": {name: round(n / ticks, 4) for name, n in sorted(names.items())},
            "other": sum(n for name, n in names.items() if name not in _ALLOWED)}


def _instructions(place: Place, requote: int, seed: int) -> int:
    """Of one turn of the hot loop, by callgrind, with the answers to the orders of the turn before."""
    ticks = 5_000
    out = f"{place.build}/callgrind.out"
    place.said(["valgrind", "--quiet", "--tool=callgrind", "--collect-atstart=no", "--toggle-collect=hot_turn",
                f"--callgrind-out-file={out}", f"{place.build}/bench/bench_hot_path", "--mode=instructions", "--warm_up=0",
                f"--ticks={ticks}", f"--requote={requote}", f"--seed={seed}"],
               [_PLAIN_CPU])
    summary = next(line for line in (place.tree / "callgrind.out").read_text().splitlines() if line.startswith("summary:"))
    return round(int(summary.split()[1]) / ticks)


def _tick_to_order(place: Place, size: Size, seed: int) -> dict[str, Any]:
    """Repetitions of a second: the middle one by p99, and beside it the quietest, for what else ran can only add.

    machine: the same schedule right behind it with nothing to do, which is the floor that the machine sets for both.
    """
    runs = [place.program("bench_hot_path", mode="latency", ticks=size.latency_ticks, rate=200_000, seed=seed + i)
            for i in range(size.latency_repetitions)]
    runs.sort(key=lambda run: run["tick_to_order_ns"]["p99"])
    middle, quietest = runs[len(runs) // 2], runs[0]
    return {"tick_to_order_ns": middle["tick_to_order_ns"], "tick_to_order_quietest_ns": quietest["tick_to_order_ns"],
            "machine_ns": middle["machine_ns"], "machine_quietest_ns": min((run["machine_ns"] for run in runs), key=lambda one: one["p99"])}


def _wire(place: Place, size: Size, seed: int) -> dict[str, Any]:
    wire = place.program("bench_wire", ticks=size.wire_ticks, rate=size.wire_rate, repetitions=size.wire_repetitions, seed=seed)
    ours, peer = wire["ours"], wire["quickfix"]
    return {"wire_ns": ours,
            "peer": {"name": "QuickFIX 1.15.1 as gateway (FIX 4.4)", "wire_ns": peer, "ratio": round(peer["p50"] / ours["p50"], 2),
                     "ratio_p99": round(peer["p99"] / ours["p99"], 2)}}


def measure(size: Size, host: bool, seed: int = 42) -> dict[str, Any]:
    """Everything, in one object."""
    result = machine.head(seed)
    place = Place(host)
    place.compile(*_PROGRAMS)
    result["versions"]["compiler"] = place.said(["c++", "-dumpfullversion"]).strip()
    result["hot_path"] = _hot_path(place, size, seed)
    result |= _tick_to_order(place, size, seed)
    result["ticks_per_s"] = round(place.program("bench_hot_path", mode="throughput", ticks=size.throughput_ticks, seed=seed)["ticks_per_s"])
    result["ring_round_trip_ns"] = place.program("bench_ring", repetitions=size.ring_repetitions)
    result |= _wire(place, size, seed)
    result["replay"] = place.program("bench_replay", ticks=size.replay_ticks, seed=seed)
    return result


def missed(result: dict[str, Any]) -> list[str]:
    """Bars missed that are counts, so no other load on the machine excuses them."""
    hot = result["hot_path"]
    out = [f"hot_path.{key}: {hot[key]}, expected 0" for key in ("allocations", "locks", "syscalls_other") if hot[key] != 0]
    baseline = json.loads(_BASELINE.read_text())
    compiler = result["versions"]["compiler"].split(".")[0]
    expected = baseline["by_compiler"].get(f"g++ {compiler}")
    if expected is None:
        return [*out, f"{_BASELINE.name}: no baseline for g++ {compiler}; measure and add it"]
    for key in ("instructions_per_tick", "instructions_per_quiet_tick"):
        limit = expected[key] * (1 + baseline["margin_pct"] / 100)
        if hot[key] > limit:
            out.append(f"hot_path.{key}: {hot[key]}, baseline {expected[key]} + {baseline['margin_pct']} %; make it cheaper, or say in "
                       f"the commit why it is worth it and raise {_BASELINE.relative_to(_ROOT)}")
    return out


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--short", action="store_true", help="small counts: does it work, not how fast")
    parser.add_argument("--host", action="store_true", help="build and run on this machine, not in the image")
    arguments = parser.parse_args()
    try:
        if not arguments.host:
            docker_engine.ensure()
        result = measure(SHORT if arguments.short else LONG, arguments.host)
    except LabError as failure:
        print(f"ERROR: {failure}", file=sys.stderr)
        return 1
    return conclude(result, _RESULT, missed(result))


if __name__ == "__main__":
    sys.exit(main())
