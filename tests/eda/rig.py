# SPDX-License-Identifier: GPL-3.0-or-later
"""What stands around the rulebook: engines that are played, the real hook, the real ansible-rulebook, and somebody who is notified."""

from __future__ import annotations

import http.client
import json
import os
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import yaml

ROOT = Path(__file__).resolve().parents[2]
VENV = ROOT / "build" / "eda" / "venv"
HOOK_TOKEN, EDA_TOKEN = "0123456789abcdef0123", "fedcba9876543210fedc"


def until(what: Callable[[], Any], seconds: float = 300) -> Any:
    """What it gives once it gives something."""
    end = time.monotonic() + seconds
    while not (found := what()):
        assert time.monotonic() < end, what
        time.sleep(0.1)
    return found


def ask(port: int, method: str, path: str, body: Any = None, token: str = "") -> tuple[int, Any]:
    link = http.client.HTTPConnection("127.0.0.1", port, timeout=5)
    headers = {"Content-Type": "application/json", **({"Authorization": f"Bearer {token}"} if token else {})}
    try:
        link.request(method, path, None if body is None else json.dumps(body), headers)
        reply = link.getresponse()
        text = reply.read().decode()
    finally:
        link.close()
    return reply.status, json.loads(text) if text.startswith(("{", "[")) else text


class Engines:
    """A pair that sees one lease row, each by its own API. Whoever claims gets it under the next epoch and trades at once."""

    def __init__(self) -> None:
        self.holder, self.epoch, self.orders = "hft-prod-01/aa", 7, 0

    def status(self, name: str) -> dict[str, Any]:
        mine = self.holder == f"{name}/aa"
        row = {"id": "mm", "venue": "paper", "state": "running" if mine else "stopped", "trading": mine, "holder": self.holder,
               "epoch": self.epoch, "killed": False, "performance": {"orders": 0}}
        return {"engine": name, "holder": f"{name}/aa", "role": "primary" if mine else "standby", "version": "1.0.0",
                "trading_enabled": mine, "killswitch": False, "exchanges": [{"name": "paper", "status": "connected"}],
                "database": {"connected": True, "host": "db"}, "strategies": [row]}

    def claim(self, name: str) -> None:
        self.holder, self.epoch = f"{name}/aa", self.epoch + 1

    @contextmanager
    def served(self) -> Iterator[dict[str, int]]:
        """Port by name."""
        with _serving(_handler(self, "hft-prod-01")) as one, _serving(_handler(self, "hft-prod-02")) as other:
            yield {"hft-prod-01": one.server_port, "hft-prod-02": other.server_port}


def _handler(pair: Engines, name: str) -> type[BaseHTTPRequestHandler]:
    class Api(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            pair.orders += 3
            metrics = f'trading_orders_total{{strategy="mm",status="accepted"}} {pair.orders}\n'
            self._say(metrics if self.path.endswith("/metrics") else json.dumps(pair.status(name)))

        def do_POST(self) -> None:
            self.rfile.read(int(self.headers["Content-Length"]))
            assert self.path == "/api/v1/takeover"
            pair.claim(name)
            self._say("{}")

        def _say(self, text: str) -> None:
            self.send_response(200)
            self.send_header("Content-Length", str(len(text)))
            self.end_headers()
            self.wfile.write(text.encode())

        def log_message(self, *_arguments: Any) -> None:
            pass

    return Api


class Told:
    """Somebody who is notified."""

    def __init__(self) -> None:
        self.texts: list[str] = []

    @contextmanager
    def served(self) -> Iterator[int]:
        told = self

        class Sink(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                told.texts.append(json.loads(self.rfile.read(int(self.headers["Content-Length"])))["text"])
                self.send_response(200)
                self.end_headers()

            def log_message(self, *_arguments: Any) -> None:
                pass

        with _serving(Sink) as server:
            yield server.server_port


@contextmanager
def _serving(handler: type[BaseHTTPRequestHandler]) -> Iterator[ThreadingHTTPServer]:
    with ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True).start()
        yield server
        server.shutdown()


class Program:
    """A process of its own, whose output is read as it comes."""

    def __init__(self, log: Path, *argv: str | Path, cwd: Path, **env: str) -> None:
        self.log = log
        with log.open("a") as output:
            self.process = subprocess.Popen([str(one) for one in argv], cwd=cwd, env={**os.environ, **env}, stdout=output,
                                            stderr=subprocess.STDOUT)

    def said(self, words: str, times: int = 1) -> bool:
        return self.log.read_text().count(words) >= times

    def end(self) -> None:
        """Once more does nothing."""
        self.process.terminate()
        self.process.wait(timeout=30)


class Hook(Program):
    """The program of the role alert_hook, with a ledger that outlives it."""

    def __init__(self, folder: Path, port: int) -> None:
        self.port = port
        (folder / "secrets.json").write_text(json.dumps({"hook": HOOK_TOKEN, "engines": {}}))
        (folder / "config.json").write_text(json.dumps({
            "listen": f"127.0.0.1:{port}", "tls": {}, "secrets": "secrets.json", "state_dir": str(folder), "dry_run": False,
            "request_ttl_s": 900, "alert_age_s": 3600, "kill_retry_s": 60, "keep_days": 30, "max_body_bytes": 65536,
            "engines": {}, "rules": []}))
        program = ROOT / "roles" / "alert_hook" / "files" / "alert_hook.py"
        super().__init__(folder / "hook.log", sys.executable, program, folder / "config.json", cwd=folder)

    def listens(self) -> bool:
        return self.said('"started"')

    def journal(self) -> list[dict[str, Any]]:
        """What it told about requests."""
        lines = [json.loads(line) for line in self.log.read_text().splitlines() if line.startswith("{")]
        return [line for line in lines if line["event"] in ("request", "taken")]

    def outcomes(self) -> list[str]:
        """What became of what it was asked; on a slow machine an alert is heard again at any time, and told so."""
        return [outcome for line in self.journal() if (outcome := line.get("outcome", line["event"])) != "repeated"]

    def repeated(self) -> int:
        return sum(line.get("outcome") == "repeated" for line in self.journal())

    def requests(self) -> list[dict[str, Any]]:
        return ask(self.port, "GET", "/requests", token=HOOK_TOKEN)[1]["requests"]


class Rulebook(Program):
    """ansible-rulebook with the collection's rulebook, from an archive that was installed as users do."""

    def __init__(self, folder: Path, collections: Path, inventory: dict[str, Any], port: int, act: list[str]) -> None:
        self.port = port
        (folder / "eda.yml").write_text(yaml.safe_dump({"eda_listen": "127.0.0.1", "eda_port": self.port, "eda_act": act}))
        (folder / "hosts.yml").write_text(yaml.safe_dump(inventory))
        super().__init__(folder / "rulebook.log", VENV / "bin/ansible-rulebook", "--rulebook", "hft.ops.alerts", "--inventory", "hosts.yml",
                         "--env-vars", "HFT_EDA_TOKEN", "--vars", "eda.yml", cwd=folder,
                         HFT_EDA_TOKEN=EDA_TOKEN, ANSIBLE_COLLECTIONS_PATH=str(collections), ANSIBLE_HOME=str(folder / "ansible"),
                         ANSIBLE_CONFIG="", PYTHONPATH="", PATH=f"{VENV}/bin:{os.environ['PATH']}")

    def listens(self) -> bool:
        assert self.process.poll() is None, self.log.read_text()
        try:
            return ask(self.port, "POST", "/", {})[0] == 401
        except OSError:
            return False
