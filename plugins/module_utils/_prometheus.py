# Copyright: (c) hft.ops contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Private to hft.ops. Queries of Prometheus' HTTP API. Whatever cannot be read as numbers is said to be not measured."""

from __future__ import annotations

import json
from typing import Any
from urllib.parse import urlencode, urlsplit

from ansible_collections.hft.ops.plugins.module_utils._monitoring_endpoint import Endpoint, NoAnswer

PROMETHEUS_SPEC: dict[str, Any] = {
    "url": {"type": "str", "required": True},
    "timeout": {"type": "float", "default": 5},
    "username": {"type": "str"},
    "password": {"type": "str", "no_log": True},
    "token": {"type": "str", "no_log": True},
    "ca": {"type": "path"},
}
PROMETHEUS_RULES: dict[str, Any] = {"mutually_exclusive": [("username", "token")], "required_together": [("username", "password")]}


class AddressWrong(ValueError):
    """The options name no Prometheus."""


def prometheus(params: dict[str, Any]) -> Prometheus:
    """The client that a module's options of PROMETHEUS_SPEC ask for."""
    if urlsplit(params["url"]).scheme not in ("http", "https"):
        raise AddressWrong(f"url: expected http://HOST:PORT or https://HOST:PORT, found {params['url']}")
    if params["timeout"] <= 0:
        raise AddressWrong(f"timeout: expected seconds above 0, found {params['timeout']:g}")
    given = {key: params[key] or "" for key in ("username", "password", "token", "ca")}
    return Prometheus(params["url"], params["timeout"], **given)


class NotMeasured(Exception):
    """Nobody knows the value: one line that says why."""

    def __init__(self, why: str) -> None:
        super().__init__(" ".join(why.split()))


class Prometheus(Endpoint):
    def query(self, text: str) -> list[float]:
        """The samples of an instant vector, or the one of a scalar, in the order in which they came."""
        kind, data = self._asked("query", query=text)
        try:
            if kind == "vector":
                return [float(one["value"][1]) for one in data["result"]]
            if kind == "scalar":
                return [float(data["result"][1])]
        except (KeyError, IndexError, TypeError, ValueError) as wrong:
            raise NotMeasured(f"{self.url}: the {kind} holds what is no number: {wrong}") from None
        raise NotMeasured(f"{self.url}: the query gave {kind or 'no result'}; expected a vector or a scalar, as of an instant query")

    def now(self) -> float:
        """By the clock of Prometheus: a control node that is ahead would find the end of a window empty."""
        return self.query("time()")[0]

    def series(self, text: str, end: float, window_s: float, step_s: float) -> list[float]:
        """The one series of a query over the window that ends then, oldest first; nothing stands for a step without a sample."""
        kind, data = self._asked("query_range", query=text, start=f"{end - window_s + step_s:.3f}", end=f"{end:.3f}", step=f"{step_s:g}")
        if kind != "matrix":
            raise NotMeasured(f"{self.url}: the query gave {kind or 'no result'}; expected series, as of a range query")
        try:
            series = [[float(sample[1]) for sample in one["values"]] for one in data["result"]]
        except (KeyError, IndexError, TypeError, ValueError) as wrong:
            raise NotMeasured(f"{self.url}: the {kind} holds what is no number: {wrong}") from None
        if len(series) > 1:
            raise NotMeasured(f"{self.url}: the query gave {len(series)} series where one is compared; join them, for example by sum()")
        return series[0] if series else []

    def _asked(self, what: str, **arguments: str) -> tuple[str | None, dict[str, Any]]:
        """Kind and data of what Prometheus answered; NotMeasured with its own reason when it refused."""
        document = self._ask(what, arguments)
        if document.get("status") != "success":
            raise NotMeasured(f"{self.url}: {document.get('errorType', 'error')}: {document.get('error', 'no reason given')}")
        data = document.get("data")
        return (data.get("resultType"), data) if isinstance(data, dict) else (None, {})

    def _ask(self, what: str, arguments: dict[str, str]) -> dict[str, Any]:
        try:
            answer = self.answer(f"/api/v1/{what}?{urlencode({**arguments, 'timeout': f'{self.timeout_s:g}s'})}")
        except NoAnswer as why:
            raise NotMeasured(f"{self.url}: {why}") from None
        if answer.code >= 300 and answer.code not in (400, 422, 503):  # with these Prometheus says why in its own form
            raise NotMeasured(f"{self.url}: answered {answer.code} {answer.reason}")
        try:
            document = json.loads(answer.body)
        except ValueError:
            document = None
        if not isinstance(document, dict):
            raise NotMeasured(f"{self.url}: the answer is not that of a Prometheus API: {answer.body[:60]!r}")
        return document
