# Copyright: (c) hft.ops contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Private to hft.ops. Brings a running engine to run the files on its disk: while it trades where it can, else by a restart while it holds
nothing."""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Collection
from dataclasses import dataclass
from typing import Any

from ansible_collections.hft.ops.plugins.module_utils._engine_api import EngineApi, EngineRefused, EngineUnreachable
from ansible_collections.hft.ops.plugins.module_utils._engine_config import Change, config_changes, strategy_patches
from ansible_collections.hft.ops.plugins.module_utils._engine_status import has_right, held
from ansible_collections.hft.ops.plugins.module_utils._host import Host, HostError
from ansible_collections.hft.ops.plugins.module_utils._systemd import Systemctl

_PAUSE_S = 0.2


@dataclass(frozen=True)
class Pending:
    """What the engine does not run yet.

    way: none, reload or restart; stale: files that are read at the start alone and are newer than it.
    """

    way: str
    changes: list[Change]
    stale: list[str]

    @property
    def keys(self) -> list[str]:
        return [one.pointer for one in self.changes] + self.stale


class TakeUp:
    """One engine and its files.

    connect: the client for the address in the configuration on the disk; start_files: what is read at the start alone;
    allow_disruption: restart it although it holds a lease.
    """

    def __init__(self, host: Host, systemctl: Systemctl, connect: Callable[[], EngineApi], service: str, path: str,
                 start_files: list[str], timeout_s: float, allow_disruption: bool = False) -> None:
        self.host = host
        self.systemctl = systemctl
        self.connect = connect
        self.service = service
        self.path = path
        self.start_files = start_files
        self.timeout_s = timeout_s
        self.allow_disruption = allow_disruption
        self.api = connect()  # before anything is written: the engine listens where the former file says
        self.idle = False

    def judge(self, wanted: dict[str, Any], replaced: set[str]) -> Pending:
        """What would be pending if the files held what is wanted; replaced: files that are to be replaced for that."""
        self.idle = not has_right(self.api.status()) or self.allow_disruption
        return self._pending(wanted, replaced)

    def refuse(self, pending: Pending) -> None:
        """Raise HostError for what this engine must not do while it holds what it holds."""
        status = self.api.status()
        mine = held(status)
        gone = [one.pointer.split("/")[2] for one in pending.changes if one.after is None and one.pointer.count("/") == 2]
        for name in (name for name in gone if name in mine):
            raise HostError(f"engine {status['engine']}: strategy {name} is no more in the configuration, and this engine holds it; "
                            f"unload it first (strategy.yml -e strategy_action=unload -e strategy_id={name})")
        if pending.way == "restart" and has_right(status) and not self.allow_disruption:
            raise HostError(f"engine {status['engine']}: {', '.join(pending.keys[:4])} need a restart, and it is {status['role']} "
                            f"and holds {', '.join(mine) or 'no row yet'}; move trading away first (transfer.yml)")

    def bring(self) -> None:
        """Have the engine run what stands on the disk, and prove it. Repeatable; also the way back once the former files stand again."""
        try:
            pending = self._pending(self._file())
        except EngineUnreachable:
            if not self.idle:
                raise
            pending = Pending("restart", [], [])
        if pending.way == "reload":
            self._reload()
        elif pending.way == "restart":
            self._restart()
        left = self._pending(self._file())
        if left.way != "none":
            raise HostError(f"{self.path}: the engine has not taken up {', '.join(left.keys) or 'the file, by its sha256'}")

    def loaded_sha256(self) -> str:
        return self.api.config_status()["loaded_sha256"]

    def _pending(self, wanted: dict[str, Any], replaced: Collection[str] = ()) -> Pending:
        status, running = self.api.config_status(), self._running()
        if status["file"] != self.path:
            raise HostError(f"path={self.path}: the engine runs {status['file']}; name that one")
        file = self._file()
        changes = config_changes(running, file, wanted)
        if file == wanted:
            if not status["valid"]:
                raise HostError(f"{self.path}: the engine refuses it: {_one_line(status['errors'])}")
            # On a file that it can read, the engine itself tells what waits for a restart. What became of each strategy, strategies/ tells:
            # config/status knows the list of the start alone.
            changes = [one for one in changes if one.pointer.startswith("/strategies/")]
            changes += [Change(key, None, None, False) for key in status["restart_keys"] if not key.startswith("/strategies/")]
        stale = sorted({*self._stale(), *(path for path in self.start_files if path in replaced)})
        if stale or any(not one.reload for one in changes):
            return Pending("restart", changes, stale)
        # A file that differs in nothing that counts is taken up too, so that its sha256 tells what runs.
        same = not changes and self.path not in replaced and status["loaded_sha256"] == status["file_sha256"]
        return Pending("none" if same else "reload", changes, stale)

    def _running(self) -> dict[str, Any]:
        """The configuration in use, its strategies as they are now: some were loaded, unloaded or set to paper since the start."""
        running = self.api.config()
        started = {one["id"]: one for one in running.get("strategies", [])}
        now = []
        for one in self.api.status()["strategies"]:
            known = started.get(one["id"]) or self.api.strategy_config(one["id"])
            now.append({**known, "paper_trading": one.get("paper_trading", False)})
        return {**running, "strategies": now}

    def _file(self) -> dict[str, Any]:
        try:
            document = json.loads(self.host.read(self.path) or "{}")
        except ValueError:
            return {}
        return document if isinstance(document, dict) else {}

    def _stale(self) -> list[str]:
        started_at = self.systemctl.units([self.service])[self.service].started_at
        return [path for path in self.start_files if self.host.path(path).exists() and self.host.path(path).stat().st_mtime > started_at]

    def _reload(self) -> None:
        file = self._file()
        try:
            self.api.reload_config()
            left = config_changes(self._running(), file, file)
            for one in left:
                if one.before is None and one.pointer.count("/") == 2:
                    self.api.load_strategy(one.after)
                elif one.after is None and one.pointer.count("/") == 2:
                    self.api.unload_strategy(one.before["id"])
            # What was loaded or set to paper since the start, config/reload does not reach.
            for name, patch in strategy_patches(left).items():
                self.api.configure_strategy(name, patch)
        except EngineRefused as refused:
            raise HostError(f"{self.path}: the engine did not take it up: {refused.detail}") from refused

    def _restart(self) -> None:
        try:
            status = self.api.status()
        except EngineUnreachable:
            status = None
        if status and has_right(status) and not self.allow_disruption:
            raise HostError(f"engine {status['engine']}: not restarted, it is {status['role']} "
                            f"and holds {', '.join(held(status)) or 'no row yet'}")
        if self.systemctl.units([self.service])[self.service].properties.get("NeedDaemonReload") == "yes":
            self.systemctl.do("daemon-reload")
        # One that died too often is not started again without.
        self.systemctl.do("reset-failed", [self.service])
        self.systemctl.do("restart", [self.service])
        self.api = self.connect()
        self._await_another_than(status["holder"] if status else None)

    def _await_another_than(self, former: str | None) -> None:
        deadline = time.monotonic() + self.timeout_s
        while True:
            try:
                if self.api.status()["holder"] != former:
                    return
                why = "the former process still answers"
            except (EngineUnreachable, EngineRefused) as silent:
                why = str(silent)
            if time.monotonic() >= deadline:
                raise HostError(f"{self.service}: restarted, but does not answer within {self.timeout_s:g} s ({why}); "
                                f"read journalctl -u {self.service}")
            time.sleep(_PAUSE_S)


def _one_line(errors: list[dict[str, str]]) -> str:
    return "; ".join(f"{one['pointer']}: {one['detail']}" for one in errors)
