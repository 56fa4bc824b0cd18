# SPDX-License-Identifier: GPL-3.0-or-later
"""Everything an engine needs, started and described for the kit."""

from __future__ import annotations

import contextlib
import json
import shutil
import signal
import socket
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from harness.postgres import Postgres
from harness.process import Process

_NAMES = ("conformance-a", "conformance-b")
_SYMBOLS = {"BTC-USD": 50000.0, "ETH-USD": 3000.0}
_LIMIT_S = 30
_TOKEN = "conformance-token-of-loopback"
# The venue counts its ticks in the log: the rate is high enough for orders all the time, low enough for two busy cores.
_TICKS_PER_S = 100


class MachineFailed(Exception):
    """A program of the environment did not come up."""


@contextlib.contextmanager
def machine(engine: Path, venue: Path, migrations: Path, keep_logs: Path, ticks_per_s: int = _TICKS_PER_S) -> Iterator[Path]:
    """engine and venue are programs. Gives the file that describes the environment; ends all of it afterwards."""
    # Not below the build folder: the database's user must be able to come in.
    root = Path(tempfile.mkdtemp(prefix="hft-conformance-"))
    root.chmod(0o755)
    ports = _free_ports(7)
    postgres = Postgres(root / "postgres", ports[6])
    processes = [_venue(root, venue, ports[0], ports[1], ticks_per_s),
                 *[_engine(root, engine, name, ports[2 + 2 * i:4 + 2 * i], ports[0:2], ports[6]) for i, name in enumerate(_NAMES)]]
    try:
        postgres.start(migrations)
        for process in processes:
            process.start()
        log = root / "venue" / "venue.jsonl"
        _await(log.exists, f"the venue did not start; see {keep_logs}")
        description = root / "environment.json"
        description.write_text(json.dumps(_describe(root, ports, postgres.dsn, log), indent=2))
        yield description
    finally:
        for process in reversed(processes):
            process.end(signal.SIGKILL)
        postgres.stop()
        shutil.rmtree(keep_logs, ignore_errors=True)
        keep_logs.mkdir(parents=True)
        for log in [*root.glob("*.log"), *root.glob("*/venue.jsonl"), *root.glob("*.json")]:
            shutil.copy(log, keep_logs)
        shutil.rmtree(root)


def _describe(root: Path, ports: list[int], dsn: str, log: Path) -> dict[str, Any]:
    control = f"{sys.executable} {Path(__file__).with_name('process.py')}"
    return {
        "engines": [{
            "url": f"http://127.0.0.1:{ports[2 + 2 * i]}",
            "token": _TOKEN,
            "kill": f"{control} kill {root / name}.spec",
            "start": f"{control} start {root / name}.spec",
        } for i, name in enumerate(_NAMES)],
        "venue_log": str(log),
        "venue": {"host": "127.0.0.1", "port": ports[0], "account": "main"},
        "database": {"dsn": dsn},
    }


def _venue(root: Path, program: Path, order_port: int, market_data_port: int, ticks_per_s: int) -> Process:
    (root / "venue").mkdir()
    config = {
        "venue": {"name": "paper", "log_dir": str(root / "venue")},
        "order_entry": {"listen": "127.0.0.1", "port": order_port},
        "market_data": {"listen": "127.0.0.1", "port": market_data_port},
        "fence": "enforce",
        "generator": {"seed": 7, "ticks_per_s": ticks_per_s, "trade_probability": 0.05, "max_trade_size": 0.1},
        "symbols": [{"name": name, "price": price, "price_step": 0.01, "spread_bps": 10.0, "volatility_bps": 0.2}
                    for name, price in _SYMBOLS.items()],
    }
    return _process(root, "venue", program, config)


def _engine(root: Path, program: Path, name: str, own: list[int], venue: list[int], database: int) -> Process:
    data, logs = root / name / "data", root / name / "log"
    data.mkdir(parents=True)
    logs.mkdir()
    config = {
        "engine": {"name": name, "environment": "development", "data_dir": str(data), "log_dir": str(logs)},
        "api": {"listen": "127.0.0.1", "port": own[0]},
        "metrics": {"listen": "127.0.0.1", "port": own[1]},
        "database": {"hosts": ["127.0.0.1"], "port": database, "name": "hft_db", "user": "hft_user", "sslmode": "disable"},
        "venues": [{"name": "paper", "host": "127.0.0.1", "order_port": venue[0], "market_data_port": venue[1], "fence": "epoch"}],
        "strategies": [_strategy(symbol) for symbol in _SYMBOLS],
        # Long enough that a handover in doubt ends well before the lease, short enough to wait for its end.
        "lease": {"beat_ms": 100, "ttl_ms": 10_000, "margin_ms": 500, "suspect_ms": 1_000},
        "hot_path": {"wait": "park", "cpu": None},
    }
    return _process(root, name, program, config, {f"API_TOKENS_{scope}": _TOKEN for scope in ("READ", "OPERATE", "KILL")})


def _strategy(symbol: str) -> dict[str, Any]:
    """Quotes on both sides without a pause and far from every limit: there is always an order to see, and one open."""
    return {
        "id": f"mm-{symbol.lower()}", "type": "market_maker", "venue": "paper", "symbol": symbol, "paper_trading": False,
        "limits": {"max_position": 1000.0, "max_notional": 1e9, "max_order_rate_per_s": 1000, "max_open_orders": 16,
                   "daily_loss_usd": 1e9, "price_collar_pct": 5.0},
        "parameters": {"spread_bps": 4.0, "size": 0.05, "requote_ticks": 5, "skew_bps": 2.0},
    }


def _process(root: Path, name: str, program: Path, config: dict[str, Any], environment: dict[str, str] | None = None) -> Process:
    file = root / f"{name}.json"
    file.write_text(json.dumps(config, indent=2))
    process = Process([str(program), f"--config={file}"], str(root / f"{name}.log"), str(root / f"{name}.pid"),
                      environment=environment or {})
    process.save(root / f"{name}.spec")
    return process


def _free_ports(count: int) -> list[int]:
    """Of the moment: all are held until the last is known, so that none comes twice."""
    with contextlib.ExitStack() as held:
        sockets = [held.enter_context(socket.socket()) for _ in range(count)]
        for one in sockets:
            one.bind(("127.0.0.1", 0))
        return [one.getsockname()[1] for one in sockets]


def _await(condition: Any, otherwise: str) -> None:
    end = time.monotonic() + _LIMIT_S
    while not condition():
        if time.monotonic() > end:
            raise MachineFailed(otherwise)
        time.sleep(0.05)
