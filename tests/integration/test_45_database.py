# SPDX-License-Identifier: GPL-3.0-or-later
"""The primary moves, dies and comes back while an engine trades: nothing acknowledged is lost, and nobody else trades meanwhile."""

from __future__ import annotations

import subprocess
import time

import pytest
from conftest import api, eventually, on, sql, venue_log

from lab import playbook

_MEMBERS = ("hft-db-01", "hft-prod-01", "hft-prod-02")


def _primaries() -> list[str]:
    asked = {name: on(name, "runuser -u postgres -- psql -XAtqc 'SELECT pg_is_in_recovery()'", check=False) for name in _MEMBERS}
    return [name for name, said in asked.items() if said == "f"]


def _leases(host: str) -> list[list[str]]:
    return sql("SELECT strategy, holder, epoch FROM engine_lease ORDER BY 1", host)


def _run(name: str, *arguments: str, fails: bool = False) -> str:
    done = playbook.run(name, *arguments, record=f"e2e_{name}", show=False)
    assert (done.rc != 0) == fails, done.output[-3000:]
    return done.output


def _every_order_is_there(host: str) -> None:
    """What the venue accepted until now is, or will be, in the database."""
    accepted = {(line["strategy"], str(line["epoch"]), str(line["seq"])) for line in venue_log() if line["ev"] == "accepted"}
    eventually(f"every accepted order on {host}",
               lambda: accepted <= {tuple(row) for row in sql("SELECT strategy, epoch, seq FROM orders", host)}, 60)


@pytest.fixture(scope="module")
def holders(demo: dict) -> list[list[str]]:
    return _leases("hft-db-01")


def test_a_check_says_who_would_move_and_changes_nothing(holders: list) -> None:
    said = _run("database_switchover", "--check", "-e", "database_to=hft-prod-02")
    assert "from hft-db-01 to hft-prod-02" in said
    assert _primaries() == ["hft-db-01"]


@pytest.mark.parametrize(("name", "arguments", "said"), [
    ("database_switchover", ("-e", "database_to=hft-mon-01"), "database_to=hft-mon-01: no such member"),
    ("database_failover", (), "hft-db-01: is a running primary"),
    ("database_rejoin", ("-e", '{"database_rejoin": ["hft-db-01"]}'), "hft-db-01 is the primary"),
])
def test_what_must_not_be_done_is_refused(holders: list, name: str, arguments: tuple[str, ...], said: str) -> None:
    assert said in " ".join(_run(name, *arguments, fails=True).split())
    assert _primaries() == ["hft-db-01"]


def test_the_engine_trades_through_a_planned_move(holders: list) -> None:
    _run("database_switchover", "-e", "database_to=hft-prod-02")
    assert _primaries() == ["hft-prod-02"]
    before = len(venue_log())
    eventually("orders after the move", lambda: len(venue_log()) > before + 20)
    assert _leases("hft-prod-02") == holders, "a move of the database is no change of holder"
    assert api("hft-prod-01", "status")["role"] == "primary"
    _every_order_is_there("hft-prod-02")


def test_a_lost_primary_is_replaced_and_the_engine_trades_on(holders: list) -> None:
    subprocess.run(["docker", "kill", "hft-prod-02"], check=True, capture_output=True)
    try:
        said = _run("database_failover")
        assert "nothing that was acknowledged is lost" in said
        primary = _primaries()[0]
        eventually("the engine's lease is renewed by the new primary", lambda: _leases(primary) == holders)
        before = int(sql("SELECT count(*) FROM orders", primary)[0][0])
        eventually("orders arrive in the new primary", lambda: int(sql("SELECT count(*) FROM orders", primary)[0][0]) > before + 20)
        _every_order_is_there(primary)
    finally:
        subprocess.run(["docker", "start", "hft-prod-02"], check=True, capture_output=True)


def test_the_lost_one_comes_back_as_a_standby_and_the_move_is_taken_back(holders: list) -> None:
    eventually("the host is back", lambda: on("hft-prod-02", "runuser -u postgres -- psql -XAtqc 'SELECT 1'", check=False) == "1", 90)
    said = _run("database_rejoin")
    assert "hft-prod-02 follows" in said
    assert len(_primaries()) == 1
    if _primaries() != ["hft-db-01"]:
        _run("database_switchover", "-e", "database_to=hft-db-01")
    assert _primaries() == ["hft-db-01"]
    assert _leases("hft-db-01") == holders
    _every_order_is_there("hft-db-01")
    eventually("both standbys stream", lambda: sql("SELECT count(*) FROM pg_stat_replication WHERE sync_state = 'quorum'") == [["2"]], 60)
    time.sleep(1)
    assert api("hft-prod-02", "status")["role"] == "standby"
