# SPDX-License-Identifier: GPL-3.0-or-later
"""What the shipper of role log_shipping sends to Loki's interface, when again, and where it goes on; Loki and the journal are played."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from email.message import Message
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest

from repository import ROOT

_PROGRAM = ROOT / "roles" / "log_shipping" / "files" / "loki_shipper.py"
_ENTRIES = [
    {"__CURSOR": "c1", "__REALTIME_TIMESTAMP": "1700000000000001", "_HOSTNAME": "e1", "_SYSTEMD_UNIT": "engine.service", "PRIORITY": "6",
     "MESSAGE": "one"},
    {"__CURSOR": "c2", "__REALTIME_TIMESTAMP": "1700000000000002", "_HOSTNAME": "e1", "SYSLOG_IDENTIFIER": "kernel", "MESSAGE": [206, 188]},
    {"__CURSOR": "c3", "__REALTIME_TIMESTAMP": "1700000000000003", "_HOSTNAME": "e1", "_SYSTEMD_UNIT": "engine.service", "PRIORITY": "6",
     "MESSAGE": ["three", "more"]},
]
_STREAMS = [
    {"stream": {"host": "e1", "unit": "engine.service", "priority": "6", "region": "us"},
     "values": [["1700000000000001000", "one"], ["1700000000000003000", "three more"]]},
    {"stream": {"host": "e1", "identifier": "kernel", "region": "us"}, "values": [["1700000000000002000", "\u03bc"]]},
]


class _Loki(ThreadingHTTPServer):
    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), _Push)
        self.answers: list[int] = []
        self.got: list[tuple[str, Message, Any]] = []


class _Push(BaseHTTPRequestHandler):
    server: _Loki

    def do_POST(self) -> None:
        body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        self.server.got.append((self.path, self.headers, body))
        self.send_response(self.server.answers.pop(0) if self.server.answers else 204)
        self.end_headers()
        self.wfile.write(b"entry too far behind")

    def log_message(self, *_args: Any) -> None:
        pass


@pytest.fixture
def loki() -> Iterator[_Loki]:
    with _Loki() as played:
        threading.Thread(target=played.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True).start()
        yield played
        played.shutdown()


@pytest.fixture
def ship(tmp_path: Path, loki: _Loki) -> Callable[[], subprocess.CompletedProcess]:
    """ship(): the program, with a journalctl that tells its arguments and ends after the entries."""
    (tmp_path / "entries").write_text("".join(f"{json.dumps(one)}\n" for one in _ENTRIES))
    journal = tmp_path / "journalctl"
    journal.write_text(f'#!/bin/sh\necho "$@" >> {tmp_path}/asked\ncat {tmp_path}/entries\n')
    journal.chmod(0o755)
    (tmp_path / "settings").write_text(json.dumps({
        "url": f"http://127.0.0.1:{loki.server_port}", "labels": {"region": "us"}, "tenant": "desk", "token": "t0ken", "authority": ""}))

    def run() -> subprocess.CompletedProcess:
        return subprocess.run([sys.executable, _PROGRAM, tmp_path / "settings", tmp_path / "cursor"], capture_output=True, text=True,
                              env={**os.environ, "PATH": f"{tmp_path}:{os.environ['PATH']}"}, check=False, timeout=60)

    return run


def test_entries_are_streams_by_label_and_the_next_start_goes_on_after_the_last(ship: Callable, loki: _Loki, tmp_path: Path) -> None:
    assert ship().returncode == 1, "the end of the journal is a failure, after which systemd starts it again"
    (path, headers, body), = loki.got
    assert path == "/loki/api/v1/push"
    assert (headers["Authorization"], headers["X-Scope-OrgID"], headers["Content-Type"]) == ("Bearer t0ken", "desk", "application/json")
    assert body == {"streams": _STREAMS}
    assert (tmp_path / "cursor").read_text() == "c3"
    ship()
    assert [line.split()[-1] for line in (tmp_path / "asked").read_text().splitlines()] == ["--lines=1", "--after-cursor=c3"]


@pytest.mark.parametrize("answer", [500, 429, 401])
def test_what_is_not_taken_is_sent_again(ship: Callable, loki: _Loki, tmp_path: Path, answer: int) -> None:
    loki.answers = [answer]
    assert f": {answer} entry too far behind; again in 1 s" in ship().stderr
    assert [one[2]["streams"] for one in loki.got] == [_STREAMS, _STREAMS]
    assert (tmp_path / "cursor").read_text() == "c3"


def test_what_loki_takes_for_wrong_is_told_and_left_out(ship: Callable, loki: _Loki, tmp_path: Path) -> None:
    loki.answers = [400]
    assert "left out what it takes for wrong: 400 entry too far behind" in ship().stderr
    assert len(loki.got) == 1
    assert (tmp_path / "cursor").read_text() == "c3"
