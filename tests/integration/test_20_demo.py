# SPDX-License-Identifier: GPL-3.0-or-later
"""`make demo` leaves an engine that trades, and the proof of it."""

from __future__ import annotations

import stat
from pathlib import Path

import pytest
import yaml
from conftest import api, eventually, on, sql, venue_log

from lab.paths import BUILD, INVENTORY, ROOT


def test_every_line_of_validate_is_ok(demo: dict) -> None:
    assert [line for line in demo["validate"] if not line["ok"]] == []
    assert len(demo["validate"]) >= 11


def test_second_site_run_changes_nothing(demo: dict) -> None:
    assert demo["second_site_run"]["changed"] == 0


def test_one_engine_trades_and_the_other_stands_by(demo: dict) -> None:
    roles = {host: api(host, "status")["role"] for host in ("hft-prod-01", "hft-prod-02")}
    assert roles == {"hft-prod-01": "primary", "hft-prod-02": "standby"}


def test_rows_equal_the_venues_log(demo: dict) -> None:
    """Fills of the venue's log up to now are all in the database, once each."""
    fills = {str(line["fill_id"]) for line in venue_log() if line["ev"] == "fill"}
    assert fills

    def booked() -> bool:
        rows = [row[0] for row in sql("SELECT fill_id FROM fills")]
        return len(rows) == len(set(rows)) and fills <= set(rows)

    eventually("every fill of the venue's log in the database exactly once", booked)


def test_a_commit_waits_for_one_of_two_standbys(demo: dict) -> None:
    assert sql("SHOW synchronous_standby_names")[0][0].startswith("ANY 1 (")
    assert sorted(row[0] for row in sql("SELECT sync_state FROM pg_stat_replication")) == ["quorum", "quorum"]


@pytest.mark.parametrize("host", ["hft-prod-01", "hft-prod-02"])
def test_secrets_file_of_the_engine(demo: dict, host: str) -> None:
    assert on(host, "stat -c '%a %U' /opt/hft_system/.env") == "600 hft_user"


def test_no_secret_in_output_process_list_or_configuration(demo: dict) -> None:
    file = INVENTORY / "group_vars" / "all" / "secrets.yml"
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    secrets = [value for value in yaml.safe_load(file.read_text()).values() if isinstance(value, str)]
    assert secrets
    logs = [path for folder in ("log", "record") for path in Path(BUILD / folder).glob("*") if path.is_file()]
    found = [(path.name) for path in logs for secret in secrets if secret in path.read_text(errors="replace")]
    assert found == []
    for host in ("hft-prod-01", "hft-prod-02", "hft-db-01", "hft-mon-01"):
        seen = on(host, "ps axww -o args; cat /opt/hft_system/config/*.json 2>/dev/null; journalctl --no-pager -o cat", check=False)
        assert [secret for secret in secrets if secret in seen] == [], host


def test_nothing_of_the_labs_state_is_tracked(demo: dict) -> None:
    import subprocess

    tracked = subprocess.run(["git", "ls-files"], cwd=ROOT, capture_output=True, text=True, check=True).stdout.splitlines()
    assert [name for name in tracked if name.endswith("secrets.yml") or name.startswith((".lab/", "build/"))] == []
