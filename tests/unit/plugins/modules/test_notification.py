# Copyright: (c) hft.ops contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Notifications, delivered to real receivers of HTTP and SMTP; and to some that are dead, slow, or answer with something else."""

from __future__ import annotations

import contextlib
import json
import socket
import socketserver
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import pytest
from ansible_collections.hft.ops.plugins.module_utils._notification import deliver, skip_reason, summary
from ansible_collections.hft.ops.plugins.modules import notification

_EVENT = {"id": "cutover-7", "action": "cutover", "verdict": "done", "detail": "", "who": "alice", "ticket": "CHG 7/1",
          "stage": "production", "from": {"engine": "e1", "version": "1.0"}, "to": {"engine": "e2", "version": "2.0"}, "strategies": ["mm"],
          "gap_ms": 4.9, "started_at": "2026-01-31T22:00:00.000000Z", "finished_at": "2026-01-31T22:06:00.500000Z"}


class _Receiver(BaseHTTPRequestHandler):
    """Keeps what it is sent and answers as its path says."""

    def handle_one_request(self) -> None:
        with contextlib.suppress(ConnectionError):
            super().handle_one_request()

    def _take(self) -> None:
        body = self.rfile.read(int(self.headers["Content-Length"]))
        self.server.taken.append((self.command, self.path, dict(self.headers), json.loads(body)))
        if self.path == "/slow":
            self.server.released.wait(30)
        status = {"/refuses": 403, "/redirects": 302}.get(self.path, 200)
        self.send_response(status)
        if status == 302:
            self.send_header("Location", "/elsewhere")
        self.end_headers()
        partly = b'{"partialSuccess": {"rejectedSpans": "3", "errorMessage": "too old"}}'
        self.wfile.write(b"invalid_token" if status == 403 else partly if self.path == "/partial" else b"ok")

    do_POST = do_PUT = _take  # noqa: N815 - names that http.server looks for

    def do_GET(self) -> None:
        self.server.taken.append(("GET", self.path, {}, {}))
        self.send_response(200)
        self.end_headers()

    def log_message(self, *_args: Any) -> None:
        pass


@pytest.fixture
def receiver() -> Iterator[Any]:
    server = ThreadingHTTPServer(("127.0.0.1", 0), _Receiver)
    server.daemon_threads = True
    server.taken, server.released = [], threading.Event()
    server.url = f"http://127.0.0.1:{server.server_port}"
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield server
    server.released.set()
    server.shutdown()
    server.server_close()


class _Mailbox(socketserver.StreamRequestHandler):
    """As much of SMTP (RFC 5321) as a message needs."""

    def _say(self, line: str) -> None:
        self.wfile.write(f"{line}\r\n".encode())

    def handle(self) -> None:
        self._say("220 mailbox")
        for line in iter(self.rfile.readline, b""):
            verb = line.split()[0].upper()
            if verb == b"DATA":
                self._say("354 go on")
                letter = b"".join(iter(self.rfile.readline, b".\r\n"))
                self.server.letters.append(letter.decode())
            elif verb == b"RCPT" and b"nobody" in line:
                self._say("550 no such user")
                continue
            self._say("221 bye" if verb == b"QUIT" else "250 ok")
            if verb == b"QUIT":
                return


@pytest.fixture
def mailbox() -> Iterator[Any]:
    server = socketserver.ThreadingTCPServer(("127.0.0.1", 0), _Mailbox)
    server.daemon_threads = True
    server.letters = []
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield server
    server.shutdown()
    server.server_close()


@pytest.fixture
def dead_port() -> Iterator[int]:
    """A port on which nobody listens, and which nobody else gets meanwhile."""
    with socket.socket() as held:
        held.bind(("127.0.0.1", 0))
        yield held.getsockname()[1]


def _target(kind: str, **more: Any) -> dict[str, Any]:
    """A target as AnsibleModule hands it over."""
    blank = {key: one.get("default") for key, one in notification._TARGET.items()}
    return {**blank, "name": kind, "kind": kind, **more}


def _mail(server: Any, *to: str) -> dict[str, Any]:
    return _target("mail", host="127.0.0.1", port=server.server_address[1], sender="hft@example.com", to=list(to))


def _tell(*targets: dict[str, Any], event: dict[str, Any] | None = None, timeout_s: float = 20) -> list[dict[str, Any]]:
    return deliver(list(targets), event or _EVENT, timeout_s)


def test_slack_gets_one_line_that_it_cannot_read_as_markup(receiver: Any) -> None:
    event = {**_EVENT, "detail": "<!channel> a & b\nover two lines"}
    assert _tell(_target("slack", url=f"{receiver.url}/hook"), event=event)[0]["delivered"]
    (_method, path, headers, body), = receiver.taken
    assert (path, headers["Content-Type"]) == ("/hook", "application/json")
    assert body == {"text": "cutover cutover-7: DONE; from e1 1.0 to e2 2.0; mm; gap 4.9 ms; &lt;!channel&gt; a &amp; b over two lines; "
                            "CHG 7/1; by alice; production"}


def test_a_webhook_gets_the_whole_record_with_its_token(receiver: Any) -> None:
    _tell(_target("webhook", url=f"{receiver.url}/any", token="t0ken", headers={"X-Team": "hft"}, method="PUT"))
    (method, path, headers, body), = receiver.taken
    assert (method, path, headers["Authorization"], headers["X-Team"]) == ("PUT", "/any", "Bearer t0ken", "hft")
    assert body["event"] == _EVENT


def test_a_ticket_is_closed_as_its_system_wants_it(receiver: Any) -> None:
    target = _target("ticket", url=f"{receiver.url}/issue/{{ticket}}/transitions", body={"transition": {"id": "31"}})
    assert _tell(target)[0] == {"name": "ticket", "kind": "ticket", "delivered": True, "detail": "answered 200"}
    assert receiver.taken[0][1::2] == ("/issue/CHG%207%2F1/transitions", {"transition": {"id": "31"}})


def test_grafana_gets_an_annotation_from_start_to_end(receiver: Any) -> None:
    _tell(_target("grafana", url=f"{receiver.url}/", token="t"))
    (_method, path, _headers, body), = receiver.taken
    assert path == "/api/annotations"
    assert body["timeEnd"] - body["time"] == 360_500
    assert body["tags"] == ["deployment", "cutover", "done", "mm"]


def test_a_mail_has_the_line_as_its_subject_and_the_record_in_it(mailbox: Any) -> None:
    assert _tell(_mail(mailbox, "a@example.com", "b@example.com"))[0]["detail"] == "accepted for 2"
    letter, = mailbox.letters
    assert "To: a@example.com, b@example.com" in letter
    assert "Subject: cutover cutover-7: DONE; from e1 1.0 to e2 2.0" in letter
    assert '"gap_ms": 4.9' in letter


def test_one_who_does_not_get_the_mail_is_named(mailbox: Any) -> None:
    answer = _tell(_mail(mailbox, "a@example.com", "nobody@example.com"))[0]
    assert (answer["delivered"], answer["detail"]) == (False, "refused for nobody@example.com")


def test_the_dead_the_slow_and_the_wrong_are_named_and_hold_nobody_up(receiver: Any, mailbox: Any, dead_port: int) -> None:
    told = _tell(
        _target("webhook", name="dead", url=f"http://127.0.0.1:{dead_port}/"),
        _target("webhook", name="slow", url=f"{receiver.url}/slow"),
        _target("webhook", name="refuses", url=f"{receiver.url}/refuses"),
        _target("webhook", name="redirects", url=f"{receiver.url}/redirects"),
        _target("mail", name="dead mail", host="127.0.0.1", port=dead_port, sender="a@example.com", to=["b@example.com"]),
        _target("mail", name="no tls", host="127.0.0.1", port=mailbox.server_address[1], tls="starttls", sender="a@b", to=["b@c"]),
        _target("slack", url=f"{receiver.url}/hook"), timeout_s=2)
    assert [(one["name"], one["delivered"]) for one in told] == [
        ("dead", False), ("slow", False), ("refuses", False), ("redirects", False), ("dead mail", False), ("no tls", False),
        ("slack", True)]
    said = {one["name"]: one["detail"] for one in told}
    assert "refused" in said["dead"].lower()
    assert said["slow"] in ("no answer within 2 s", "timed out")
    assert said["refuses"] == "answered 403 Forbidden: invalid_token"
    assert said["redirects"].startswith("answered 302")
    assert "STARTTLS" in said["no tls"]
    assert not [one for one in receiver.taken if one[0] == "GET"], "a redirected message delivers nothing"


@pytest.mark.parametrize(("target", "event", "reason"), [
    (_target("slack"), {}, ""),
    (_target("slack", verdicts=["failed"]), {}, "not told of verdict done"),
    (_target("slack", verdicts=["failed"]), {"verdict": "failed"}, ""),
    (_target("ticket"), {"ticket": ""}, "the run has no ticket"),
    (_target("ticket"), {"verdict": "rolled_back"}, "a ticket is closed on verdict done, this is rolled_back"),
    (_target("ticket"), {}, ""),
])
def test_who_is_not_to_be_told(target: dict, event: dict, reason: str) -> None:
    assert skip_reason(target, {**_EVENT, **event}) == reason


def test_an_event_that_knows_little_is_told_all_the_same() -> None:
    assert summary({"id": "every strategy", "action": "killswitch", "verdict": "failed", "from": None, "gap_ms": None}) \
        == "killswitch every strategy: FAILED"


@pytest.mark.parametrize(("more", "said"), [
    ({"event": {**_EVENT, "started_at": ""}}, "event.started_at: expected text, found ''"),
    ({"targets": [_target("slack", url="file:///etc/passwd")]}, "target slack: url: expected http://HOST or https://HOST"),
    ({"targets": [_target("mail", to=[])]}, "target mail: to: is empty"),
    ({"timeout_s": 0}, "timeout_s 0: expected 0.1 to 60"),
])
def test_input_that_makes_no_sense_is_refused(more: dict, said: str) -> None:
    assert said in notification.wrong_input({"event": _EVENT, "targets": [], "timeout_s": 5, **more})


def test_a_collector_gets_the_run_as_one_trace(receiver: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("TRACEPARENT", raising=False)
    assert _tell(_target("otlp", url=receiver.url))[0] == {"name": "otlp", "kind": "otlp", "delivered": True, "detail": "answered 200"}
    _tell(_target("otlp", url=f"{receiver.url}/own/path"))
    (_method, path, headers, body), (_again, own_path, _headers, same) = receiver.taken
    assert (path, own_path, headers["Content-Type"], body) == ("/v1/traces", "/own/path", "application/json", same)
    assert body["resourceSpans"][0]["scopeSpans"][0]["spans"][0]["name"] == "cutover cutover-7"


def test_a_collector_that_refuses_spans_has_not_got_them(receiver: Any) -> None:
    assert _tell(_target("otlp", url=f"{receiver.url}/partial"))[0]["detail"] == "refused 3 spans: too old"
