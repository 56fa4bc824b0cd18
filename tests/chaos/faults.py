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
from harm import (
    DATABASE_UNIT,
    answers,
    docker,
    fill_log_disk,
    log_disk_back,
    plug,
    setting,
    signal_unit,
    small_log_disk,
    step_clock,
    steppable_clock,
    true_clock,
    unplug,
)
from lab_hosts import asked, on

from lab import inventory, playbook
from lab.failure import LabError
from lab.paths import INVENTORY, ROOT

VENUE, VENUE_UNIT = "hft-mon-01", "paper_venue"
_AWAY_S = 4.0


@dataclass
class Scene:
    """One transfer under way.

    stopped: host of the engine that stands at the point; control_dir: sockets of the operator's SSH connections; operator: the playbook,
    from when it was started; kept: what a fault has to remember until it is mended.
    """

    giver: str
    taker: str
    primary: str
    stopped: str
    control_dir: str
    name: str
    operator: subprocess.Popen = field(init=False)
    second: subprocess.Popen | None = None
    kept: dict[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class Fault:
    """begin: the harm, while the engine stands; holds: the engine goes on only after the mending; mend: what an operator would do.

    before: what the harm needs, done while nobody has asked for the transfer yet.
    """

    begin: Callable[[Scene], None]
    mend: Callable[[Scene], None] = lambda _scene: None
    holds: bool = False
    before: Callable[[Scene], None] = lambda _scene: None


def playbook_run(name: str, *arguments: str, output: Path = Path(os.devnull), **environment: str) -> subprocess.Popen:
    """One that goes on beside us, in a group of processes of its own."""
    argv = ["ansible-playbook", "-i", str(INVENTORY), *arguments, str(ROOT / "playbooks" / f"{name}.yml")]
    with output.open("w") as log:
        return subprocess.Popen(argv, cwd=ROOT, stdin=subprocess.DEVNULL, stdout=log, stderr=log, start_new_session=True,
                                env=os.environ | environment)


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
        signal_unit(host(scene), phase_stop.UNIT, "KILL")

    def power(scene: Scene) -> None:
        silent(scene)
        docker("kill", host(scene))

    def power_back(scene: Scene) -> None:
        _takes_over(scene)
        docker("start", host(scene))
        answers(host(scene))

    def freeze(scene: Scene) -> None:
        silent(scene)
        signal_unit(host(scene), phase_stop.UNIT, "STOP")

    def thaw(scene: Scene) -> None:
        _takes_over(scene)
        signal_unit(host(scene), phase_stop.UNIT, "CONT")

    def cut(scene: Scene) -> None:
        silent(scene)
        unplug(host(scene))

    def connect(scene: Scene) -> None:
        _takes_over(scene)
        plug(host(scene))

    kinds = {"kill": Fault(kill), "power": Fault(power, power_back), "freeze": Fault(freeze, thaw, holds=True), "cut": Fault(cut, connect)}
    return kinds[kind]


# -- a database server

def _database(which: Callable[[Scene], str], kind: str) -> Fault:
    def kill(scene: Scene) -> None:
        signal_unit(which(scene), DATABASE_UNIT, "KILL")

    def start(scene: Scene) -> None:
        on(which(scene), f"systemctl reset-failed {DATABASE_UNIT} || true; systemctl start {DATABASE_UNIT}")
        answers(which(scene))

    def freeze(scene: Scene) -> None:
        signal_unit(which(scene), DATABASE_UNIT, "STOP")

    def thaw(scene: Scene) -> None:
        time.sleep(_AWAY_S)
        signal_unit(which(scene), DATABASE_UNIT, "CONT")
        answers(which(scene))

    def cut(scene: Scene) -> None:
        unplug(which(scene))

    def connect(scene: Scene) -> None:
        time.sleep(_AWAY_S)
        plug(which(scene))

    def stream_cut(scene: Scene) -> None:
        scene.kept["conninfo"] = asked(which(scene), "SHOW primary_conninfo")
        setting(which(scene), "primary_conninfo", "")

    def stream(scene: Scene) -> None:
        time.sleep(_AWAY_S)
        setting(which(scene), "primary_conninfo", scene.kept["conninfo"])

    if kind == "cut" and which is _standby:  # its host carries an engine, which is not to be cut off here
        return Fault(stream_cut, stream)
    return {"kill": Fault(kill, start), "freeze": Fault(freeze, thaw), "cut": Fault(cut, connect)}[kind]


def _primary(scene: Scene) -> str:
    return scene.primary


def _standby(scene: Scene) -> str:
    return next(host for host in (scene.taker, scene.giver) if host != scene.primary)


# -- the venue

def _venue_kill(_scene: Scene) -> None:
    signal_unit(VENUE, VENUE_UNIT, "KILL")


def _venue_start(_scene: Scene) -> None:
    on(VENUE, f"systemctl reset-failed {VENUE_UNIT} || true; systemctl start {VENUE_UNIT}")


def _venue_thaw(_scene: Scene) -> None:
    time.sleep(_AWAY_S)
    signal_unit(VENUE, VENUE_UNIT, "CONT")


def _venue_connect(_scene: Scene) -> None:
    time.sleep(_AWAY_S)
    plug(VENUE)


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
    whose = f"client_addr = '{address}' AND application_name = 'hft_system lease'"
    scene.kept["pids"] = asked(scene.primary, f"SELECT string_agg(pid::text, ' ') FROM pg_stat_activity WHERE {whose}")  # noqa: S608
    on(scene.primary, f"kill -STOP {scene.kept['pids']}")


def _backend_runs(scene: Scene) -> None:
    time.sleep(2)
    on(scene.primary, f"kill -CONT {scene.kept['pids']} || true")


def _empty_set(scene: Scene) -> None:
    setting(scene.primary, "synchronous_standby_names", "")


def _set_back(scene: Scene) -> None:
    setting(scene.primary, "synchronous_standby_names", None)


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
        signal_unit(host, DATABASE_UNIT, "STOP")


def _streams_cut(scene: Scene) -> None:
    """The handover is on the primary alone: no standby hears of it."""
    for host in (scene.giver, scene.taker):
        scene.kept[host] = asked(host, "SHOW primary_conninfo")
        setting(host, "primary_conninfo", "")


def _handover_lost(scene: Scene) -> None:
    time.sleep(1)
    docker("kill", scene.primary)
    for host in (scene.giver, scene.taker):
        if asked(host, f"SELECT count(*) FROM engine_transfer WHERE id = '{scene.name}'", "hft_db") != "0":  # noqa: S608
            raise LabError(f"{host}: has the handover, so nothing was lost: this case shows nothing")
        setting(host, "primary_conninfo", scene.kept[host])
    _fail_over(scene)


def _second_primary(scene: Scene) -> None:
    """Somebody has a standby promoted while the primary lives."""
    scene.second = playbook_run("database_failover")
    time.sleep(2)


def _is_refused(scene: Scene) -> None:
    _wait_for_second(scene)
    if scene.second is not None and scene.second.returncode == 0:
        raise LabError("a promotion beside a primary that lives was not refused")


def _crash_without_standbys(scene: Scene) -> None:
    time.sleep(1)
    signal_unit(scene.primary, DATABASE_UNIT, "KILL")
    on(scene.primary, f"systemctl reset-failed {DATABASE_UNIT} || true; systemctl start {DATABASE_UNIT}")
    answers(scene.primary)
    for host in (scene.giver, scene.taker):
        signal_unit(host, DATABASE_UNIT, "CONT")


def _clock_off(seconds: int) -> Fault:
    def back(scene: Scene) -> None:
        time.sleep(_AWAY_S)
        true_clock(scene.primary)

    return Fault(lambda scene: step_clock(scene.primary, seconds), back, before=lambda scene: steppable_clock(scene.primary))


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


_HOME = "/opt/hft_system"


def _two_releases(scene: Scene) -> None:
    """Both sides have every release that one of them has."""
    for one, other in ((scene.giver, scene.taker), (scene.taker, scene.giver)):
        packed = subprocess.run(["docker", "exec", one, "tar", "-C", f"{_HOME}/releases", "-c", "."], capture_output=True, check=True)
        unpack = ["docker", "exec", "-i", other, "tar", "-C", f"{_HOME}/releases", "-x", "--skip-old-files"]
        subprocess.run(unpack, input=packed.stdout, check=True)
    releases, current = on(scene.taker, f"ls {_HOME}/releases").split(), on(scene.taker, f"basename $(readlink {_HOME}/current)").strip()
    if len(releases) < 2:
        raise LabError(f"{scene.taker}: has no release but {current}; `make demo` leaves two")
    scene.kept.update(current=current, other=next(one for one in releases if one != current))


def _run_release(host: str, release: str) -> None:
    on(host, f"ln -sfn releases/{release} {_HOME}/current; systemctl restart {phase_stop.UNIT}")


def _own_release(scene: Scene) -> None:
    time.sleep(_AWAY_S)
    _run_release(scene.taker, scene.kept["current"])


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
    "venue freeze": Fault(lambda _scene: signal_unit(VENUE, VENUE_UNIT, "STOP"), _venue_thaw),
    "venue cut": Fault(lambda _scene: unplug(VENUE), _venue_connect),
    "second operator": Fault(_second_operator, _wait_for_second),
    "kill switch": Fault(_kill_switch, _wait_for_second),
    "notification dropped": Fault(lambda _scene: None, before=lambda scene: phase_stop.deafen(scene.taker)),
    "backend stalled": Fault(_stall_backend, _backend_runs),
    "synchronous set emptied": Fault(_empty_set, _set_back),
    "primary lost and a standby promoted": Fault(lambda scene: docker("kill", scene.primary), _fail_over),
    "commit waits, then the primary crashes": Fault(_standbys_away, _crash_without_standbys),
    "disk of the log full": Fault(lambda scene: fill_log_disk(scene.primary), _fail_over_from_full,
                                  before=lambda scene: small_log_disk(scene.primary)),
    "database clock an hour ahead": _clock_off(3600),
    "database clock an hour behind": _clock_off(-3600),
    "handover lost with the primary": Fault(_streams_cut, _handover_lost),
    "promotion beside a primary that lives": Fault(_second_primary, _is_refused),
    "taker on another build": Fault(lambda scene: _run_release(scene.taker, scene.kept["other"]), _own_release, before=_two_releases),
    "half a configuration": Fault(_spoil_configuration, _restore_configuration),
}


def kinds_of(victim: str) -> list[str]:
    return [f"{victim} {kind}" for kind in _KINDS[victim]]
