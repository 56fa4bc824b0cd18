# SPDX-License-Identifier: GPL-3.0-or-later
"""What engines log in with is rotated while they trade: both are good, then the former one is refused.

The last file, since the lab then wants tokens.
"""

from __future__ import annotations

import json
import time
from pathlib import Path

import pytest
from conftest import on, sql, venue_log

from lab import playbook

_ENGINES = ("hft-prod-01", "hft-prod-02")
_STRATEGY = "mm-btc-usd"


@pytest.fixture
def vault(tmp_path: Path) -> Path:
    """Where an inventory beside the lab's has its variables; they outrank the lab's own."""
    (tmp_path / "hosts.yml").write_text("all: {}\n")
    (tmp_path / "group_vars").mkdir()
    return tmp_path / "group_vars" / "all.yml"


def _rotate(vault: Path, token: str, login: str = "", *, end: bool = False, fails: bool = False, **more: object) -> str:
    """Run the playbook with the inventory that wants this token and this login."""
    wanted: dict[str, object] = {"engine_api_tokens_operate": [token], **more}
    if login:
        wanted |= {"engine_database_user": login, "engine_database_password": f"password-of-{login}",
                   "timescaledb_engine_logins": [{"name": login, "password": f"password-of-{login}"}]}
    vault.write_text(json.dumps(wanted))
    return _run("--inventory", str(vault.parent.parent), "-e", json.dumps({"secrets_end": end}), fails=fails)


def _run(*options: str, fails: bool) -> str:
    done = playbook.run("secrets_rotate", *options, record="e2e_secrets", show=False)
    assert (done.rc != 0) == fails, done.output[-4000:]
    assert "password-of-" not in done.output
    return " ".join(done.output.split())


def _answer(host: str, token: str) -> str:
    """The engine's status code."""
    ask = ("import http.client as h; c = h.HTTPConnection('127.0.0.1', 8080, timeout=5); "
           f"c.request('GET', '/api/v1/status', headers={{'Authorization': 'Bearer {token}'}}); print(c.getresponse().status)")
    return on(host, f'python3 -c "{ask}"')


def _logins() -> set[str]:
    return {row[0] for row in sql("SELECT usename FROM pg_stat_activity WHERE usename LIKE 'hft_user%'")}


def _may_log_in(login: str, password: str) -> str:
    ask = "SELECT count(*) >= 0 FROM orders"
    session = f"host=hft-db-01 user={login} dbname=hft_db connect_timeout=5"
    return on("hft-prod-01", f"PGPASSWORD={password} psql -XAtq '{session}' -c '{ask}' 2>&1", check=False)


@pytest.mark.long
def test_tokens_and_logins_are_rotated_while_trading_goes_on(demo: dict, vault: Path) -> None:
    former, new = "the-former-token-of-the-lab", "the-newer-token-of-the-lab"
    began = time.time_ns()
    assert "given as extra variables" in _run("-e", json.dumps({"engine_api_tokens_operate": [former]}), fails=True)
    _rotate(vault, former)
    assert {_answer(host, former) for host in _ENGINES} == {"200"}
    assert {_answer(host, "another-token-altogether") for host in _ENGINES} == {"401"}

    assert "does not know all that the inventory has" in _rotate(vault, new, "hft_user_b", end=True, fails=True)
    assert "expected a name of timescaledb_engine_logins" in _rotate(vault, new, engine_database_user="hft_nobody", fails=True)

    _rotate(vault, new, "hft_user_b")
    assert {_answer(host, token) for host in _ENGINES for token in (former, new)} == {"200"}
    assert _logins() == {"hft_user_b"}
    assert sql("SELECT rolcanlogin FROM pg_roles WHERE rolname = 'hft_user'") == [["t"]]

    _rotate(vault, new, "hft_user_b", end=True)
    assert {_answer(host, former) for host in _ENGINES} == {"401"}
    assert {_answer(host, new) for host in _ENGINES} == {"200"}
    assert _may_log_in("hft_user_b", "password-of-hft_user_b") == "t"
    assert "no pg_hba.conf entry" in _may_log_in("hft_user", "whatever-it-was")
    assert sql("SELECT rolcanlogin FROM pg_roles WHERE rolname = 'hft_user'") == [["f"]]

    times = sorted(line["t"] for line in venue_log() if line["ev"] == "accepted" and line["strategy"] == _STRATEGY and line["t"] > began)
    assert max(later - earlier for earlier, later in zip(times, times[1:])) < 5e9
