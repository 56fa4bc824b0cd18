# SPDX-License-Identifier: GPL-3.0-or-later
"""Regions with an ocean between them: each on its own, a release that crosses, a region that is lost."""

from __future__ import annotations

import json
import threading
import time

from conftest import ENGINES, PRIMARIES, STRATEGIES, api, end_of_log, holders, log_since, ocean, on, run, sql
from lab_hosts import eventually
from venue_truth import Truth

from lab import inventory, playbook
from lab.regions import INVENTORY

_BANNER = ("import socket, time; s = socket.create_connection(('{at}', 22)); s.recv(99); began = time.monotonic(); "
           "s.sendall(b'SSH-2.0-round_trip\\r\\n'); s.recv(9999); print((time.monotonic() - began) * 1000)")


def _traded(seconds: float = 4) -> set[str]:
    """Strategies whose orders the venue accepts now."""
    begin = end_of_log()
    time.sleep(seconds)
    log = Truth(begin)
    log.read(log_since(begin))
    return set(log.rate())


def _versions(region: str) -> dict[str, str]:
    """Of the engine that holds each strategy of a region."""
    told = [api(host, port) for host, port in ENGINES[region]]
    return {one["id"]: status["version"] for status in told for one in status["strategies"] if one["holder"] == status["holder"]}


def test_a_second_run_changes_nothing(regions: playbook.Run) -> None:
    assert regions.changes == []


def test_each_region_trades_its_own_strategies_on_its_own_primary(regions: playbook.Run) -> None:
    for region, primary in PRIMARIES.items():
        assert holders(region) == dict.fromkeys(STRATEGIES[region], primary)
    eventually("every strategy trades", lambda: _traded() == set.union(*STRATEGIES.values()), 60)
    for region, primary in PRIMARIES.items():
        assert {row[0] for row in sql(primary, "SELECT DISTINCT strategy FROM orders")} == STRATEGIES[region]
        assert sql(primary, "SHOW synchronous_standby_names")[0][0].startswith("ANY 1 (")
    followers = dict(sql("ny4-01", "SELECT application_name, sync_state FROM pg_stat_replication"))
    assert followers == {"ny4-02": "quorum", "dr-01": "async"}


def test_each_way_over_the_ocean_takes_its_time(regions: playbook.Run) -> None:
    """By the names that the hosts themselves use."""
    network, every = inventory.read(INVENTORY)
    assert network.ocean is not None
    assert {link.round_trip_ms for link in network.ocean.links} >= {55, 94, 106}
    for link in network.ocean.links:
        near = next(host for host in every if host.routes.get(link.to) == link.at)
        assert float(on(near.name, f'python3 -c "{_BANNER.format(at=link.to)}"')) >= link.round_trip_ms


def test_a_link_that_dies_in_the_middle_of_a_release_leaves_every_region_whole(regions: playbook.Run, next_release: str) -> None:
    old = set(_versions("us_east").values())
    begin = end_of_log()

    def cut() -> None:
        eventually("the taker in LD5 is armed", lambda: ["release-eu_west"] in sql("ld5-01", "SELECT transfer_id FROM engine_arm"), 1800)
        ocean("cut ld5-01")

    cutter = threading.Thread(target=cut)
    cutter.start()
    try:
        run("regions", engine_build_source=next_release, regions_id="release", fails=True)
        # LD5 moved or did not: its step is its own. Either way one engine holds and trades there, and nobody began in TY3.
        new = set(_versions("us_east").values())
        assert len(new) == 1
        assert new != old
        assert len(set(_versions("eu_west").values())) == 1
        assert set(_versions("asia_east").values()) == old
        eventually("every strategy trades", lambda: _traded() == set.union(*STRATEGIES.values()), 60)
    finally:
        cutter.join()
        ocean("mend ld5-01")
    said = run("regions", engine_build_source=next_release, regions_id="release")
    assert "asia_east on the release" in said
    assert {version for region in PRIMARIES for version in _versions(region).values()} == new
    log = Truth(begin)
    text = log_since(begin)
    log.read(text)
    assert log.faults() == {"overlap": 0, "stale_refused": 0, "duplicate": 0}
    fenced = [one["strategy"] for one in map(json.loads, text.splitlines()) if one["ev"] == "fence"]
    assert [name[-3:] for name in dict.fromkeys(fenced)] == ["ny4", "ny4", "ld5", "ty3"]
