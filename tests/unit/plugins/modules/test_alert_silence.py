# Copyright: (c) hft.ops contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Silences, asked of an Alertmanager that is played as far as the module needs it; the real one is in molecule/monitoring."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator
from datetime import datetime, timedelta, timezone
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import pytest
from ansible_collections.hft.ops.plugins.module_utils._alertmanager import Alertmanager, AlertmanagerError
from ansible_collections.hft.ops.plugins.modules import alert_silence

_NOW = datetime(2026, 1, 31, 22, tzinfo=timezone.utc)
_GIVEN = {"url": "http://there", "state": "present", "comment": "cutover-7", "matchers": ["severity!=critical", "host=~a|b"],
          "created_by": "alice", "duration_s": 600, "timeout_s": 5}


class _Played(BaseHTTPRequestHandler):
    """Keeps silences as Alertmanager does: with Z, nanoseconds, and a state of each."""

    def do_GET(self) -> None:
        self._answer(list(self.server.kept.values()))

    def do_POST(self) -> None:
        wanted = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        name = wanted.pop("id", None) or f"id-{len(self.server.kept)}"
        ends = wanted["endsAt"].replace("+00:00", ".123456789Z")
        self.server.kept[name] = {**wanted, "endsAt": ends, "id": name, "status": {"state": "active"}}
        self._answer({"silenceID": name})

    def do_DELETE(self) -> None:
        self.server.kept[self.path.rpartition("/")[2]]["status"]["state"] = "expired"
        self._answer(None)

    def _answer(self, what: Any) -> None:
        refused = self.server.token and self.headers.get("Authorization") != f"Bearer {self.server.token}"
        self.send_response(401 if refused else 200)
        self.end_headers()
        self.wfile.write(b"no" if refused else b"" if what is None else json.dumps(what).encode())

    def log_message(self, *_args: Any) -> None:
        pass


@pytest.fixture
def played() -> Iterator[Any]:
    server = ThreadingHTTPServer(("127.0.0.1", 0), _Played)
    server.kept, server.token = {}, ""
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield server
    server.shutdown()
    server.server_close()


def _apply(played: Any, check: bool = False, now: datetime = _NOW, token: str = "", **more: Any) -> dict[str, Any]:
    there = Alertmanager(f"http://127.0.0.1:{played.server_port}", token=token)
    return alert_silence.apply({**_GIVEN, **more}, there, now, check)


def test_a_silence_is_made_once_and_ended_once(played: Any) -> None:
    assert _apply(played, check=True) == {"changed": True, "silences": []}
    assert not played.kept
    assert _apply(played) == {"changed": True, "silences": ["id-0"]}
    assert _apply(played) == {"changed": False, "silences": ["id-0"]}
    kept = played.kept["id-0"]
    assert kept["matchers"] == [{"name": "host", "value": "a|b", "isRegex": True, "isEqual": True},
                                {"name": "severity", "value": "critical", "isRegex": False, "isEqual": False}]
    assert (kept["createdBy"], kept["endsAt"]) == ("alice", "2026-01-31T22:10:00.123456789Z")
    assert _apply(played, check=True, state="absent") == {"changed": True, "silences": ["id-0"]}
    assert kept["status"]["state"] == "active"
    assert _apply(played, state="absent")["changed"]
    assert kept["status"]["state"] == "expired"
    assert not _apply(played, state="absent")["changed"]


def test_one_that_ends_soon_is_prolonged_and_stays_the_same(played: Any) -> None:
    _apply(played)
    assert not _apply(played, now=_NOW + timedelta(seconds=299))["changed"]
    assert _apply(played, now=_NOW + timedelta(seconds=302)) == {"changed": True, "silences": ["id-0"]}
    assert played.kept["id-0"]["startsAt"] == _NOW.isoformat()


def test_silences_of_others_are_left_alone(played: Any) -> None:
    _apply(played, comment="by hand")
    _apply(played, matchers=["host=c"])
    assert _apply(played)["silences"] == ["id-2"]
    _apply(played, state="absent")
    assert {name: one["status"]["state"] for name, one in played.kept.items()} == {"id-0": "active", "id-1": "expired", "id-2": "expired"}


def test_one_without_the_token_is_told_so(played: Any) -> None:
    played.token = "t"
    with pytest.raises(AlertmanagerError, match="answered 401 Unauthorized: no"):
        _apply(played)
    assert _apply(played, token="t")["changed"]


def test_nobody_there_is_one_line() -> None:
    with pytest.raises(AlertmanagerError, match=r"^http://127.0.0.1:9: .*refused"):
        alert_silence.apply(_GIVEN, Alertmanager("http://127.0.0.1:9"), _NOW, False)


@pytest.mark.parametrize(("more", "said"), [
    ({"url": "file:///etc"}, "url file:///etc: expected http://HOST:PORT"),
    ({"comment": " x"}, "at least three characters"),
    ({"matchers": ["severity"]}, "matchers: severity: expected NAME=VALUE"),
    ({"matchers": []}, "at least one must be"),
    ({"matchers": ["severity!=critical"]}, "at least one must be"),
    ({"matchers": ["host=~.*"]}, "at least one must be"),
    ({"matchers": ["host="]}, "at least one must be"),
    ({"duration_s": 0}, "duration_s 0: expected 1 to 86400"),
    ({"timeout_s": 99.0}, "timeout_s 99: expected 0.1 to 60"),
])
def test_a_silence_that_takes_everything_or_makes_no_sense_is_refused(more: dict, said: str) -> None:
    assert said in alert_silence.wrong_input({**_GIVEN, **more})
    assert not alert_silence.wrong_input(_GIVEN)
