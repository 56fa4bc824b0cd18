# SPDX-License-Identifier: GPL-3.0-or-later
"""Patroni keeps the cluster: moved at command and by itself while rows are written, nothing acknowledged is lost, and it is left alone.

What a move cost is written to build/bench/patroni.json, with the timings that it follows from.
"""

from __future__ import annotations

import json
import subprocess
import time
from pathlib import Path

import pytest
import yaml
from patience import until

testinfra_hosts = ["mol-01"]

_ROOT = Path(__file__).resolve().parents[2]
_FIGURES = _ROOT / "build" / "bench" / "patroni.json"
_MEMBERS = ("mol-01", "mol-02", "mol-03")
_VARIABLES = yaml.safe_load((Path(__file__).parent / "variables.yml").read_text())
_TLS = "/etc/postgresql/tls"

# A row a transaction, each with a number of its own that is used once: what was acknowledged is known, and when.
_WRITER = f"""
import json, pathlib, time, psycopg2
LOGIN = dict(host="{",".join(_MEMBERS)}", user="hft_user", password="{_VARIABLES["timescaledb_engine_password"]}", dbname="hft_db",
             target_session_attrs="read-write", sslmode="verify-full", sslrootcert="{_TLS}/authority.crt", connect_timeout=2,
             tcp_user_timeout=2000)
WRITE = "INSERT INTO writes VALUES (%s)"
acknowledged, number, session = [], 0, None
while not pathlib.Path("/run/writer-stop").exists():
    number += 1
    try:
        if session is None:
            session = psycopg2.connect(**LOGIN)
            session.autocommit = True
        with session.cursor() as cursor:
            cursor.execute(WRITE, (number,))
        if not session.notices:
            acknowledged.append((number, time.time()))
    except psycopg2.Error:
        session = None
        time.sleep(0.02)
pathlib.Path("/run/writer.json").write_text(json.dumps(acknowledged))
"""  # noqa: S608 - names and password of the scenario

_CALL = f"""
import ssl, sys, urllib.error, urllib.request
asked = urllib.request.Request(sys.argv[2], method=sys.argv[1], data=b"{{}}" if sys.argv[1] == "POST" else None)
try:
    print(urllib.request.urlopen(asked, context=ssl.create_default_context(cafile="{_TLS}/authority.crt"), timeout=5).status)
except urllib.error.HTTPError as refused:
    print(refused.code)
"""


def _there(host, name: str):
    return host.get_host(f"ssh://{name}", ssh_config=host.backend.ssh_config, sudo=True)


def _sql(host, query: str, database: str = "hft_db") -> str:
    return host.check_output("cd / && runuser -u postgres -- psql -XAtq -v ON_ERROR_STOP=1 -d %s -c %s", database, query)


def _asked(host, name: str) -> list[dict]:
    """The members, as this one sees them; empty while it does not answer."""
    told = _there(host, name).run("timeout 5 patronictl -c /etc/patroni/config.yml list -f json")
    return json.loads(told.stdout) if told.rc == 0 and told.stdout.startswith("[") else []


def _leader(host, name: str) -> str:
    return next((one["Member"] for one in _asked(host, name) if one["Role"] == "Leader" and one["State"] == "running"), "")


def _whole(host, name: str) -> bool:
    """One leader, two synchronous standbys that stream, one timeline."""
    members = _asked(host, name)
    roles = sorted((one["Role"], one["State"]) for one in members)
    return (roles == [("Leader", "running"), ("Quorum Standby", "streaming"), ("Quorum Standby", "streaming")]
            and len({one["TL"] for one in members}) == 1)


def _figure(name: str, value: object) -> None:
    found = json.loads(_FIGURES.read_text()) if _FIGURES.exists() else {}
    timings = {key: _VARIABLES.get(f"timescaledb_patroni_{key}", usual) for key, usual in
               (("ttl_s", 20), ("loop_wait_s", 5), ("retry_timeout_s", 5))}
    _FIGURES.parent.mkdir(parents=True, exist_ok=True)
    _FIGURES.write_text(json.dumps({**found, "timings": timings, name: value}, indent=2) + "\n")


@pytest.fixture
def leader(host) -> str:
    until(lambda: _whole(host, "mol-01"), within_s=90)
    return _leader(host, "mol-01")


@pytest.fixture
def writer(host, leader: str):
    """Rows are written from a standby's host; writer() stops and returns the longest pause in ms and what is missing."""
    place = next(name for name in _MEMBERS if name != leader)
    _sql(_there(host, leader), "DROP TABLE IF EXISTS writes")
    _sql(_there(host, leader), "CREATE TABLE writes (number bigint PRIMARY KEY)")
    _sql(_there(host, leader), "GRANT INSERT ON writes TO hft_user")
    there = _there(host, place)
    there.check_output("rm -f /run/writer-stop /run/writer.json; systemd-run --quiet --collect --unit=writer python3 -c %s", _WRITER)

    def stop() -> dict:
        there.check_output("touch /run/writer-stop; for n in $(seq 200); do test -e /run/writer.json && break; sleep 0.1; done")
        told = json.loads(there.file("/run/writer.json").content_string)
        at = [moment for _number, moment in told]
        kept = {int(line) for line in _sql(_there(host, _leader(host, place)), "SELECT number FROM writes").splitlines()}
        return {"rows": len(told), "lost": len({number for number, _at in told} - kept), "place": place,
                "gap_ms": round(max(later - sooner for sooner, later in zip(at, at[1:])) * 1000)}

    yield stop
    there.run("systemctl stop writer.service")


def test_patroni_runs_the_cluster_and_every_commit_waits_for_a_standby(host, leader: str) -> None:
    assert leader == "mol-01"
    names = _sql(host, "SHOW synchronous_standby_names").replace('"', "")
    assert names in ("ANY 1 (mol-02,mol-03)", "ANY 1 (mol-03,mol-02)")
    assert _sql(host, "SHOW synchronous_commit") == "on"
    assert _sql(host, "SELECT slot_name, active FROM pg_replication_slots ORDER BY 1") == "mol_02|t\nmol_03|t"
    assert _sql(host, "SELECT count(*), bool_and(ssl) FROM pg_stat_replication JOIN pg_stat_ssl USING (pid)") == "2|t"
    for name in _MEMBERS:
        there = _there(host, name)
        assert there.service("patroni").is_enabled
        assert not there.service("postgresql@17-main").is_running
        assert _sql(there, "SHOW max_worker_processes") == "35"
        assert _sql(there, "SELECT count(*) FROM pg_settings WHERE pending_restart") == "0"
        watchdog = there.file("/dev/watchdog").exists
        assert watchdog or "watchdog" not in there.check_output("journalctl -u patroni -p err --no-pager -q")


def test_who_has_no_certificate_of_the_authority_changes_nothing(host) -> None:
    assert host.check_output("python3 -c %s GET https://mol-01:8008/primary", _CALL) == "200"
    assert host.check_output("python3 -c %s POST https://mol-01:8008/restart", _CALL) == "403"
    assert host.run("python3 -c %s GET https://mol-01:2379/version", _CALL).rc != 0
    assert host.file("/etc/patroni/config.yml").mode == 0o600


def test_nobody_else_starts_moves_or_rebuilds_what_patroni_keeps(host, wrong_input) -> None:
    host.check_output("systemctl start postgresql@17-main.service")  # its condition is not met, which is no error
    assert not host.service("postgresql@17-main").is_running
    begun = _sql(host, "SELECT pg_postmaster_start_time()")
    upstream = {"primary_host": "mol-01", "user": "hft_replication", "password": "replication-of-the-scenario", "slot": "mol_02",
                "application_name": "mol-02"}
    for module, options in (("pg_standby", upstream), ("pg_demote", {**upstream, "system_identifier": "1"}),
                            ("pg_rejoin", {**upstream, "system_identifier": "1"}),
                            ("pg_promote", {"step": "detach", "system_identifier": "1", "name": "mol-01", "former_primary": "mol-02"})):
        assert "Patroni manages this cluster" in wrong_input("mol-01", [{f"hft.ops.{module}": options}])
    assert _sql(host, "SELECT pg_postmaster_start_time()") == begun


@pytest.mark.parametrize(("playbook", "options", "named"), [
    ("database_failover", (), "is a running primary; move it with the playbook database_switchover"),
    ("database_degrade", ("-e", "database_reason=trial"), "Patroni manages the cluster and holds commits"),
    ("database", ("-e", "timescaledb_ha=playbooks"), "Patroni manages this cluster, timescaledb_ha says playbooks"),
    ("database", ("-e", '{"timescaledb_synchronous_hosts": ["mol-01", "mol-02"]}'), "etcd votes on them: expected 3 or 5"),
    ("database", ("-e", '{"timescaledb_patroni_ttl_s": 12}'), "expected at least timescaledb_patroni_loop_wait_s + 2"),
])
def test_what_may_not_be_is_refused(database_playbook, playbook: str, options: tuple, named: str) -> None:
    done = database_playbook(playbook, *options)
    assert done.returncode == 2, done.stdout
    assert named in " ".join((done.stdout + done.stderr).split())


def test_a_planned_move_loses_nothing_and_nobody_else_is_restarted(host, leader: str, writer, database_playbook) -> None:
    time.sleep(2)
    done = database_playbook("database_switchover", "-e", "database_to=mol-02")
    assert done.returncode == 0, done.stdout
    assert "mol-02 is the primary on timeline" in " ".join(done.stdout.split())
    until(lambda: _whole(host, "mol-01"), within_s=90)
    found = writer()
    _figure("switchover", found)
    assert leader != "mol-02"
    assert _leader(host, "mol-01") == "mol-02"
    assert found["rows"] > 100
    assert found["lost"] == 0


def test_a_run_follows_the_live_primary_and_changes_nothing(database_playbook, leader: str) -> None:
    assert leader == "mol-02"
    assert database_playbook("database").returncode == 0  # the tool of the migrations comes to the new primary
    done = database_playbook("database")
    assert done.returncode == 0, done.stdout
    assert all("changed=0" in line for line in done.stdout.splitlines() if line.startswith("mol-0") and "ok=" in line), done.stdout


def test_a_changed_setting_comes_with_the_restart_that_patroni_makes(host, leader: str, database_playbook) -> None:
    more = ("-e", '{"timescaledb_max_connections": 110}')
    assert database_playbook("database", *more).returncode == 0
    done = database_playbook("database_restart", *more)
    assert done.returncode == 0, done.stdout
    assert [_sql(_there(host, name), "SHOW max_connections") for name in _MEMBERS] == ["110"] * 3
    assert _leader(host, "mol-01") == leader


def test_a_lost_primary_is_replaced_by_itself_and_comes_back(host, leader: str, writer, database_playbook) -> None:
    """Its host is cut off at once, as by a power failure."""
    survivor = next(name for name in _MEMBERS if name != leader)
    time.sleep(2)
    subprocess.run(["docker", "kill", leader], check=True, capture_output=True)
    killed = time.monotonic()
    done = database_playbook("database_failover", "-e", "database_accept_loss=true")
    assert done.returncode == 2
    assert "promotes nobody who may lack commits" in " ".join((done.stdout + done.stderr).split()) or _leader(host, survivor) != leader
    try:
        done = database_playbook("database_failover")
        said = " ".join((done.stdout + done.stderr).split())
        assert done.returncode == 0 or "is a running primary" in said, said
        until(lambda: _leader(host, survivor) not in ("", leader), within_s=90)
        elected_s = round(time.monotonic() - killed, 1)
        time.sleep(3)
        found = writer()
    finally:
        subprocess.run(["docker", "start", leader], check=True, capture_output=True)
    started = time.monotonic()
    until(lambda: _whole(host, survivor), within_s=180)
    _figure("failover", {**found, "seen_after_s": elected_s, "rejoined_after_start_s": round(time.monotonic() - started, 1)})
    assert found["lost"] == 0
    kept = [_sql(_there(host, name), "SELECT count(*), max(number) FROM writes") for name in _MEMBERS]
    assert len(set(kept)) == 1, kept


def test_a_member_that_was_stopped_is_brought_back(host, leader: str, database_playbook) -> None:
    victim = next(name for name in _MEMBERS if name != leader)
    _there(host, victim).check_output("systemctl stop patroni.service")
    done = database_playbook("database_rejoin")
    assert done.returncode == 0, done.stdout
    until(lambda: _whole(host, leader), within_s=90)


def test_without_any_standby_no_commit_is_acknowledged(host, leader: str) -> None:
    there = _there(host, leader)
    others = [_there(host, name) for name in _MEMBERS if name != leader]
    for one in others:
        one.check_output("systemctl stop patroni.service")
    try:
        waits = there.run("cd / && timeout 3 runuser -u postgres -- psql -XAtq -d hft_db -c 'INSERT INTO writes VALUES (-1)'")
        assert waits.rc == 124
    finally:
        for one in others:
            one.check_output("systemctl start patroni.service")
    until(lambda: _whole(host, leader), within_s=90)
