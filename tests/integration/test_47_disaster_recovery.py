# SPDX-License-Identifier: GPL-3.0-or-later
"""The recovery site takes over when the primary site is powered off, and trading comes back; the venue's log says what that cost."""

from __future__ import annotations

import json
import re
import subprocess
from pathlib import Path

import pytest
from conftest import api, eventually, on, sql, truth_of
from loss import counted, told

from lab import playbook

# Two of three hosts are the primary site, with an engine and the database primary; the third is the recovery site. The venue is neither.
_FROM, _TO = "hft-prod-01:hft-db-01", "hft-prod-02"
_BLUE, _GREEN = "hft-prod-01", "hft-prod-02"
_SITES = {"dr_from": _FROM, "dr_to": _TO}
_POWER = {"fence_command": ["docker", "kill", "{host}"], "fence_proof": "^[0-9a-f]+$",
          "drill_power_on_command": ["docker", "start", "{host}"],
          "fence_proof_command": ["docker", "ps", "--all", "--quiet", "--filter", "name=^{host}$", "--filter", "status=exited"]}


def _run(name: str, *, fails: bool = False, **variables: object) -> str:
    done = playbook.run(name, "-e", json.dumps({**_SITES, **variables}), record=f"e2e_{name}", show=False)
    assert (done.rc != 0) == fails, done.output[-4000:]
    return " ".join(done.output.split())


def _holders(host: str = "hft-db-01") -> set[str]:
    return {holder.partition("/")[0] for _strategy, holder in sql("SELECT strategy, holder FROM engine_lease", host)}


def _both_stream() -> None:
    eventually("both standbys stream", lambda: sql("SELECT count(*) FROM pg_stat_replication WHERE sync_state = 'quorum'") == [["2"]], 90)


@pytest.mark.long
def test_readiness_is_one_table(demo: dict) -> None:
    assert "the recovery site could take over now" in _run("dr_status")
    said = _run("dr_status", dr_max_backup_age_s=3600, dr_markets=["XNYS"], dr_calendar_days=3650, fails=True)
    assert "NOT READY: backup, calendars" in said


@pytest.mark.long
def test_a_drill_is_refused_without_a_word(demo: dict) -> None:
    assert "this powers hft-prod-01, hft-db-01 off; nothing was changed" in _run("dr_drill", fails=True, **_POWER)


@pytest.mark.long
def test_a_site_that_answers_hands_over_and_loses_nothing(demo: dict) -> None:
    with truth_of(_GREEN):
        said = _run("dr_failover", dr_reason="planned")
        assert "no acknowledged commit is lost" in said
        assert _holders(_GREEN) == {_GREEN}
    _run("dr_failback", dr_reason="planned")
    _both_stream()
    assert _holders() == {_BLUE}


@pytest.mark.long
def test_the_drill_powers_the_primary_site_off_and_comes_back(demo: dict, tmp_path: Path) -> None:
    with truth_of(None, stale_refused=True) as log:
        try:
            said = _run("dr_drill", drill_yes=True, drill_id="e2e-drill", drill_max_rto_s=120, dr_record_dir=str(tmp_path), **_POWER)
        finally:
            for host in (_BLUE, "hft-db-01"):
                subprocess.run(["docker", "start", host], check=True, capture_output=True)
        assert f"trading resumed at {_GREEN}" in said
        _both_stream()
        assert _holders() == {_BLUE}
        assert all(one["trading"] for one in api(_BLUE, "status")["strategies"])
    record = json.loads((tmp_path / "e2e-drill.json").read_text())
    assert record["verdict"] == "done"
    # One of two candidates was lost with the primary: nobody can prove that the other has everything.
    assert next(row["found"] for row in record["gates"] if row["gate"] == "recovery point").startswith("at most ")
    assert (tmp_path / "e2e-drill.html").stat().st_size > 1000
    # What is told begins when the power was asked to go off; the venue's log, with the last order before it did.
    told_ms, seen_ms = record["gap_ms"], max(log.gaps_ms())
    assert -500 < told_ms - seen_ms < 15_000, f"told {told_ms} ms, the log says {seen_ms} ms"


def _orders(host: str) -> set[tuple[str, ...]]:
    return {tuple(row) for row in sql("SELECT strategy, epoch, seq FROM orders", host)}


def _back() -> bool:
    status = api(_BLUE, "status")
    return sql("SELECT 1", "hft-db-01") == [["1"]] and status["database"]["connected"] and status["lag"]["queue_depth"] == 0


def _has_replayed() -> bool:
    """Of a server that was started without a sender: nothing comes, and the end of its log shows in nothing but that."""
    at = [sql("SELECT pg_last_wal_replay_lsn(), pg_sleep(1)", _GREEN) for _ in range(2)]
    return at[0] == at[1]


@pytest.mark.long
def test_what_the_lost_site_alone_had_is_counted_to_the_row_when_it_is_back(demo: dict, tmp_path: Path) -> None:
    sql("CREATE TABLE public.lost_rows (n integer)")
    eventually("the recovery site has the table", lambda: sql("SELECT to_regclass('lost_rows') IS NOT NULL", _GREEN) == [["t"]])
    with truth_of(None, stale_refused=True):
        try:
            on(_GREEN, "systemctl stop postgresql@17-main")
            sql("INSERT INTO lost_rows SELECT generate_series(1, 100)")
            sql("COPY lost_rows FROM PROGRAM 'seq 101 137'")
            sql("BEGIN; INSERT INTO lost_rows SELECT generate_series(1, 50); SAVEPOINT s; INSERT INTO lost_rows VALUES (0); ROLLBACK")
            sql("BEGIN; SAVEPOINT s; INSERT INTO lost_rows SELECT generate_series(138, 140); RELEASE s; COMMIT")
            sql("UPDATE lost_rows SET n = -n WHERE n <= 7")
            subprocess.run(["docker", "kill", _BLUE, "hft-db-01"], check=True, capture_output=True)
            on(_GREEN, "systemctl start postgresql@17-main")
            eventually("the recovery site has replayed what it has", _has_replayed)
            kept = _orders(_GREEN)  # before the move: the taker writes down what it knows of the giver's orders
            bound = told(_run("dr_failover", dr_reason="lost"))
        finally:
            for host in (_BLUE, "hft-db-01"):
                subprocess.run(["docker", "start", host], check=True, capture_output=True)
        eventually("the lost hosts answer", _back, 120)
        alone = _orders("hft-db-01") - kept
        said = _run("dr_failback", dr_reason="lost", dr_id="e2e-lost", dr_record_dir=str(tmp_path))
    _both_stream()
    found = counted(said)
    assert "140 of lost_rows" in said
    assert found.orders == len(alone)
    assert bound is not None
    assert 0 < found.seconds <= bound.seconds
    record = json.loads((tmp_path / "e2e-lost.json").read_text())
    point = next(row for row in record["gates"] if row["gate"] == "recovery point")
    assert "140 of lost_rows" in point["found"]
    # The rows themselves, as they stood in the end.
    kept_in = re.search(r"rows are kept in (\S+\.gz)", point["found"])
    assert kept_in
    lines = [json.loads(line) for line in on("hft-db-01", f"zcat {kept_in[1]}").splitlines()]
    assert lines[0]["rows"]["lost_rows"] == 140
    assert lines[0]["changed"]["lost_rows"] == 7
    assert sorted(line["row"]["n"] for line in lines[1:] if line["table"] == "lost_rows") == [*range(-7, 0), *range(8, 141)]
    assert sql("SELECT count(*) FROM lost_rows") == [["0"]]
    sql("DROP TABLE lost_rows")
