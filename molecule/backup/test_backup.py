# SPDX-License-Identifier: GPL-3.0-or-later
"""The repository is asked what it holds, backups are restored and counted, and what must be refused changes nothing."""

from __future__ import annotations

import datetime
import json
import os
import subprocess
import time
from pathlib import Path

import pytest
import yaml
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from patience import until

testinfra_hosts = ["mol-01"]

_HERE = Path(__file__).parent
_ROOT = _HERE.parents[1]
_VARIABLES = yaml.safe_load((_HERE / "variables.yml").read_text())
_ROLE = {"ansible.builtin.import_role": {"name": "hft.ops.pgbackrest"}, "vars": _VARIABLES}
_INFO = {"hft.ops.pgbackrest_info": {"stanza": "hft"}, "register": "found"}
_CERTIFICATE = "/etc/pgbackrest/tls/host.crt"

# Inserts an event every few milliseconds, and tells when each was sent and when its commit was acknowledged.
_WRITER = """
import json, time, psycopg2
connection = psycopg2.connect(dbname="hft_db")
connection.autocommit = True
cursor = connection.cursor()
told = []
for seq in range(300):
    cursor.execute("SELECT clock_timestamp()::text")
    sent = cursor.fetchone()[0]
    cursor.execute("INSERT INTO events (time, engine, seq, kind) VALUES (now(), 'writer', %s, 'trial')", (seq,))
    cursor.execute("SELECT clock_timestamp()::text")
    told.append((seq, sent, cursor.fetchone()[0]))
    time.sleep(0.004)
print(json.dumps(told))
"""


def _there(host, name: str):
    return host.get_host(f"ssh://{name}", ssh_config=host.backend.ssh_config, sudo=True)


def _sql(host, query: str, database: str = "hft_db") -> str:
    return host.check_output("cd / && runuser -u postgres -- psql -XAtq -v ON_ERROR_STOP=1 -d %s -c %s", database, query)


def _fingerprint(host) -> str:
    """What a refused run must leave alone: the cluster's files, its server, its configuration."""
    return host.check_output("ls -lA --time-style=+%s /var/lib/postgresql/17 /var/lib/postgresql/17/main /etc/postgresql/17/main 2>&1;"
                             " systemctl show -P MainPID -P ActiveEnterTimestamp postgresql@17-main.service")


@pytest.fixture
def playbook(tmp_path):
    """Run a playbook of the collection with the variables of the scenario: playbook("backup_verify", key="value") → finished process."""

    def run(name: str, **extra: str) -> subprocess.CompletedProcess[str]:
        variables = tmp_path / "variables.yml"
        variables.write_text(yaml.safe_dump({"all": {"vars": _VARIABLES}}))
        argv = ["ansible-playbook", f"--inventory={_ROOT}/molecule/inventory", f"--inventory={variables}",
                f"--extra-vars={json.dumps(extra)}", f"{_ROOT}/playbooks/{name}.yml"]
        plain = {**os.environ, "ANSIBLE_FORCE_COLOR": "0", "ANSIBLE_NOCOLOR": "1"}
        return subprocess.run(argv, cwd=_ROOT, env=plain, capture_output=True, text=True, check=False)

    return run


def _said(done: subprocess.CompletedProcess[str]) -> str:
    return " ".join((done.stdout + done.stderr).split())


def _restore(playbook, host, **extra: str) -> subprocess.CompletedProcess[str]:
    told = json.loads(_there(host, "mol-02").check_output("cd / && runuser -u postgres -- pgbackrest --stanza=hft --output=json info"))
    return playbook("database_restore", **{"restore_host": "mol-03", "restore_confirm": str(told[0]["db"][-1]["system-id"]),
                                           "restore_hosts_timescaledb": "mol-01", **extra})


def test_a_full_backup_is_there_and_every_host_sees_it(play) -> None:
    done = play("all:!mol-build", [_INFO, {"ansible.builtin.assert": {"that": [
        "found.state == 'ok' and found.cipher == 'aes-256-cbc' and found.version == '17'",
        "found.last.full.age_s < 3600 and found.last.full.repository_bytes > 0 and not found.last.full.error",
        "found.wal.min and found.wal.max >= found.last.full.wal_stop",
        "(found.archiver | length > 0) == (inventory_hostname == 'mol-01')",
    ]}}])
    assert done.returncode == 0, done.stdout


def test_the_repository_is_encrypted(host) -> None:
    """Every file begins as openssl's do; information that stands in plain text without encryption cannot be found."""
    repository = _there(host, "mol-02")
    heads = ("import collections, pathlib; "
             "files = [f for f in pathlib.Path('/var/lib/pgbackrest').rglob('*') if f.is_file() and f.stat().st_size]; "
             "print(len(files) > 3, *{f.open('rb').read(8) for f in files})")
    assert repository.check_output("python3 -c %s", heads) == "True b'Salted__'"
    assert repository.run("grep -rl -e backrest-format -e hft_owner /var/lib/pgbackrest").rc == 1


def test_the_passphrase_stands_on_the_repository_host_alone(host) -> None:
    secret = _there(host, "mol-02").file("/etc/pgbackrest/conf.d/secrets.conf")
    assert (secret.user, secret.group, secret.mode) == ("root", "postgres", 0o640)
    for name in ("mol-01", "mol-03"):
        assert _there(host, name).run("grep -rl 'passphrase of the scenario' /etc/pgbackrest /etc/systemd /var/log/pgbackrest").stdout == ""


def test_private_keys_are_of_postgres_alone_and_never_left_their_host(host) -> None:
    keys = {name: _there(host, name).file("/etc/pgbackrest/tls/host.key") for name in ("mol-01", "mol-02", "mol-03")}
    assert {(key.user, key.mode) for key in keys.values()} == {("postgres", 0o600)}
    assert len({key.content_string for key in keys.values()}) == 3


def test_timers_take_backups_and_tell_their_age(host) -> None:
    repository = _there(host, "mol-02")
    for kind in ("full", "incr"):
        assert repository.service(f"pgbackrest-{kind}.timer").is_running
        assert repository.service(f"pgbackrest-{kind}.timer").is_enabled
    repository.check_output("systemctl start pgbackrest-backup@incr.service")
    told = repository.file("/var/lib/prometheus/node-exporter/hft_backup.prom").content_string
    stamps = dict(line.rsplit(" ", 1) for line in told.splitlines() if line.startswith("hft_backup_last_completed"))
    name = "hft_backup_last_completed_timestamp_seconds"
    assert float(stamps[f'{name}{{stanza="hft",type="full"}}']) < float(stamps[f'{name}{{stanza="hft",type="incr"}}']) <= time.time() + 1


def test_a_gate_refuses_an_old_backup(wrong_input) -> None:
    time.sleep(2)
    said = wrong_input("mol-02", [{"hft.ops.pgbackrest_info": {"stanza": "hft", "max_age_s": 1}}])
    assert "s old, at most 1 s are allowed" in said


def test_a_failing_archive_is_told(host, play, wrong_input) -> None:
    _sql(host, "ALTER SYSTEM SET archive_command = '/bin/false'")
    _sql(host, "SELECT pg_reload_conf()")
    try:
        _sql(host, "SELECT pg_switch_wal() FROM pg_create_restore_point('trial')")
        until(lambda: _sql(host, "SELECT failed_count > 0 FROM pg_stat_archiver"), "t")
        done = play("mol-01", [_INFO, {"ansible.builtin.assert": {
            "that": "found.archiver.failing and found.archiver.waiting_segments > 0 and found.archiver.last_failed_age_s >= 0"}}])
        assert done.returncode == 0, done.stdout
        assert "archive_command: failed" in wrong_input("mol-01", [{"hft.ops.pgbackrest_info": {"stanza": "hft", "archiving": True}}])
    finally:
        _sql(host, "ALTER SYSTEM RESET archive_command")
        _sql(host, "SELECT pg_reload_conf()")
        _sql(host, "SELECT pg_switch_wal() FROM pg_create_restore_point('trial')")
    until(lambda: _sql(host, "SELECT last_archived_time > last_failed_time FROM pg_stat_archiver"), "t")


def test_a_wrong_passphrase_opens_nothing(wrong_input) -> None:
    wrong = {"PGBACKREST_REPO1_CIPHER_TYPE": "aes-256-cbc", "PGBACKREST_REPO1_CIPHER_PASS": "another passphrase entirely"}
    said = wrong_input("mol-03", [{"hft.ops.pgbackrest_info": {"stanza": "hft"}, "environment": wrong}])
    assert "cannot be decrypted; give the passphrase" in said


@pytest.mark.parametrize(("variables", "named"), [
    ({"pgbackrest_cipher_passphrase": "short"}, "pgbackrest_cipher_passphrase: shorter than 20"),
    ({"pgbackrest_repository_host": "mol-01"}, "mol-01 is a member, with which its backups would be lost"),
    ({"pgbackrest_client_hosts": []}, "mol-03 is no member, no client and not the repository host"),
])
def test_wrong_input_is_refused_and_changes_nothing(host, wrong_input, variables: dict, named: str) -> None:
    there = _there(host, "mol-03")
    state = "find /etc/pgbackrest /etc/systemd/system -type f -printf '%p %T@ %m\\n' | sort"
    before = there.check_output(state)
    assert named in wrong_input("mol-03", [{**_ROLE, "vars": {**_VARIABLES, **variables}}])
    assert there.check_output(state) == before


def _expired(host, authority: Path) -> str:
    """The certificate of mol-03, as the authority would have signed it a month ago for a week."""
    there = _there(host, "mol-03")
    now = x509.load_pem_x509_certificate(there.file(_CERTIFICATE).content)
    signer = x509.load_pem_x509_certificate((authority / "authority.crt").read_bytes())
    key = serialization.load_pem_private_key((authority / "authority.key").read_bytes(), None)
    today = datetime.datetime.now(datetime.timezone.utc)
    builder = x509.CertificateBuilder(signer.subject, now.subject, now.public_key(), x509.random_serial_number(),
                                      today - datetime.timedelta(days=30), today - datetime.timedelta(days=23))
    for extension in now.extensions:
        builder = builder.add_extension(extension.value, extension.critical)
    return builder.sign(key, hashes.SHA256()).public_bytes(serialization.Encoding.PEM).decode()


@pytest.mark.long
def test_an_absent_or_expired_certificate_is_told_and_mended(host, play, wrong_input) -> None:
    there = _there(host, "mol-03")
    expired = _expired(host, _ROOT / ".lab/molecule-pki")
    key = there.file("/etc/pgbackrest/tls/host.key").content_string
    there.check_output("rm %s", _CERTIFICATE)
    said = wrong_input("mol-03", [{"hft.ops.pgbackrest_info": {"stanza": "hft"}}])
    assert _CERTIFICATE in said
    there.check_output("printf %%s %s > %s", expired, _CERTIFICATE)
    # The program tries again until its timeout, which need not be waited for here.
    said = wrong_input("mol-03", [{"hft.ops.pgbackrest_info": {"stanza": "hft"}, "environment": {"PGBACKREST_IO_TIMEOUT": "1"}}])
    assert "certificate" in said
    assert "expired" in said
    done = play("mol-03", [_ROLE], "--tags", "pgbackrest_configure")
    assert done.returncode == 0, done.stdout
    assert play("mol-03", [_INFO]).returncode == 0
    assert there.file("/etc/pgbackrest/tls/host.key").content_string == key


def test_the_latest_backup_is_proven_and_nothing_is_left(host, playbook) -> None:
    _sql(host, "INSERT INTO events (time, engine, seq, kind) SELECT now(), 'proof', n, 'trial' FROM generate_series(1, 500) n")
    time.sleep(1.5)
    done = playbook("backup_verify", backup_verify_hosts_timescaledb="mol-01", backup_verify_host="mol-02")
    assert done.returncode == 0, done.stdout
    repository = _there(host, "mol-02")
    record = json.loads(repository.file("/var/log/hft-backup-verify.json").content_string)
    assert record["tables"]["events"]["rows"] == int(_sql(host, "SELECT count(*) FROM events"))
    assert record["pages"]["bad"] == 0
    assert record["pages"]["blocks"] > 1000
    told = repository.file("/var/lib/prometheus/node-exporter/hft_backup_verify.prom").content_string
    assert f'hft_backup_last_verified_timestamp_seconds{{stanza="hft"}} {record["verified"]}' in told
    assert repository.check_output("ls /var/lib/postgresql; ps -e -o args | grep '[h]ft-backup-verify' || true") == ""


@pytest.mark.long
def test_a_backup_that_lacks_rows_is_not_proven(host, wrong_input) -> None:
    table = {"name": "events", "column": "recorded_at", "content": True}
    task = {"stanza": "hft", "tables": [table], "expected": {"events": {"rows": 1000000, "digest": "0"}}}
    said = wrong_input("mol-02", [{"hft.ops.pgbackrest_verify": task}])
    assert "rows, expected 1000000" in said
    assert _there(host, "mol-02").check_output("ls /var/lib/postgresql") == ""


@pytest.mark.parametrize(("extra", "named"), [
    ({"restore_host": "mol-01"}, "holds a cluster with data (primary), which will not be overwritten"),
    ({"restore_confirm": "1234", "restore_beside_primary": "true"}, "restore_confirm: 1234; stanza hft holds system"),
    ({}, "mol-01: is a primary of system"),
])
def test_a_restore_is_refused(host, playbook, extra: dict, named: str) -> None:
    there = _there(host, extra.get("restore_host", "mol-03"))
    before = _fingerprint(there)
    done = _restore(playbook, host, **extra)
    assert done.returncode == 2
    assert named in _said(done)
    assert _fingerprint(there) == before


@pytest.mark.long
def test_a_drill_beside_the_primary_archives_nothing(host, playbook) -> None:
    there = _there(host, "mol-03")
    _sql(host, "SELECT pg_switch_wal() FROM pg_create_restore_point('trial')")
    done = _restore(playbook, host, restore_beside_primary="true")
    assert done.returncode == 0, done.stdout
    assert _sql(there, "SHOW archive_command") == "/bin/true"
    assert _sql(there, "SELECT count(*) FROM events WHERE engine = 'proof'") == "500"
    assert _there(host, "mol-02").check_output("find /var/lib/pgbackrest/archive -name '00000002*'") == ""
    there.check_output("pg_dropcluster --stop 17 main")


def test_a_restore_to_a_time_gives_exactly_the_rows_acknowledged_before_it(host, playbook) -> None:
    _sql(host, "INSERT INTO engine_lease (strategy, holder, epoch, beat, ttl_ms, venues, killed, kill_reason) VALUES "
               "('s1', 'engine:1', 5, 100, 2000, '{paper}', false, NULL), ('s2', NULL, 9, 3, 2000, '{paper}', true, 'trial')")
    told = json.loads(host.check_output("cd / && runuser -u postgres -- python3 -c %s", _WRITER))
    chosen = told[len(told) // 2][2]  # just after an acknowledgement, before the next row was sent
    acknowledged = sum(acked <= chosen for _seq, _sent, acked in told)
    assert 0 < acknowledged < len(told)
    host.check_output("systemctl stop postgresql@17-main.service")  # which archives what it has
    done = _restore(playbook, host, restore_type="time", restore_target=chosen)
    assert done.returncode == 0, done.stdout
    there = _there(host, "mol-03")
    assert _sql(there, "SELECT count(*), min(seq), max(seq) FROM events WHERE engine = 'writer'") == f"{acknowledged}|0|{acknowledged - 1}"
    # Nobody holds, no epoch comes twice, a kill stays.
    leases = _sql(there, "SELECT strategy, holder IS NULL, epoch, killed FROM engine_lease ORDER BY 1").splitlines()
    assert leases == [f"s1|t|{5 + 2**20}|f", f"s2|t|{9 + 2**20}|t"]
    assert _sql(there, "SELECT pg_is_in_recovery(), timeline_id FROM pg_control_checkpoint()") == "f|2"
    assert _sql(there, "SHOW synchronous_standby_names") == ""
    assert "recovery_target" not in there.file("/var/lib/postgresql/17/main/postgresql.auto.conf").content_string
    assert there.check_output("ls /var/lib/postgresql/17; ls /srv/wal").split() == ["main", "17-main"]
    assert there.file("/var/lib/postgresql/17/main/pg_wal").linked_to == "/srv/wal/17-main"
    assert _there(host, "mol-02").check_output("find /var/lib/pgbackrest/archive -name '00000002.history*' | wc -l") == "1"


@pytest.mark.long
def test_a_target_that_the_archive_does_not_reach_leaves_the_host_as_it_was(host, playbook) -> None:
    there = _there(host, "mol-03")
    there.check_output("pg_dropcluster --stop 17 main")
    done = _restore(playbook, host, restore_type="time", restore_target="2037-01-01 00:00:00+00", restore_timeline="1")
    assert done.returncode == 2
    assert "the archive has no commit after the target; choose an earlier one" in _said(done)
    assert there.check_output("ls /var/lib/postgresql/17") == "main"
    done = _restore(playbook, host, restore_type="latest", restore_timeline="1")
    assert done.returncode == 0, done.stdout
    assert _sql(there, "SELECT max(seq) FROM events WHERE engine = 'writer'") == "299"


@pytest.mark.long
def test_a_failover_begins_a_backup_on_the_new_timeline(host, play, database_playbook) -> None:
    """mol-01 comes back as a standby of the restored mol-03, which is then lost in its turn."""
    members = {"timescaledb_primary_host": "mol-03", "timescaledb_standby_hosts": ["mol-01"],
               "timescaledb_synchronous_hosts": ["mol-01", "mol-03"], "timescaledb_allowed_networks": ["10.213.78.0/24"]}
    done = play("mol-03", [{"ansible.builtin.import_role": {"name": "hft.ops.timescaledb"}, "vars": {**_VARIABLES, **members}}])
    assert done.returncode == 0, done.stdout
    wish = json.dumps({**members, "database_hosts": "mol-01:mol-03", "database_backup_hosts": "mol-02",
                       "database_migrations": str(_ROOT / "engine" / "migrations")})
    for name in ("database_rejoin", "database"):
        done = database_playbook(name, "-e", wish)
        assert done.returncode == 0, done.stdout
    _there(host, "mol-03").check_output("systemctl stop postgresql@17-main.service")
    done = database_playbook("database_failover", "-e", wish)
    assert done.returncode == 0, done.stdout
    timeline = _sql(host, "SELECT substr(pg_walfile_name(pg_current_wal_lsn()), 1, 8)")
    assert timeline > "00000001"

    def last_of_the_log() -> str:
        told = _there(host, "mol-02").check_output("cd / && runuser -u postgres -- pgbackrest --stanza=hft --output=json info")
        return json.loads(told)[0]["backup"][-1]["archive"]["stop"]

    until(last_of_the_log, lambda stop: stop.startswith(timeline), within_s=90)
