# SPDX-License-Identifier: GPL-3.0-or-later
"""The program of the role alert_hook, over HTTP on loopback, with an engine that is played."""

from __future__ import annotations

import http.client
import json
import sqlite3
import ssl
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from datetime import datetime, timedelta, timezone
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest
from hook_decision import Decisions
from hook_ledger import Ledger
from hook_server import Server
from hook_settings import SettingsWrong, load

from repository import ROOT

PROGRAM = ROOT / "roles" / "alert_hook" / "files"
TOKEN = "0123456789abcdef0123"
_KILL = {"name": "orders go wrong", "action": "kill", "scope": "engine", "within_s": 300, "signals": [
    {"source": "engine", "match": {"alertname": "RejectRate", "severity": ["critical", "page"]}},
    {"source": "venue", "match": {"alertname": "PositionMismatch"}}]}
_ROLLBACK = {"name": "slow", "action": "rollback", "scope": "engine", "within_s": 0, "signals": [
    {"source": "", "match": {"alertname": ["OrderLatency", "OrderErrors"]}}]}


def _write(folder: Path, secrets: Any = None, **change: Any) -> Path:
    config = {"listen": "127.0.0.1:0", "tls": {}, "secrets": "secrets.json", "state_dir": str(folder), "dry_run": False,
              "request_ttl_s": 900, "alert_age_s": 3600, "kill_retry_s": 60, "keep_days": 30, "max_body_bytes": 65536, "engines": {},
              "rules": [_ROLLBACK], **change}
    (folder / "config.json").write_text(json.dumps(config))
    (folder / "secrets.json").write_text(json.dumps(secrets or {"hook": TOKEN, "engines": {"e1": "kill-token"}}))
    return folder / "config.json"


class _Engine(ThreadingHTTPServer):
    """Answers as told: status and whether it says that it is latched; away closes without an answer."""

    def __init__(self) -> None:
        self.got: list[tuple[str, str, str | None, Any]] = []
        self.answer: tuple[int, Any] | None = (200, {"latched": True})
        super().__init__(("127.0.0.1", 0), _Api)


class _Api(BaseHTTPRequestHandler):
    server: _Engine

    def do_POST(self) -> None:
        body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        self.server.got.append((self.command, self.path, self.headers["Authorization"], body))
        if self.server.answer is None:
            return
        self.send_response(self.server.answer[0])
        self.end_headers()
        self.wfile.write(json.dumps(self.server.answer[1]).encode())

    def log_message(self, *_arguments: Any) -> None:
        pass


class _Hook:
    def __init__(self, folder: Path, engine: _Engine, **change: Any) -> None:
        both = {name: {"url": f"http://127.0.0.1:{engine.server_port}", "ca": ""} for name in ("e1", "e2")}
        self.settings = load(_write(folder, **{"engines": both, "rules": [_ROLLBACK, _KILL], **change}))
        self.decisions = Decisions(self.settings, Ledger(folder, self.settings.keep_days))
        self.server = Server(self.settings, self.decisions)
        threading.Thread(target=self.server.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True).start()

    def ask(self, method: str, path: str, body: Any = None, token: str | None = TOKEN, **headers: str) -> tuple[int, Any]:
        link = http.client.HTTPConnection("127.0.0.1", self.server.server_port, timeout=5)
        given = {"Authorization": f"Bearer {token}"} if token is not None else {}
        payload = body if body is None or isinstance(body, (str, bytes)) else json.dumps(body)
        link.request(method, path, payload, {**given, **headers})
        reply = link.getresponse()
        text = reply.read().decode()
        link.close()
        return reply.status, json.loads(text) if reply.headers["Content-Type"] == "application/json" else text

    def alert(self, *names: str, status: str = "firing", began_s_ago: float = 5, engine: str = "e1:9464", begin: datetime | None = None,
              **labels: str) -> tuple[int, Any]:
        began = begin or datetime.now(timezone.utc) - timedelta(seconds=began_s_ago)
        return self.ask("POST", "/alerts", {"version": "4", "alerts": [
            {"status": status, "fingerprint": f"{name}-{engine}", "startsAt": began.isoformat().replace("+00:00", "123Z"),
             "labels": {"alertname": name, "instance": engine, "severity": "critical", **labels}, "annotations": {}} for name in names]})

    def requests(self) -> list[dict[str, Any]]:
        return self.ask("GET", "/requests")[1]["requests"]


@pytest.fixture
def engine() -> Iterator[_Engine]:
    with _Engine() as played:
        threading.Thread(target=played.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True).start()
        yield played
        played.shutdown()


@pytest.fixture
def hook(tmp_path: Path, engine: _Engine) -> Iterator[Callable[..., _Hook]]:
    running: list[_Hook] = []

    def start(**change: Any) -> _Hook:
        running.append(_Hook(tmp_path, engine, **change))
        return running[-1]

    yield start
    for one in running:
        one.server.shutdown()
        one.server.server_close()
        one.decisions.ledger._link.close()


def test_an_alert_requests_one_rollback_however_often_it_comes(hook: Callable[..., _Hook], engine: _Engine) -> None:
    served = hook()
    begin = datetime.now(timezone.utc)
    assert served.alert("OrderLatency", begin=begin) == (200, {"outcomes": {"rollback requested": 1}, "unconfirmed": []})
    assert served.alert("OrderLatency", begin=begin)[1]["outcomes"] == {"repeated": 1}
    assert served.alert("OrderErrors")[1]["outcomes"] == {"rollback asked for already": 1}
    assert served.alert("OrderErrors", engine="e9:1")[1]["outcomes"] == {"rollback requested": 1}
    requests = [(one["engine"], one["reason"]) for one in served.requests()]
    assert requests == [("e1", "slow: OrderLatency on e1"), ("e9", "slow: OrderErrors on e9")]
    assert engine.got == []


_EVIL = {"line of the log": 'x\n{"event": "kill"}', "template": "{{ lookup('pipe', 'id') }}", "SQL": "e1'; DROP TABLE request; --",
         "metric": 'e1"} 1\nhft_up{x="'}


@pytest.mark.parametrize("evil", _EVIL.values(), ids=_EVIL)
def test_what_a_label_says_is_text_everywhere(hook: Callable[..., _Hook], engine: _Engine, capfd: pytest.CaptureFixture[str],
                                              evil: str) -> None:
    """Whoever may label a metric may write anything there."""
    served = hook()
    assert served.alert("OrderLatency", engine=f"{evil}:1", other=evil)[1]["outcomes"] == {"rollback requested": 1}
    assert served.alert("RejectRate", "PositionMismatch", engine=f"{evil}:1", other=evil)[1]["unconfirmed"] == []
    assert [one["engine"] for one in served.requests()] == [evil]
    assert engine.got == []
    assert [json.loads(line)["event"] for line in capfd.readouterr().out.splitlines()] == ["request", "alert", "alert", "alert"]
    page = served.ask("GET", "/metrics")[1]
    assert evil not in page
    assert all(line.startswith(("#", "hft_alert_hook_")) for line in page.splitlines())


def test_a_request_is_taken_once_and_ends_by_itself(hook: Callable[..., _Hook]) -> None:
    served = hook(request_ttl_s=0.4)
    served.alert("OrderLatency")
    number = served.requests()[0]["id"]
    assert served.ask("POST", f"/requests/{number}/taken", {"by": "awx"}) == (200, {"id": number, "taken_by": "awx"})
    assert served.ask("POST", f"/requests/{number}/taken", {"by": "me"})[0] == 409
    assert served.requests() == []
    served.alert("OrderLatency", engine="e2:1")
    assert len(served.requests()) == 1
    time.sleep(0.5)
    assert served.requests() == []
    assert served.ask("POST", f"/requests/{number + 1}/taken", {"by": "late"})[0] == 409


def test_one_signal_does_not_kill_two_do_on_the_engine_that_both_name(hook: Callable[..., _Hook], engine: _Engine) -> None:
    served = hook()
    assert served.alert("RejectRate")[1]["outcomes"] == {"first signal": 1}
    assert served.alert("RejectRate", began_s_ago=1)[1]["outcomes"] == {"first signal": 1}, "the same source twice is one signal"
    assert served.alert("PositionMismatch", engine="e2:9464")[1]["outcomes"] == {"first signal": 1}, "another engine's"
    assert engine.got == []
    assert served.alert("PositionMismatch") == (200, {"outcomes": {"kill": 1}, "unconfirmed": []})
    reason = "alert hook, orders go wrong: RejectRate on e1 (engine); PositionMismatch on e1 (venue)"
    assert engine.got == [("POST", "/api/v1/killswitch", "Bearer kill-token", {"reason": reason})]
    # Both were used: it takes two new ones for another.
    assert served.alert("PositionMismatch", began_s_ago=0)[1]["outcomes"] == {"first signal": 1}
    assert len(engine.got) == 1


def test_labels_must_match_and_the_engine_must_be_known(hook: Callable[..., _Hook], engine: _Engine) -> None:
    served = hook()
    assert served.alert("RejectRate", severity="warning")[1]["outcomes"] == {"no rule": 1}
    assert served.alert("RejectRate", engine="e7:1")[1]["outcomes"] == {"unknown engine": 1}
    assert served.alert("Other", "RejectRate", "PositionMismatch")[1]["outcomes"] == {"no rule": 1, "first signal": 1, "kill": 1}
    assert len(engine.got) == 1


def test_resolved_and_stale_alerts_do_nothing(hook: Callable[..., _Hook], engine: _Engine) -> None:
    served = hook(alert_age_s=60)
    assert served.alert("RejectRate", "PositionMismatch", "OrderLatency", status="resolved")[1]["outcomes"] == {"resolved": 3}
    assert served.alert("RejectRate", "PositionMismatch", "OrderLatency", began_s_ago=61)[1]["outcomes"] == {"stale": 3}
    assert (served.requests(), engine.got) == ([], [])


def test_signals_that_are_far_apart_are_not_two(hook: Callable[..., _Hook], engine: _Engine) -> None:
    served = hook(rules=[{**_KILL, "within_s": 0.2}])
    served.alert("RejectRate")
    time.sleep(0.3)
    assert served.alert("PositionMismatch")[1]["outcomes"] == {"first signal": 1}
    assert engine.got == []


def test_scope_all_pairs_over_engines_and_stops_every_one(hook: Callable[..., _Hook], engine: _Engine) -> None:
    served = hook(rules=[{**_KILL, "scope": "all"}])
    served.alert("RejectRate")
    assert served.alert("PositionMismatch", engine="db:1")[1]["outcomes"] == {"kill": 1}
    assert len(engine.got) == 2


@pytest.mark.parametrize("answer", [None, (500, {"detail": "disk"}), (200, {"latched": False}), (200, "hello")])
def test_a_kill_that_is_not_confirmed_is_told_and_tried_again(hook: Callable[..., _Hook], engine: _Engine, answer: Any) -> None:
    served = hook()
    engine.answer = answer
    begin = datetime.now(timezone.utc)
    code, said = served.alert("RejectRate", "PositionMismatch", begin=begin)
    assert (code, len(said["unconfirmed"])) == (503, 1)
    engine.answer = (200, {"latched": True})
    assert served.alert("RejectRate", "PositionMismatch", begin=begin) == (200, {"outcomes": {"repeated": 2}, "unconfirmed": []})
    assert len(engine.got) == 2
    assert 'hft_alert_hook_kills{state="confirmed"} 1' in served.ask("GET", "/metrics", token=None)[1]
    assert served.decisions.kill() == []
    assert len(engine.got) == 2


def test_a_restart_neither_forgets_nor_repeats(hook: Callable[..., _Hook], engine: _Engine) -> None:
    first = hook()
    begin = datetime.now(timezone.utc)
    first.alert("OrderLatency", "RejectRate", begin=begin)
    engine.answer = None
    first.alert("PositionMismatch")
    engine.answer = (200, {"latched": True})
    second = hook()
    assert second.decisions.kill() == [], "decided before, done now"
    assert len(second.requests()) == 1
    assert second.alert("OrderLatency", "RejectRate", begin=begin)[1]["outcomes"] == {"repeated": 2}


def test_a_dry_run_decides_and_does_nothing(hook: Callable[..., _Hook], engine: _Engine, capfd: pytest.CaptureFixture[str]) -> None:
    served = hook(dry_run=True)
    assert served.alert("OrderLatency", "RejectRate", "PositionMismatch")[1]["outcomes"] == {"dry run rollback": 1, "dry run signal": 2}
    assert (served.requests(), engine.got) == ([], [])
    lines = [json.loads(line) for line in capfd.readouterr().out.splitlines()]
    assert [(one["event"], one["outcome"], one["dry_run"]) for one in lines] == [("alert", "dry run rollback", True)] + [
        ("alert", "dry run signal", True)] * 2


def test_two_at_once_request_one(hook: Callable[..., _Hook]) -> None:
    served = hook()
    begin = datetime.now(timezone.utc)
    threads = [threading.Thread(target=served.alert, args=("OrderLatency",), kwargs={"begin": begin}) for _one in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(served.requests()) == 1


def _asked(**change: Any) -> dict[str, Any]:
    return {"action": "failover", "rule": "r", "engine": "e1", "reason": "EngineDown on e1", "fingerprint": "f1",
            "starts_at": "2026-01-01T00:00:00.5Z", "epochs": {"mm": 7}, **change}


def test_a_request_of_another_is_made_once_for_an_alert_and_its_epochs(hook: Callable[..., _Hook]) -> None:
    served = hook(alert_age_s=1e9)
    assert served.ask("POST", "/requests", _asked()) == (200, {"outcome": "requested", "id": 1, "open": True, "why": ""})
    assert served.ask("POST", "/requests", _asked())[1] == {"outcome": "repeated", "id": 1, "open": True, "why": ""}
    other = served.ask("POST", "/requests", _asked(fingerprint="f2"))[1]
    assert other == {"outcome": "asked for already", "id": 1, "open": True, "why": ""}
    status, stale = served.ask("POST", "/requests", _asked(epochs={"mm": 8}))
    assert (status, stale["outcome"], stale["id"]) == (409, "stale", 1)
    assert stale["why"] == 'request 1 of this alert saw the epochs {"mm": 7}, they are {"mm": 8} now: trading was moved since'
    assert [(one["action"], one["epochs"]) for one in served.requests()] == [("failover", {"mm": 7})]
    # A new alert, under the new epoch, is another matter.
    assert served.ask("POST", "/requests", _asked(starts_at="2026-01-02T00:00:00Z", epochs={"mm": 8}))[1]["outcome"] == "requested"
    assert served.ask("POST", "/requests/1/taken", {"by": "me"})[0] == 200
    assert served.ask("POST", "/requests", _asked())[1] == {"outcome": "repeated", "id": 1, "open": False, "why": ""}


def test_a_request_of_another_uses_up_no_signal(hook: Callable[..., _Hook], engine: _Engine) -> None:
    served = hook()
    begin = datetime.now(timezone.utc)
    asked = _asked(fingerprint="RejectRate-e1:9464", starts_at=begin.isoformat())
    assert served.ask("POST", "/requests", asked)[1]["outcome"] == "requested"
    assert served.alert("RejectRate", begin=begin)[1]["outcomes"] == {"first signal": 1}
    assert served.alert("PositionMismatch")[1]["outcomes"] == {"kill": 1}
    assert len(engine.got) == 1


@pytest.mark.parametrize(("change", "said"), [
    ({"action": "start"}, "action: expected one of rollback, failover, found 'start'"),
    ({"epochs": {}}, "epochs: expected the epoch of each strategy, as a number"),
    ({"epochs": {"mm": "7"}}, "epochs: expected the epoch"),
    ({"epochs": {"mm": True}}, "epochs: expected the epoch"),
    ({"starts_at": "now"}, "starts_at: expected a moment with a zone, found 'now'"),
    ({"starts_at": "2026-01-01T00:00:00"}, "starts_at: expected a moment with a zone"),
    ({"reason": "x" * 201}, "reason: expected text of 1 to 200 characters"),
    ({"engine": ""}, "engine: expected text of 1 to 100 characters"),
    ({"start": True}, "expected an object with action, engine, epochs, fingerprint, reason, rule, starts_at"),
])
def test_what_cannot_be_a_request_is_refused(hook: Callable[..., _Hook], change: dict[str, Any], said: str) -> None:
    served = hook()
    status, body = served.ask("POST", "/requests", _asked(**change))
    assert status == 400
    assert said in body["error"]
    assert served.requests() == []


def test_a_request_of_another_is_none_when_it_is_old_or_all_is_dry(hook: Callable[..., _Hook]) -> None:
    assert hook().ask("POST", "/requests", _asked())[0] == 409
    dry = hook(dry_run=True, alert_age_s=1e9)
    assert dry.ask("POST", "/requests", _asked())[1]["outcome"] == "dry run"
    assert dry.requests() == []


def test_a_ledger_of_an_earlier_version_goes_on(tmp_path: Path, hook: Callable[..., _Hook]) -> None:
    with sqlite3.connect(tmp_path / "ledger.sqlite3") as link:
        link.execute("CREATE TABLE request (id INTEGER PRIMARY KEY, rule TEXT, engine TEXT, reason TEXT, requested_at REAL, "
                     "expires_at REAL, taken_at REAL, taken_by TEXT)")
        link.execute("INSERT INTO request VALUES (5, 'slow', 'e1', 'slow: x', 1, 9e9, NULL, NULL)")
    link.close()
    served = hook()
    assert [(one["id"], one["action"], one["epochs"]) for one in served.requests()] == [(5, "rollback", {})]
    assert served.alert("OrderLatency")[1]["outcomes"] == {"rollback asked for already": 1}


@pytest.mark.parametrize(("method", "path", "body", "headers", "status"), [
    ("POST", "/requests", "{}", {"token": TOKEN + "x"}, 401),
    ("POST", "/alerts", "{}", {"token": None}, 401),
    ("POST", "/alerts", "{}", {"token": TOKEN + "x"}, 401),
    ("POST", "/alerts", "{}", {"token": ""}, 401),
    ("GET", "/requests", None, {"token": None}, 401),
    ("POST", "/alerts", "x" * 70000, {}, 413),
    ("POST", "/alerts", "[" * 60000, {}, 400),
    ("POST", "/alerts", "nothing", {}, 400),
    ("POST", "/alerts", "[]", {}, 400),
    ("POST", "/alerts", {"alerts": [{"status": "firing"}]}, {}, 400),
    ("POST", "/alerts", {"alerts": [{"status": "odd", "fingerprint": "f", "startsAt": "2026-01-31T00:00:00Z", "labels": {}}]}, {}, 400),
    ("POST", "/alerts", {"alerts": [{"status": "firing", "fingerprint": "f", "startsAt": "2026-01-31T00:00:00", "labels": {}}]}, {}, 400),
    ("POST", "/alerts", {"alerts": [{"status": "firing", "fingerprint": "", "startsAt": "2026-01-31T00:00:00Z", "labels": {}}]}, {}, 400),
    ("POST", "/alerts", {"alerts": [{}] * 1001}, {}, 400),
    ("POST", "/elsewhere", "{}", {}, 404),
    ("GET", "/elsewhere", None, {}, 404),
    ("POST", "/requests/1/taken", "{}", {}, 400),
    ("POST", "/requests/1/taken", {"by": "me"}, {}, 409),
    ("POST", "/alerts", None, {"Content-Length": "-1"}, 411),
    ("DELETE", "/alerts", None, {}, 501),
    ("GET", "/healthz", None, {"token": None}, 200),
])
def test_refusals(hook: Callable[..., _Hook], method: str, path: str, body: Any, headers: dict[str, Any], status: int) -> None:
    served = hook()
    assert served.ask(method, path, body, **headers)[0] == status
    assert served.requests() == []


def test_a_notification_that_is_partly_wrong_does_nothing(hook: Callable[..., _Hook]) -> None:
    served = hook()
    good = {"status": "firing", "fingerprint": "f", "startsAt": datetime.now(timezone.utc).isoformat(),
            "labels": {"alertname": "OrderLatency", "instance": "e1:1"}}
    assert served.ask("POST", "/alerts", {"alerts": [good, {}]})[0] == 400
    assert served.requests() == []
    assert served.ask("POST", "/alerts", {"alerts": [good]})[1]["outcomes"] == {"rollback requested": 1}


def test_a_ledger_that_cannot_be_written_does_nothing_and_says_so(hook: Callable[..., _Hook], engine: _Engine) -> None:
    served = hook()
    served.decisions.ledger._link.execute("PRAGMA query_only=ON")
    code, said = served.alert("RejectRate", "PositionMismatch")
    assert (code, engine.got) == (503, [])
    assert "the ledger cannot be written" in said["error"]


def test_a_client_that_says_nothing_holds_nobody_up(hook: Callable[..., _Hook]) -> None:
    served = hook()
    idle = [http.client.HTTPConnection("127.0.0.1", served.server.server_port, timeout=5) for _one in range(5)]
    for link in idle:
        link.connect()
    assert served.ask("GET", "/healthz")[0] == 200
    for link in idle:
        link.close()


def test_tls(hook: Callable[..., _Hook], tmp_path: Path) -> None:
    done = subprocess.run(["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-days", "1",
                           "-subj", "/CN=hook", "-addext", "subjectAltName=IP:127.0.0.1", "-keyout", tmp_path / "key",
                           "-out", tmp_path / "pem"], capture_output=True)
    assert done.returncode == 0
    served = hook(tls={"certificate": str(tmp_path / "pem"), "key": str(tmp_path / "key")})
    link = http.client.HTTPSConnection("127.0.0.1", served.server.server_port, timeout=5,
                                       context=ssl.create_default_context(cafile=tmp_path / "pem"))
    link.request("GET", "/healthz")
    reply = link.getresponse()
    assert (reply.status, json.loads(reply.read())["status"]) == (200, "ok")
    link.close()
    old = ["openssl", "s_client", "-connect", f"127.0.0.1:{served.server.server_port}", "-tls1_1", "-cipher", "ALL:@SECLEVEL=0"]
    assert "Cipher is (NONE)" in subprocess.run(old, input="", capture_output=True, text=True, check=False).stdout


_WRONG = [
    ({"listen": "0.0.0.0:9097"}, "without tls would send the token in clear"),
    ({"listen": "somewhere"}, "listen: expected ADDRESS:PORT"),
    ({"dry_runs": True}, "dry_runs: unknown, expected alert_age_s"),
    ({"dry_run": "no"}, "dry_run: expected bool"),
    ({"request_ttl_s": 0}, "request_ttl_s: expected a number above 0"),
    ({"tls": {"certificate": "/nowhere", "key": "/nowhere"}}, "tls: /nowhere, /nowhere: expected a certificate and its key"),
    ({"engines": {"e1": {"url": "e1:8080", "ca": ""}}}, "engines: e1: url: expected http://HOST:PORT"),
    ({"engines": {"e1": {"url": "http://e1:8080", "ca": ""}}}, "would send the kill token in clear"),
    ({"engines": {"e1": {"url": "https://e1:8080", "ca": "/nowhere.pem"}}}, "engines: e1: ca: /nowhere.pem: expected certificates"),
    ({"rules": [_ROLLBACK, _ROLLBACK]}, "the name 'slow' is there twice"),
    ({"rules": [{**_ROLLBACK, "action": "resume"}]}, "expected a name, action rollback or kill"),
    ({"rules": [_KILL]}, "a kill needs engines"),
    ({"rules": [{**_KILL, "signals": _KILL["signals"][:1]}]}, "a kill takes two signals"),
    ({"rules": [{**_KILL, "signals": [{**one, "source": "engine"} for one in _KILL["signals"]]}]},
     "two that cannot be wrong for one reason"),
    ({"rules": [{**_KILL, "signals": [{**one, "match": {"alertname": "A"}} for one in _KILL["signals"]]}]}, "one alert is one signal"),
    ({"rules": [{**_ROLLBACK, "signals": [{"source": "", "match": {"severity": "critical"}}]}]}, "alertname among them"),
    ({"secrets": {"hook": "short", "engines": {}}}, "secrets: hook: expected a token of 16 characters"),
]


@pytest.mark.parametrize(("change", "why"), _WRONG)
def test_settings_that_are_refused(tmp_path: Path, change: dict[str, Any], why: str) -> None:
    secrets = change.get("secrets")
    with pytest.raises(SettingsWrong, match=why) as said:
        load(_write(tmp_path, secrets, **{key: value for key, value in change.items() if key != "secrets"}))
    assert "\n" not in str(said.value)


def test_check(tmp_path: Path) -> None:
    def checked(**change: Any) -> subprocess.CompletedProcess[str]:
        command = [sys.executable, PROGRAM / "alert_hook.py", "--check", _write(tmp_path, **change)]
        return subprocess.run(command, capture_output=True, text=True)

    good = checked()
    assert (good.returncode, good.stdout, good.stderr) == (0, "", "")
    bad = checked(listen="0.0.0.0:1")
    assert bad.returncode == 1
    assert bad.stderr.startswith("ERROR: ")
    assert len(bad.stderr.splitlines()) == 1
