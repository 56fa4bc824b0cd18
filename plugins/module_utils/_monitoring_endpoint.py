# Copyright: (c) hft.ops contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Private to hft.ops. One request to Prometheus, Alertmanager or Patroni, with the login and the authority that the site gives them."""

from __future__ import annotations

import base64
import http.client
import ssl
from dataclasses import dataclass
from urllib.error import HTTPError
from urllib.request import HTTPSHandler, ProxyHandler, Request, build_opener

_LARGEST = 8 << 20


class NoAnswer(Exception):
    """Why nothing came back."""


@dataclass(frozen=True)
class Answer:
    code: int
    reason: str
    body: bytes


@dataclass(frozen=True)
class Endpoint:
    """url: http or https, which who takes it from a user has made sure of."""

    url: str
    timeout_s: float = 5.0
    username: str = ""
    password: str = ""
    token: str = ""
    ca: str = ""
    certificate: str = ""
    key: str = ""

    def answer(self, path: str, method: str = "GET", body: bytes | None = None) -> Answer:
        """What was answered, a refusal as well; raises NoAnswer."""
        try:
            request = Request(self.url.rstrip("/") + path, body, self._headers(), method=method)  # noqa: S310 - see the class
            # No proxy: the host is ours, and an answer that somebody else kept would be an old one.
            with build_opener(ProxyHandler({}), *self._tls()).open(request, timeout=self.timeout_s) as reply:
                return Answer(reply.status, reply.reason, reply.read(_LARGEST))
        except HTTPError as refused:
            with refused:
                return Answer(refused.code, refused.reason, refused.read(_LARGEST))
        except (OSError, http.client.HTTPException, ValueError) as wrong:
            raise NoAnswer(str(getattr(wrong, "reason", None) or str(wrong) or type(wrong).__name__)) from None

    def _tls(self) -> list[HTTPSHandler]:
        """Reading all authorities of the system takes longer than most queries."""
        if not self.url.startswith("https:"):
            return []
        context = ssl.create_default_context(cafile=self.ca or None)
        if self.certificate:
            context.load_cert_chain(self.certificate, self.key)
        return [HTTPSHandler(context=context)]

    def _headers(self) -> dict[str, str]:
        headers = {"Accept": "application/json", "Content-Type": "application/json", "Cache-Control": "no-store"}
        if self.token:
            headers["Authorization"] = f"Bearer {self.token}"
        elif self.username:
            headers["Authorization"] = "Basic " + base64.b64encode(f"{self.username}:{self.password}".encode()).decode()
        return headers
