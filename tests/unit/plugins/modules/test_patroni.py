# Copyright: (c) hft.ops contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Patroni's API is played with the answers of a real one; the real one is in molecule/patroni."""

from __future__ import annotations

import json
import threading
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import pytest
from ansible_collections.hft.ops.plugins.modules import patroni_leader, patroni_restart, patroni_settings
from ansible_collections.hft.ops.tests.unit.plugins.modules.module_arguments import patch_module_args

_SETTINGS = {"ttl": 20, "loop_wait": 5, "synchronous_mode": "quorum", "synchronous_mode_strict": True,
             "postgresql": {"use_slots": True, "parameters": {"max_connections": 100}}}
_NOBODY = "http://127.0.0.1:9/patroni"
_ROLES = {"m1": ("leader", "running"), "m2": ("quorum_standby", "streaming"), "m3": ("replica", "streaming")}


class _Played(BaseHTTPRequestHandler):
    """Patroni 4.0.7, as far as the modules ask it."""

    def do_GET(self) -> None:
        here = f"http://127.0.0.1:{self.server.server_port}/patroni"
        members = [{"name": name, "role": role, "state": state, "timeline": 2, "api_url": here if name not in self.server.dead else _NOBODY}
                   for name, (role, state) in self.server.roles.items()]
        found = {"/cluster": {"members": members, "scope": "hft"}, "/config": self.server.settings, "/primary": {},
                 "/patroni": self.server.itself}
        self._answer(200, found[self.path])

    def do_PUT(self) -> None:
        self.server.settings = self._told()
        self._answer(200, self.server.settings)

    def do_POST(self) -> None:
        told = self._told()
        if self.server.refuses:
            self._answer(412, self.server.refuses)
            return
        if self.path == "/restart":
            self._answer(200, "restarted successfully")
            return
        self.server.roles = {**_ROLES, told["leader"]: ("quorum_standby", "streaming"), told["candidate"]: ("leader", "running")}
        self._answer(200, "Successfully switched over")

    def _told(self) -> dict[str, Any]:
        found = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        self.server.told.append((self.path, found))
        return found

    def _answer(self, code: int, what: object) -> None:
        self.send_response(code)
        self.end_headers()
        self.wfile.write(what.encode() if isinstance(what, str) else json.dumps(what).encode())

    def log_message(self, *_args: Any) -> None:
        pass


@pytest.fixture
def patroni() -> Iterator[Any]:
    server = ThreadingHTTPServer(("127.0.0.1", 0), _Played)
    server.roles, server.settings, server.told, server.refuses = dict(_ROLES), dict(_SETTINGS), [], ""
    server.dead, server.itself = set(), {}
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    yield server
    server.shutdown()
    thread.join()
    server.server_close()


@pytest.fixture
def run(patroni: Any, capsys: pytest.CaptureFixture[str]) -> Callable[..., dict[str, Any]]:
    def run(module: Any, check: bool = False, **options: Any) -> dict[str, Any]:
        arguments = {"url": f"http://127.0.0.1:{patroni.server_port}", "ca": "", "certificate": "", "key": "", "wait_s": 0,
                     "_ansible_check_mode": check, **options}
        with patch_module_args(arguments), pytest.raises(SystemExit):
            module.main()
        return json.loads(capsys.readouterr().out)

    return run


def test_settings_that_are_so_are_left_alone(patroni: Any, run: Callable) -> None:
    assert run(patroni_settings, settings=_SETTINGS)["changed"] is False
    assert patroni.told == []


def test_settings_are_replaced_as_a_whole(patroni: Any, run: Callable) -> None:
    patroni.settings = {**_SETTINGS, "synchronous_mode_strict": False, "failsafe_mode": True}
    assert run(patroni_settings, check=True, settings=_SETTINGS)["changed"] is True
    assert patroni.told == []
    assert run(patroni_settings, settings=_SETTINGS)["changed"] is True
    assert patroni.told == [("/config", _SETTINGS)]
    assert patroni.settings == _SETTINGS


def test_nobody_who_answers_is_an_error_and_no_plan(run: Callable) -> None:
    found = run(patroni_settings, settings=_SETTINGS, url="http://127.0.0.1:9")
    assert found["failed"]
    assert "Connection refused" in found["msg"]
    assert run(patroni_settings, check=True, settings=_SETTINGS, url="http://127.0.0.1:9")["changed"] is False


def test_a_synchronous_standby_may_lead(patroni: Any, run: Callable) -> None:
    assert run(patroni_leader, check=True, taker="m2")["leader"] == "m1"
    assert patroni.told == []
    found = run(patroni_leader, taker="m2")
    assert (found["changed"], found["leader"], found["timeline"]) == (True, "m2", 2)
    assert patroni.told == [("/switchover", {"leader": "m1", "candidate": "m2"})]
    assert run(patroni_leader, taker="m2")["changed"] is False


@pytest.mark.parametrize(("taker", "said"), [
    ("m3", "taker m3: is replica, not a synchronous standby, and may lack acknowledged commits; expected one of: m2"),
    ("m9", "taker m9: is no member"),
])
def test_who_may_lack_commits_does_not_lead(patroni: Any, run: Callable, taker: str, said: str) -> None:
    assert said in run(patroni_leader, taker=taker)["msg"]
    assert patroni.told == []


def test_what_patroni_refuses_is_told_in_its_words(patroni: Any, run: Callable) -> None:
    patroni.refuses = "switchover is not possible: no good candidates have been found"
    assert "refused with 412: switchover is not possible: no good candidates" in run(patroni_leader, taker="m2")["msg"]


def test_a_leader_is_waited_for(patroni: Any, run: Callable) -> None:
    assert run(patroni_leader)["leader"] == "m1"
    patroni.dead = {"m1"}  # and its key lives on
    assert "a leader that takes writes: not within 0 s" in run(patroni_leader)["msg"]
    patroni.dead, patroni.roles["m1"] = set(), ("leader", "stopped")
    assert "a leader that takes writes: not within 0 s" in run(patroni_leader)["msg"]
    assert "nobody leads" in run(patroni_leader, taker="m2")["msg"]
    assert run(patroni_leader, check=True)["leader"] == ""
    assert run(patroni_leader, check=True, url="http://127.0.0.1:9")["leader"] == ""


@pytest.fixture
def server_runs(monkeypatch: pytest.MonkeyPatch) -> Callable[..., None]:
    def runs(connections: str, of_files: tuple[str, ...] = ()) -> None:
        settings = {"max_connections": connections, "shared_buffers": "16384"}
        monkeypatch.setattr(patroni_restart, "running", lambda _cluster: (settings, list(of_files)))

    return runs


def test_a_server_that_runs_as_told_is_not_restarted(patroni: Any, run: Callable, server_runs: Callable) -> None:
    server_runs("100")
    assert run(patroni_restart)["changed"] is False
    assert patroni.told == []
    assert run(patroni_restart, restart="always")["changed"] is True
    assert [path for path, _body in patroni.told] == ["/restart"]


def test_a_restart_waits_until_the_member_knows_what_for(patroni: Any, run: Callable, server_runs: Callable) -> None:
    server_runs("90")
    found = run(patroni_restart)
    assert "that Patroni takes max_connections up: not within 0 s" in found["msg"]
    assert patroni.told == []
    patroni.itself = {"pending_restart": True}
    found = run(patroni_restart)
    assert [(one["path"], one["before"], one["after"]) for one in found["differences"]] == [("max_connections", "90", "100")]
    assert [path for path, _body in patroni.told] == ["/restart"]


def test_what_files_changed_is_reason_enough_and_check_mode_asks_nobody(patroni: Any, run: Callable, server_runs: Callable) -> None:
    server_runs("90", ("max_connections", "shared_buffers"))
    found = run(patroni_restart, check=True)
    assert [one["path"] for one in found["differences"]] == ["max_connections", "shared_buffers"]
    assert patroni.told == []
