# SPDX-License-Identifier: GPL-3.0-or-later
"""What can go wrong around a transfer: each fault does its harm while an engine stands at a point, and is mended afterwards."""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

import phase_stop
from lab_hosts import asked, on

from lab import inventory, playbook
from lab.failure import LabError
from lab.paths import INVENTORY, ROOT

DATABASE_UNIT = "postgresql@17-main"
VENUE, VENUE_UNIT = "hft-mon-01", "paper_venue"
_AWAY_S = 4.0


@dataclass
class Scene:
    """One transfer under way.

    stopped: host of the engine that stands at the point; control_dir: sockets of the operator's SSH connections; kept: what a fault has to
    remember until it is mended.
    """

    giver: str
    taker: str
    primary: str
    stopped: str
    operator: subprocess.Popen
    control_dir: str
    name: str
    second: subprocess.Popen | None = None
    kept: dict[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class Fault:
    """begin: the harm, while the engine stands; holds: the engine goes on only after the mending; mend: what an operator would do."""

    begin: Callable[[Scene], None]
    mend: Callable[[Scene], None] = lambda _scene: None
    holds: bool = False
    before: Callable[[Scene], None] = lambda _scene: None


def docker(*words: str) -> None:
    done = subprocess.run(["docker", *words], capture_output=True, text=True)
    if done.returncode != 0:
        raise LabError(f"docker {' '.join(words)}: {done.stderr.strip()}")


def answers(host: str) -> None:
    """Wait until the database server on the host answers."""
    deadline = time.monotonic() + 90
    while not asked(host, "SELECT 1"):
        if time.monotonic() > deadline:
            raise LabError(f"{host}: PostgreSQL does not answer 90 s after the fault ended")
        time.sleep(0.5)


def playbook_run(name: str, *arguments: str, output: Path = Path(os.devnull), **environment: str) -> subprocess.Popen:
    """One that goes on beside us, in a group of processes of its own."""
    argv = ["ansible-playbook", "-i", str(INVENTORY), *arguments, str(ROOT / "playbooks" / f"{name}.yml")]
    with output.open("w") as log:
        return subprocess.Popen(argv, cwd=ROOT, stdin=subprocess.DEVNULL, stdout=log, stderr=log, start_new_session=True,
                                env=os.environ | environment)


def _unplug(host: str) -> None:
    docker("network", "disconnect", "--force", inventory.read(INVENTORY)[0].name, host)


def _plug(host: str) -> None:
    network, hosts = inventory.read(INVENTORY)
    address = next(one.address for one in hosts if one.name == host)
    docker("network", "connect", "--ip", address, network.name, host)


def _unit(host: str, unit: str, name: str) -> None:
    on(host, f"systemctl kill --signal={name} --kill-whom=all {unit}")


def _takes_over(scene: Scene) -> None:
    """As an operator would when an engine is silent: the other one trades."""
    for host in (scene.taker, scene.giver):
        if host != scene.kept.get("silent"):
            playbook.run("trading", "-e", "trading_action=start", "-e", f"trading_engine={host}", record="chaos_takeover", show=False)
            return


# -- the operator

def _operator_signal(number: int) -> Callable[[Scene], None]:
    def send(scene: Scene) -> None:
        with contextlib.suppress(ProcessLookupError):
            os.killpg(scene.operator.pid, number)
    return send


def _operator_thaws(scene: Scene) -> None:
    time.sleep(_AWAY_S)
    _operator_signal(signal.SIGCONT)(scene)


def _operator_cut(scene: Scene) -> None:
    """Every SSH connection of this run dies."""
    found = subprocess.run(["pgrep", "-f", scene.control_dir], capture_output=True, text=True).stdout.split()
    for pid in map(int, found):
        with contextlib.suppress(ProcessLookupError, FileNotFoundError):
            if Path(f"/proc/{pid}/comm").read_text().strip() == "ssh":
                os.kill(pid, signal.SIGKILL)


# -- an engine or its host

def _engine(side: str, kind: str) -> Fault:
    def host(scene: Scene) -> str:
        return getattr(scene, side)

    def silent(scene: Scene) -> None:
        scene.kept["silent"] = host(scene)

    def kill(scene: Scene) -> None:
        _unit(host(scene), phase_stop.UNIT, "KILL")

    def power(scene: Scene) -> None:
        silent(scene)
        docker("kill", host(scene))

    def power_back(scene: Scene) -> None:
        _takes_over(scene)
        docker("start", host(scene))
        answers(host(scene))

    def freeze(scene: Scene) -> None:
        silent(scene)
        _unit(host(scene), phase_stop.UNIT, "STOP")

    def thaw(scene: Scene) -> None:
        _takes_over(scene)
        _unit(host(scene), phase_stop.UNIT, "CONT")

    def cut(scene: Scene) -> None:
        silent(scene)
        _unplug(host(scene))

    def connect(scene: Scene) -> None:
        _takes_over(scene)
        _plug(host(scene))

    kinds = {"kill": Fault(kill), "power": Fault(power, power_back), "freeze": Fault(freeze, thaw, holds=True), "cut": Fault(cut, connect)}
    return kinds[kind]


# -- a database server

def _database(which: Callable[[Scene], str], kind: str) -> Fault:
    def kill(scene: Scene) -> None:
        _unit(which(scene), DATABASE_UNIT, "KILL")

    def start(scene: Scene) -> None:
        on(which(scene), f"systemctl reset-failed {DATABASE_UNIT} || true; systemctl start {DATABASE_UNIT}")
        answers(which(scene))

    def freeze(scene: Scene) -> None:
        _unit(which(scene), DATABASE_UNIT, "STOP")

    def thaw(scene: Scene) -> None:
        time.sleep(_AWAY_S)
        _unit(which(scene), DATABASE_UNIT, "CONT")
        answers(which(scene))

    def cut(scene: Scene) -> None:
        _unplug(which(scene))

    def connect(scene: Scene) -> None:
        time.sleep(_AWAY_S)
        _plug(which(scene))

    def stream_cut(scene: Scene) -> None:
        scene.kept["conninfo"] = asked(which(scene), "SHOW primary_conninfo")
        _settings(which(scene), "primary_conninfo", "")

    def stream(scene: Scene) -> None:
        time.sleep(_AWAY_S)
        _settings(which(scene), "primary_conninfo", scene.kept["conninfo"])

    if kind == "cut" and which is _standby:  # its host carries an engine, which is not to be cut off here
        return Fault(stream_cut, stream)
    return {"kill": Fault(kill, start), "freeze": Fault(freeze, thaw), "cut": Fault(cut, connect)}[kind]


def _settings(host: str, name: str, value: str | None) -> None:
    asked(host, f"ALTER SYSTEM RESET {name}" if value is None else f"ALTER SYSTEM SET {name} = $it${value}$it$")
    asked(host, "SELECT pg_reload_conf()")


def _primary(scene: Scene) -> str:
    return scene.primary


def _standby(scene: Scene) -> str:
    return next(host for host in (scene.taker, scene.giver) if host != scene.primary)


# -- the venue

def _venue_kill(_scene: Scene) -> None:
    _unit(VENUE, VENUE_UNIT, "KILL")


def _venue_start(_scene: Scene) -> None:
    on(VENUE, f"systemctl reset-failed {VENUE_UNIT} || true; systemctl start {VENUE_UNIT}")


def _venue_thaw(_scene: Scene) -> None:
    time.sleep(_AWAY_S)
    _unit(VENUE, VENUE_UNIT, "CONT")


def _venue_connect(_scene: Scene) -> None:
    time.sleep(_AWAY_S)
    _plug(VENUE)


# -- one of a kind

def _second_operator(scene: Scene) -> None:
    scene.second = playbook_run("transfer", "-e", f"transfer_to={scene.taker}", "-e", f"transfer_id={scene.name}-second")
    time.sleep(2)


def _wait_for_second(scene: Scene) -> None:
    if scene.second is not None:
        scene.second.wait(timeout=90)


def _kill_switch(scene: Scene) -> None:
    scene.kept["killed"] = "yes"
    scene.second = playbook_run("killswitch", "-e", "killswitch_reason=chaos")
    time.sleep(2)


def _stall_backend(scene: Scene) -> None:
    """The process of the database that will run the giver's next statement."""
    address = next(one.address for one in inventory.read(INVENTORY)[1] if one.name == scene.giver)
    query = f"SELECT string_agg(pid::text, ' ') FROM pg_stat_activity WHERE client_addr = '{address}' AND query LIKE '%lease%'"  # noqa: S608
    scene.kept["pids"] = asked(scene.primary, query)
    on(scene.primary, f"kill -STOP {scene.kept['pids']}")


def _backend_runs(scene: Scene) -> None:
    time.sleep(2)
    on(scene.primary, f"kill -CONT {scene.kept['pids']} || true")


def _empty_set(scene: Scene) -> None:
    _settings(scene.primary, "synchronous_standby_names", "")


def _set_back(scene: Scene) -> None:
    _settings(scene.primary, "synchronous_standby_names", None)


def _fail_over(scene: Scene) -> None:
    """The primary is gone for good: a standby becomes primary, the old one comes back as a standby, and then both change places."""
    playbook.must("database_failover", record="chaos_failover", show=False)
    docker("start", scene.primary)
    answers(scene.primary)
    _rejoin_and_back(scene)


def _rejoin_and_back(scene: Scene) -> None:
    playbook.must("database_rejoin", record="chaos_rejoin", show=False)
    playbook.must("database_switchover", "-e", f"database_to={scene.primary}", record="chaos_switchover", show=False)


def _standbys_away(scene: Scene) -> None:
    """The commit of the handover waits for nobody who answers, and a crash of the primary makes it visible without an acknowledgement."""
    for host in (scene.giver, scene.taker):
        _unit(host, DATABASE_UNIT, "STOP")


def _crash_without_standbys(scene: Scene) -> None:
    time.sleep(1)
    _unit(scene.primary, DATABASE_UNIT, "KILL")
    on(scene.primary, f"systemctl reset-failed {DATABASE_UNIT} || true; systemctl start {DATABASE_UNIT}")
    answers(scene.primary)
    for host in (scene.giver, scene.taker):
        _unit(host, DATABASE_UNIT, "CONT")


# Debian starts the server with this environment alone.
_ENVIRONMENT = "/etc/postgresql/17/main/environment"
_CLOCK = "/var/lib/postgresql/clock_offset"


def _steppable_clock(scene: Scene) -> None:
    """The server reads a wall clock that can be stepped; its monotonic clock stays true."""
    on(scene.primary, f"apt-get install -y --no-download libfaketime && cp {_ENVIRONMENT} {_ENVIRONMENT}.kept && echo +0 > {_CLOCK} && "
                      f"printf '%s\n' \"LD_PRELOAD = '/usr/lib/x86_64-linux-gnu/faketime/libfaketime.so.1'\" "
                      f"\"FAKETIME_DONT_FAKE_MONOTONIC = '1'\" \"FAKETIME_NO_CACHE = '1'\" \"FAKETIME_TIMESTAMP_FILE = '{_CLOCK}'\" "
                      f">> {_ENVIRONMENT} && systemctl restart {DATABASE_UNIT}")
    answers(scene.primary)


def _step_clock(seconds: int) -> Callable[[Scene], None]:
    def step(scene: Scene) -> None:
        on(scene.primary, f"echo {seconds:+d} > {_CLOCK}")
        seen = float(asked(scene.primary, "SELECT extract(epoch FROM clock_timestamp())"))
        if abs(seen - time.time() - seconds) > 60:
            raise LabError(f"{scene.primary}: the server's clock was not stepped by {seconds} s: this case shows nothing")
    return step


def _true_clock(scene: Scene) -> None:
    time.sleep(_AWAY_S)
    on(scene.primary, f"mv {_ENVIRONMENT}.kept {_ENVIRONMENT}; rm {_CLOCK}; systemctl restart {DATABASE_UNIT}")
    answers(scene.primary)


_CONFIGURATION = "/opt/hft_system/config/production.json"


def _spoil_configuration(scene: Scene) -> None:
    """Half a file, and the engine is told to take it up."""
    on(scene.taker, f"cp -p {_CONFIGURATION} {_CONFIGURATION}.kept; truncate -s 700 {_CONFIGURATION}")
    ask = "import urllib.request as u; u.urlopen(u.Request('http://127.0.0.1:8080/api/v1/config/reload', method='POST'), timeout=20)"
    scene.second = subprocess.Popen(["docker", "exec", scene.taker, "python3", "-c", ask], stderr=subprocess.DEVNULL)


def _restore_configuration(scene: Scene) -> None:
    _wait_for_second(scene)
    if scene.second is not None and scene.second.returncode == 0:
        raise LabError(f"{scene.taker}: half a configuration was taken up")
    on(scene.taker, f"mv {_CONFIGURATION}.kept {_CONFIGURATION}")


_WAL = "/var/lib/postgresql/17/main/pg_wal"
# 64 MiB more than the log has now.
_SMALL_DISK = f"""set -e; systemctl stop {DATABASE_UNIT}; size=$(( $(du -sm {_WAL} | cut -f1) + 64 ))
mv {_WAL} {_WAL}.kept; install -d -o postgres -g postgres -m 700 {_WAL}; mount -t tmpfs -o size=${{size}}M,mode=700 tmpfs {_WAL}
cp -a {_WAL}.kept/. {_WAL}/; chown postgres:postgres {_WAL}; systemctl start {DATABASE_UNIT}"""
_DISK_BACK = f"""set -e; systemctl stop {DATABASE_UNIT}; rm -f {_WAL}/filler; rm -rf {_WAL}.kept; cp -a {_WAL} {_WAL}.kept
umount {_WAL}; rmdir {_WAL}; mv {_WAL}.kept {_WAL}; systemctl reset-failed {DATABASE_UNIT} || true; systemctl start {DATABASE_UNIT}"""


def small_log_disk(host: str) -> None:
    """The write-ahead log on a small disk of its own."""
    on(host, _SMALL_DISK)
    answers(host)


def fill_log_disk(host: str) -> None:
    """Somebody fills it: the server ends itself and cannot come back before there is room. What is recycled would last for a while."""
    switch = "runuser -u postgres -- psql -XAtqc 'SELECT pg_switch_wal()' >/dev/null 2>&1"
    on(host, f"fallocate -l $(df --output=avail -B1 {_WAL} | tail -1) {_WAL}/filler || true;"
             f" for n in $(seq 60); do {switch} || break; sleep 0.2; done; systemctl stop {DATABASE_UNIT}")


def log_disk_back(host: str) -> None:
    on(host, _DISK_BACK)
    answers(host)


def _fail_over_from_full(scene: Scene) -> None:
    playbook.must("database_failover", record="chaos_failover", show=False)
    log_disk_back(scene.primary)
    _rejoin_and_back(scene)


_KINDS = {"operator": ("kill", "freeze", "cut"), "giver": ("kill", "power", "freeze", "cut"), "taker": ("kill", "power", "freeze", "cut"),
          "primary": ("kill", "freeze", "cut"), "standby": ("kill", "freeze", "cut"), "venue": ("kill", "freeze", "cut")}
VICTIMS = tuple(_KINDS)

FAULTS: dict[str, Fault] = {
    "operator kill": Fault(_operator_signal(signal.SIGKILL)),
    "operator freeze": Fault(_operator_signal(signal.SIGSTOP), _operator_thaws),
    "operator cut": Fault(_operator_cut),
    **{f"{side} {kind}": _engine(side, kind) for side in ("giver", "taker") for kind in _KINDS[side]},
    **{f"primary {kind}": _database(_primary, kind) for kind in _KINDS["primary"]},
    **{f"standby {kind}": _database(_standby, kind) for kind in _KINDS["standby"]},
    "venue kill": Fault(_venue_kill, _venue_start),
    "venue freeze": Fault(lambda _scene: _unit(VENUE, VENUE_UNIT, "STOP"), _venue_thaw),
    "venue cut": Fault(lambda _scene: _unplug(VENUE), _venue_connect),
    "second operator": Fault(_second_operator, _wait_for_second),
    "kill switch": Fault(_kill_switch, _wait_for_second),
    "notification dropped": Fault(lambda _scene: None, before=lambda scene: phase_stop.deafen(scene.taker)),
    "backend stalled": Fault(_stall_backend, _backend_runs),
    "synchronous set emptied": Fault(_empty_set, _set_back),
    "primary lost and a standby promoted": Fault(lambda scene: docker("kill", scene.primary), _fail_over),
    "commit waits, then the primary crashes": Fault(_standbys_away, _crash_without_standbys),
    "disk of the log full": Fault(lambda scene: fill_log_disk(scene.primary), _fail_over_from_full,
                                  before=lambda scene: small_log_disk(scene.primary)),
    "database clock an hour ahead": Fault(_step_clock(3600), _true_clock, before=_steppable_clock),
    "database clock an hour behind": Fault(_step_clock(-3600), _true_clock, before=_steppable_clock),
    "half a configuration": Fault(_spoil_configuration, _restore_configuration),
}


def kinds_of(victim: str) -> list[str]:
    return [f"{victim} {kind}" for kind in _KINDS[victim]]
