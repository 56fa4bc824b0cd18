# Copyright: (c) hft.ops contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Private to hft.ops. Patroni's REST API, as one member answers it."""

from __future__ import annotations

import json
import time
from typing import Any, Callable

from ansible_collections.hft.ops.plugins.module_utils._host import HostError
from ansible_collections.hft.ops.plugins.module_utils._monitoring_endpoint import Endpoint, NoAnswer

PATRONI_ARGUMENTS: dict[str, dict[str, Any]] = {
    "url": {"type": "str", "required": True},
    "ca": {"type": "path", "required": True},
    "certificate": {"type": "path", "required": True},
    "key": {"type": "path", "required": True, "no_log": False},
    "wait_s": {"type": "int", "default": 60},
}
# In quorum mode one of these has every acknowledged commit, and Patroni asks enough of them.
SYNCHRONOUS = ("sync_standby", "quorum_standby")
# A planned move and a restart answer when they are done.
_MOVE_TIMEOUT_S = 60


class Patroni:
    """One member's API; a change needs the certificate of a member."""

    def __init__(self, given: dict[str, Any]) -> None:
        self._tls = {name: given[name] for name in ("ca", "certificate", "key")}
        self._asked = Endpoint(given["url"], 5, **self._tls)
        self._told = Endpoint(given["url"], _MOVE_TIMEOUT_S, **self._tls)
        self._wait_s = given["wait_s"]

    def settings(self) -> dict[str, Any]:
        """The dynamic settings of the cluster, which lie in etcd."""
        return self._document("/config")

    def members(self) -> list[dict[str, Any]]:
        return self._document("/cluster").get("members", [])

    def leader(self) -> dict[str, Any]:
        """The member that leads and takes writes, on a timeline that it told; empty while there is none.

        It says so itself: of one that died the others tell the best for as long as its key lives.
        """
        leads = {"role": "leader", "state": "running"}
        found = next((one for one in self.members() if leads.items() <= one.items() and one.get("timeline")), {})
        return found if found and self._is_primary(found["api_url"]) else {}

    def _is_primary(self, api_url: str) -> bool:
        try:
            return Endpoint(api_url.rsplit("/", 1)[0], 2, **self._tls).answer("/primary").code == 200
        except NoAnswer:
            return False

    def replace_settings(self, settings: dict[str, Any]) -> None:
        self._tell("PUT", "/config", settings)

    def switch(self, leader: str, candidate: str) -> None:
        self._tell("POST", "/switchover", {"leader": leader, "candidate": candidate})

    def restart_pending(self) -> bool:
        """Whether this member knows that its server waits for a restart."""
        return bool(self._document("/patroni").get("pending_restart"))

    def restart(self) -> None:
        self._tell("POST", "/restart", {"timeout": _MOVE_TIMEOUT_S})

    def until(self, question: Callable[[], Any], wanted: str) -> Any:
        """The first answer that is something; in the error, what was said last."""
        deadline = time.monotonic() + self._wait_s
        while True:
            try:
                found, said = question(), "it is not so"
            except HostError as why:
                found, said = None, str(why)
            if found:
                return found
            if time.monotonic() > deadline:
                raise HostError(f"{wanted}: not within {self._wait_s} s ({said}); read `patronictl list` and patroni's journal")
            time.sleep(0.2)

    def _document(self, path: str) -> dict[str, Any]:
        try:
            answer = self._asked.answer(path)
        except NoAnswer as why:
            raise HostError(f"{self._asked.url}: {why}") from None
        try:
            document = json.loads(answer.body)
        except ValueError:
            document = None
        if answer.code != 200 or not isinstance(document, dict):
            raise HostError(f"{self._asked.url}{path}: answered {answer.code} {answer.reason}")
        return document

    def _tell(self, method: str, path: str, body: dict[str, Any]) -> None:
        try:
            answer = self._told.answer(path, method, json.dumps(body).encode())
        except NoAnswer as why:
            raise HostError(f"{self._told.url}: {why}") from None
        if answer.code != 200:
            said = " ".join(answer.body.decode(errors="replace").split())
            raise HostError(f"{self._told.url}{path}: refused with {answer.code}: {said or answer.reason}")
