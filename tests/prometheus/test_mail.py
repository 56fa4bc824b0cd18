# SPDX-License-Identifier: GPL-3.0-or-later
"""Mail of Debian's Alertmanager, configured by the collection's own filter: after a login, of the beginning and of the end."""

from __future__ import annotations

import base64
import json
import socketserver
import threading
import time
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml
from ansible_collections.hft.ops.plugins.filter.alertmanager_config import alertmanager_config
from backfilled import alertmanager

_SECONDS = {"group_wait": "0s", "group_interval": "1s", "repeat_interval": "1h", "resolve_timeout": "1m", "watchdog_interval": "1h"}


class _Mailbox(socketserver.ThreadingTCPServer):
    allow_reuse_address = True
    daemon_threads = True

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), _Session)
        self.mails: list[dict[str, str]] = []


class _Session(socketserver.StreamRequestHandler):
    """As much of SMTP as a mail needs."""

    server: _Mailbox

    def _say(self, words: str) -> None:
        self.wfile.write(f"{words}\r\n".encode())

    def handle(self) -> None:
        mail: dict[str, str] = {}
        self._say("220 sink")
        while line := self.rfile.readline().decode().strip():
            verb = line.partition(" ")[0].upper()
            if verb == "EHLO":
                self._say("250-sink\r\n250 AUTH PLAIN")
            elif verb == "AUTH":
                mail["login"] = base64.b64decode(line.split()[2]).decode()
                self._say("235 in")
            elif verb == "DATA":
                self._say("354 go on")
                mail["text"] = b"".join(iter(self.rfile.readline, b".\r\n")).decode()
                self.server.mails.append(dict(mail))
                self._say("250 kept")
            elif verb == "QUIT":
                self._say("221 bye")
                return
            else:
                mail[verb] = line
                self._say("250 ok")


@pytest.fixture
def mailbox() -> Iterator[_Mailbox]:
    with _Mailbox() as box:
        threading.Thread(target=box.serve_forever, daemon=True).start()
        yield box
        box.shutdown()


@pytest.fixture
def port(mailbox: _Mailbox, tmp_path: Path) -> Iterator[int]:
    smtp = {"host": "127.0.0.1", "port": mailbox.server_address[1], "sender": "hft@example.com", "tls": False,
            "username": "hft", "password": "m4il"}
    settings = {**_SECONDS, "routes": [], "inhibitions": [], "default_receiver": "desk", "group_by": ["alertname"], "smtp": smtp}
    made = alertmanager_config([{"name": "desk", "mail": [{"to": "desk@example.com"}]}], settings, "/trial")
    (tmp_path / "alertmanager.yml").write_text(yaml.safe_dump(made["config"]))
    for secret in made["secrets"]:
        (tmp_path / Path(secret["path"]).name).write_text(secret["content"])
    with alertmanager(tmp_path) as listening:
        yield listening


def _tell(port: int, **more: Any) -> None:
    alerts = [{"labels": {"alertname": "HostDown", "severity": "critical"}, "annotations": {"summary": "Host is down"}, **more}]
    headers = {"Content-Type": "application/json"}
    with urllib.request.urlopen(urllib.request.Request(f"http://127.0.0.1:{port}/api/v2/alerts", json.dumps(alerts).encode(), headers)):
        pass


def _received(mailbox: _Mailbox, count: int) -> dict[str, str]:
    end = time.monotonic() + 20
    while len(mailbox.mails) < count:
        assert time.monotonic() < end, f"{len(mailbox.mails)} mails, expected {count}: {mailbox.mails}"
        time.sleep(0.1)
    return mailbox.mails[-1]


def test_the_beginning_and_the_end_of_an_alert_are_mailed_after_a_login(port: int, mailbox: _Mailbox) -> None:
    _tell(port)
    first = _received(mailbox, 1)
    assert first["login"] == "\0hft\0m4il"
    assert (first["MAIL"].split()[1], first["RCPT"]) == ("FROM:<hft@example.com>", "RCPT TO:<desk@example.com>")
    assert "[FIRING:1] HostDown" in first["text"]
    _tell(port, endsAt="2020-01-01T00:00:00Z")
    assert "[RESOLVED] HostDown" in _received(mailbox, 2)["text"]
