# Copyright: (c) hft.ops contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""engine_config with take_up, asked of an engine behind a real HTTP server; its files are real, systemd is played."""

from __future__ import annotations

import copy
import hashlib
import json
import os
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from ansible_collections.hft.ops.plugins.module_utils._engine_api import EngineApi
from ansible_collections.hft.ops.plugins.module_utils._engine_config import config_changes, strategy_patches
from ansible_collections.hft.ops.plugins.module_utils._engine_take_up import Pending, TakeUp
from ansible_collections.hft.ops.plugins.module_utils._host import Host, HostError
from ansible_collections.hft.ops.plugins.module_utils._plan import Difference, Plan
from ansible_collections.hft.ops.plugins.module_utils._systemd import Systemctl
from ansible_collections.hft.ops.tests.unit.plugins.modules.played_engine import OTHER, PlayedEngine, strategy

_PATH = "/opt/hft_system/config/production.json"
_ENV = "/opt/hft_system/.env"
_UNIT = "hft_system.service"
_MM: dict[str, Any] = {"id": "mm", "limits": {"max_position": 2.0}}
_NEW: dict[str, Any] = {"id": "new", "paper_trading": True, "limits": {"max_position": 1.0}}
_OLD: dict[str, Any] = {"lease": {"ttl_ms": 2000}, "strategies": [_MM]}
_LIMIT: dict[str, Any] = {**_OLD, "strategies": [{"id": "mm", "limits": {"max_position": 3.0}}]}
_LEASE: dict[str, Any] = {**_OLD, "lease": {"ttl_ms": 3000}}
_MORE: dict[str, Any] = {**_OLD, "strategies": [_MM, _NEW]}


class Engine:
    """The played engine with a configuration file: loaded at its start and by a reload, as the reference engine does it."""

    def __init__(self, played: PlayedEngine, root: Path, systemd: Any) -> None:
        self.played, self.root, self.systemd = played, root, systemd
        self.file = root / _PATH.lstrip("/")
        self.file.parent.mkdir(parents=True)
        self.env = root / _ENV.lstrip("/")
        self.env.write_text("A=1\n")
        os.utime(self.env, (time.time() - 60,) * 2)
        self.write(_OLD)
        self.running, self.loaded = copy.deepcopy(_OLD), self.sha256()
        self.errors: list[dict[str, str]] = []
        self.deaf = False
        self.dies = False
        self.stands = False  # a restart that leaves the former process
        systemd.add(_UNIT)
        played.acts.update({
            "GET config": lambda _body: self.running, "GET config/status": lambda _body: self.status(),
            "POST config/reload": lambda _body: self.reload(), "POST strategies/load": self.load,
            "DELETE strategies/new": lambda _body: self.unload("new"),
            "GET strategies/new/config": lambda _body: {**self.later, "in_force": {}},
            "PUT strategies/mm/config": lambda _body: {},
            "PUT strategies/new/config": lambda body: self.later.update(body) or self.later,
        })
        self.later: dict[str, Any] = {}

    def write(self, config: dict[str, Any]) -> None:
        self.file.write_text(json.dumps(config))

    def sha256(self) -> str:
        return hashlib.sha256(self.file.read_bytes()).hexdigest()

    def status(self) -> dict[str, Any]:
        changes = config_changes(self.running, self.running, json.loads(self.file.read_text()))
        # It knows the list of its start alone: what came or went since waits for a restart, whatever strategies/ tells.
        restart = [one.pointer for one in changes if not one.reload or one.pointer.count("/") == 2]
        return {"file": _PATH, "loaded_sha256": self.loaded, "file_sha256": self.sha256(), "valid": not self.errors, "errors": self.errors,
                "restart_keys": restart, "reload_keys": [one.pointer for one in changes if one.pointer not in restart]}

    def reload(self) -> dict[str, Any]:
        if not self.deaf:
            file = json.loads(self.file.read_text())
            patches = strategy_patches(config_changes(self.running, self.running, file))
            for one in self.running["strategies"]:
                one.update(patches.get(one["id"], {}))
            self.loaded = self.sha256()
        return self.status()

    def load(self, body: dict[str, Any]) -> dict[str, Any]:
        self.later = dict(body["strategy"])
        self.played.status["strategies"].append(strategy(self.later["id"], None, 0, paper_trading=self.later["paper_trading"]))
        return self.played.status["strategies"][-1]

    def unload(self, name: str) -> dict[str, Any]:
        self.played.own(*(one for one in self.played.status["strategies"] if one["id"] != name))
        return {"id": name, "unloaded": True}

    def stand_by(self) -> None:
        self.played.status["role"] = "standby"
        self.played.mm.update(holder=OTHER)

    def run_command(self, argv: list[str]) -> tuple[int, str, str]:
        if argv[2] == "restart" and self.dies and json.loads(self.file.read_text()) != _OLD:
            return 1, "", "Job failed"
        if argv[2] == "restart" and not self.stands:
            self.played.status["holder"] += "a"
            self.running, self.loaded = json.loads(self.file.read_text()), self.sha256()
            self.systemd.units[_UNIT]["ExecMainStartTimestampMonotonic"] = str(int((time.clock_gettime(time.CLOCK_MONOTONIC) + 60) * 1e6))
        return self.systemd(argv)

    def asked(self) -> list[str]:
        return [name for name, _body in self.played.asked if not name.startswith("GET")]


@pytest.fixture
def engine(played: tuple[PlayedEngine, EngineApi], tmp_path: Path, systemd: Any) -> Engine:
    return Engine(played[0], tmp_path, systemd)


@pytest.fixture
def take_up(engine: Engine, played: tuple[PlayedEngine, EngineApi]) -> TakeUp:
    return TakeUp(Host(engine.root), Systemctl(engine.run_command), lambda: played[1], _UNIT, _PATH, [_ENV], 0.5)


@pytest.fixture
def bring(engine: Engine, take_up: TakeUp) -> Callable[[dict[str, Any]], Pending]:
    """Judge, refuse, write and take up, in one plan, as the module does."""

    def run(config: dict[str, Any]) -> Pending:
        plan = Plan(check_mode=False)
        before = engine.file.read_text()
        pending = take_up.judge(config, {_PATH} if json.loads(before) != config else set())
        take_up.refuse(pending)
        if json.loads(before) != config:
            plan.change(Difference("persisted", _PATH, before, config), write=lambda: engine.write(config),
                        undo=lambda: engine.file.write_text(before))
        if pending.way != "none":
            plan.change(Difference("live", _UNIT, "old", "new"), write=take_up.bring)
        plan.follow_up(take_up.bring)
        plan.run()
        return pending

    return run


def test_limits_are_taken_up_while_the_engine_trades(engine: Engine, bring: Callable) -> None:
    pending = bring(_LIMIT)
    assert (pending.way, pending.keys) == ("reload", ["/strategies/mm/limits/max_position"])
    assert engine.asked() == ["POST config/reload"]
    assert (engine.running, engine.loaded) == (_LIMIT, engine.sha256())
    assert bring(_LIMIT).way == "none"
    assert engine.asked() == ["POST config/reload"]


def test_a_new_strategy_is_loaded_and_one_that_left_is_unloaded_without_a_restart(engine: Engine, bring: Callable, take_up: TakeUp) -> None:
    assert bring(_MORE).way == "reload"
    assert engine.asked() == ["POST config/reload", "POST strategies/load"]
    assert (engine.later["id"], engine.loaded) == ("new", engine.sha256())
    # The engine's config/status goes on naming it for a restart.
    assert engine.status()["restart_keys"] == ["/strategies/new"]
    assert bring(_MORE).way == "none"

    bring({**_OLD, "strategies": [_MM, {**_NEW, "limits": {"max_position": 2.0}}]})
    assert engine.later["limits"] == {"max_position": 2.0}
    assert bring(_OLD).way == "reload"
    assert engine.asked()[-1] == "DELETE strategies/new"
    assert engine.systemd.writes() == []


def test_what_needs_a_restart_restarts_an_engine_that_holds_nothing(engine: Engine, bring: Callable) -> None:
    engine.stand_by()
    engine.systemd.units[_UNIT]["NeedDaemonReload"] = "yes"
    pending = bring(_LEASE)
    assert (pending.way, pending.keys) == ("restart", ["/lease/ttl_ms"])
    assert engine.systemd.writes() == [("daemon-reload",), ("reset-failed", _UNIT), ("restart", _UNIT)]
    assert engine.asked() == []


def test_an_engine_that_holds_is_not_restarted_and_keeps_its_file(engine: Engine, bring: Callable) -> None:
    with pytest.raises(HostError, match=r"e1: /lease/ttl_ms need a restart, and it is primary and holds mm; move trading away first"):
        bring(_LEASE)
    assert json.loads(engine.file.read_text()) == _OLD
    assert engine.systemd.writes() == []


def test_a_strategy_that_is_held_is_not_taken_out(engine: Engine, bring: Callable) -> None:
    with pytest.raises(HostError, match="strategy mm is no more in the configuration, and this engine holds it"):
        bring({**_OLD, "strategies": []})
    assert json.loads(engine.file.read_text()) == _OLD


@pytest.mark.parametrize(("config", "way"), [(_LIMIT, "reload"), (_LEASE, "restart"), (_OLD, "none"), (_MORE, "reload")])
def test_the_way_is_told_of_a_file_that_is_not_written_yet(engine: Engine, take_up: TakeUp, config: dict, way: str) -> None:
    assert take_up.judge(config, set() if config == _OLD else {_PATH}).way == way
    assert engine.asked() == []


def test_secrets_that_are_or_become_newer_than_the_process_force_a_restart(engine: Engine, take_up: TakeUp) -> None:
    assert take_up.judge(_OLD, {_ENV}).keys == [_ENV]
    os.utime(engine.env, (time.time() + 60,) * 2)
    pending = take_up.judge(_OLD, set())
    assert (pending.way, pending.keys) == ("restart", [_ENV])


def test_a_file_that_only_looks_different_is_taken_up_for_its_sha256(engine: Engine, bring: Callable) -> None:
    engine.file.write_text(json.dumps(_OLD, indent=8))
    pending = bring(_OLD)
    assert (pending.way, pending.keys, engine.loaded) == ("reload", [], engine.sha256())


def test_what_was_not_taken_up_is_undone(engine: Engine, bring: Callable) -> None:
    engine.deaf = True
    with pytest.raises(HostError, match="the engine has not taken up /strategies/mm/limits/max_position"):
        bring(_LIMIT)
    assert json.loads(engine.file.read_text()) == _OLD
    assert engine.loaded == engine.sha256()


def test_what_was_loaded_by_a_change_that_failed_goes_again(engine: Engine, bring: Callable) -> None:
    played_load = engine.load

    def load_and_refuse_limits(body: dict[str, Any]) -> dict[str, Any]:
        engine.deaf = True
        return played_load(body)

    engine.played.acts["POST strategies/load"] = load_and_refuse_limits
    reload = engine.reload
    engine.played.acts["POST config/reload"] = lambda _body: engine.status() if json.loads(engine.file.read_text()) != _OLD else reload()
    with pytest.raises(HostError, match="has not taken up the file, by its sha256"):
        bring(_MORE)
    assert [one["id"] for one in engine.played.status["strategies"]] == ["mm"]
    assert json.loads(engine.file.read_text()) == _OLD


def test_an_engine_that_dies_of_it_runs_the_former_file_again(engine: Engine, bring: Callable) -> None:
    engine.stand_by()
    engine.dies = True
    with pytest.raises(HostError, match=r"systemctl restart hft_system\.service: Job failed$"):
        bring(_LEASE)
    assert (json.loads(engine.file.read_text()), engine.running) == (_OLD, _OLD)


def test_a_restart_that_leads_to_no_answer_is_a_failure(engine: Engine, bring: Callable) -> None:
    engine.stand_by()
    engine.stands = True
    with pytest.raises(HostError, match=r"hft_system\.service: restarted, but does not answer within 0\.5 s \(the former process"):
        bring(_LEASE)


def test_another_file_than_the_engine_s_is_refused(played: tuple[PlayedEngine, EngineApi], engine: Engine) -> None:
    other = TakeUp(Host(engine.root), Systemctl(engine.run_command), lambda: played[1], _UNIT, "/etc/other.json", [], 0.5)
    with pytest.raises(HostError, match=f"path=/etc/other.json: the engine runs {_PATH}"):
        other.judge(_OLD, set())


def test_a_file_that_the_engine_refuses_is_told_with_its_words(engine: Engine, take_up: TakeUp) -> None:
    engine.errors = [{"pointer": "/lease/ttl_ms", "detail": "expected a whole number"}]
    with pytest.raises(HostError, match="the engine refuses it: /lease/ttl_ms: expected a whole number"):
        take_up.judge(_OLD, set())
