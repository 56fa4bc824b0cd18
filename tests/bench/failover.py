# SPDX-License-Identifier: GPL-3.0-or-later
"""`make bench-failover`: how long nobody trades when an engine, its host or a site is lost, on the lab's hosts.

Needs a lab that `make demo` has brought up; leaves it as `make demo` does. Engines take over by themselves (`failover: automatic`); a site
is given up by dr_failover.yml. Each figure is read from the venue's log: the last order of the lost engine to the first of the other, of
the slowest strategy. What a site takes with it is told when it is lost, as a bound, and counted when it is back, and held against what its
database had alone. Writes build/bench/failover.json and prints it as the last line; exit 1 when an order is lost, doubled or late, or a bar
is missed. Where the lost host carries the database primary too, a promotion is added: `region` shows that.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from conclusion import conclude
from distributions import distribution
from lab_hosts import asked, on
from loss import Loss as Lost
from loss import counted, told
from venue_truth import Truth

from lab import inventory, machine, playbook
from lab.failure import LabError
from lab.paths import INVENTORY, ROOT

_RESULT = ROOT / "build" / "bench" / "failover.json"
_BLUE, _GREEN, _VENUE, _DATABASE = "hft-prod-01", "hft-prod-02", "hft-mon-01", "hft-db-01"
_LOG = "/var/log/paper_venue/venue.jsonl"
_SUSPECT_MS = 1000
_RTO_BAR_S = _SUSPECT_MS / 1000 + 0.2
_REGION_BAR_S = 30.0
_SITES = {"dr_from": f"{_BLUE}:{_DATABASE}", "dr_to": _GREEN, "dr_reason": "bench"}
_STATUS = ("python3 -c \"import urllib.request as u; "
           "print(u.urlopen('http://127.0.0.1:8080/api/v1/status', timeout=2).read().decode())\"")


@dataclass(frozen=True)
class Loss:
    """begin: the harm; end: what brings the host back."""

    begin: Callable[[str], None]
    end: Callable[[str], None]


def _docker(word: str) -> Callable[[str], None]:
    def run(host: str) -> None:
        deadline = time.monotonic() + 30
        # Freezing a container waits for all its processes, and gives up on a busy machine.
        while subprocess.run(["docker", word, host], capture_output=True).returncode != 0:
            if time.monotonic() > deadline:
                raise LabError(f"docker {word} {host}: not within 30 s")
    return run


def _kill_engine(host: str) -> None:
    on(host, "systemctl kill --signal=KILL --kill-whom=all hft_system")


_REPLAYED = "SELECT pg_last_wal_receive_lsn() = pg_last_wal_replay_lsn()"
_LOSSES = {
    # systemd counts starts, and would leave an engine that is lost so often off.
    "engine": Loss(_kill_engine, lambda host: on(host, "systemctl reset-failed hft_system")),
    "host": Loss(_docker("kill"), _docker("start")),
    "freeze": Loss(_docker("pause"), _docker("unpause")),
}


def _status(host: str) -> dict[str, Any]:
    try:
        return json.loads(on(host, _STATUS))
    except (LabError, ValueError):
        return {"role": "silent", "strategies": [], "database": {"connected": False}}


def _trades(host: str) -> bool:
    told = _status(host)["strategies"]
    return bool(told) and all(one["trading"] and one["accepted"]["epoch"] == one["epoch"] for one in told)


def _until(what: str, probe: Callable[[], bool], wait_s: float = 90) -> None:
    deadline = time.monotonic() + wait_s
    while not probe():
        if time.monotonic() > deadline:
            raise LabError(f"not within {wait_s:g} s: {what}")
        time.sleep(0.2)


def _whole() -> bool:
    """Both engines answer with a database, and both standbys stream: the next loss finds what it needs."""
    streams = asked(_DATABASE, "SELECT count(*) FROM pg_stat_replication WHERE sync_state = 'quorum'")
    return streams == "2" and all(_status(host)["database"]["connected"] for host in (_BLUE, _GREEN))


def _end_of_log() -> int:
    return int(on(_VENUE, f"stat -c %s {_LOG}"))


def _since(begin: int) -> Truth:
    log = Truth(begin)
    log.read(on(_VENUE, f"tail -c +{begin + 1} {_LOG}"))
    return log


def _losses(kind: str, count: int) -> tuple[Truth, list[float]]:
    """The first engine is lost so many times; between them it comes back and is given trading again, which leaves the other one warm."""
    first, gaps = _end_of_log(), []
    for _ in range(count):
        begin = _end_of_log()
        time.sleep(2)
        _LOSSES[kind].begin(_BLUE)
        try:
            _until(f"{_GREEN} trades after the loss of {_BLUE} ({kind})", lambda: _trades(_GREEN))
        finally:
            _LOSSES[kind].end(_BLUE)
        gaps += [gap / 1000 for gap in _since(begin).gaps_ms()]
        _until("the lab is whole again", _whole)
        playbook.must("transfer", "-e", f"transfer_to={_BLUE}", record="bench_transfer", show=False)
    return _since(first), gaps


def _rows(log: Truth, host: str) -> dict[str, int]:
    """A frozen engine that wakes up sends orders under its old epoch: refused, recorded as such, and counted as stale_refused."""
    span = f"BETWEEN {log.first_epoch()} AND {log.last_epoch()} AND status <> 'rejected'"
    said = asked(host, f"SELECT strategy || ' ' || epoch || ' ' || seq FROM orders WHERE epoch {span}", "hft_db")  # noqa: S608 - numbers
    return log.against(tuple(line.split()) for line in said.splitlines())


def _orders(host: str) -> set[str]:
    query = "SELECT strategy || ' ' || epoch || ' ' || seq FROM orders WHERE time > now() - interval '15 min'"
    return set(asked(host, query, "hft_db").splitlines())


def _wrote_its_journal(host: str) -> bool:
    status = _status(host)
    return status["database"]["connected"] and status["lag"]["queue_depth"] == 0


@dataclass(frozen=True)
class Site:
    """One loss. alone: orders that only its database had; unrecorded: orders of the venue without a row in the end."""

    told: Lost | None
    counted: Lost
    alone: int
    unrecorded: int
    playbook_s: float

    def faults(self) -> list[str]:
        same = self.counted.orders == self.alone
        found = [] if same else [f"{self.counted.orders} orders counted as lost, {self.alone} were there alone"]
        if self.told and (self.told.seconds < self.counted.seconds or self.told.orders < self.counted.orders):
            found.append(f"told {self.told}, counted {self.counted}: expected no more than was told")
        return found


def _site(number: int) -> tuple[Site, Truth]:
    begin = _end_of_log()
    time.sleep(2)
    for host in (_BLUE, _DATABASE):
        _docker("kill")(host)
    # Before the move: the taker writes down what it knows of the giver's orders.
    _until("the recovery site has replayed what it has", lambda: asked(_GREEN, _REPLAYED) == "t")
    kept = _orders(_GREEN)
    given = json.dumps({**_SITES, "dr_id": f"bench-{begin}-{number}"})
    there = playbook.must("dr_failover", "-e", given, record="bench_dr", show=False)
    log = _since(begin)
    time.sleep(5)
    for host in (_DATABASE, _BLUE):
        _docker("start")(host)
    _until("the lost hosts answer", lambda: bool(asked(_DATABASE, "SELECT 1")) and _wrote_its_journal(_BLUE), 120)
    alone = _orders(_DATABASE) - kept
    back = playbook.must("dr_failback", "-e", json.dumps(_SITES), record="bench_dr", show=False)
    _until("the lab is whole again", _whole)
    return Site(told(there.output), counted(back.output), len(alone), _rows(log, _DATABASE)["lost"], there.wall_s), log


def _regions(count: int) -> dict[str, Any]:
    """The site with the database primary is powered off, and comes back."""
    sites, logs = zip(*(_site(number) for number in range(count)), strict=True)
    bounds = [one.told for one in sites if one.told]
    return {"n": count, "rto_s": distribution([gap / 1000 for log in logs for gap in log.gaps_ms()]),
            "rpo_rows": distribution([one.counted.orders for one in sites]), "rpo_s": distribution([one.counted.seconds for one in sites]),
            "told_rows": distribution([one.orders for one in bounds]), "told_s": distribution([one.seconds for one in bounds]),
            "unrecorded": distribution([one.unrecorded for one in sites]), "playbook_s": distribution([one.playbook_s for one in sites]),
            "wrong": [fault for one in sites for fault in one.faults()],
            **{name: sum(log.faults()[name] for log in logs) for name in ("overlap", "duplicate")}}


def bench(count: int, regions: int) -> dict[str, Any]:
    result: dict[str, Any] = {**machine.head(), "n": count, "lease_s": _SUSPECT_MS / 1000,
                              "overlap": 0, "duplicate": 0, "lost": 0, "phantom": 0}
    _arrange({"engine_lease": {"failover": "automatic"}})
    logs = []
    try:
        for kind in _LOSSES if count else ():
            log, gaps = _losses(kind, count)
            logs.append(log)
            result[kind] = {"rto_s": distribution(gaps)}
            print(f"==> {kind}: {result[kind]}", flush=True)
    finally:
        _arrange({})
    time.sleep(30)
    for log in logs:
        for name, faults in {**log.faults(), **_rows(log, _DATABASE)}.items():
            result[name] = result.get(name, 0) + faults
    if regions:
        result["region"] = _regions(regions)
    return result


def _arrange(variables: dict[str, Any]) -> None:
    """The engines with these variables; the first one trades, the other is warm."""
    playbook.must("trading", "-e", "trading_action=stop", record="bench_stop", show=False)
    playbook.must("site", "--tags", "engine", "-e", json.dumps(variables), record="bench_site", show=False)
    for host in (_BLUE, _GREEN):
        on(host, "systemctl restart hft_system")
    _until("both engines answer", _whole)
    playbook.must("trading", "-e", "trading_action=start", "-e", f"trading_engine={_BLUE}", record="bench_start", show=False)
    # Who has traded once is warm: its strategies run and trading is enabled, so that a right is all that it lacks.
    for host in (_GREEN, _BLUE):
        playbook.must("transfer", "-e", f"transfer_to={host}", record="bench_transfer", show=False)


def missed(result: dict[str, Any]) -> list[str]:
    """Every bar that was not reached, in words. An order that the lost one sent too late is refused: that is the fence at work."""
    faults = [f"{key} {result[key]}: expected 0" for key in ("lost", "phantom", "duplicate", "overlap") if result[key]]
    faults += [f"{kind}: {result[kind]['rto_s']['p50']} s, expected at most {_RTO_BAR_S}" for kind in _LOSSES
               if kind in result and result[kind]["rto_s"]["p50"] > _RTO_BAR_S]
    region = result.get("region", {})
    faults += [f"region: {key} {region[key]}: expected 0" for key in ("overlap", "duplicate") if region.get(key)]
    faults += [f"region: {fault}" for fault in region.get("wrong", [])]
    if region and region["rto_s"]["max"] > _REGION_BAR_S:
        faults.append(f"region: {region['rto_s']['max']} s, expected at most {_REGION_BAR_S:g}")
    return faults


def main() -> int:
    words = argparse.ArgumentParser(description=__doc__)
    words.add_argument("--short", action="store_true", help="two of each, one site: enough to see that it works")
    words.add_argument("--count", type=int, help="of engine, host and freeze, each")
    words.add_argument("--regions", type=int, help="of a site")
    given = words.parse_args()
    count, regions = (2, 1) if given.short else (20, 8)
    inventory.read(INVENTORY)
    try:
        result = bench(count if given.count is None else given.count, regions if given.regions is None else given.regions)
    except LabError as failure:
        print(f"ERROR: {failure}", file=sys.stderr)
        return 1
    return conclude(result, _RESULT, missed(result))


if __name__ == "__main__":
    sys.exit(main())
