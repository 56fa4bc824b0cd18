# SPDX-License-Identifier: GPL-3.0-or-later
"""`make bench-db`: rows a second beside single INSERTs, replication lag, planned switchover and failover under load, on the lab's hosts.

Needs a lab that `make demo` has brought up. Loads on the engine's own path (engine/bench/database_load.cpp) from a container in the
lab's network. Every claim about rows is a count in the database afterwards. Writes build/bench/database.json and prints it as the last
line; exit 1 when a row is missing or doubled, or a move takes longer than its bar.
"""

from __future__ import annotations

import argparse
import contextlib
import json
import random
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Self

import yaml
from conclusion import conclude
from distributions import distribution
from lab_hosts import asked
from place import Place

from lab import docker_engine, inventory, machine, playbook
from lab.failure import LabError
from lab.paths import INVENTORY

_ROOT = Path(__file__).resolve().parents[2]
_RESULT = _ROOT / "build" / "bench" / "database.json"
MEMBERS = ("hft-db-01", "hft-prod-01", "hft-prod-02")
_ROWS_OF = ("SELECT count(*) || ' ' || count(DISTINCT seq) || ' ' || count(DISTINCT seq) FILTER (WHERE seq BETWEEN {first} AND {last}) "
            "FROM orders WHERE strategy = '{strategy}' AND seq <= {rows}")
_GAP_BAR_MS = 3_000
_FAILOVER_BAR_S = 10.0
_INSERTS_BAR = 10.0


@dataclass(frozen=True)
class Size:
    """How much of everything; short: enough to see that it works."""

    ingest_rows: int
    insert_rows: int
    rate: int
    switchovers: int
    load_s: int


LONG = Size(ingest_rows=200_000, insert_rows=5_000, rate=5_000, switchovers=4, load_s=40)
SHORT = Size(ingest_rows=20_000, insert_rows=500, rate=500, switchovers=1, load_s=30)


class Database:
    """The lab's cluster, as it is asked from outside."""

    def __init__(self, run: str) -> None:
        network, hosts = inventory.read(INVENTORY)
        self._addresses = {host.name: host.address for host in hosts}
        self._place = Place(host=False, network=network.name)
        secrets = yaml.safe_load((INVENTORY / "group_vars" / "all" / "secrets.yml").read_text())
        self._environment = [f"DB_PASSWORD={secrets['lab_secret_engine_db']}"]
        self._run = run
        self._loads = 0

    def compile(self) -> None:
        self._place.compile("bench_database_load")

    def primaries(self) -> list[str]:
        return [name for name in MEMBERS if asked(name, "SELECT pg_is_in_recovery()") == "f"]

    def primary(self) -> str:
        found = self.primaries()
        if len(found) != 1:
            raise LabError(f"expected one primary, found {', '.join(found) or 'none'}; run `make demo`, or the playbook database_rejoin")
        return found[0]

    @contextlib.contextmanager
    def load(self, **options: object) -> Iterator[Load]:
        self._loads += 1
        strategy = f"load-{self._run}-{self._loads}"
        words = [f"--{key}={value}" for key, value in options.items()]
        hosts = ",".join(self._addresses[name] for name in MEMBERS)
        argv = self._place.command([f"{self._place.build}/bench/bench_database_load", f"--hosts={hosts}", f"--strategy={strategy}", *words],
                                   self._environment)
        with Load(argv, strategy, self) as load:
            yield load


class Load:
    """Rows on their way into the database; result after the block."""

    def __init__(self, argv: list[str], strategy: str, database: Database) -> None:
        self._argv, self.strategy, self._database = argv, strategy, database
        self.result: dict[str, Any] = {}
        self.given_up = range(0)
        """Rows that a person chose to lose, by a restore to a time before them."""

    def __enter__(self) -> Self:
        self._process = subprocess.Popen(self._argv, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
        return self

    def __exit__(self, kind: object, *_: object) -> None:
        if kind is not None:
            self._process.terminate()
        out, err = self._process.communicate(timeout=300)
        if kind is not None:
            return
        if not out.strip():
            raise LabError(f"the load ended with {self._process.returncode}: {err[-2000:]}")
        self.result = json.loads(out.splitlines()[-1])
        query = _ROWS_OF.format(strategy=self.strategy, rows=self.result["rows"], first=self.given_up.start, last=self.given_up.stop - 1)
        rows, distinct, among = (int(word) for word in asked(self._database.primary(), query, "hft_db").split())
        given_up = len(self.given_up) - among
        self.result["lost"] = self.result["rows"] - distinct - given_up
        self.result["doubled"] = rows - distinct
        self.result["given_up"] = given_up


def moved(name: str, *arguments: str) -> playbook.Run:
    """A database playbook that must succeed."""
    return playbook.must(name, *arguments, record=f"bench_{name}", show=False)


def _lag(host: str, stop: threading.Event) -> list[tuple[int, float]]:
    """What the standbys have not replayed, sampled while the load runs: bytes of WAL, and the milliseconds that the server measured."""
    samples: list[tuple[int, float]] = []
    while not stop.wait(0.2):
        text = asked(host, "SELECT pg_wal_lsn_diff(pg_current_wal_lsn(), replay_lsn)::bigint, "
                           "coalesce(extract(epoch FROM replay_lag) * 1000, 0)::float8 FROM pg_stat_replication WHERE state = 'streaming'")
        samples += [(int(bytes_), float(ms)) for bytes_, ms in (line.split("|") for line in text.splitlines() if line)]
    return samples


def ingest(database: Database, size: Size) -> dict[str, Any]:
    """The engine's path as fast as it goes, beside the same rows one INSERT each."""
    stop, lag = threading.Event(), []
    sampler = threading.Thread(target=lambda: lag.extend(_lag(database.primary(), stop)))
    sampler.start()
    with database.load(rows=size.ingest_rows, rate=0) as ours:
        pass
    stop.set()
    sampler.join()
    with database.load(mode="inserts", rows=size.insert_rows) as peer:
        pass
    out = {"rows_per_s": round(ours.result["rows_per_s"]), "lost": ours.result["lost"] + peer.result["lost"],
           "doubled": ours.result["doubled"] + peer.result["doubled"],
           "peer": {"name": "one INSERT a row, one connection", "rows_per_s": round(peer.result["rows_per_s"]),
                    "ratio": round(ours.result["rows_per_s"] / peer.result["rows_per_s"], 1)}}
    if lag:
        out["replay_lag_bytes"] = distribution([bytes_ for bytes_, _ in lag])
        out["lag_ms"] = distribution([ms for _, ms in lag])
    return out


def switchover(database: Database, size: Size, taker: str) -> dict[str, Any]:
    giver = database.primary()
    with database.load(rows=size.rate * size.load_s, rate=size.rate) as load:
        time.sleep(5)
        run = moved("database_switchover", "-e", f"database_to={taker}")
    found = load.result
    return {"from": giver, "to": taker, "rows": found["rows"], "lost": found["lost"], "doubled": found["doubled"],
            "gap_ms": round(found["gap_ms"], 1), "playbook_s": run.wall_s}


def failover(database: Database, size: Size) -> dict[str, Any]:
    """The primary's host is cut off at once, as by a power failure; the playbook; and the host comes back."""
    lost = database.primary()
    with database.load(rows=size.rate * size.load_s, rate=size.rate) as load:
        time.sleep(5)
        subprocess.run(["docker", "kill", lost], check=True, capture_output=True)
        killed = time.time()
        time.sleep(1)
        commanded = time.time()
        run = moved("database_failover")
    subprocess.run(["docker", "start", lost], check=True, capture_output=True)
    found = load.result
    resumed = found["gap_began_s"] + found["gap_ms"] / 1000
    deadline = time.monotonic() + 60
    while time.monotonic() < deadline and not asked(lost, "SELECT 1"):
        time.sleep(0.5)
    again = moved("database_rejoin")
    return {"killed": lost, "new_primary": database.primary(), "rows": found["rows"], "lost": found["lost"], "doubled": found["doubled"],
            "resumed_after_command_s": round(resumed - commanded, 2), "gap_ms": round(found["gap_ms"], 1), "gap_began_after_kill_s":
            round(found["gap_began_s"] - killed, 2), "playbook_s": run.wall_s, "rejoin_s": again.wall_s,
            "rejoin": next((line.strip().strip('"') for line in again.output.splitlines() if " follows " in line and "(" in line), "")}


def measure(size: Size, seed: int = 42) -> dict[str, Any]:
    result = machine.head(seed)
    choice = random.Random(seed)  # noqa: S311 - which host moves, nothing secret
    database = Database(f"{int(time.time())}")
    database.compile()
    home = database.primary()
    result["ingest"] = ingest(database, size)
    result["switchover"] = []
    for _ in range(size.switchovers):
        now = database.primary()
        result["switchover"].append(switchover(database, size, choice.choice([name for name in MEMBERS if name != now])))
    if database.primary() != home:
        result["switchover"].append(switchover(database, size, home))
    result["failover"] = failover(database, size)
    moved("database_switchover", "-e", f"database_to={home}")
    return result


def missed(result: dict[str, Any]) -> list[str]:
    """Bars that do not hold."""
    out = []
    moves = [*result["switchover"], result["failover"]]
    for where, one in [("ingest", result["ingest"]), *((f"to {move.get('to', move.get('new_primary'))}", move) for move in moves)]:
        out += [f"{where}: {one[key]} rows {key}, expected 0" for key in ("lost", "doubled") if one[key] != 0]
    out += [f"switchover to {one['to']}: no row acknowledged for {one['gap_ms']} ms, expected at most {_GAP_BAR_MS}"
            for one in result["switchover"] if one["gap_ms"] > _GAP_BAR_MS]
    after = result["failover"]["resumed_after_command_s"]
    if after > _FAILOVER_BAR_S:
        out.append(f"failover: rows again {after} s after the command, expected at most {_FAILOVER_BAR_S}")
    ratio = result["ingest"]["peer"]["ratio"]
    if ratio < _INSERTS_BAR:
        out.append(f"ingest: {ratio} times single INSERTs, expected at least {_INSERTS_BAR}")
    return out


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--short", action="store_true", help="small counts: does it work, not how fast")
    arguments = parser.parse_args()
    try:
        docker_engine.ensure()
        result = measure(SHORT if arguments.short else LONG)
    except LabError as failure:
        print(f"ERROR: {failure}", file=sys.stderr)
        return 1
    return conclude(result, _RESULT, missed(result))


if __name__ == "__main__":
    sys.exit(main())
