# SPDX-License-Identifier: GPL-3.0-or-later
"""The hook as it runs on a host: who may speak to it, what it asks for and stops, and what wrong input leaves."""

from __future__ import annotations

import json
import time
from datetime import datetime, timezone

import pytest

testinfra_hosts = ["mol-01"]

_TOKEN = 'a token of the "test" with %s'
_CONFIG = "/etc/hft_alert_hook/config.json"
# The engine is played: it writes down what it was asked, and says that it is latched.
_ENGINE = """
import http.server
class Api(http.server.BaseHTTPRequestHandler):
    def do_POST(self):
        body = self.rfile.read(int(self.headers["Content-Length"])).decode()
        open("/run/played_engine", "a").write(self.path + " " + self.headers["Authorization"] + " " + body + chr(10))
        self.send_response(200)
        self.end_headers()
        self.wfile.write(b'{"latched": true}')
http.server.HTTPServer(("127.0.0.1", 18080), Api).serve_forever()
"""
_ASK = """
import json, sys, urllib.error, urllib.request
method, path, token, body = json.load(sys.stdin)
headers = {"Authorization": "Bearer " + token}
request = urllib.request.Request("http://127.0.0.1:9097" + path, body and json.dumps(body).encode(), headers, method=method)
try:
    reply = urllib.request.urlopen(request, timeout=10)
except urllib.error.HTTPError as refused:
    reply = refused
print(json.dumps([reply.status, reply.read().decode()]))
"""


def _ask(host, method: str, path: str, body: dict | None = None, token: str = _TOKEN) -> tuple[int, dict]:
    said = host.check_output("echo %s | python3 -c %s", json.dumps([method, path, token, body]), _ASK)
    status, text = json.loads(said)
    return status, json.loads(text)


def _alert(host, *names: str, begin: str = "") -> dict:
    begin = begin or datetime.now(timezone.utc).isoformat()
    alerts = [{"status": "firing", "fingerprint": name, "startsAt": begin, "annotations": {},
               "labels": {"alertname": name, "severity": "critical", "instance": "mol-02:9464"}} for name in names]
    status, said = _ask(host, "POST", "/alerts", {"version": "4", "alerts": alerts})
    assert status == 200
    return said["outcomes"]


def _wait_for(host, port: int) -> None:
    host.check_output(f"timeout 20 sh -c 'until ss -ltn | grep -q 127.0.0.1:{port}; do sleep 0.2; done'")


def test_the_service_runs_as_nobody_else_on_loopback_alone(host) -> None:
    service = host.service("hft_alert_hook.service")
    assert service.is_running
    assert service.is_enabled
    assert host.check_output("systemctl show -p User --value hft_alert_hook") == "hft_alert_hook"
    assert host.socket("tcp://127.0.0.1:9097").is_listening
    assert not host.socket("tcp://0.0.0.0:9097").is_listening
    secrets = host.file("/etc/hft_alert_hook/secrets.json")
    assert (secrets.user, secrets.group, secrets.mode) == ("root", "hft_alert_hook", 0o640)
    assert _TOKEN not in host.check_output("cat /proc/$(systemctl show -p MainPID --value hft_alert_hook)/cmdline")


def test_nobody_without_the_token(host) -> None:
    assert _ask(host, "POST", "/alerts", {"alerts": []}, token="another")[0] == 401
    assert _ask(host, "GET", "/requests", token="another")[0] == 401


def test_a_rollback_is_requested_once_also_over_a_restart(host) -> None:
    begin = datetime.now(timezone.utc).isoformat()
    assert _alert(host, "OrderLatencyP99", begin=begin) == {"rollback requested": 1}
    host.check_output("systemctl restart hft_alert_hook")
    _wait_for(host, 9097)
    assert _alert(host, "OrderLatencyP99", begin=begin) == {"repeated": 1}
    requests = _ask(host, "GET", "/requests")[1]["requests"]
    assert [(one["engine"], one["reason"]) for one in requests] == [("mol-02", "the new version is slow: OrderLatencyP99 on mol-02")]
    assert _ask(host, "POST", f"/requests/{requests[0]['id']}/taken", {"by": "molecule"})[0] == 200
    assert '"outcome": "repeated"' in host.check_output("journalctl -u hft_alert_hook -o cat")


def test_two_signals_stop_an_engine_one_does_not(host) -> None:
    host.check_output("systemd-run --unit=played-engine --collect python3 -c %s", _ENGINE)
    _wait_for(host, 18080)
    try:
        assert _alert(host, "RejectRate") == {"first signal": 1}
        assert not host.file("/run/played_engine").exists
        assert _alert(host, "PositionMismatch") == {"kill": 1}
        lines = host.file("/run/played_engine").content_string.splitlines()
    finally:
        host.check_output("systemctl stop played-engine")
    assert len(lines) == 1
    assert lines[0].startswith('/api/v1/killswitch Bearer kill {"reason": "alert hook, positions differ and orders are rejected: ')


def test_a_killed_process_is_back_by_itself(host) -> None:
    host.check_output("systemctl kill -s KILL hft_alert_hook")
    time.sleep(1.5)
    _wait_for(host, 9097)
    assert _ask(host, "GET", "/healthz")[0] == 200


@pytest.mark.parametrize("change", [
    {"alert_hook_listen": "0.0.0.0:9097"},
    {"alert_hook_token": "short"},
    {"alert_hook_rules": [{"name": "one is enough", "action": "kill", "signals": [{"source": "a", "match": {"alertname": "A"}}]}]},
])
def test_wrong_input_is_refused_and_the_old_hook_runs_on(host, wrong_input, change: dict) -> None:
    before = (host.file(_CONFIG).content_string, host.check_output("systemctl show -p MainPID hft_alert_hook"))
    given = {"alert_hook_token": _TOKEN, **change}
    wrong_input("mol-01", [{"name": "Hook", "ansible.builtin.import_role": {"name": "hft.ops.alert_hook"}, "vars": given}])
    assert (host.file(_CONFIG).content_string, host.check_output("systemctl show -p MainPID hft_alert_hook")) == before
