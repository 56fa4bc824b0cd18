# SPDX-License-Identifier: GPL-3.0-or-later
"""The engines and their surroundings, as the checks use them. Each check begins at rest and may leave a mess."""

from __future__ import annotations

import subprocess
import time
from typing import TYPE_CHECKING, Any

from kit.api import Api, Reply
from kit.check import Broken, eventually, expect
from kit.database import Database, literal
from kit.venue_log import VenueLog

if TYPE_CHECKING:
    from environment import EngineAccess, Environment

_REASON = "conformance kit"
_START_S = 30.0
_ORDERS_S = 15.0


class Engine:
    def __init__(self, access: EngineAccess) -> None:
        self._access = access
        self.api = Api(access.url, access.token)

    @property
    def name(self) -> str:
        return str(self.api.status()["engine"])

    @property
    def holder(self) -> str:
        return str(self.api.status()["holder"])

    @property
    def role(self) -> str:
        return str(self.api.status()["role"])

    def strategies(self) -> list[dict[str, Any]]:
        return list(self.api.status()["strategies"])

    def strategy_names(self) -> list[str]:
        return [str(strategy["id"]) for strategy in self.strategies()]

    def put(self, **settings: object) -> Reply:
        return self.api.call("PUT", "/api/v1/config", settings)

    def latch(self, reason: str = _REASON) -> Reply:
        return self.api.call("POST", "/api/v1/killswitch", {"reason": reason})

    def clear(self, reason: str = _REASON) -> Reply:
        return self.api.call("DELETE", "/api/v1/killswitch", {"reason": reason})

    def latched(self) -> bool:
        return bool(self.api.get("/api/v1/killswitch").must(200).json["latched"])

    def start_strategies(self) -> None:
        for strategy in self.strategy_names():
            self.api.call("POST", f"/api/v1/strategies/{strategy}/start").must(200)

    def stop_strategies(self) -> None:
        for strategy in self.strategy_names():
            self.api.call("POST", f"/api/v1/strategies/{strategy}/stop").must(200)

    def arm(self, transfer: str) -> Reply:
        return self.api.call("POST", "/api/v1/arm", {"id": transfer})

    def transfer(self, transfer: str, to: str, **options: object) -> Reply:
        return self.api.call("POST", "/api/v1/transfer", {"id": transfer, "to": {"engine": to}, **options})

    def record_of(self, transfer: str) -> dict[str, Any]:
        records = self.api.get("/api/v1/transfer").must(200).json["transfers"]
        return next((record for record in records if record["id"] == transfer), {"outcome": "unknown here", "steps": []})

    def answers(self) -> bool:
        try:
            return self.api.get("/api/v1/status").status == 200
        except OSError:
            return False

    def ready(self) -> bool:
        try:
            return self.api.get("/ready").status == 200
        except OSError:
            return False

    def await_ready(self) -> None:
        eventually(self.ready, _START_S, lambda: f"{self._access.url}: not ready within {_START_S:g} s: {self._why()}")

    def kill(self) -> None:
        _run(self._access.kill)

    def start(self) -> None:
        _run(self._access.start)
        self.await_ready()

    def restart(self) -> None:
        self.kill()
        self.start()

    @property
    def can_restart(self) -> bool:
        return bool(self._access.kill and self._access.start)

    def _why(self) -> str:
        try:
            return self.api.get("/ready").text[:200]
        except OSError as wrong:
            return str(wrong)


class Site:
    def __init__(self, environment: Environment) -> None:
        self.engines = [Engine(access) for access in environment.engines]
        self.venue = environment.venue
        self._log = VenueLog(environment.venue_log) if environment.venue_log else None
        self._database = Database(environment.dsn) if environment.dsn else None

    @property
    def one(self) -> Engine:
        return self.engines[0]

    @property
    def two(self) -> Engine:
        return self.engines[1]

    @property
    def log(self) -> VenueLog:
        if self._log is None:
            raise LookupError("the environment names no venue log")
        return self._log

    @property
    def database(self) -> Database:
        if self._database is None:
            raise LookupError("the environment names no database")
        return self._database

    def rest(self) -> None:
        """Every engine ready, standby, stopped, not killed; every row vacant. What does not come to rest is started anew."""
        if self._database:
            self._database.heal()
        try:
            self._calm()
        except (Broken, OSError):
            for engine in self.engines:
                if engine.can_restart:
                    engine.restart()
            self._unkill_rows()
            self._calm()

    def _calm(self) -> None:
        for engine in self.engines:
            if not engine.answers() and engine.can_restart:
                engine.restart()
            engine.await_ready()
            # Another change of role may still be under way.
            eventually(lambda engine=engine: engine.put(role="standby", trading_enabled=False).status == 200, 10,
                       "PUT role=standby is not answered with 200")
            engine.stop_strategies()
            if engine.latched():
                eventually(lambda engine=engine: engine.clear().status == 200, 10, "the kill switch cannot be cleared with a reason")
        self._unkill_rows()
        eventually(lambda: not any(s["killed"] for s in self.one.strategies()), 5, "the rows are killed")
        if not _vacant(self.one):
            # Left by a holder that is gone: taken over, and given back.
            eventually(lambda: self.one.put(role="primary").status == 200, 10, "rows of a holder that is gone cannot be claimed")
            self.one.put(role="standby").must(200)
        for engine in self.engines:
            eventually(lambda engine=engine: _vacant(engine), 10, lambda engine=engine: f"rows not vacant: {_holders(engine)}")

    def _unkill_rows(self) -> None:
        # Killed by the kit through the database: no engine has a latch to clear.
        for row in self._database.rows("SELECT * FROM public.engine_lease WHERE killed") if self._database else []:
            self.database.value(f"SELECT public.lease_unkill({literal(row['strategy'])}, {row['epoch']}, {row['beat']})")

    def trade(self, engine: Engine) -> int:
        """Makes the engine primary and trading; returns the mark in the venue's log behind which its orders stand."""
        engine.start_strategies()
        mark = self.log.mark()
        engine.put(role="primary", trading_enabled=True).must(200)
        self.await_orders(mark, engine)
        return mark

    def await_orders(self, mark: int, engine: Engine) -> None:
        """Until every strategy of the engine had an order accepted behind the mark."""
        holder, wanted = engine.holder, set(engine.strategy_names())
        eventually(lambda: {e["strategy"] for e in self.log.accepted(mark, holder)} >= wanted, _ORDERS_S,
                   f"{holder} was granted everything, but the venue saw no order of each of its strategies within {_ORDERS_S:g} s")

    def silent(self, holder: str, seconds: float, why: str) -> None:
        """No order of the holder is accepted or refused at the venue for so long."""
        mark = self.log.mark()
        time.sleep(seconds)
        sent = [e for e in self.log.after(mark) if e["ev"] in ("accepted", "rejected") and e["holder"] == holder]
        expect(not sent, f"{len(sent)} orders of {holder} reached the venue within {seconds:g} s {why}")


def _holders(engine: Engine) -> str:
    return ", ".join(f"{s['id']} is held by {s['holder']}, killed: {s['killed']}" for s in engine.strategies())


def _vacant(engine: Engine) -> bool:
    return all(s["holder"] is None and not s["killed"] for s in engine.strategies())


def _run(command: str | None) -> None:
    if command is None:
        raise LookupError("the environment names no command for it")
    done = subprocess.run(["bash", "-c", command], capture_output=True, text=True, timeout=60)
    if done.returncode:
        raise Broken(f"command failed: {command}: {done.stderr.strip()[-200:]}")
