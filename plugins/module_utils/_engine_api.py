# Copyright: (c) hft.ops contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Private to hft.ops. The one client of the engine's control API (engine/openapi.yaml)."""

from __future__ import annotations

import http.client
import json
import re
import socket
import ssl
from typing import Any
from urllib.parse import urlsplit

from ansible_collections.hft.ops.plugins.module_utils._host import HostError

_ORDERS = re.compile(r'^trading_orders_total\{strategy="([^"]+)",status="([^"]+)"\} (\S+)', re.MULTILINE)
_REFUSALS = re.compile(r'^risk_check_failures_total\{check="([^"]+)"\} (\S+)', re.MULTILINE)
_ROUND_TRIPS = re.compile(r'^venue_round_trip_seconds\{venue="([^"]+)"\} (\S+)', re.MULTILINE)
_MAX_REASON = 200


class EngineUnreachable(HostError):
    """Nothing that speaks the API answers at the address."""


class EngineRefused(HostError):
    """The engine answered with a problem document (RFC 9457)."""

    def __init__(self, what: str, status: int, problem: dict[str, Any]) -> None:
        self.status = status
        self.detail = problem.get("detail") or problem.get("title") or "without a reason"
        super().__init__(f"{what}: {status} {self.detail}")


API_SPEC: dict[str, Any] = {
    "api_url": {"type": "str"},
    "api_token": {"type": "str", "no_log": True},
    "api_ca": {"type": "path"},
    "api_certificate": {"type": "path"},
}


ENGINE_SPEC: dict[str, Any] = {
    **API_SPEC,
    "address": {"type": "str", "default": "127.0.0.1"},
    "port": {"type": "int", "default": 8080},
}


def check_reason(reason: object) -> None:
    """HostError for what the engine takes as no reason; nothing is asked of it then."""
    if not isinstance(reason, str) or not 1 <= len(reason) <= _MAX_REASON or "\n" in reason:
        raise HostError(f"reason: expected one line of 1 to {_MAX_REASON} characters, found {len(str(reason))}")


def engine_api(params: dict[str, Any], address: str = "", port: int = 0) -> EngineApi:
    """The client that a module's options of ENGINE_SPEC ask for; address and port for one that has only those of API_SPEC."""
    address, port = address or params["address"], port or params["port"]
    scheme = "https" if params["api_ca"] or params["api_certificate"] else "http"
    if params["api_url"]:
        scheme, address, port = _parts(params["api_url"])
    return EngineApi(address, port, token=params["api_token"], tls=scheme == "https", ca=params["api_ca"],
                     certificate=params["api_certificate"])


def _object(text: str) -> dict[str, Any] | None:
    """The JSON object that the text is; None when it is none."""
    try:
        document = json.loads(text)
    except ValueError:
        return None
    return document if isinstance(document, dict) else None


def _parts(url: str) -> tuple[str, str, int]:
    expected = f"api_url: expected http://HOST:PORT or https://HOST:PORT, found {url!r}"
    try:
        parts = urlsplit(url)
        port = parts.port or (443 if parts.scheme == "https" else 80)
    except ValueError as wrong:
        raise HostError(expected) from wrong
    if parts.scheme not in ("http", "https") or not parts.hostname or parts.path not in ("", "/") or parts.query or parts.username:
        raise HostError(expected)
    return parts.scheme, parts.hostname, port


class EngineApi:
    """The API of one engine.

    address, port: where it listens; timeout_s: for each request; token: bearer token; ca: file with the authorities that may have signed
    the engine's certificate, its name is checked; certificate: file whose first certificate must be the engine's, whatever its name.
    """

    def __init__(self, address: str = "127.0.0.1", port: int = 8080, timeout_s: float = 5.0, token: str | None = None,
                 tls: bool = False, ca: str | None = None, certificate: str | None = None) -> None:
        self.address = address
        self.port = port
        self.timeout_s = timeout_s
        self.token = token
        self.tls = tls or bool(ca or certificate)
        self.ca = ca
        self.certificate = certificate

    def status(self) -> dict[str, Any]:
        return self._ask("GET", "/api/v1/status")

    def killswitch(self) -> dict[str, Any]:
        return self._ask("GET", "/api/v1/killswitch")

    def set_config(self, timeout_s: float, **wanted: Any) -> dict[str, Any]:
        """PUT role and trading_enabled; the engine answers when it is done, which may take as long as timeout_s."""
        return self._ask("PUT", "/api/v1/config", wanted, timeout_s)

    def config(self) -> dict[str, Any]:
        """The configuration in use, defaults filled in, without secrets."""
        return self._ask("GET", "/api/v1/config")

    def config_status(self) -> dict[str, Any]:
        """The file against what runs: sha256 of both, and the keys that wait for a reload or a restart."""
        return self._ask("GET", "/api/v1/config/status")

    def reload_config(self) -> dict[str, Any]:
        """Take up what can be while running; an invalid file is refused and changes nothing."""
        return self._ask("POST", "/api/v1/config/reload")

    def strategy_config(self, strategy: str) -> dict[str, Any]:
        """One strategy as an element of strategies in the configuration, as it is now."""
        found = self._ask("GET", f"/api/v1/strategies/{strategy}/config")
        return {key: value for key, value in found.items() if key != "in_force"}

    def configure_strategy(self, strategy: str, patch: dict[str, Any]) -> dict[str, Any]:
        """Change paper_trading, limits or parameters while it runs (RFC 7396)."""
        return self._ask("PUT", f"/api/v1/strategies/{strategy}/config", patch)

    def load_strategy(self, strategy: dict[str, Any]) -> dict[str, Any]:
        """Load it while others trade; it comes stopped and without a lease, and is gone after a restart unless it stands in the file."""
        return self._ask("POST", "/api/v1/strategies/load", {"strategy": strategy})

    def unload_strategy(self, strategy: str) -> dict[str, Any]:
        """Refused while it holds its lease, has open orders or a position."""
        return self._ask("DELETE", f"/api/v1/strategies/{strategy}")

    def start_strategy(self, strategy: str) -> dict[str, Any]:
        return self._ask("POST", f"/api/v1/strategies/{strategy}/start")

    def stop_strategy(self, strategy: str) -> dict[str, Any]:
        return self._ask("POST", f"/api/v1/strategies/{strategy}/stop")

    def takeover(self, timeout_s: float, strategies: list[str]) -> dict[str, Any]:
        """Claim strategies that are vacant or whose holder stands still, start them and enable trading; refused while a holder lives."""
        return self._ask("POST", "/api/v1/takeover", {"strategies": strategies}, timeout_s)

    def arm(self, timeout_s: float, **request: Any) -> dict[str, Any]:
        """Taker of a transfer: ready for it; the engine's record of it."""
        return self._ask("POST", "/api/v1/arm", request, timeout_s)

    def disarm(self, identifier: str) -> dict[str, Any]:
        return self._ask("DELETE", "/api/v1/arm", {"id": identifier})

    def transfer(self, timeout_s: float, **request: Any) -> dict[str, Any]:
        """Giver of a transfer: answered when it is over, whatever became of it; the engine goes on when nobody waits for the answer."""
        return self._ask("POST", "/api/v1/transfer", request, timeout_s)

    def transfer_record(self, identifier: str, part: str = "") -> dict[str, Any] | None:
        """What this engine did in that transfer, as far as it remembers; part: giver or taker."""
        records = self._ask("GET", "/api/v1/transfer")["transfers"]
        return next((one for one in reversed(records) if one["id"] == identifier and part in ("", one["part"])), None)

    def reconcile(self, strategies: list[str], timeout_s: float) -> dict[str, Any]:
        """Compare positions and open orders with the venue; all of this engine's where none is named."""
        return self._ask("POST", "/api/v1/reconcile", {"strategies": strategies} if strategies else {}, timeout_s)

    def flatten(self, reason: str, strategies: list[str], wait_s: int) -> dict[str, Any]:
        """Cancel, then close the positions; answered when they are flat or wait_s is over."""
        named = {"strategies": strategies} if strategies else {}
        return self._ask("POST", "/api/v1/flatten", {"reason": reason, "wait_s": wait_s, **named}, wait_s + self.timeout_s)

    def latch(self, reason: str, strategy: str = "") -> dict[str, Any]:
        """The kill switch, of the engine or of one strategy."""
        return self._ask("POST", "/api/v1/killswitch", {"reason": reason, **({"strategy": strategy} if strategy else {})})

    def unlatch(self, reason: str, strategy: str = "") -> dict[str, Any]:
        return self._ask("DELETE", "/api/v1/killswitch", {"reason": reason, **({"strategy": strategy} if strategy else {})})

    def fence(self, reason: str, strategy: str) -> dict[str, Any]:
        """Has the venue refuse whoever trades the strategy, without a successor; refused while the kill switch is not latched here."""
        return self._ask("POST", "/api/v1/fence", {"reason": reason, "strategy": strategy})

    def accepted_orders(self) -> dict[str, int]:
        """Orders that the venue accepted of each strategy since the process started."""
        return self.order_counts()["accepted"]

    def order_counts(self) -> dict[str, dict[str, int]]:
        """Orders by what became of them (accepted, rejected, ...) and strategy, since the process started."""
        counts: dict[str, dict[str, int]] = {"accepted": {}, "rejected": {}}
        for strategy, status, count in _ORDERS.findall(self._metrics()):
            counts.setdefault(status, {})[strategy] = int(float(count))
        return counts

    def refusals_and_round_trips(self) -> tuple[dict[str, int], dict[str, float]]:
        """Orders refused before they were sent, by the check that refused; seconds of the last round trip, by venue, 0 before the first."""
        text = self._metrics()
        return ({check: int(float(count)) for check, count in _REFUSALS.findall(text)},
                {venue: float(seconds) for venue, seconds in _ROUND_TRIPS.findall(text)})

    def _metrics(self) -> str:
        code, text = self._send("GET", "/api/v1/metrics")
        if code != 200:
            # A page that was not given is no count of 0.
            raise EngineRefused(self._what("GET", "/api/v1/metrics"), code, _object(text) or {"detail": text[:200]})
        return text

    def _ask(self, method: str, path: str, body: dict[str, Any] | None = None, timeout_s: float | None = None) -> dict[str, Any]:
        status, text = self._send(method, path, body, timeout_s)
        document = _object(text)
        if status >= 400:
            raise EngineRefused(self._what(method, path), status, {"detail": text[:200]} if document is None else document)
        if document is None:
            raise EngineUnreachable(f"{self._what(method, path)}: answered {status} without a JSON object; is it another program?")
        return document

    def _what(self, method: str, path: str) -> str:
        return f"engine API {self.address}:{self.port} {method} {path}"

    def _send(self, method: str, path: str, body: dict[str, Any] | None = None, timeout_s: float | None = None) -> tuple[int, str]:
        """HTTP status and text of the answer, whatever it is; EngineUnreachable when there is none."""
        # http.client knows no proxy: the API is on this host, whatever http_proxy says.
        what = self._what(method, path)
        headers = {"Authorization": f"Bearer {self.token}"} if self.token else {}
        payload = None if body is None else json.dumps(body)
        if payload:
            headers["Content-Type"] = "application/json"
        link = self._link(timeout_s or self.timeout_s)
        try:
            link.connect()
            self._refuse_another(link, what)
            link.request(method, path, payload, headers)
            answer = link.getresponse()
            return answer.status, answer.read().decode("utf-8", "replace")
        except socket.timeout as late:
            raise EngineUnreachable(f"{what}: no answer within {timeout_s or self.timeout_s:g} s") from late
        except (OSError, http.client.HTTPException) as wrong:
            raise EngineUnreachable(f"{what}: {getattr(wrong, 'strerror', None) or wrong or type(wrong).__name__}") from wrong
        finally:
            link.close()

    def _link(self, timeout_s: float) -> http.client.HTTPConnection:
        if not self.tls:
            return http.client.HTTPConnection(self.address, self.port, timeout=timeout_s)
        try:
            context = ssl.create_default_context(cafile=self.ca)
        except OSError as wrong:
            raise EngineUnreachable(f"{self.ca}: expected certificates in PEM: {wrong}") from wrong
        if self.certificate:
            context.check_hostname = False
            context.verify_mode = ssl.CERT_NONE  # _refuse_another looks at the very certificate
        return http.client.HTTPSConnection(self.address, self.port, timeout=timeout_s, context=context)

    def _refuse_another(self, link: http.client.HTTPConnection, what: str) -> None:
        """Raise when a certificate is expected and the peer has another one; before anything, the token too, is sent."""
        if not self.certificate:
            return
        try:
            with open(self.certificate, encoding="ascii", errors="replace") as file:
                first = file.read().partition("-----END CERTIFICATE-----")
            expected = ssl.PEM_cert_to_DER_cert(first[0][first[0].find("-----BEGIN CERTIFICATE-----"):] + first[1])
        except (OSError, ValueError) as wrong:
            raise EngineUnreachable(f"{self.certificate}: expected a certificate in PEM: {wrong}") from wrong
        if link.sock.getpeercert(binary_form=True) != expected:
            raise EngineUnreachable(f"{what}: has another certificate than the first in {self.certificate};"
                                    " was it replaced without a reload?")
