# Copyright: (c) hft.ops contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Private to hft.ops. The silences of Alertmanager's HTTP API (v2)."""

from __future__ import annotations

import json
from typing import Any
from urllib.parse import quote

from ansible_collections.hft.ops.plugins.module_utils._monitoring_endpoint import Endpoint, NoAnswer


class AlertmanagerError(Exception):
    """One line that says why."""

    def __init__(self, why: str) -> None:
        super().__init__(" ".join(why.split()))


class Alertmanager(Endpoint):
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
        try:
            answer = self.answer(path, method, None if body is None else json.dumps(body).encode())
        except NoAnswer as why:
            raise AlertmanagerError(f"{self.url}: {why}") from None
        if answer.code >= 300:
            raise AlertmanagerError(f"{self.url}: answered {answer.code} {answer.reason}: {answer.body.decode(errors='replace')[:200]}")
        try:
            return json.loads(answer.body) if answer.body else None
        except ValueError:
            raise AlertmanagerError(f"{self.url}: the answer is not that of an Alertmanager: {answer.body[:60]!r}") from None
