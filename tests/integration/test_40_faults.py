# SPDX-License-Identifier: GPL-3.0-or-later
"""What happens when a part dies: trading is never doubled, and commits go on."""

from __future__ import annotations

import subprocess
import time
from collections.abc import Iterator

import pytest
from conftest import api, eventually, on, sql, venue_log

from lab import playbook

_OFFSET = "/run/engine_clock_offset"


@pytest.fixture(scope="module")
def steppable_clock(demo: dict) -> Iterator[None]:
    """From its next start the engine on hft-prod-01 reads a wall clock that a test can step; its boot clock stays true."""
    drop_in = "/run/systemd/system/hft_system.service.d/clock.conf"
    on("hft-prod-01", "apt-get install -y --no-download libfaketime && "
                      f"echo +0 > {_OFFSET} && mkdir -p $(dirname {drop_in}) && printf '[Service]\\n"
                      "Environment=LD_PRELOAD=/usr/lib/x86_64-linux-gnu/faketime/libfaketime.so.1 FAKETIME_DONT_FAKE_MONOTONIC=1 "
                      f"FAKETIME_NO_CACHE=1 FAKETIME_TIMESTAMP_FILE={_OFFSET}\\n' > {drop_in} && systemctl daemon-reload")
    yield
    on("hft-prod-01", f"echo +0 > {_OFFSET}; rm {drop_in}; systemctl daemon-reload")


def _known_orders() -> set[tuple[str, ...]]:
    return {tuple(row) for row in sql("SELECT strategy, epoch, seq FROM orders")}


def _orders() -> int:
    return int(sql("SELECT count(*) FROM orders")[0][0])


def test_commits_flow_without_one_of_the_standbys(demo: dict) -> None:
    # Freezing a container waits for all its processes, and gives up on a busy machine.
    eventually("hft-prod-02 is paused", lambda: subprocess.run(["docker", "pause", "hft-prod-02"], capture_output=True).returncode == 0)
    try:
        before = _orders()
        eventually("orders committed while a standby is away", lambda: _orders() > before + 20)
    finally:
        subprocess.run(["docker", "unpause", "hft-prod-02"], check=True, capture_output=True)
    eventually("both standbys stream again",
               lambda: sql("SELECT count(*) FROM pg_stat_replication WHERE sync_state = 'quorum'") == [["2"]], 60)


def test_a_killed_engine_comes_back_as_standby(steppable_clock: None) -> None:
    before = api("hft-prod-01", "status")
    assert before["role"] == "primary"
    on("hft-prod-01", "systemctl kill --signal=KILL hft_system.service")
    after = eventually("the service is back", lambda: api("hft-prod-01", "status"), 60)
    assert after["holder"] != before["holder"], "a restart must be another incarnation"
    for _ in range(10):
        assert api("hft-prod-01", "status")["role"] == "standby"
        assert api("hft-prod-02", "status")["role"] == "standby"
        time.sleep(0.5)


def test_trading_starts_again_on_request_under_a_higher_epoch(demo: dict) -> None:
    before = int(sql("SELECT max(epoch) FROM engine_lease")[0][0])
    start = playbook.run("trading", "-e", "trading_action=start", "-e", "trading_engine=hft-prod-01", record="trading_restart", show=False)
    assert start.rc == 0, start.output[-3000:]
    assert api("hft-prod-01", "status")["role"] == "primary"
    assert int(sql("SELECT max(epoch) FROM engine_lease")[0][0]) > before


def test_a_clock_stepped_by_an_hour_ends_no_right_and_loses_no_order(steppable_clock: None) -> None:
    epochs = sql("SELECT strategy, epoch, holder FROM engine_lease ORDER BY 1")
    for offset in ("+3600", "-3600", "+0"):
        on("hft-prod-01", f"echo {offset} > {_OFFSET}")
        since = len(venue_log())
        for _ in range(6):  # longer than a lease of two seconds would last
            assert api("hft-prod-01", "status")["role"] == "primary"
            time.sleep(0.5)
        orders = [line for line in venue_log()[since:] if line["ev"] == "accepted"]
        assert orders, f"no order while the clock was off by {offset} s"
        sent_s = max(int(line["sent_ns"]) for line in orders) / 1e9
        assert abs(sent_s - time.time() - int(offset)) < 60, "the engine does not read the stepped clock: this test shows nothing"
        wanted = {(line["strategy"], str(line["epoch"]), str(line["seq"])) for line in orders}
        eventually(f"the orders sent with the clock off by {offset} s are in the database", lambda wanted=wanted: wanted <= _known_orders())
    assert sql("SELECT strategy, epoch, holder FROM engine_lease ORDER BY 1") == epochs


def test_a_second_engine_is_refused_while_the_first_trades(demo: dict) -> None:
    refused = playbook.run("trading", "-e", "trading_action=start", "-e", "trading_engine=hft-prod-02", record="trading_second", show=False)
    assert refused.rc != 0
    assert "hft-prod-01" in refused.output, "the refusal must name who holds"
    assert api("hft-prod-02", "status")["role"] == "standby"


def test_the_venue_never_saw_two_holders(demo: dict) -> None:
    highest: dict[str, int] = {}
    used_by: dict[tuple[str, int], set[str]] = {}
    for line in venue_log():
        if line["ev"] != "accepted":
            continue
        strategy, epoch = line["strategy"], int(line["epoch"])
        assert epoch >= highest.get(strategy, 0), f"order under epoch {epoch} after {highest[strategy]}"
        highest[strategy] = epoch
        used_by.setdefault((strategy, epoch), set()).add(line["holder"])
    assert highest
    assert [key for key, holders in used_by.items() if len(holders) > 1] == []
