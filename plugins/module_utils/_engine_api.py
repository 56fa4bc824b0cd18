# Copyright: (c) hft.ops contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Private to hft.ops. The one client of the engine's control API (engine/openapi.yaml)."""

from __future__ import annotations

import http.client
import json
import re
import socket
from typing import Any

from ansible_collections.hft.ops.plugins.module_utils._host import HostError

_ACCEPTED = re.compile(r'^trading_orders_total\{strategy="([^"]+)",status="accepted"\} (\S+)', re.MULTILINE)


class EngineUnreachable(HostError):
    """Nothing that speaks the API answers at the address."""


class EngineRefused(HostError):
    """The engine answered with a problem document (RFC 9457)."""

    def __init__(self, what: str, status: int, problem: dict[str, Any]) -> None:
        self.status = status
        self.detail = problem.get("detail") or problem.get("title") or "without a reason"
        super().__init__(f"{what}: {status} {self.detail}")


class EngineApi:
    """The API of one engine. address, port: where it listens; timeout_s: for each request."""

    def __init__(self, address: str = "127.0.0.1", port: int = 8080, timeout_s: float = 5.0) -> None:
        self.address = address
        self.port = port
        self.timeout_s = timeout_s

    def status(self) -> dict[str, Any]:
        return self._ask("GET", "/api/v1/status")

    def killswitch(self) -> dict[str, Any]:
        return self._ask("GET", "/api/v1/killswitch")

    def set_config(self, timeout_s: float, **wanted: Any) -> dict[str, Any]:
        """PUT role and trading_enabled; the engine answers when it is done, which may take as long as timeout_s."""
        return self._ask("PUT", "/api/v1/config", wanted, timeout_s)

    def start_strategy(self, strategy: str) -> dict[str, Any]:
        return self._ask("POST", f"/api/v1/strategies/{strategy}/start")

    def stop_strategy(self, strategy: str) -> dict[str, Any]:
        return self._ask("POST", f"/api/v1/strategies/{strategy}/stop")

    def accepted_orders(self) -> dict[str, int]:
        """Orders that the venue accepted of each strategy since the process started."""
        text = self._send("GET", "/api/v1/metrics")[1]
        return {strategy: int(float(count)) for strategy, count in _ACCEPTED.findall(text)}

    def _ask(self, method: str, path: str, body: dict[str, Any] | None = None, timeout_s: float | None = None) -> dict[str, Any]:
        status, text = self._send(method, path, body, timeout_s)
        try:
            document = json.loads(text)
        except ValueError:
            document = None
        if status >= 400:
            raise EngineRefused(self._what(method, path), status, document if isinstance(document, dict) else {"detail": text[:200]})
        if not isinstance(document, dict):
            raise EngineUnreachable(f"{self._what(method, path)}: answered {status} without a JSON object; is it another program?")
        return document

    def _what(self, method: str, path: str) -> str:
        return f"engine API {self.address}:{self.port} {method} {path}"

    def _send(self, method: str, path: str, body: dict[str, Any] | None = None, timeout_s: float | None = None) -> tuple[int, str]:
        """HTTP status and text of the answer, whatever it is; EngineUnreachable when there is none."""
        # http.client knows no proxy: the API is on this host, whatever http_proxy says.
        what = self._what(method, path)
        link = http.client.HTTPConnection(self.address, self.port, timeout=timeout_s or self.timeout_s)
        try:
            payload = None if body is None else json.dumps(body)
            link.request(method, path, payload, {"Content-Type": "application/json"} if payload else {})
            answer = link.getresponse()
            return answer.status, answer.read().decode("utf-8", "replace")
        except socket.timeout as late:
            raise EngineUnreachable(f"{what}: no answer within {timeout_s or self.timeout_s:g} s") from late
        except (OSError, http.client.HTTPException) as wrong:
            raise EngineUnreachable(f"{what}: {getattr(wrong, 'strerror', None) or wrong or type(wrong).__name__}") from wrong
        finally:
            link.close()
