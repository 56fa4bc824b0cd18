# Copyright: (c) hft.ops contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""An engine behind a real HTTP server, as its API shows it (engine/openapi.yaml)."""

from __future__ import annotations

import copy
import json
from collections import Counter, defaultdict
from collections.abc import Callable
from http.server import BaseHTTPRequestHandler
from typing import Any

HOLDER = "e1/aa"
OTHER = "e2/bb"


def strategy(name: str, holder: str | None = HOLDER, epoch: int = 4, **more: Any) -> dict[str, Any]:
    """A strategy that trades where this engine holds it."""
    mine = holder == HOLDER
    return {"id": name, "type": "market_maker", "venue": "paper", "symbol": "BTC-USD", "state": "running" if mine else "stopped",
            "trading": mine, "paper_trading": False, "holder": holder, "epoch": epoch, "killed": False, "lease_seconds_left": 3.0 * mine,
            "open_orders": 0, "position": 0.0, "accepted": {"epoch": epoch * mine, "first_venue_ns": 10 * mine, "last_venue_ns": 20 * mine},
            "performance": {"orders": 0}, **more}


class PlayedEngine:
    """Engine e1. A request is named as METHOD and the last part of its path: "POST transfer".

    acts: what a request that writes does with its body; it returns the answer. later: called before the next requests of that name, one
    each.
    refusals: status and detail. lost: how many requests are carried out, and the connection closed without an answer. deaf: requests that
    never arrive, likewise.
    """

    def __init__(self) -> None:
        self.status: dict[str, Any] = {
            "role": "primary", "version": "1.0", "engine": "e1", "holder": HOLDER, "trading_enabled": True, "killswitch": False,
            "strategies": [strategy("mm")], "exchanges": [{"name": "paper", "status": "connected"}],
            "database": {"connected": True, "host": "db"}, "lag": {"queue_depth": 0, "oldest_ms": 0}, "uptime_seconds": 9.0,
        }
        self.records: list[dict[str, Any]] = []
        self.counts: dict[str, Counter] = {"accepted": Counter(mm=10), "rejected": Counter(mm=0)}
        self.page = ""  # what else the metrics page says
        self.latch: dict[str, Any] = {"latched": False, "reason": None, "since": None, "rows_latched": False, "strategies": []}
        self.asked: list[tuple[str, dict[str, Any]]] = []
        self.seen: Counter = Counter()
        self.later: defaultdict[str, list[Callable[[], Any]]] = defaultdict(list)
        self.refusals: dict[str, tuple[int, str]] = {}
        self.lost: Counter = Counter()
        self.deaf: Counter = Counter()
        self.acts: dict[str, Callable[[dict[str, Any]], dict[str, Any]]] = {
            "POST arm": lambda body: self.note("taker", "armed", **body),
            "DELETE arm": lambda body: self.note("taker", "disarmed", **body),
            "POST transfer": self.hand_over,
            "POST killswitch": lambda body: self.switch(True, **body),
            "DELETE killswitch": lambda body: self.switch(False, **body),
            "POST fence": lambda body: {"strategies": [{"strategy": body["strategy"], "epoch": 9}]},
            "POST flatten": self.flatten,
            "POST takeover": self.take_over,
        }

    @property
    def mm(self) -> dict[str, Any]:
        return self.status["strategies"][0]

    def own(self, *strategies: dict[str, Any]) -> None:
        self.status["strategies"] = list(strategies)

    def note(self, part: str, outcome: str, **told: Any) -> dict[str, Any]:
        """Make it the engine's record of that transfer; told: id, strategies and detail, by the names that a request has for them."""
        record = {"id": told.get("id", "t1"), "part": part, "outcome": outcome, "detail": told.get("detail", ""),
                  "strategies": list(told.get("strategies", ["mm"])), "steps": [{"step": outcome, "wall_ns": 1}]}
        self.records = [one for one in self.records if (one["id"], one["part"]) != (record["id"], part)] + [record]
        return {**record, "holder": HOLDER}

    def hand_over(self, body: dict[str, Any]) -> dict[str, Any]:
        for one in self.status["strategies"]:
            if one["id"] in body["strategies"]:
                one.update(holder=OTHER, epoch=one["epoch"] + 1, trading=False)
        return self.note("giver", "done", **body)

    def take_over(self, body: dict[str, Any]) -> dict[str, Any]:
        for one in self.status["strategies"]:
            if one["id"] in body["strategies"]:
                one.update(holder=HOLDER, epoch=one["epoch"] + 1, state="running", trading=True)
        self.status.update(role="primary", trading_enabled=True)
        return {"role": "primary", "strategies": self.status["strategies"]}

    def flatten(self, body: dict[str, Any]) -> dict[str, Any]:
        for one in self.status["strategies"]:
            if one["id"] in body["strategies"]:
                one.update(state="stopped", trading=False, open_orders=0, position=0.0)
        return {"flat": True, "strategies": self.status["strategies"]}

    def run_strategy(self, name: str, running: bool) -> dict[str, Any]:
        one = next(one for one in self.status["strategies"] if one["id"] == name)
        one.update(state="running" if running else "stopped", trading=running and one["holder"] == HOLDER, open_orders=0)
        return one

    def switch(self, latched: bool, reason: str, strategy: str = "") -> dict[str, Any]:
        if strategy:
            self.latch["strategies"] = [one for one in self.latch["strategies"] if one["strategy"] != strategy]
            self.latch["strategies"] += [{"strategy": strategy, "latched": True, "reason": reason}] if latched else []
        else:
            self.latch.update(latched=latched, reason=reason if latched else None)
            self.status["killswitch"] = latched
        for one in self.status["strategies"]:
            if strategy in ("", one["id"]):
                one.update(killed=latched, trading=False)
        return self.latch

    def answer(self, name: str, body: dict[str, Any]) -> tuple[int, str] | None:
        """Status and text; None when nothing is answered."""
        self.seen[name] += 1
        if self.later[name]:
            self.later[name].pop(0)()
        if self.deaf[name]:
            self.deaf[name] -= 1
            return None
        if name in self.refusals:
            code, detail = self.refusals[name]
            return code, json.dumps({"type": "about:blank", "title": "Refused", "status": code, "detail": detail})
        if name == "GET metrics":
            return 200, "".join(f'trading_orders_total{{strategy="{one}",status="{what}"}} {count}\n'
                                for what, each in self.counts.items() for one, count in each.items()) + self.page
        document = copy.deepcopy({"GET status": self.status, "GET killswitch": self.latch,
                                  "GET transfer": {"holder": HOLDER, "transfers": self.records}}.get(name))
        if document is None:
            self.asked.append((name, body))
            document = self._act(name)(body)
        if self.lost[name]:
            self.lost[name] -= 1
            return None
        return 200, json.dumps(document)

    def _act(self, name: str) -> Callable[[dict[str, Any]], dict[str, Any]]:
        if name not in self.acts and name.endswith(("/start", "/stop")):
            _strategies, strategy, verb = name.split("/")
            return lambda _body: self.run_strategy(strategy, verb == "start")
        return self.acts[name]


def handler(engine: PlayedEngine) -> type[BaseHTTPRequestHandler]:
    """What an HTTP server answers with."""

    class Handler(BaseHTTPRequestHandler):
        def log_message(self, *arguments: object) -> None:
            pass

        def do_GET(self) -> None:
            length = int(self.headers.get("Content-Length") or 0)
            answer = engine.answer(f"{self.command} {self.path.removeprefix('/api/v1/')}", json.loads(self.rfile.read(length) or "{}"))
            if answer is None:
                self.close_connection = True
                return
            text = answer[1].encode()
            self.send_response(answer[0])
            self.send_header("Content-Length", str(len(text)))
            self.end_headers()
            self.wfile.write(text)

        def do_POST(self) -> None:
            self.do_GET()

        def do_DELETE(self) -> None:
            self.do_GET()

        def do_PUT(self) -> None:
            self.do_GET()

    return Handler
