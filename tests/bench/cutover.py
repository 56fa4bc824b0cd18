# SPDX-License-Identifier: GPL-3.0-or-later
"""`make bench-cutover`: transfers back and forth under load on the lab's hosts, beside the old runbook's own steps.

Needs a lab that `make demo` has brought up; leaves it as `make demo` does. The engines are asked over SSH, from outside the lab's network.
Every figure about orders is read from the venue's log, which only observes here, so that an overlap would be seen. Writes
build/bench/cutover.json and prints it as the last line; exit 1 when an order is lost, doubled or late, or a bar is missed.
"""

from __future__ import annotations

import argparse
import contextlib
import json
import os
import random
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import kill_switch
import yaml
from ansible_collections.hft.ops.plugins.filter.engine_transfers import transfer_phases
from ansible_collections.hft.ops.plugins.module_utils._engine_api import EngineApi, EngineRefused
from conclusion import conclude
from distributions import distribution
from lab_hosts import on, slow_link
from venue_truth import Truth

from lab import inventory, machine, playbook
from lab.failure import LabError
from lab.paths import INVENTORY

_ROOT = Path(__file__).resolve().parents[2]
_RESULT = _ROOT / "build" / "bench" / "cutover.json"
_PEER = Path(__file__).with_name("runbook_cutover.yml")
_BLUE, _GREEN, _VENUE, _DATABASE = "hft-prod-01", "hft-prod-02", "hft-mon-01", "hft-db-01"
_LOG = "/var/log/paper_venue/venue.jsonl"
_GAP_BARS_MS = {"p50": 5.0, "p99": 25.0}
_PEER_BAR = 50.0
_ROLLBACK_BAR_S = 15.0
_FAR_MS = 80
# The gap does not change when whoever asks is far away: at most the noise between two series on one machine.
_FAR_BAR = 1.5
_STRATEGIES = ("mm-btc-usd", "mm-eth-usd")
_KILL_BAR_MS = 1.0
_KILL_PLAY_BAR_MS = 1_000.0
# The bar speaks of presses while a core is free; fewer of them than this share of all tell nothing.
_KILL_FREE_SHARE = 0.25


@dataclass(frozen=True)
class Size:
    """How much of everything; short: enough to see that it works."""

    transfers: int
    far: int
    peers: int
    commands: int
    kills: int
    orders_per_s: int
    calm_orders_per_s: int


LONG = Size(transfers=200, far=40, peers=5, commands=3, kills=120, orders_per_s=2_000, calm_orders_per_s=200)
SHORT = Size(transfers=10, far=4, peers=1, commands=1, kills=3, orders_per_s=500, calm_orders_per_s=200)


class Engines:
    """The two engines, asked through SSH tunnels; one of them holds."""

    def __init__(self) -> None:
        self.api: dict[str, EngineApi] = {}

    @contextlib.contextmanager
    def reached(self, delay_ms: float = 0) -> Iterator[Engines]:
        """delay_ms: added to a round trip from here to them, and to nothing else."""
        with contextlib.ExitStack() as tunnels:
            for name in (_BLUE, _GREEN):
                port = _free_port()
                tunnels.enter_context(_tunnel(name, port, delay_ms))
                self.api[name] = EngineApi("127.0.0.1", port, timeout_s=10)
            yield self

    def holder(self) -> str:
        found = [name for name, api in self.api.items() if all(one["trading"] for one in api.status()["strategies"])]
        if len(found) != 1:
            raise LabError(f"expected one engine that trades, found {', '.join(found) or 'none'}; run `make demo`")
        return found[0]

    def transfer(self, name: str) -> list[dict[str, Any]]:
        """One transfer from who holds to the other; its phases."""
        giver = self.holder()
        taker = _GREEN if giver == _BLUE else _BLUE
        self.api[taker].arm(10, id=name)
        status = self.api[taker].status()
        self.api[giver].transfer(10, id=name, drain_ms=100, to={"engine": taker, "build": status["version"],
                                                                "incarnation": status["holder"].partition("/")[2]})
        deadline = time.monotonic() + 5
        while time.monotonic() < deadline:
            record = self.api[taker].transfer_record(name, "taker") or {}
            now = self.api[taker].status()["strategies"]
            if record.get("outcome") == "done" and all(one["accepted"]["epoch"] == one["epoch"] for one in now):
                return transfer_phases(self.api[giver].transfer_record(name, "giver") or {}, record)
            time.sleep(0.02)
        raise LabError(f"transfer {name}: {taker} does not trade; look at GET /api/v1/transfer of both engines")

    def trade_again(self, name: str) -> None:
        """The engine, after its kill switch was pressed."""
        api = self.api[name]
        api.unlatch("bench")
        api.takeover(20, list(_STRATEGIES))
        deadline = time.monotonic() + 10
        while not all(one["trading"] and one["accepted"]["epoch"] == one["epoch"] for one in api.status()["strategies"]):
            if time.monotonic() > deadline:
                raise LabError(f"{name}: does not trade 10 s after its kill switch was cleared")
            time.sleep(0.05)


def _free_port() -> int:
    with socket.socket() as one:
        one.bind(("127.0.0.1", 0))
        return one.getsockname()[1]


@contextlib.contextmanager
def _tunnel(host: str, port: int, delay_ms: float) -> Iterator[None]:
    ssh = _ROOT / ".lab" / "ssh"
    address = next(one.address for one in inventory.read(INVENTORY)[1] if one.name == host)
    with slow_link(f"{address}:22", delay_ms=delay_ms / 2) if delay_ms else contextlib.nullcontext(22) as ssh_port:
        argv = ["ssh", "-N", "-i", str(ssh / "id_ed25519"), "-o", f"UserKnownHostsFile={ssh / 'known_hosts'}", "-p", str(ssh_port),
                "-o", f"HostKeyAlias={address}", "-o", "StrictHostKeyChecking=yes", "-o", "IdentitiesOnly=yes",
                "-o", "ExitOnForwardFailure=yes", "-L", f"127.0.0.1:{port}:127.0.0.1:8080",
                f"deploy@{'127.0.0.1' if delay_ms else address}"]
        with _running(argv) as process:
            _answers(host, port, process)
            yield


@contextlib.contextmanager
def _running(argv: list[str]) -> Iterator[subprocess.Popen]:
    process = subprocess.Popen(argv, stdin=subprocess.DEVNULL)
    try:
        yield process
    finally:
        process.terminate()
        process.wait()


def _answers(host: str, port: int, tunnel: subprocess.Popen) -> None:
    api = EngineApi("127.0.0.1", port, timeout_s=2)
    for _ in range(100):
        if tunnel.poll() is not None:
            break
        with contextlib.suppress(Exception):
            api.status()
            return
        time.sleep(0.1)
    raise LabError(f"{host}: no tunnel to its API; is the lab up (`make demo`)?")


def bench(size: Size, seed: int) -> dict[str, Any]:
    chance = random.Random(seed)  # noqa: S311 - nothing secret
    result: dict[str, Any] = {**machine.head(), "seed": seed, "strategies": len(_STRATEGIES), "orders_per_s": size.orders_per_s,
                              "order_interval_ms": 1000.0 / size.orders_per_s}
    with _loaded(size.orders_per_s):
        result["limit_ms"] = _limit_ms()
        with Engines().reached() as engines:
            log = Truth(_at_the_end())
            phases = []
            for number in range(size.transfers):
                time.sleep(chance.uniform(0.1, 0.4))
                phases.append(engines.transfer(f"bench-{log.begin}-{number}"))
            log.read(on(_VENUE, f"tail -c +{log.begin + 1} {_LOG}"))
            result.update(n=size.transfers, gap_ms=distribution(log.gaps_ms()), baseline_gap_ms=distribution(log.baseline_gaps_ms(chance)),
                          phases_us=_phases(phases, log), rate_seen=log.rate(), **log.faults())
            result["transfer_refused"] = 0
            if engines.holder() != _BLUE:
                engines.transfer(f"bench-{log.begin}-home")
            result["far"] = _far(size.far, chance, result["gap_ms"]["p50"])
            result["killswitch"] = {**kill_switch.summary(_kills(engines, size.kills, chance)),
                                    "play_ms": distribution(_kill_plays(size.commands))}
        result["rollback_command_s"] = distribution(_commands(size.commands))
        result["peer"] = _peer(size.peers, result["gap_ms"]["p50"])
        result.update(_database(log))
    # Two cores that carry three databases, two engines and a venue at full load are never free.
    with _loaded(size.calm_orders_per_s), Engines().reached() as engines:
        result["killswitch"]["calm"] = {"orders_per_s": size.calm_orders_per_s,
                                        **kill_switch.summary(_kills(engines, size.kills, chance))}
    return result


def _far(count: int, chance: random.Random, near_ms: float) -> dict[str, Any]:
    """Transfers asked for from far away: a round trip to the engines takes 80 ms longer, everything else is as before."""
    log = Truth(_at_the_end())
    with Engines().reached(_FAR_MS) as engines:
        for number in range(2 * count):
            time.sleep(chance.uniform(0.1, 0.4))
            engines.transfer(f"bench-{log.begin}-far-{number}")
    log.read(on(_VENUE, f"tail -c +{log.begin + 1} {_LOG}"))
    found = distribution(log.gaps_ms())
    return {"added_ms": _FAR_MS, "gap_ms": found, "ratio": round(found["p50"] / near_ms, 2), **log.faults()}


@contextlib.contextmanager
def _loaded(orders_per_s: int) -> Iterator[None]:
    """The lab with a fast market, a quoting strategy that answers every tick, and a venue that observes."""
    deployment = yaml.safe_load((INVENTORY / "group_vars" / "all" / "deployment.yml").read_text())
    strategies = deployment["engine_strategies"]
    for one in strategies:
        one["limits"].update(max_order_rate_per_s=100_000, max_open_orders=64, max_position=1e6, max_notional=1e12, daily_loss_usd=1e9)
        one["parameters"]["requote_ticks"] = 1
    # A quote on either side at each tick.
    fast = {"venue_ticks_per_s": orders_per_s // 2, "venue_fence": "observe", "engine_strategies": strategies}
    _arrange(["-e", json.dumps(fast)])
    try:
        yield
    finally:
        _arrange([])


def _arrange(options: list[str]) -> None:
    playbook.must("trading", "-e", "trading_action=stop", record="bench_stop", show=False)
    playbook.must("site", "--tags", "venue,engine", *options, record="bench_site", show=False)
    playbook.must("trading", "-e", "trading_action=start", "-e", f"trading_engine={_BLUE}", record="bench_start", show=False)


def _at_the_end() -> int:
    return int(on(_VENUE, f"stat -c %s {_LOG}"))


def _limit_ms() -> dict[str, float]:
    """One round trip and one synchronous commit, from an engine's host to the primary."""
    secrets = yaml.safe_load((INVENTORY / "group_vars" / "all" / "secrets.yml").read_text())
    script = ("import psycopg2,time,json\n"
              f"c=psycopg2.connect(host='{_DATABASE}',user='hft_user',dbname='hft_db',password='{secrets['lab_secret_engine_db']}')\n"
              "c.autocommit=True; k=c.cursor(); t={'round_trip':[], 'commit':[]}\n"
              "for i in range(300):\n"
              "  for what, q in (('round_trip','SELECT 1'), ('commit', \"INSERT INTO events (time, engine, seq, kind) "
              "VALUES (now(), 'bench', extract(epoch FROM clock_timestamp()) * 1000000, 'bench')\")):\n"
              "    b=time.perf_counter(); k.execute(q); t[what].append((time.perf_counter()-b)*1e3)\n"
              "print(json.dumps(t))")
    times = json.loads(on(_BLUE, f"python3 - <<'END'\n{script}\nEND"))
    trip, commit = distribution(times["round_trip"]), distribution(times["commit"])
    return {"p50": round(trip["p50"] + commit["p50"], 3), "p99": round(trip["p99"] + commit["p99"], 3)}


def _phases(phases: list[list[dict[str, Any]]], log: Truth) -> dict[str, Any]:
    found: dict[str, list[float]] = {}
    for one in phases:
        for phase in one:
            found.setdefault(phase["phase"], []).append(phase["took_us"])
    return {**{name: distribution(values) for name, values in found.items()}, "first_order": distribution(log.first_orders_us())}


def _kills(engines: Engines, count: int, chance: random.Random) -> list[kill_switch.Press]:
    """At random instants, on the host of an engine that trades."""
    found = []
    for _ in range(count):
        time.sleep(chance.uniform(0.1, 0.4))
        log = Truth(_at_the_end())
        told = kill_switch.pressed(_BLUE)
        time.sleep(0.5)
        log.read(on(_VENUE, f"tail -c +{log.begin + 1} {_LOG}"))
        found.append(kill_switch.press_of(told, log))
        engines.trade_again(_BLUE)
    return found


def _kill_plays(count: int) -> list[float]:
    """killswitch.yml as a person types it: from the begin of its first play to the last order that the venue took, in milliseconds."""
    timeline = _ROOT / "build" / "record" / "bench_killswitch_timeline.jsonl"
    environment = {**os.environ, "ANSIBLE_CALLBACKS_ENABLED": "hft.ops.timeline", "HFT_TIMELINE_PATH": str(timeline),
                   "HFT_TIMELINE_HISTORY": f"{timeline}.history"}
    found = []
    for _ in range(count):
        begin = _at_the_end()
        done = subprocess.run(["ansible-playbook", "-i", str(INVENTORY), str(_ROOT / "playbooks" / "killswitch.yml"),
                               "-e", "killswitch_reason=bench"], cwd=_ROOT, env=environment, capture_output=True, text=True)
        if done.returncode != 0:
            raise LabError(f"killswitch.yml failed: {done.stdout[-2000:]}")
        told = map(json.loads, timeline.read_text().splitlines())
        at_ms = next(line["at"] for line in told if line["event"] == "phase") * 1e3
        time.sleep(1)
        log = Truth(begin)
        log.read(on(_VENUE, f"tail -c +{begin + 1} {_LOG}"))
        found.append(max(0.0, log.last_order_ns() / 1e6 - at_ms))
        playbook.must("killswitch_clear", "-e", "killswitch_reason=bench", record="bench_clear", show=False)
        playbook.must("trading", "-e", "trading_action=start", "-e", f"trading_engine={_BLUE}", record="bench_start", show=False)
    return found


def _commands(count: int) -> list[float]:
    """rollback.yml as a person types it."""
    taken = []
    for number in range(2 * count):
        run = playbook.must("rollback", record="bench_rollback", show=False)
        taken.append(run.wall_s)
        if number:
            time.sleep(0.5)
    return taken


def _peer(count: int, ours_ms: float) -> dict[str, Any]:
    """The runbook's steps, a task each, on the same engines."""
    gaps = []
    for number in range(2 * count):
        giver, taker = (_BLUE, _GREEN) if number % 2 == 0 else (_GREEN, _BLUE)
        begin = _at_the_end()
        done = subprocess.run(["ansible-playbook", "-i", str(INVENTORY), str(_PEER), "-e", f"giver={giver}", "-e", f"taker={taker}"],
                              cwd=_ROOT, capture_output=True, text=True)
        if done.returncode != 0:
            raise LabError(f"the runbook's steps failed: {done.stdout[-2000:]}")
        time.sleep(1)
        log = Truth(begin)
        log.read(on(_VENUE, f"tail -c +{begin + 1} {_LOG}"))
        gaps += log.gaps_ms()
    found = distribution(gaps)
    return {"name": "the runbook's steps as uri and systemd tasks", "gap_ms": found, "ratio": round(found["p50"] / ours_ms, 1)}


def _database(log: Truth) -> dict[str, int]:
    """Orders of the run in the log and in the database, 30 s after the load ended."""
    playbook.must("trading", "-e", "trading_action=stop", record="bench_stop", show=False)
    time.sleep(30)
    rows = on(_DATABASE, "runuser -u postgres -- psql -XAtq -F ' ' -d hft_db -c "
                         f"\"SELECT strategy, epoch, seq FROM orders WHERE epoch BETWEEN {log.first_epoch()} AND {log.last_epoch()}\"")
    return log.against(tuple(line.split()) for line in rows.splitlines())


def missed(result: dict[str, Any]) -> list[str]:
    """Every bar that was not reached, in words."""
    faults = [f"{key} {result[key]}: expected 0" for key in ("lost", "phantom", "duplicate", "overlap", "stale_refused") if result[key]]
    faults += [f"gap {key} {result['gap_ms'][key]} ms: expected at most {bar:g}" for key, bar in _GAP_BARS_MS.items()
               if result["gap_ms"][key] > bar]
    if result["peer"]["ratio"] < _PEER_BAR:
        faults.append(f"only {result['peer']['ratio']} times shorter than the runbook's steps: expected {_PEER_BAR:g}")
    if result["far"]["ratio"] > _FAR_BAR:
        faults.append(f"asked from {_FAR_MS} ms away the gap is {result['far']['ratio']} times as long: expected at most {_FAR_BAR:g}")
    calm = result["killswitch"]["calm"]
    free, presses = calm["core_free"]["engine_ms"], calm["engine_ms"]
    # Where all presses keep it, those with a free core do.
    if presses["p99"] > _KILL_BAR_MS:
        if free["n"] < int(_KILL_FREE_SHARE * presses["n"]):
            faults.append(f"kill switch p99 {presses['p99']} ms, and a core was free at {free['n']} of {presses['n']} presses: run it "
                          "again when nothing else runs here")
        elif free["p99"] > _KILL_BAR_MS:
            faults.append(f"kill switch with a free core p99 {free['p99']} ms: expected at most {_KILL_BAR_MS:g}")
    if result["killswitch"]["play_ms"]["max"] > _KILL_PLAY_BAR_MS:
        faults.append(f"killswitch.yml: last order {result['killswitch']['play_ms']['max']} ms after it began: expected at most "
                      f"{_KILL_PLAY_BAR_MS:g}")
    if result["rollback_command_s"]["max"] > _ROLLBACK_BAR_S:
        faults.append(f"rollback.yml took {result['rollback_command_s']['max']} s: expected at most {_ROLLBACK_BAR_S:g}")
    return faults


def main() -> int:
    words = argparse.ArgumentParser(description=__doc__)
    words.add_argument("--short", action="store_true", help="enough to see that it works")
    words.add_argument("--orders-per-s", type=int, help="of each strategy")
    words.add_argument("--seed", type=int, default=42)
    given = words.parse_args()
    size = SHORT if given.short else LONG
    if given.orders_per_s:
        size = Size(**{**size.__dict__, "orders_per_s": given.orders_per_s})
    inventory.read(INVENTORY)
    try:
        result = bench(size, given.seed)
    except (LabError, EngineRefused) as failure:
        print(f"ERROR: {failure}", file=sys.stderr)
        return 1
    return conclude(result, _RESULT, missed(result))


if __name__ == "__main__":
    sys.exit(main())
