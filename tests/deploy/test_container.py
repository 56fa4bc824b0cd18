# SPDX-License-Identifier: GPL-3.0-or-later
"""deploy/container: built from a release archive, an engine trades in it, contained, and comes back as a standby."""

from __future__ import annotations

import json
import subprocess
import time
import urllib.request
from collections.abc import Callable
from pathlib import Path

import pytest
from ansible_collections.hft.ops.plugins.module_utils._engine_api import EngineApi, EngineRefused
from ansible_collections.hft.ops.plugins.module_utils._postgres_migrations import parse
from conftest import SECRETS, Compose

from lab import image

_SERVICES = ("engine", "venue", "database", "receiver")
_VENUE_LOG = "/var/log/paper_venue/venue.jsonl"


def _api(compose: Compose) -> EngineApi:
    address, port = compose.does("port", "engine", "8080").strip().rsplit(":", 1)
    assert address == "127.0.0.1", "published beyond this machine"
    return EngineApi(address, int(port), token=SECRETS["API_TOKENS_OPERATE"])


def _docker(*argv: str) -> str:
    return subprocess.run(["docker", *argv], capture_output=True, text=True, check=True).stdout


def _inspect(name: str) -> dict:
    return json.loads(_docker("inspect", name))[0]


def _eventually(probe: Callable[[], object], timeout_s: float = 60) -> None:
    deadline = time.monotonic() + timeout_s
    while not probe():
        assert time.monotonic() < deadline, f"not within {timeout_s:g} s"
        time.sleep(0.5)


def _accepted(compose: Compose) -> int:
    return int(compose.shell("venue", f"grep -c '\"accepted\"' {_VENUE_LOG}") or 0)


def test_an_archive_of_another_sum_makes_no_image(compose: Compose) -> None:
    done = compose.run("build", "engine", HFT_RELEASE_SHA256="0" * 64)
    assert done.returncode != 0
    assert "did NOT match" in done.stdout + done.stderr


def test_an_archive_without_a_sum_makes_no_image(compose: Compose) -> None:
    done = compose.run("build", "engine", HFT_RELEASE_SHA256="")
    assert done.returncode != 0
    assert "give the sha256" in done.stdout + done.stderr


def test_the_engine_trades_on_the_paper_venue(up: Compose) -> None:
    engine = _api(up)
    assert engine.status()["role"] == "standby"
    engine.set_config(30, role="primary", trading_enabled=True)
    engine.start_strategy("mm-btc-usd")
    _eventually(lambda: _accepted(up) > 20)
    _eventually(lambda: int(up.shell("database", "psql -XAtqd hft_db -c 'SELECT count(*) FROM orders'")) > 20)
    assert "TRADING" in up.shell("engine", "bin/hft_ctl status")


@pytest.mark.parametrize("service", _SERVICES)
def test_a_service_is_contained(up: Compose, service: str) -> None:
    told = _inspect(up.container(service))
    status = dict(line.split(":\t", 1) for line in up.shell(service, "cat /proc/1/status").splitlines() if ":\t" in line)
    assert "0" not in status["Uid"].split()
    assert not {status[name] for name in ("CapInh", "CapPrm", "CapEff", "CapBnd", "CapAmb")} - {"0000000000000000"}
    assert status["NoNewPrivs"] == "1"
    assert "Read-only file system" in up.shell(service, "touch /usr/bin/of-this-test 2>&1; touch /of-this-test 2>&1")
    assert told["HostConfig"]["ReadonlyRootfs"]
    assert all(told["HostConfig"][limit] for limit in ("Memory", "NanoCpus", "PidsLimit"))
    assert told["State"]["Health"]["Status"] == "healthy"


def test_nobody_reads_a_secret_by_listing(up: Compose) -> None:
    names = [up.container(service) for service in (*_SERVICES, "schema")]
    texts = [_docker(*asked) for name in names
             for asked in (("inspect", name), ("history", "--no-trunc", _inspect(name)["Image"]), ("logs", name))]
    assert not [value for value in SECRETS.values() for text in texts if value in text or json.dumps(value) in text]


def test_a_stranger_is_refused(up: Compose) -> None:
    engine = _api(up)
    engine.token = "guessed-of-this-test"
    with pytest.raises(EngineRefused, match="401"):
        engine.status()


def test_health_is_the_engines_own_answer(up: Compose) -> None:
    port = up.does("port", "engine", "9464").strip().rsplit(":", 1)[1]
    with urllib.request.urlopen(f"http://127.0.0.1:{port}/health", timeout=5) as answer:
        assert json.load(answer)["status"] == "ok"
    assert up.shell("engine", "health; echo $?") == "0"
    assert up.shell("venue", "health 2>/dev/null; echo $?") == "1", "no engine runs there"


def test_the_database_is_left_to_db_migrate(up: Compose) -> None:
    """Every row of schema_version is what the collection's own driver would have written."""
    folder = Path(__file__).resolve().parents[2] / "engine" / "migrations"
    files = {str(file.relative_to(folder)): file.read_text() for file in folder.rglob("*.sql")}
    rows = up.shell("database", "psql -XAtqd hft_db -c 'SELECT version, description, sha256 FROM schema_version ORDER BY 1'").splitlines()
    assert rows == [f"{one.version}|{one.description}|{one.sha256}" for one in parse(files, "here")]


def test_a_second_run_changes_nothing(up: Compose) -> None:
    before = [_inspect(up.container(service))["State"]["StartedAt"] for service in _SERVICES]
    up.does("up", "--wait")
    assert [_inspect(up.container(service))["State"]["StartedAt"] for service in _SERVICES] == before


def test_one_that_died_comes_back_as_standby(up: Compose) -> None:
    engine, name = _api(up), up.container("engine")
    pid = _inspect(name)["State"]["Pid"]
    # From the machine: the engine is the first process there, which nothing inside can kill, and Docker's own kill is a stop that lasts.
    _docker("run", "--rm", "--pid=host", "--entrypoint", "kill", image.base(), "-KILL", str(pid))
    _eventually(lambda: _inspect(name)["State"]["Pid"] not in (0, pid) and _inspect(name)["State"]["Health"]["Status"] == "healthy")
    assert engine.status()["role"] == "standby"
    assert _inspect(name)["RestartCount"] == 1


def test_one_that_is_made_anew_gives_its_leases_back_first(up: Compose) -> None:
    engine = _api(up)
    _eventually(lambda: _claims(engine), timeout_s=120)
    former = up.container("engine")
    up.does("up", "--wait", "--no-deps", "--force-recreate", "engine")
    assert up.container("engine") != former
    assert up.shell("database", "psql -XAtqd hft_db -c 'SELECT count(holder) FROM engine_lease'") == "0"
    assert engine.status()["role"] == "standby"


def _claims(engine: EngineApi) -> bool:
    """Claimed anew; refused while the lease of the one that died is not seen to have stood still."""
    try:
        return bool(engine.takeover(30, ["mm-btc-usd", "mom-eth-usd"]))
    except EngineRefused:
        return False
