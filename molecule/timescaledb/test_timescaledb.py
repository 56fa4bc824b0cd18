# SPDX-License-Identifier: GPL-3.0-or-later
"""The cluster is asked how it replicates, who may log in and what a lost standby costs; wrong input changes nothing."""

from __future__ import annotations

import os
import time
from pathlib import Path

import pytest
import yaml
from patience import until

testinfra_hosts = ["mol-01"]

_HERE = Path(__file__).parent
_VARIABLES = yaml.safe_load((_HERE / "variables.yml").read_text())
_ROLE = {"ansible.builtin.import_role": {"name": "hft.ops.timescaledb"}}
_PREFLIGHT = {"ansible.builtin.import_role": {"name": "hft.ops.timescaledb", "tasks_from": "preflight.yml"}}
_CONFIG = "/etc/postgresql/17/main"


def _sql(host, query: str, database: str = "hft_db") -> str:
    return host.check_output("cd / && runuser -u postgres -- psql -XAtq -v ON_ERROR_STOP=1 -d %s -c %s", database, query)


def _login(host, role: str, password: str, address: str = "mol-01", database: str = "hft_db"):
    return host.run("PGPASSWORD=%s PGCONNECT_TIMEOUT=5 psql -XAtq -h %s -U %s -d %s -c 'SELECT 1'", password, address, role, database)


def _followers(host) -> dict[str, str]:
    found = _sql(host, "SELECT application_name, state || ' ' || sync_state FROM pg_stat_replication")
    return dict(line.split("|") for line in found.splitlines())


def _there(host, name: str):
    """Another host of the scenario, reached in the same way."""
    return host.get_host(f"ssh://{name}", ssh_config=host.backend.ssh_config, sudo=True)


def _fingerprint(host) -> str:
    """What a refused run must leave alone: files with their times, and how long the server has run."""
    return host.check_output(f"find {_CONFIG} /var/lib/postgresql/replication.pgpass -type f -printf '%p %T@ %m\\n' 2>/dev/null | sort;"
                             " systemctl show -P MainPID -P ActiveEnterTimestamp postgresql@17-main.service")


def test_both_standbys_stream_and_count(host) -> None:
    until(lambda: _followers(host), {"mol-02": "streaming quorum", "mol-03": "streaming quorum"})
    assert _sql(host, "SHOW synchronous_standby_names") == 'ANY 1 ("mol-02", "mol-03")'
    assert _sql(host, "SHOW synchronous_commit") == "on"


def test_each_standby_has_its_own_limited_slot(host) -> None:
    assert _sql(host, "SELECT slot_name, active, slot_type FROM pg_replication_slots ORDER BY 1") == "mol_02|t|physical\nmol_03|t|physical"
    assert _sql(host, "SHOW max_slot_wal_keep_size") == "1GB"


@pytest.mark.parametrize("setting", ["max_connections", "max_worker_processes", "max_wal_senders", "max_locks_per_transaction",
                                     "max_prepared_transactions", "wal_level", "data_checksums", "shared_preload_libraries"])
def test_what_a_standby_must_have_alike_is_alike(host, setting: str) -> None:
    values = {name: _sql(_there(host, name), f"SHOW {setting}")
              for name in ("mol-01", "mol-02", "mol-03")}
    assert len(set(values.values())) == 1, values


def test_the_write_ahead_log_lies_where_it_was_given_a_place(host) -> None:
    """On the primary since its creation, on a standby since its base backup."""
    for there in (host, _there(host, "mol-02")):
        assert there.file("/var/lib/postgresql/17/main/pg_wal").linked_to == "/srv/wal/17-main"
        assert there.check_output("ls /srv/wal") == "17-main"
        assert int(there.check_output("ls /srv/wal/17-main | grep -c '^0000'")) > 0


@pytest.mark.long
def test_settings_follow_the_limits_of_the_service(host, play) -> None:
    """Of a slice, which the check then shows; the machine's own figures are never used."""
    dropin = "/etc/systemd/system/system-postgresql.slice.d/limit.conf"
    host.check_output(f"mkdir -p $(dirname {dropin}) && printf '[Slice]\\nMemoryMax=768M\\nCPUQuota=100%%\\n' > {dropin}"
                      " && systemctl daemon-reload")
    try:
        variables = {**_VARIABLES, "timescaledb_memory_mb": 0}
        done = play("mol-01", [{**_ROLE, "vars": variables}], "--check", "--diff", "--tags", "timescaledb_preflight,timescaledb_configure")
    finally:
        host.check_output(f"rm {dropin} && systemctl daemon-reload")
    assert done.returncode == 0, done.stdout
    computed = f"+# For 768 MiB (limit of system-postgresql.slice) and 1 CPUs (of 0-{os.cpu_count() - 1})."
    for line in (computed, "+shared_buffers = '192MB'", "+max_parallel_workers = '1'"):
        assert line in done.stdout


def test_pages_carry_checksums(host) -> None:
    assert _sql(host, "SHOW data_checksums") == "on"


def test_passwords_are_scram_and_no_rule_admits_less(host) -> None:
    assert _sql(host, "SELECT rolname FROM pg_authid WHERE rolpassword IS NOT NULL AND rolpassword NOT LIKE 'SCRAM-SHA-256$%'") == ""
    methods = _sql(host, "SELECT DISTINCT type || ' ' || auth_method FROM pg_hba_file_rules ORDER BY 1").splitlines()
    assert methods == ["host scram-sha-256", "hostssl scram-sha-256", "local peer"]
    without_tls = _sql(host, "SELECT DISTINCT address FROM pg_hba_file_rules WHERE type = 'host'").splitlines()
    assert set(without_tls) == {"127.0.0.1", "::1"}
    assert _sql(host, "SELECT count(*) FROM pg_hba_file_rules WHERE address IN ('0.0.0.0', '::', 'all') OR error IS NOT NULL") == "0"


def test_roles_have_the_least_rights(host) -> None:
    rights = "SELECT rolname, rolcanlogin, rolreplication, rolsuper FROM pg_roles WHERE rolname LIKE 'hft%' ORDER BY 1"
    assert _sql(host, rights).splitlines() == ["hft_monitoring|t|f|f", "hft_owner|f|f|f", "hft_replication|t|t|f", "hft_user|t|f|f"]
    assert _sql(host, "SELECT pg_has_role('hft_monitoring', 'pg_monitor', 'member')") == "t"
    assert _sql(host, "SELECT pg_get_userbyid(datdba) FROM pg_database WHERE datname = 'hft_db'") == "hft_owner"


def test_the_engine_logs_in_over_tcp_with_its_password_alone(host) -> None:
    assert _login(host, "hft_user", _VARIABLES["timescaledb_engine_password"]).stdout.strip() == "1"
    refused = _login(host, "hft_user", "something-else-entirely")
    assert refused.rc != 0
    assert "password authentication failed" in refused.stderr


def test_the_network_is_tls_alone_and_held_against_the_name(host) -> None:
    until(lambda: _sql(host, "SELECT count(*), bool_and(ssl) FROM pg_stat_replication JOIN pg_stat_ssl USING (pid)"), "2|t")
    standby = _there(host, "mol-02")
    assert "sslmode=verify-full" in _sql(standby, "SHOW primary_conninfo", "postgres")
    ask = ("PGPASSWORD=%s PGCONNECT_TIMEOUT=5 psql -XAtq 'user=hft_user dbname=hft_db sslrootcert=/etc/postgresql/tls/authority.crt {}' "
           "-c 'SELECT 1'")
    password = _VARIABLES["timescaledb_engine_password"]
    assert standby.run(ask.format("host=mol-01 sslmode=verify-full"), password).stdout.strip() == "1"
    assert "no encryption" in standby.run(ask.format("host=mol-01 sslmode=disable"), password).stderr
    named = standby.run(ask.format("host=elsewhere hostaddr=10.213.78.11 sslmode=verify-full"), password).stderr
    assert 'does not match host name "elsewhere"' in named


@pytest.mark.long
def test_monitoring_logs_in_over_the_network_by_the_certificate_alone(host, play, wrong_input) -> None:
    given = {"postgres_exporter_db_host": "mol-02", "postgres_exporter_db_password": _VARIABLES["timescaledb_monitoring_password"]}
    verified = {"postgres_exporter_db_authority": "/etc/postgresql/tls/authority.crt"}
    role = {"ansible.builtin.import_role": {"name": "hft.ops.postgres_exporter"}}
    assert "give postgres_exporter_db_authority" in wrong_input("mol-01", [{**role, "vars": given}])
    done = play("mol-01", [{**role, "vars": {**given, **verified}}])
    assert done.returncode == 0, done.stdout
    assert _sql(_there(host, "mol-02"), "SELECT bool_and(ssl) FROM pg_stat_activity JOIN pg_stat_ssl USING (pid) "
                                        "WHERE usename = 'hft_monitoring' AND client_addr IS NOT NULL") == "t"
    # The same server by a name that no certificate has.
    host.check_output("echo \"$(getent hosts mol-02 | cut -d' ' -f1) elsewhere\" >> /etc/hosts")
    assert "pg_up" in wrong_input("mol-01", [{**role, "vars": {**given, **verified, "postgres_exporter_db_host": "elsewhere"}}])


def test_replication_password_is_in_one_file_of_postgres_alone(host) -> None:
    standby = _there(host, "mol-02")
    passfile = standby.file("/var/lib/postgresql/replication.pgpass")
    assert (passfile.user, passfile.mode) == ("postgres", 0o600)
    assert "of the scenario" not in standby.check_output("ps -e -o args")
    assert standby.run("grep -rl 'of.the scenario' /etc/postgresql /var/lib/postgresql/17/main/postgresql.auto.conf").stdout == ""


def test_migrations_made_hypertables_owned_by_the_owner(host) -> None:
    assert _sql(host, "SELECT string_agg(hypertable_name, ' ' ORDER BY hypertable_name) FROM timescaledb_information.hypertables") \
        == "events fills orders"
    files = sorted(path.name for path in (_HERE.parents[1] / "engine/migrations").glob("*.sql"))
    assert _sql(host, "SELECT count(*), max(version) FROM schema_version") == f"{len(files)}|{len(files)}"
    assert _sql(host, "SELECT DISTINCT tableowner FROM pg_tables WHERE schemaname = 'public'") == "hft_owner"


@pytest.mark.parametrize("away", ["mol-02", "mol-03"])
def test_commits_flow_with_one_standby_away_and_reach_it_later(host, away: str) -> None:
    standby = _there(host, away)
    until(lambda: len(_followers(host)), 2)
    standby.check_output("systemctl stop postgresql@17-main.service")
    try:
        until(lambda: away in _followers(host), False)
        begin = time.monotonic()
        _sql(host, "CREATE TABLE trial (t text)")
        assert time.monotonic() - begin < 5
    finally:
        standby.check_output("systemctl start postgresql@17-main.service")
    until(lambda: _sql(standby, "SELECT to_regclass('trial') IS NOT NULL"), "t")
    _sql(host, "DROP TABLE trial")


def test_without_any_candidate_no_commit_is_acknowledged(host) -> None:
    """The synchronous set is real: with both away a commit waits, and is acknowledged when one comes back."""
    standbys = [_there(host, name) for name in ("mol-02", "mol-03")]
    _sql(host, "CREATE TABLE trial (t text)")
    for standby in standbys:
        standby.check_output("systemctl stop postgresql@17-main.service")
    try:
        waits = host.run("cd / && timeout 3 runuser -u postgres -- psql -XAtq -d hft_db -c \"INSERT INTO trial VALUES ('nobody')\"")
        assert waits.rc == 124
    finally:
        for standby in standbys:
            standby.check_output("systemctl start postgresql@17-main.service")
    until(lambda: len(_followers(host)), 2)
    _sql(host, "DROP TABLE trial")


@pytest.mark.long
def test_a_primary_acknowledges_alone_by_a_recorded_decision_only(host, play, database_playbook) -> None:
    """With both candidates down: the decision lets waiting commits and leases go, marks the others, and can be taken back."""
    def degrade(*options: str) -> str:
        done = database_playbook("database_degrade", *options)
        return " ".join((done.stdout + done.stderr).split())

    standbys = [_there(host, name) for name in ("mol-02", "mol-03")]
    reason = ("-e", "database_who=trial", "-e", "database_reason='both lost, INC-1'")
    assert "streams and acknowledges commits; nothing waits" in degrade(*reason)
    for standby in standbys:
        standby.check_output("systemctl stop postgresql@17-main.service")
    try:
        assert "database_reason: say why" in degrade()
        held = host.run("cd / && timeout 3 runuser -u postgres -- psql -XAtq -d hft_db"
                        " -c \"SELECT lease_register('alone', 60000, '{paper}')\"")
        assert held.rc == 124
        assert "commits wait for NOBODY" in degrade(*reason)
        assert _sql(host, "SELECT who, reason, timeline, ended_at IS NULL FROM degraded") == "trial|both lost, INC-1|1|t"
        assert _sql(host, "SELECT (lease_claim('alone', NULL, 0, 0, 'blue/1', 1, 60000, '{paper}')).holder") == "blue/1"
        assert standbys[0].file("/etc/postgresql/17/main/degraded").exists
        _sql(host, "UPDATE degraded SET timeline = 7")
        refused = host.run("cd / && runuser -u postgres -- psql -XAtq -d hft_db -c \"SELECT lease_release('alone', 'blue/1', 1, 1)\"")
        assert "lease refused: synchronous_standby_names is empty" in refused.stderr, "a decision of another timeline is none"
        _sql(host, "UPDATE degraded SET timeline = 1")
    finally:
        for standby in standbys:
            standby.check_output("systemctl start postgresql@17-main.service")
    until(lambda: len(_followers(host)), 2)
    system = _sql(host, "SELECT system_identifier FROM pg_control_system()")
    promote = {"step": "promote", "system_identifier": system, "name": "mol-02", "former_primary": "mol-01",
               "detached": [{"name": name, "timeline": 1, "flushed_lsn": "0/1"} for name in ("mol-02", "mol-03")]}
    done = play("mol-02", [{"hft.ops.pg_promote": promote}], "--check")
    assert "may lack acknowledged commits (The primary acknowledges alone since" in " ".join(done.stdout.split())
    assert 'commits wait for ANY 1 ("mol-02", "mol-03")' in degrade("-e", "database_degrade=end", "-e", "database_who=trial")
    assert _sql(host, "SELECT ended_by, count(*) FROM degraded GROUP BY 1") == "trial|1"
    assert not standbys[0].file("/etc/postgresql/17/main/degraded").exists
    assert "changed=0" in degrade("-e", "database_degrade=end").split("mol-01 : ")[-1]
    _sql(host, "DELETE FROM engine_lease WHERE strategy = 'alone'; DELETE FROM degraded")


def test_information_module_tells_lag_and_slots(play) -> None:
    done = play("mol-01", [
        {"hft.ops.pg_replication_info": {}, "register": "found"},
        {"ansible.builtin.assert": {"that": [
            "found.state == 'primary' and found.timeline == 1 and found.data_checksums and found.system_identifier | length > 10",
            "found.standbys | map(attribute='name') | list == ['mol-02', 'mol-03']",
            "found.standbys | selectattr('state', 'equalto', 'streaming') | selectattr('lag_seconds', 'lt', 10) | length == 2",
            "found.standbys | selectattr('lag_bytes', 'lt', 16777216) | length == 2",
            "found.slots | map(attribute='wal_status') | unique == ['reserved']",
        ]}},
    ])
    assert done.returncode == 0, done.stdout
    done = play("mol-02", [
        {"hft.ops.pg_replication_info": {}, "register": "found"},
        {"ansible.builtin.assert": {"that": [
            "found.state == 'standby' and found.standby_signal",
            "found.upstream.host == 'mol-01' and found.upstream.status == 'streaming' and found.upstream.slot == 'mol_02'",
        ]}},
    ])
    assert done.returncode == 0, done.stdout


@pytest.mark.parametrize(("name", "variables", "named"), [
    ("mol-01", {"timescaledb_engine_password": "this-is-not-the-password"}, "password of hft_user: refused by the database on mol-01"),
    ("mol-01", {"timescaledb_primary_host": "mol-02", "timescaledb_standby_hosts": ["mol-01", "mol-03"]}, "is a running primary"),
    ("mol-02", {"timescaledb_primary_host": "mol-02", "timescaledb_standby_hosts": ["mol-01", "mol-03"]},
     "in reality is a standby (of mol-01"),
    ("mol-02", {"timescaledb_make_certificates": False, "timescaledb_tls_certificate": "/srv/expired.crt"},
     "/srv/expired.crt on mol-02: Certificate will expire; put one there that is good"),
    ("mol-02", {"timescaledb_primary_address": "mol-02"}, "primary_host mol-02: is this host itself"),
    ("mol-02", {"timescaledb_allowed_networks": ["0.0.0.0/0"], "timescaledb_upstream_host": "mol-01"},
     "0.0.0.0/0 admits everybody … timescaledb_upstream_host: mol-01; expected a standby of this cluster"),
    ("mol-01", {"timescaledb_settings": {"synchronous_commit": "off"}}, "synchronous_commit guards replication"),
    ("mol-01", {"timescaledb_monitoring_password": "short"}, "password of hft_monitoring: shorter than 16"),
    ("mol-02", {"timescaledb_memory_mb": 0, "timescaledb_wal_directory": "", "timescaledb_min_free_mb": 1 << 30,
                "timescaledb_max_wal_size_mb": 1 << 30},
     "nothing limits the memory of postgresql@17-main.service … log of this cluster lies in /srv/wal/17-main … are free for "),
    ("mol-01", {"timescaledb_huge_pages": "on"}, "timescaledb_huge_pages: on, and"),
    ("mol-02", {"timescaledb_standby_hosts": ["mol-01", "mol-02"]}, "names the primary mol-01; a server cannot follow itself"),
])
def test_wrong_input_is_refused_and_changes_nothing(host, wrong_input, name: str, variables: dict, named: str) -> None:
    there = _there(host, name)
    if "expired" in named:
        there.check_output("openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes -keyout /dev/null -subj /CN=mol-02"
                           " -not_before 20200101000000Z -not_after 20200201000000Z -out /srv/expired.crt")
    before = _fingerprint(there)
    said = wrong_input(name, [{**_ROLE, "vars": {**_VARIABLES, **variables}}])
    for part in named.split(" … "):
        assert part in said
    assert _fingerprint(there) == before


@pytest.mark.long
def test_members_of_different_versions_are_refused(host, wrong_input) -> None:
    """A standby without the library that the catalog names could answer nothing, and could never take over."""
    standby = _there(host, "mol-03")
    library = "/usr/lib/postgresql/17/lib/timescaledb-{}.so"
    has = standby.check_output("basename $(ls /usr/lib/postgresql/17/lib/timescaledb-[0-9]*.so) .so").split("-")[1]
    other = "2.0.0"
    standby.check_output("mv %s %s", library.format(has), library.format(other))
    try:
        said = wrong_input("mol-01:mol-03", [{**_PREFLIGHT, "vars": _VARIABLES}])
    finally:
        standby.check_output("mv %s %s", library.format(other), library.format(has))
    assert f"mol-03: has the libraries of TimescaleDB {other}, the catalog of mol-01 names {has}; bring all members to one version" in said
    majors = {"ansible.builtin.set_fact": {"timescaledb_version": "{{ 17 if inventory_hostname == 'mol-01' else 16 }}"}}
    said = wrong_input("mol-01:mol-03", [majors, {**_PREFLIGHT, "vars": _VARIABLES}])
    assert "timescaledb_version: 17 here, 16 for other members" in said


def test_two_primaries_are_refused_with_both_names(wrong_input) -> None:
    each = {"ansible.builtin.set_fact": {"timescaledb_primary_host": "{{ inventory_hostname }}", "timescaledb_region": "us"}}
    alike = {name: value for name, value in _VARIABLES.items() if name != "timescaledb_primary_host"}
    said = wrong_input("mol-01:mol-02", [each, {**_PREFLIGHT, "vars": alike}])
    assert "timescaledb_primary_host: mol-01 here, mol-02 for other members; one cluster has one primary" in said
    # Clusters of their own, as the inventory has it, and yet one region.
    apart = {**alike, "timescaledb_standby_hosts": [], "timescaledb_synchronous_hosts": []}
    said = wrong_input("mol-01:mol-02", [each, {**_PREFLIGHT, "vars": apart}])
    assert "timescaledb_region: us has two primaries in the inventory, mol-01 and mol-02; each region has one" in said


def test_a_slot_that_is_not_there_or_a_wrong_password_cuts_nobody_off(host, wrong_input) -> None:
    standby = _there(host, "mol-03")
    before = _sql(standby, "SHOW primary_slot_name", "postgres"), _fingerprint(standby)
    upstream = {"primary_host": "mol-01", "user": "hft_replication", "password": _VARIABLES["timescaledb_replication_password"],
                "application_name": "mol-03", "sslmode": "verify-full", "sslrootcert": "/etc/postgresql/tls/authority.crt"}
    said = wrong_input("mol-03", [{"hft.ops.pg_standby": {**upstream, "slot": "gone"}}])
    assert "slot gone: does not exist on mol-01; name this host among the standbys there" in said
    wrong = {**upstream, "slot": "mol_03", "password": "this-is-not-the-password"}
    assert "primary mol-01:5432 as hft_replication: the password is refused" in wrong_input("mol-03", [{"hft.ops.pg_standby": wrong}])
    assert (_sql(standby, "SHOW primary_slot_name", "postgres"), _fingerprint(standby)) == before


@pytest.mark.long
def test_a_standby_can_follow_a_standby(host, play) -> None:
    """Asynchronous and through a slot of its own, as a copy in another region does; and back, both of them."""
    upstream = {"ansible.builtin.set_fact": {"timescaledb_upstream_host": "{{ 'mol-02' if inventory_hostname == 'mol-03' else '' }}"}}
    variables = {**_VARIABLES, "timescaledb_synchronous_hosts": ["mol-02"]}
    one_by_one = [{"ansible.builtin.include_role": {"name": "hft.ops.timescaledb"}, "vars": variables,
                   "when": f"inventory_hostname == '{name}'"} for name in ("mol-02", "mol-03")]
    done = play("mol-02:mol-03", [upstream, *one_by_one])
    assert done.returncode == 0, done.stdout
    middle = _there(host, "mol-02")
    until(lambda: _followers(middle), {"mol-03": "streaming async"})
    assert _sql(middle, "SELECT slot_name, active FROM pg_replication_slots", "postgres") == "mol_03|t"
    assert list(_followers(host)) == ["mol-02"]
    done = play("mol-02:mol-03", [{**_ROLE, "vars": _VARIABLES}])
    assert done.returncode == 0, done.stdout
    until(lambda: len(_followers(host)), 2)
    _sql(middle, "SELECT pg_drop_replication_slot('mol_03')", "postgres")
    assert {_sql(there, "SHOW synchronous_standby_names", "postgres") for there in (host, middle, _there(host, "mol-03"))} == {
        'ANY 1 ("mol-02", "mol-03")'}


@pytest.mark.parametrize("settings", [{"shared_bufers": "1GB"}, {"work_mem": "many"}])
def test_a_setting_that_the_server_does_not_take_never_reaches_its_file(host, wrong_input, settings: dict) -> None:
    before = _fingerprint(host)
    said = wrong_input("mol-01", [{**_ROLE, "vars": {**_VARIABLES, "timescaledb_settings": settings}}], "--tags", "timescaledb_configure")
    assert next(iter(settings)) in said
    assert _fingerprint(host) == before


@pytest.mark.long
def test_a_reload_is_no_restart_and_a_password_is_replaced_on_request(host, play) -> None:
    started = _sql(host, "SELECT pg_postmaster_start_time()")
    changes = {"timescaledb_settings": {"log_min_duration_statement": "777ms"},
               "timescaledb_monitoring_password": "another-for-monitoring", "timescaledb_rotate_passwords": True}
    done = play("mol-01", [{**_ROLE, "vars": {**_VARIABLES, **changes}}], "--diff", "-v")
    assert done.returncode == 0, done.stdout
    assert "another-for-monitoring" not in done.stdout + done.stderr
    assert _login(host, "hft_monitoring", "another-for-monitoring").rc == 0
    assert _sql(host, "SHOW log_min_duration_statement") == "777ms"
    assert _sql(host, "SELECT pg_postmaster_start_time()") == started


@pytest.mark.long
def test_the_server_restarts_only_when_it_says_so(host, play) -> None:
    started = _sql(host, "SELECT pg_postmaster_start_time()")
    changes = {"timescaledb_settings": {"max_files_per_process": "1100"}, "timescaledb_rotate_passwords": True}
    done = play("mol-01", [{**_ROLE, "vars": {**_VARIABLES, **changes}}])
    assert done.returncode == 0, done.stdout
    assert _sql(host, "SHOW max_files_per_process") == "1100"
    assert _sql(host, "SELECT pg_postmaster_start_time()") != started
    assert _login(host, "hft_monitoring", _VARIABLES["timescaledb_monitoring_password"]).rc == 0
    until(lambda: len(_followers(host)), 2)


def test_what_was_damaged_by_hand_is_all_that_is_repaired(host, play) -> None:
    host.check_output(f"echo \"work_mem = '9MB'\" >> {_CONFIG}/conf.d/90-hft.conf")
    host.check_output(f"echo 'host all all 0.0.0.0/0 trust' >> {_CONFIG}/pg_hba.conf")
    host.check_output("systemctl stop postgresql@17-main.service")
    done = play("mol-01", [{**_ROLE, "vars": _VARIABLES}])
    assert done.returncode == 0, done.stdout
    changed = [line.split("[", 1)[1].split("]")[0] for line in _tasks_changed(done.stdout)]
    assert changed == ["hft.ops.timescaledb : Write the settings and who may log in", "hft.ops.timescaledb : Run PostgreSQL"]
    assert _sql(host, "SELECT count(*) FROM pg_hba_file_rules WHERE auth_method = 'trust'") == "0"
    until(lambda: len(_followers(host)), 2)


def _tasks_changed(output: str) -> list[str]:
    """The TASK lines under which a host changed."""
    found, task = [], ""
    for line in output.splitlines():
        if line.startswith("TASK ["):
            task = line
        elif line.startswith("changed:") and task not in found:
            found.append(task)
    return found
