# Copyright: (c) hft.ops contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A Prometheus that answers as told. Everything but numbers is said to be not measured, in one line that names the address."""

from __future__ import annotations

import json
import math
import threading
import time
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import parse_qs, urlsplit

import pytest
from ansible_collections.hft.ops.plugins.module_utils._prometheus import NotMeasured, Prometheus


def _vector(*values: object) -> dict:
    return {"status": "success", "data": {"resultType": "vector", "result": [{"metric": {}, "value": [1, value]} for value in values]}}


# What each path below the root answers.
ANSWERS: dict[str, tuple[int, object]] = {
    "one": (200, _vector("1.5")),
    "three": (200, _vector("1", "2", "+Inf")),
    "none": (200, _vector()),
    "nan": (200, _vector("NaN")),
    "scalar": (200, {"status": "success", "data": {"resultType": "scalar", "result": [1, "7"]}}),
    "word": (200, _vector("many")),
    "null": (200, _vector(None)),
    "matrix": (200, {"status": "success", "data": {"resultType": "matrix", "result": []}}),
    "string": (200, {"status": "success", "data": {"resultType": "string", "result": [1, "7"]}}),
    "bad": (400, {"status": "error", "errorType": "bad_data", "error": "invalid parameter \"query\":\n1:5: parse error"}),
    "slow_query": (503, {"status": "error", "errorType": "timeout", "error": "query timed out"}),
    "broken": (500, "oops"),
    "login": (401, "Unauthorized"),
    "html": (200, "<html>welcome</html>"),
    "list": (200, [1]),
    "empty": (200, {}),
}


@pytest.fixture
def server() -> Iterator[tuple[str, list]]:
    asked: list = []

    class Handler(BaseHTTPRequestHandler):
        def log_message(self, *arguments: object) -> None:
            pass

        def do_GET(self) -> None:
            address = urlsplit(self.path)
            name = address.path.split("/")[1]
            asked.append((address.path, parse_qs(address.query), self.headers.get("Authorization")))
            if name == "hang":
                time.sleep(1)
            code, answer = ANSWERS.get(name, (404, "page not found"))
            body = answer.encode() if isinstance(answer, str) else json.dumps(answer).encode()
            self.send_response(code)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as http:
        http.daemon_threads = True
        threading.Thread(target=http.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True).start()
        yield f"http://127.0.0.1:{http.server_port}", asked
        http.shutdown()


def test_samples(server: tuple[str, list]) -> None:
    for name, samples in (("one", [1.5]), ("three", [1, 2, math.inf]), ("none", []), ("scalar", [7])):
        assert Prometheus(f"{server[0]}/{name}").query("up") == samples
    assert math.isnan(Prometheus(f"{server[0]}/nan").query("up")[0])


_NOT_MEASURED = [
    ("word", "the vector holds what is no number: could not convert string to float: 'many'"),
    ("null", "the vector holds what is no number"),
    ("matrix", "the query gave matrix; expected a vector or a scalar"),
    ("string", "the query gave string"),
    ("bad", 'bad_data: invalid parameter "query": 1:5: parse error'),
    ("slow_query", "timeout: query timed out"),
    ("broken", "answered 500"),
    ("login", "answered 401"),
    ("elsewhere", "answered 404"),
    ("html", "the answer is not that of a Prometheus API: b'<html>welcome"),
    ("list", "the answer is not that of a Prometheus API"),
    ("empty", "error: no reason given"),
    ("hang", "timed out"),
]


def test_whatever_is_no_number_is_not_measured(server: tuple[str, list]) -> None:
    for name, why in _NOT_MEASURED:
        with pytest.raises(NotMeasured) as said:
            Prometheus(f"{server[0]}/{name}", timeout_s=0.3).query("up")
        assert str(said.value).startswith(f"{server[0]}/{name}: ")
        assert why in str(said.value)
        assert "\n" not in str(said.value)


def test_nobody_there() -> None:
    for url in ("http://127.0.0.1:1", "http://[::1", "https://127.0.0.1:1"):
        with pytest.raises(NotMeasured, match=r"^http"):
            Prometheus(url, timeout_s=0.3).query("up")
    with pytest.raises(NotMeasured, match="No such file"):
        Prometheus("https://127.0.0.1:1", ca="/nowhere.pem").query("up")


def test_what_is_asked_and_who_asks(server: tuple[str, list], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("http_proxy", "http://127.0.0.1:1")
    Prometheus(f"{server[0]}/one/", username="u", password="p").query("rate(x[1m]) > 0")
    Prometheus(f"{server[0]}/one", token="t").query("up")
    assert server[1] == [("/one/api/v1/query", {"query": ["rate(x[1m]) > 0"], "timeout": ["5s"]}, "Basic dTpw"),
                         ("/one/api/v1/query", {"query": ["up"], "timeout": ["5s"]}, "Bearer t")]
