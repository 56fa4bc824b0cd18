# SPDX-License-Identifier: GPL-3.0-or-later
"""The control API of one engine, as a caller sees it."""

from __future__ import annotations

import http.client
import json
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlsplit

from kit.check import Broken, polls

_LIMIT_S = 30.0
_TOO_MANY = 429
_TOO_MANY_PAUSE_S = 0.2


@dataclass(frozen=True)
class Reply:
    request: str
    status: int
    content_type: str
    text: str

    @property
    def json(self) -> Any:
        try:
            return json.loads(self.text)
        except ValueError as wrong:
            raise Broken(f"{self.request}: expected JSON, found {self.text[:80]!r}") from wrong

    def must(self, *statuses: int) -> Reply:
        if self.status not in statuses:
            raise Broken(f"{self.request}: expected {' or '.join(map(str, statuses))}, found {self.status} {self.text[:160].strip()}")
        return self


class Api:
    def __init__(self, url: str, token: str | None = None) -> None:
        self.url = url.rstrip("/")
        parts = urlsplit(self.url)
        self._kind = http.client.HTTPSConnection if parts.scheme == "https" else http.client.HTTPConnection
        self._host, self._port, self._root = parts.hostname or "", parts.port, parts.path
        self.headers = {"Authorization": f"Bearer {token}"} if token else {}

    def call(self, method: str, path: str, body: object = None, *, raw: bytes | None = None, limit_s: float = _LIMIT_S) -> Reply:
        """raw: bytes instead of a body that can be JSON. Too many requests are waited out. Raises OSError when nobody answers."""
        data = raw if raw is not None else None if body is None else json.dumps(body).encode()
        headers = dict(self.headers)
        if data is not None:
            headers["Content-Type"] = "application/json"
        for _ in polls(limit_s, _TOO_MANY_PAUSE_S):
            reply = self._once(method, path, data, headers, limit_s)
            if reply.status != _TOO_MANY:
                break
        return reply

    def _once(self, method: str, path: str, data: bytes | None, headers: dict[str, str], limit_s: float) -> Reply:
        connection = self._kind(self._host, self._port, timeout=limit_s)
        try:
            connection.request(method, self._root + path, data, headers)
            answer = connection.getresponse()
            return Reply(f"{method} {path}", answer.status, answer.getheader("Content-Type", ""), answer.read().decode(errors="replace"))
        except http.client.HTTPException as wrong:
            raise ConnectionError(f"{method} {path}: {wrong!r}") from wrong
        finally:
            connection.close()

    def get(self, path: str) -> Reply:
        return self.call("GET", path)

    def status(self) -> dict[str, Any]:
        found = self.get("/api/v1/status").must(200).json
        if not isinstance(found, dict):
            raise Broken("GET /api/v1/status: expected an object")
        return found
