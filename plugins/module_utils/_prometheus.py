# Copyright: (c) hft.ops contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Private to hft.ops. Instant queries of Prometheus' HTTP API. Whatever cannot be read as numbers is said to be not measured."""

from __future__ import annotations

import base64
import http.client
import json
import ssl
from dataclasses import dataclass
from typing import Any
from urllib.error import HTTPError
from urllib.parse import urlencode
from urllib.request import HTTPSHandler, ProxyHandler, Request, build_opener

_LARGEST = 8 << 20


class NotMeasured(Exception):
    """Nobody knows the value: one line that says why."""

    def __init__(self, why: str) -> None:
        super().__init__(" ".join(why.split()))


@dataclass(frozen=True)
class Prometheus:
    url: str
    timeout_s: float = 5.0
    username: str = ""
    password: str = ""
    token: str = ""
    ca: str = ""

    def query(self, text: str) -> list[float]:
        """The samples of an instant vector, or the one of a scalar, in the order in which they came."""
        document = self._ask(text)
        if document.get("status") != "success":
            raise NotMeasured(f"{self.url}: {document.get('errorType', 'error')}: {document.get('error', 'no reason given')}")
        data = document.get("data")
        kind = data.get("resultType") if isinstance(data, dict) else None
        try:
            if kind == "vector":
                return [float(one["value"][1]) for one in data["result"]]
            if kind == "scalar":
                return [float(data["result"][1])]
        except (KeyError, IndexError, TypeError, ValueError) as wrong:
            raise NotMeasured(f"{self.url}: the {kind} holds what is no number: {wrong}") from None
        raise NotMeasured(f"{self.url}: the query gave {kind or 'no result'}; expected a vector or a scalar, as of an instant query")

    def _ask(self, text: str) -> dict[str, Any]:
        address = f"{self.url.rstrip('/')}/api/v1/query?{urlencode({'query': text, 'timeout': f'{self.timeout_s:g}s'})}"
        try:
            request = Request(address, headers=self._headers())  # noqa: S310 - metric_analysis takes http and https alone
            # No proxy: the host is ours, and an answer that somebody else kept would be an old one.
            with build_opener(ProxyHandler({}), *self._tls()).open(request, timeout=self.timeout_s) as reply:
                body = reply.read(_LARGEST)
        except HTTPError as refused:
            with refused:
                body = refused.read(_LARGEST)
            if refused.code not in (400, 422, 503):  # with these Prometheus says why in its own form
                raise NotMeasured(f"{self.url}: answered {refused.code} {refused.reason}") from None
        except (OSError, http.client.HTTPException, ValueError) as wrong:
            reason = getattr(wrong, "reason", None) or str(wrong) or type(wrong).__name__
            raise NotMeasured(f"{self.url}: {reason}") from None
        try:
            document = json.loads(body)
        except ValueError:
            document = None
        if not isinstance(document, dict):
            raise NotMeasured(f"{self.url}: the answer is not that of a Prometheus API: {body[:60]!r}")
        return document

    def _tls(self) -> list[HTTPSHandler]:
        """Reading all authorities of the system takes longer than most queries."""
        return [HTTPSHandler(context=ssl.create_default_context(cafile=self.ca or None))] if self.url.startswith("https:") else []

    def _headers(self) -> dict[str, str]:
        headers = {"Accept": "application/json", "Cache-Control": "no-store"}
        if self.token:
            headers["Authorization"] = f"Bearer {self.token}"
        elif self.username:
            headers["Authorization"] = "Basic " + base64.b64encode(f"{self.username}:{self.password}".encode()).decode()
        return headers
