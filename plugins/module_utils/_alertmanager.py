# Copyright: (c) hft.ops contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Private to hft.ops. The silences of Alertmanager's HTTP API (v2)."""

from __future__ import annotations

import base64
import http.client
import json
import ssl
from dataclasses import dataclass
from typing import Any
from urllib.error import HTTPError
from urllib.parse import quote
from urllib.request import HTTPSHandler, ProxyHandler, Request, build_opener

_LARGEST = 8 << 20


class AlertmanagerError(Exception):
    """One line that says why."""

    def __init__(self, why: str) -> None:
        super().__init__(" ".join(why.split()))


@dataclass(frozen=True)
class Alertmanager:
    url: str
    timeout_s: float = 5.0
    username: str = ""
    password: str = ""
    token: str = ""
    ca: str = ""

    def silences(self) -> list[dict[str, Any]]:
        found = self._ask("GET", "/api/v2/silences")
        if not isinstance(found, list) or not all(
                isinstance(one, dict) and {"id", "status", "matchers", "endsAt"} <= set(one) for one in found):
            raise AlertmanagerError(f"{self.url}: the answer is not that of an Alertmanager")
        return found

    def silence(self, wanted: dict[str, Any]) -> str:
        """Id of the silence that now lasts."""
        made = self._ask("POST", "/api/v2/silences", wanted)
        if not isinstance(made, dict) or not made.get("silenceID"):
            raise AlertmanagerError(f"{self.url}: the answer is not that of an Alertmanager")
        return str(made["silenceID"])

    def expire(self, name: str) -> None:
        self._ask("DELETE", f"/api/v2/silence/{quote(name, safe='')}")

    def _ask(self, method: str, path: str, body: dict[str, Any] | None = None) -> Any:
        data = None if body is None else json.dumps(body).encode()
        try:
            request = Request(self.url.rstrip("/") + path, data, self._headers(), method=method)  # noqa: S310 - http and https alone
            # No proxy: the host is ours.
            with build_opener(ProxyHandler({}), *self._tls()).open(request, timeout=self.timeout_s) as reply:
                text = reply.read(_LARGEST)
        except HTTPError as refused:
            with refused:
                said = refused.read(_LARGEST).decode(errors="replace")[:200]
            raise AlertmanagerError(f"{self.url}: answered {refused.code} {refused.reason}: {said}") from None
        except (OSError, http.client.HTTPException, ValueError) as wrong:
            raise AlertmanagerError(f"{self.url}: {getattr(wrong, 'reason', None) or str(wrong) or type(wrong).__name__}") from None
        try:
            return json.loads(text) if text else None
        except ValueError:
            raise AlertmanagerError(f"{self.url}: the answer is not that of an Alertmanager: {text[:60]!r}") from None

    def _tls(self) -> list[HTTPSHandler]:
        return [HTTPSHandler(context=ssl.create_default_context(cafile=self.ca or None))] if self.url.startswith("https:") else []

    def _headers(self) -> dict[str, str]:
        headers = {"Accept": "application/json", "Content-Type": "application/json"}
        if self.token:
            headers["Authorization"] = f"Bearer {self.token}"
        elif self.username:
            headers["Authorization"] = "Basic " + base64.b64encode(f"{self.username}:{self.password}".encode()).decode()
        return headers
