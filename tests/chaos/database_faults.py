# SPDX-License-Identifier: GPL-3.0-or-later
"""`make chaos-db`: faults of the database under load on the lab's hosts, drawn by a seed; after each one the playbooks mend it.

Held after each: one primary, one timeline, every acknowledged row there once, no epoch of a lease lower than before. Writes
build/chaos_db.json and prints it as the last line; exit 1 when something does not hold.
"""

from __future__ import annotations

import argparse
import ipaddress
import json
import random
import re
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from conclusion import conclude
from database import MEMBERS, Database, moved
from harm import DATABASE_UNIT, answers, docker, fill_log_disk, log_disk_back, plug, setting, small_log_disk, unplug
from lab_hosts import asked, on, slow_link

from lab import docker_engine, inventory, machine, playbook
from lab.failure import LabError
from lab.paths import INVENTORY

_ROOT = Path(__file__).resolve().parents[2]
_RESULT = _ROOT / "build" / "chaos_db.json"
_RATE = 300
_RUN_DATABASE = "import sys; from lab import playbook; playbook.run('database', '-e', sys.argv[1], record='chaos_database', show=False)"
_EPOCHS = "SELECT coalesce(json_object_agg(strategy, epoch), '{}') FROM engine_lease"
# The server's own, of every member: a standby's is that of the log it receives.
_TIMELINE = "SELECT max(substr(name, 1, 8)) FROM pg_ls_waldir() WHERE name ~ '^[0-9A-F]{24}$'"

# The load writes its rows in order: the last one says which are there.
_LAST_ROW = "SELECT seq FROM orders WHERE engine = 'bench/1' ORDER BY time DESC LIMIT 1"
_NOW = "SELECT clock_timestamp()"
_SYSTEM = "SELECT system_identifier FROM pg_control_system()"
_HELD = "SELECT count(*) FILTER (WHERE holder IS NOT NULL OR epoch < 1 << 20) FROM engine_lease"
_REPOSITORY = "hft-mon-01"
_BACKUPS = {"backup_hosts": ":".join([*MEMBERS, _REPOSITORY]), "pgbackrest_member_hosts": list(MEMBERS),
            "pgbackrest_repository_host": _REPOSITORY, "pgbackrest_cipher_passphrase": "passphrase of the faults alone",
            "pgbackrest_first_backup": False, "pgbackrest_full_calendar": "", "pgbackrest_incr_calendar": "",
            "pki_authority_directory": "{{ lab_state_dir }}/chaos-pki"}
# A passfile knows the password by host and port; the playbook puts it back as it was.
_SAME_PASSWORD = "sed -i '1{{p;s/^[^:]*:[^:]*:/{gateway}:{port}:/}}' /var/lib/postgresql/replication.pgpass"
_FROM_GATEWAY = "SELECT count(*) FROM pg_stat_replication WHERE client_addr = '{}' AND state = 'streaming'"


def _standbys(primary: str) -> list[str]:
    return [name for name in MEMBERS if name != primary]


# -- the faults: each does its harm to the primary or around it, and has it mended by the playbooks

def primary_killed(primary: str, _choice: random.Random) -> None:
    docker("kill", primary)
    moved("database_failover")
    docker("start", primary)
    answers(primary)
    moved("database_rejoin")


def primary_paused_and_back_as_a_second_primary(primary: str, _choice: random.Random) -> None:
    docker("pause", primary)
    try:
        moved("database_failover")
    finally:
        docker("unpause", primary)
    time.sleep(3)  # it takes writes again, and nobody acknowledges them
    moved("database_rejoin")


def primary_partitioned(primary: str, _choice: random.Random) -> None:
    unplug(primary)
    try:
        moved("database_failover")
    finally:
        plug(primary)
    moved("database_rejoin")


def primary_crashes_and_restarts_with_its_standbys_away(primary: str, _choice: random.Random) -> None:
    """A commit waits, the crash makes it visible without an acknowledgement, and the standbys come back to it."""
    for name in _standbys(primary):
        docker("pause", name)
    try:
        time.sleep(2)
        on(primary, "systemctl kill --signal=KILL postgresql@17-main; sleep 1; systemctl start postgresql@17-main")
        answers(primary)
    finally:
        for name in _standbys(primary):
            docker("unpause", name)


def standby_killed(primary: str, choice: random.Random) -> None:
    victim = choice.choice(_standbys(primary))
    docker("kill", victim)
    time.sleep(3)
    docker("start", victim)
    answers(victim)


def standby_built_anew_while_the_primary_restarts(primary: str, choice: random.Random) -> None:
    """The base backup breaks off, or is asked for again; a second run of the same playbook ends what the first began."""
    victim = choice.choice(_standbys(primary))
    on(victim, "systemctl stop postgresql@17-main && rm -r /var/lib/postgresql/17/main")
    topology = json.dumps({"timescaledb_primary_host": primary, "timescaledb_standby_hosts": _standbys(primary)})
    running = subprocess.Popen([sys.executable, "-c", _RUN_DATABASE, topology], cwd=_ROOT)
    time.sleep(choice.uniform(4, 12))
    on(primary, "systemctl restart postgresql@17-main")
    running.wait(timeout=300)
    moved("database", "-e", topology)


def moved_during_a_migration(primary: str, _choice: random.Random) -> None:
    """A transaction that changes the schema is open when the primary stops: it is rolled back whole."""
    script = ("runuser -u postgres -- psql -Xqd hft_db -c \"BEGIN; CREATE TABLE chaos_migration (a int); "
              "ALTER TABLE events ADD COLUMN chaos int; SELECT pg_sleep(60)\"")
    argv = ["docker", "exec", primary, "/bin/bash", "-c", script]
    with subprocess.Popen(argv, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL) as open_one:
        time.sleep(2)
        moved("database_switchover")
        open_one.wait(timeout=60)
    for name in MEMBERS:
        if asked(name, "SELECT to_regclass('public.chaos_migration')", "hft_db"):
            raise LabError(f"{name}: half a migration is there")


def promotion_without_the_cut_is_refused(primary: str, choice: random.Random) -> None:
    """One candidate is cut off while the other still streams from a living primary: a failover must refuse, the cut one comes back."""
    cut = choice.choice(_standbys(primary))
    if playbook.run("database_failover", record="chaos_refused", show=False).rc == 0:
        raise LabError("a failover with a living primary was not refused")
    for statement in ("ALTER SYSTEM SET primary_conninfo = ''", "SELECT pg_reload_conf()"):
        asked(cut, statement)
    time.sleep(2)
    moved("database_rejoin")


def disk_of_the_log_full(primary: str, _choice: random.Random) -> None:
    """The write-ahead log on a small disk, which somebody fills: the server ends itself and cannot come back before there is room."""
    small_log_disk(primary)
    fill_log_disk(primary)
    moved("database_failover")
    log_disk_back(primary)
    moved("database_rejoin")


def slow_link_to_the_standbys(primary: str, _choice: random.Random) -> None:
    """40 ms each way and 512 KiB/s: commits become slow, nothing is lost, and the standbys are pointed back at the primary itself."""
    network, hosts = inventory.read(INVENTORY)
    gateway = str(next(ipaddress.ip_network(network.subnet).hosts()))
    address = next(host.address for host in hosts if host.name == primary)
    with slow_link(f"{address}:5432", listen=gateway, delay_ms=40, rate_kib=512) as port:
        for name in _standbys(primary):
            on(name, _SAME_PASSWORD.format(gateway=gateway, port=port))
            conninfo = re.sub(r"\bhost=\S+", f"host={gateway}", asked(name, "SHOW primary_conninfo"))
            conninfo = re.sub(r"\bport=\S+", f"port={port}", conninfo)
            for statement in (f"ALTER SYSTEM SET primary_conninfo = $it${conninfo}$it$", "SELECT pg_reload_conf()"):
                asked(name, statement)
        time.sleep(10)
        slow = asked(primary, _FROM_GATEWAY.format(gateway))
        if slow != "2":
            raise LabError(f"{slow} standbys stream over the slow link, not 2: it proves nothing")
        moved("database", "-e", json.dumps({"timescaledb_primary_host": primary, "timescaledb_standby_hosts": _standbys(primary)}))


def older_backup_restored(primary: str, _choice: random.Random) -> range:
    """Somebody takes the database back to a time: what came after it is given up, nothing before, and nobody holds a lease then."""
    setting(primary, "archive_command", "pgbackrest --stanza=hft archive-push %p")
    moved("backup", "-e", json.dumps(_BACKUPS))
    on(_REPOSITORY, "systemctl start pgbackrest-backup@full.service")
    time.sleep(2)  # pgBackRest takes a backup for a time when it ended a whole second before
    kept = asked(primary, _LAST_ROW, "hft_db")
    point, system = asked(primary, _NOW), asked(primary, _SYSTEM)
    time.sleep(3)
    on(primary, f"systemctl stop {DATABASE_UNIT}")  # which archives the last of its log, and the standbys have it
    time.sleep(1)
    written = asked(_standbys(primary)[0], _LAST_ROW, "hft_db")
    on(primary, "pg_dropcluster 17 main")
    moved("database_restore", "-e", json.dumps({**_BACKUPS, "restore_host": primary, "restore_confirm": system, "restore_type": "time",
                                                "restore_target": point}))
    if asked(primary, _HELD, "hft_db") != "0":
        raise LabError(f"{primary}: restored, and a lease is held, or its epoch may have been given before")
    setting(primary, "archive_command", None)
    moved("database_rejoin")
    moved("database", "-e", json.dumps({"timescaledb_primary_host": primary, "timescaledb_standby_hosts": _standbys(primary)}))
    return range(int(kept) + 1, int(written) + 1)


def plain_move(_primary: str, _choice: random.Random) -> None:
    moved("database_switchover")


# What a fault gives up by a person's choice, as numbers of rows; none but a restore does.
Fault = Callable[[str, random.Random], range | None]
FAULTS: tuple[Fault, ...] = (
    primary_killed, primary_paused_and_back_as_a_second_primary, primary_partitioned, primary_crashes_and_restarts_with_its_standbys_away,
    standby_killed, standby_built_anew_while_the_primary_restarts, moved_during_a_migration, promotion_without_the_cut_is_refused,
    disk_of_the_log_full, slow_link_to_the_standbys, older_backup_restored, plain_move,
)
_LOAD_S = {older_backup_restored: 90}
_USUAL_LOAD_S = 20


def broken(before: dict[str, int]) -> list[str]:
    """What does not hold now."""
    deadline = time.monotonic() + 60
    while time.monotonic() < deadline:
        found = _broken(before)
        if not found:
            return []
        time.sleep(1)
    return found


def _broken(before: dict[str, int]) -> list[str]:
    standing = {name: (asked(name, "SELECT pg_is_in_recovery()"), asked(name, _TIMELINE)) for name in MEMBERS}
    primaries = [name for name, (recovery, _) in standing.items() if recovery == "f"]
    if len(primaries) != 1:
        return [f"primaries: {', '.join(primaries) or 'none'}"]
    out = []
    if len({timeline for _, timeline in standing.values()}) != 1:
        out.append(f"timelines: {standing}")
    streams = asked(primaries[0], "SELECT count(*) FROM pg_stat_replication WHERE state = 'streaming'")
    if streams != "2":
        out.append(f"{primaries[0]}: {streams} standbys stream")
    now = json.loads(asked(primaries[0], _EPOCHS, "hft_db") or "{}")
    out += [f"epoch of {name}: {now.get(name)} after {epoch}" for name, epoch in before.items() if now.get(name, -1) < epoch]
    return out


def one(database: Database, fault: Fault, choice: random.Random) -> dict[str, Any]:
    primary = database.primary()
    epochs = json.loads(asked(primary, _EPOCHS, "hft_db") or "{}")
    begin = time.monotonic()
    with database.load(rows=_RATE * _LOAD_S.get(fault, _USUAL_LOAD_S), rate=_RATE) as load:
        time.sleep(2)
        load.given_up = fault(primary, choice) or range(0)
        wrong = broken(epochs)
    found = load.result
    wrong += [f"{found[key]} rows {key}" for key in ("lost", "doubled") if found[key] != 0]
    return {"fault": fault.__name__, "primary": primary, "took_s": round(time.monotonic() - begin, 1), "rows": found["rows"],
            "gap_ms": round(found["gap_ms"]), "given_up": found["given_up"], "wrong": wrong}


def missed(result: dict[str, Any]) -> list[str]:
    """What did not hold, in words."""
    out = [f"{found['fault']} of {found['primary']}: {wrong}" for found in result["faults"] for wrong in found["wrong"]]
    if "ended_by" in result:
        out.append(f"ended by: {result['ended_by']}")
    return out if out or result["faults"] else ["no fault was done: nothing is proven"]


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seed", type=int, default=42)
    parser.add_argument("--faults", type=int, default=20, help="how many; every kind comes up before one comes again")
    parser.add_argument("--only", default="", help="name of one kind")
    arguments = parser.parse_args()
    choice = random.Random(arguments.seed)  # noqa: S311 - which fault comes next, nothing secret
    chosen = [fault for fault in FAULTS if arguments.only in ("", fault.__name__)]
    drawn: list[Fault] = []
    while len(drawn) < arguments.faults and chosen:
        drawn += choice.sample(chosen, len(chosen))
    result = machine.head(arguments.seed)
    result["faults"] = []
    try:
        docker_engine.ensure()
        database = Database(f"chaos-{int(time.time())}")
        database.compile()
        for fault in drawn[:arguments.faults]:
            result["faults"].append(one(database, fault, choice))
            print(f"==> {result['faults'][-1]}", flush=True)
    except LabError as failure:
        result["ended_by"] = str(failure)
    return conclude(result, _RESULT, missed(result))


if __name__ == "__main__":
    sys.exit(main())
