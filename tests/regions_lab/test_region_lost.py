# SPDX-License-Identifier: GPL-3.0-or-later
"""NY4 is lost behind a line that was down already: the recovery site takes over, and what it says is lost holds what is counted."""

from __future__ import annotations

import json
import re
import time
from pathlib import Path

from conftest import STRATEGIES, api, docker, end_of_log, holders, log_since, ocean, run, sql
from lab_hosts import eventually
from loss import counted
from venue_truth import Truth

from lab import playbook

_SITES = {"dr_from": "region_us_east", "dr_to": "dr", "dr_reason": "test"}
_NY4 = ("ny4-01", "ny4-02")
_LINKS = ("dr-01", *_NY4)


def _accepted(text: str) -> dict[tuple[str, ...], float]:
    """Orders of NY4's strategies, with when the venue had them."""
    lines = [json.loads(line) for line in text.splitlines() if line.endswith("}")]
    return {(one["strategy"], str(one["epoch"]), str(one["seq"])): one["t"] / 1e9 for one in lines
            if one["ev"] == "accepted" and one["strategy"] in STRATEGIES["us_east"]}


def _journals_are_written() -> bool:
    told = [api(host) for host in _NY4]
    return all(one["database"]["connected"] and one["lag"]["queue_depth"] == 0 for one in told)


def test_the_recovery_site_takes_over_a_lost_region_and_gives_it_back(regions: playbook.Run, tmp_path: Path) -> None:
    others = {region: holders(region) for region in ("eu_west", "asia_east")}
    eventually("the recovery site follows", lambda: ["dr-01"] in sql("ny4-01", "SELECT application_name FROM pg_stat_replication"), 60)
    begin = end_of_log()
    time.sleep(5)
    for link in _LINKS:
        ocean(f"cut {link}")
    time.sleep(5)
    docker("kill", *_NY4)
    killed = time.monotonic()
    sent = _accepted(log_since(begin))
    there = {tuple(row) for row in sql("dr-01", "SELECT strategy, epoch, seq FROM orders")}
    lost = [at for order, at in sent.items() if order not in there]
    lost_s = max(sent.values()) - min(lost)
    for link in _LINKS:
        ocean(f"reset {link}")  # or what the line still held arrives once it is mended, and nothing is lost
        ocean(f"mend {link}")

    said = run("dr_failover", dr_id="lost", dr_record_dir=str(tmp_path), **_SITES)
    told = re.search(r"commits of up to ([\d.]+) s \((\d+) orders\) may be lost", said)
    assert told, said[-2000:]
    # Told is since NY4 was last heard of: it might have lived on, for all that the recovery site can know.
    assert lost_s <= float(told[1]) + 0.5
    assert float(told[1]) <= lost_s + time.monotonic() - killed + 0.5
    assert len(lost) <= int(told[2]) + 5, f"{len(lost)} orders of {lost_s:.1f} s, told {told[0]}"
    assert holders("us_east", "dr-01") == dict.fromkeys(STRATEGIES["us_east"], "dr-01")
    assert {region: holders(region) for region in others} == others

    docker("start", *_NY4)
    eventually("NY4 answers and its journals are written", _journals_are_written, 120)
    alone = {tuple(row) for row in sql("ny4-01", "SELECT strategy, epoch, seq FROM orders")} - there
    found = counted(run("dr_failback", **_SITES))
    assert found.orders == len(alone)
    assert 0 < found.seconds <= float(told[1])
    assert holders("us_east") == dict.fromkeys(STRATEGIES["us_east"], "ny4-01")
    assert sql("ny4-01", "SHOW synchronous_standby_names")[0][0].startswith("ANY 1 (")
    log = Truth(begin)
    log.read(log_since(begin))
    assert log.faults()["overlap"] == log.faults()["duplicate"] == 0
