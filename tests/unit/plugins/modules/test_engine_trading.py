# Copyright: (c) hft.ops contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import json
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, HTTPServer

import pytest
from ansible_collections.hft.ops.plugins.module_utils._engine_api import EngineApi, EngineRefused, EngineUnreachable
from ansible_collections.hft.ops.plugins.module_utils._host import HostError
from ansible_collections.hft.ops.plugins.module_utils._plan import Plan
from ansible_collections.hft.ops.plugins.modules.engine_info import ask
from ansible_collections.hft.ops.plugins.modules.engine_trading import Trading


class Engine:
    """One engine as its API shows it. Orders leave at each look while everything is granted and the market moves."""

    def __init__(self) -> None:
        self.role, self.enabled, self.state, self.holder, self.epoch = "standby", False, "stopped", None, 4
        self.killed, self.market, self.orders, self.refusal, self.asked = False, True, 7, None, []

    def status(self) -> dict:
        trading = self.role == "primary" and self.enabled and self.state == "running" and not self.killed
        self.orders += 3 * (trading and self.market)
        return {
            "role": self.role, "version": "0.1.0+0a1b2c3d", "engine": "e1", "holder": "e1/aa", "trading_enabled": self.enabled,
            "killswitch": self.killed, "exchanges": [{"name": "paper", "status": "connected" if self.market else "disconnected"}],
            "database": {"connected": True, "host": "db"},
            "strategies": [{"id": "mm", "state": self.state, "trading": trading, "holder": self.holder, "epoch": self.epoch,
                            "killed": False, "performance": {"orders": self.orders}}],
        }

    def put(self, wanted: dict) -> None:
        if "role" in wanted and wanted["role"] != self.role:
            self.role = wanted["role"]
            self.holder = "e1/aa" if self.role == "primary" else None
            self.epoch += self.role == "primary"
        self.enabled = wanted.get("trading_enabled", self.enabled)


@pytest.fixture
def engine() -> Iterator[tuple[Engine, EngineApi]]:
    one = Engine()

    class Handler(BaseHTTPRequestHandler):
        def log_message(self, *arguments: object) -> None:
            pass

        def answer(self, code: int, document: dict) -> None:
            body = json.dumps(document).encode()
            self.send_response(code)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def do_GET(self) -> None:
            if self.path == "/api/v1/metrics":
                body = f'# a comment\ntrading_orders_total{{strategy="mm",status="accepted"}} {one.orders}\n'.encode()
                self.send_response(200)
                self.send_header("Content-Length", str(len(body)))
                self.end_headers()
                self.wfile.write(body)
                return
            self.answer(200, one.status())

        def do_PUT(self) -> None:
            wanted = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
            one.asked.append(wanted)
            if one.refusal and wanted.get("role") == "primary":
                self.answer(409, {"type": "about:blank", "title": "Conflict", "status": 409, "detail": one.refusal})
                return
            one.put(wanted)
            self.answer(200, {})

        def do_POST(self) -> None:
            one.asked.append(self.path)
            one.state = {"start": "running", "stop": "stopped"}[self.path.rpartition("/")[2]]
            self.answer(200, {})

    server = HTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    yield one, EngineApi("127.0.0.1", server.server_port)
    server.shutdown()
    thread.join()
    server.server_close()


def _bring(api: EngineApi, state: str, check_mode: bool = False) -> tuple[Plan, dict]:
    plan = Plan(check_mode)
    return plan, Trading(api, plan, timeout_s=0.6, settle_s=0.3).bring(state)


def test_start_asks_once_and_waits_for_orders(engine: tuple[Engine, EngineApi]) -> None:
    one, api = engine
    plan, result = _bring(api, "started")
    assert [difference.path for difference in plan.differences] == ["strategy mm", "role", "trading_enabled"]
    assert one.asked == ["/api/v1/strategies/mm/start", {"role": "primary", "trading_enabled": True}]
    assert result["orders_seen"]["mm"] > 0
    assert (result["before"]["role"], result["after"]["role"]) == ("standby", "primary")


def test_second_start_changes_nothing(engine: tuple[Engine, EngineApi]) -> None:
    one, api = engine
    _bring(api, "started")
    one.asked.clear()
    plan, result = _bring(api, "started")
    assert not plan.changed
    assert one.asked == []
    assert result["orders_seen"]["mm"] > 0


def test_check_mode_asks_nothing_of_the_engine(engine: tuple[Engine, EngineApi]) -> None:
    one, api = engine
    plan, _result = _bring(api, "started", check_mode=True)
    assert plan.changed
    assert one.asked == []
    assert one.role == "standby"


def test_refusal_names_the_holder_and_leaves_the_engine_as_it_was(engine: tuple[Engine, EngineApi]) -> None:
    one, api = engine
    one.refusal = "strategy mm is held by e2/bb (epoch 4)"
    with pytest.raises(HostError, match=r"e1: refuses to trade: strategy mm is held by e2/bb \(epoch 4\)"):
        _bring(api, "started")
    assert (one.role, one.enabled, one.state) == ("standby", False, "stopped")


def test_start_without_orders_is_taken_back(engine: tuple[Engine, EngineApi]) -> None:
    one, api = engine
    one.market = False
    with pytest.raises(HostError, match=r"no orders of mm accepted within 0\.6 s .*venue paper is disconnected.*taken back"):
        _bring(api, "started")
    assert (one.role, one.enabled, one.state, one.holder) == ("standby", False, "stopped", None)


def test_latched_kill_switch_refuses_before_anything_is_asked(engine: tuple[Engine, EngineApi]) -> None:
    one, api = engine
    one.killed = True
    with pytest.raises(HostError, match="kill switch is latched in the engine itself"):
        _bring(api, "started")
    assert one.asked == []


def test_stop_gives_the_lease_back_and_counts_no_order(engine: tuple[Engine, EngineApi]) -> None:
    one, api = engine
    _bring(api, "started")
    plan, result = _bring(api, "stopped")
    assert plan.changed
    assert result["orders_seen"] == {"mm": 0}
    assert (one.role, one.enabled, one.state, one.holder) == ("standby", False, "stopped", None)
    assert not _bring(api, "stopped")[0].changed


def test_stop_is_not_believed_while_a_row_names_the_engine(engine: tuple[Engine, EngineApi]) -> None:
    one, api = engine
    one.holder = "e1/aa"
    with pytest.raises(HostError, match="still holds mm"):
        _bring(api, "stopped")


def test_silent_engine_is_told_from_a_refusing_one(engine: tuple[Engine, EngineApi]) -> None:
    one, api = engine
    one.refusal = "no"
    with pytest.raises(EngineRefused) as refused:
        api.set_config(1, role="primary")
    assert (refused.value.status, refused.value.detail) == (409, "no")
    with pytest.raises(EngineUnreachable, match=r"127\.0\.0\.1:1 GET /api/v1/status: Connection refused"):
        EngineApi(port=1).status()


def test_waiting_for_a_version_ends_with_what_answers(engine: tuple[Engine, EngineApi]) -> None:
    status, reason = ask(engine[1], "9.9.9", 0.3)
    assert (status["version"], reason) == ("0.1.0+0a1b2c3d", "")
    status, reason = ask(EngineApi(port=1), None, 0)
    assert status == {}
    assert "refused" in reason
