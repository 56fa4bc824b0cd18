# SPDX-License-Identifier: GPL-3.0-or-later
# Managed by the role hft.ops.alert_hook: edits are removed by the next run.
"""HTTP: notifications come in, requests are made, read and taken. Everything but /healthz and /metrics needs the token."""

from __future__ import annotations

import hmac
import json
import re
import socket
import sqlite3
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

from hook_decision import Decisions, NotificationWrong, alerts_of, told
from hook_request import RequestWrong, asked_of, decide
from hook_settings import Settings

_MOST_CLIENTS = 16
_TAKEN = re.compile(r"/requests/(\d{1,18})/taken")


class Refused(Exception):
    """The status and why."""

    def __init__(self, status: int, why: str) -> None:
        super().__init__(why)
        self.status = status


class Server(ThreadingHTTPServer):
    daemon_threads = True

    def __init__(self, settings: Settings, decisions: Decisions) -> None:
        self.settings, self.decisions = settings, decisions
        self.address_family = socket.AF_INET6 if ":" in settings.host else socket.AF_INET
        self.room = threading.BoundedSemaphore(_MOST_CLIENTS)
        super().__init__((settings.host, settings.port), Handler)

    def get_request(self) -> tuple[socket.socket, Any]:
        link, address = super().get_request()
        link.settimeout(Handler.timeout)
        if self.settings.tls:
            # The handshake is the thread's, so that a client which never begins it holds nobody up.
            link = self.settings.tls.wrap_socket(link, server_side=True, do_handshake_on_connect=False)
        return link, address

    def process_request(self, request: Any, client_address: Any) -> None:
        if not self.room.acquire(blocking=False):
            told("refused", client=client_address[0], why=f"{_MOST_CLIENTS} clients already")
            self.shutdown_request(request)
            return
        super().process_request(request, client_address)

    def process_request_thread(self, request: Any, client_address: Any) -> None:
        try:
            super().process_request_thread(request, client_address)
        finally:
            self.room.release()

    def handle_error(self, _request: Any, client_address: Any) -> None:
        told("refused", client=client_address[0], why="the connection ended")


class Handler(BaseHTTPRequestHandler):
    server: Server
    timeout = 5
    server_version = "hft_alert_hook"
    sys_version = ""
    drained = False  # the body was read

    def do_GET(self) -> None:
        self._answer(self._get)

    def do_POST(self) -> None:
        self._answer(self._post)

    def _get(self) -> tuple[int, Any]:
        if self.path == "/healthz":
            return 200, {"status": "ok", "dry_run": self.server.settings.dry_run}
        if self.path == "/metrics":
            return 200, self._metrics()
        self._authorize()
        if self.path != "/requests":
            raise Refused(404, "expected /requests, /healthz or /metrics")
        with self.server.decisions.lock:
            return 200, {"requests": self.server.decisions.ledger.open_requests()}

    def _post(self) -> tuple[int, Any]:
        self._authorize()
        taken = _TAKEN.fullmatch(self.path)
        if taken:
            return self._take(int(taken.group(1)))
        if self.path == "/requests":
            return self._ask()
        if self.path != "/alerts":
            raise Refused(404, "expected /alerts, /requests or /requests/ID/taken")
        try:
            alerts = alerts_of(self._body())
        except NotificationWrong as wrong:
            raise Refused(400, str(wrong)) from None
        outcomes = self.server.decisions.take(alerts)
        unconfirmed = self.server.decisions.kill()
        # Alertmanager repeats what was not answered with 2xx.
        return (503 if unconfirmed else 200), {"outcomes": outcomes, "unconfirmed": unconfirmed}

    def _ask(self) -> tuple[int, Any]:
        try:
            asked = asked_of(self._body())
        except RequestWrong as wrong:
            raise Refused(400, str(wrong)) from None
        decisions = self.server.decisions
        with decisions.lock, decisions.ledger.whole():
            answer = decide(asked, self.server.settings, decisions.ledger)
        told("request", **answer, action=asked.action, rule=asked.rule, engine=asked.engine, reason=asked.reason,
             fingerprint=asked.fingerprint, starts_at=asked.starts_at, epochs=json.loads(asked.epochs))
        return (409 if answer["outcome"] == "stale" else 200), answer

    def _take(self, number: int) -> tuple[int, Any]:
        body = self._body()
        by = body.get("by") if isinstance(body, dict) else None
        if not isinstance(by, str) or not 1 <= len(by) <= 100:
            raise Refused(400, 'expected {"by": WHO}, 1 to 100 characters')
        with self.server.decisions.lock:
            first = self.server.decisions.ledger.take_request(number, by)
        if not first:
            raise Refused(409, f"request {number} is not open: taken, over or unknown")
        told("taken", id=number, by=by)
        return 200, {"id": number, "taken_by": by}

    def _authorize(self) -> None:
        given = self.headers.get("Authorization", "").encode("utf-8", "surrogateescape")
        if not hmac.compare_digest(given, f"Bearer {self.server.settings.token}".encode()):
            raise Refused(401, "expected the bearer token of the hook")

    def _body(self) -> Any:
        length = self.headers.get("Content-Length", "")
        if not length.isdecimal():
            raise Refused(411, "expected Content-Length")
        if int(length) > self.server.settings.max_body_bytes:
            raise Refused(413, f"at most {self.server.settings.max_body_bytes} bytes")
        self.drained = True
        try:
            return json.loads(self.rfile.read(int(length)))
        except (ValueError, RecursionError):
            raise Refused(400, "expected JSON") from None

    def _drain(self) -> None:
        """Read what a refused client still sends, within limits: a connection that ends before would take the answer along."""
        length = self.headers.get("Content-Length", "")
        if self.command == "POST" and length.isdecimal() and not self.drained:
            self.rfile.read(min(int(length), self.server.settings.max_body_bytes))

    def _metrics(self) -> str:
        with self.server.decisions.lock:
            counts = self.server.decisions.ledger.counts()
        lines = [f"hft_alert_hook_dry_run {int(self.server.settings.dry_run)}"]
        for what, label in (("alerts", "outcome"), ("requests", "state"), ("kills", "state")):
            lines += [f'hft_alert_hook_{what}{{{label}="{name}"}} {number}' for name, number in sorted(counts[what].items())]
        return "\n".join([*lines, ""])

    def _answer(self, work: Any) -> None:
        try:
            status, body = work()
        except Refused as why:
            status, body = why.status, {"error": str(why)}
            told("refused", client=self.client_address[0], status=status, why=str(why))
            self._drain()
        except sqlite3.Error as wrong:
            # Nothing was done; Alertmanager comes again.
            status, body = 503, {"error": f"the ledger cannot be written: {wrong}"}
            told("problem", why=body["error"])
        text = body if isinstance(body, str) else json.dumps(body) + "\n"
        self.send_response(status)
        self.send_header("Content-Type", "text/plain; version=0.0.4" if isinstance(body, str) else "application/json")
        self.send_header("Content-Length", str(len(text.encode())))
        self.send_header("Connection", "close")
        self.end_headers()
        self.wfile.write(text.encode())
        self.close_connection = True

    def log_message(self, *_arguments: Any) -> None:
        """What matters is told where it is decided."""
