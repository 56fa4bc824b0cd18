# SPDX-License-Identifier: GPL-3.0-or-later
"""What an operator does on a trading day: strategies stopped, started and closed by name, a changed configuration, a strategy from paper to
live and out again, a drill. The venue's log and the engines' own status have the last word."""

from __future__ import annotations

import copy
import json
import time
from collections.abc import Iterator

import pytest
import yaml
from conftest import api, eventually, on, sql, venue_log

from lab import playbook
from lab.paths import BUILD, INVENTORY

_BLUE, _GREEN = "hft-prod-01", "hft-prod-02"
_BTC, _ETH, _NEW = "mm-btc-usd", "mm-eth-usd", "mm-e2e"
_FILE = "/opt/hft_system/config/production.json"


def _run(name: str, *arguments: str, fails: bool = False) -> str:
    done = playbook.run(name, *arguments, record=f"e2e_{name}", show=False)
    assert (done.rc != 0) == fails, done.output[-4000:]
    return " ".join(done.output.split())


def _extra(**variables: object) -> tuple[str, str]:
    return "-e", json.dumps(variables)


def _strategies() -> list[dict]:
    return yaml.safe_load((INVENTORY / "group_vars" / "all" / "deployment.yml").read_text())["engine_strategies"]


def _status(host: str, strategy: str) -> dict:
    return next((one for one in api(host, "status")["strategies"] if one["id"] == strategy), {})


def _loaded(host: str) -> list[str]:
    return [one["id"] for one in api(host, "status")["strategies"]]


def _files() -> list[str]:
    return [on(host, f"sha256sum {_FILE}") for host in (_BLUE, _GREEN)]


def _newest(strategy: str, since_ns: int = 0) -> list[dict]:
    return [line for line in venue_log() if line["ev"] == "accepted" and line["strategy"] == strategy and line["t"] > since_ns]


def _epochs() -> list[list[str]]:
    return sql("SELECT strategy, holder, epoch FROM engine_lease ORDER BY 1")


def test_one_strategy_is_stopped_closed_and_started_while_the_other_trades(demo: dict) -> None:
    before = _epochs()
    _run("trading", *_extra(trading_action="stop", trading_strategies=[_BTC]))
    stopped = time.time_ns()
    assert _status(_BLUE, _BTC)["state"] == "stopped"
    eventually("the other one trades", lambda: _newest(_ETH, stopped), 10)
    assert not _newest(_BTC, stopped)

    _run("trading", *_extra(trading_action="flatten", trading_strategies=[_BTC], trading_reason="drill"))
    one = _status(_BLUE, _BTC)
    assert (one["state"], one["position"], one["open_orders"]) == ("stopped", 0, 0)
    flat = time.time_ns()

    _run("trading", *_extra(trading_action="start", trading_strategies=[_BTC]))
    assert _newest(_BTC, flat)
    assert _epochs() == before


def test_a_changed_limit_is_taken_up_while_the_engines_trade_and_an_invalid_one_changes_nothing(demo: dict) -> None:
    before, epochs = _files(), _epochs()
    said = _run("config", *_extra(engine_lease={"ttl_ms": -5}), fails=True)
    assert "/lease/ttl_ms: expected a whole number from 500 to 600000, found -5" in said
    assert _files() == before

    tighter = copy.deepcopy(_strategies())
    tighter[0]["limits"]["max_open_orders"] = 6
    changed = time.time_ns()
    _run("config", *_extra(engine_strategies=tighter))
    for host in (_BLUE, _GREEN):
        assert api(host, f"strategies/{_BTC}/config")["limits"]["max_open_orders"] == 6
        assert api(host, "config/status")["loaded_sha256"] == on(host, f"sha256sum {_FILE}").split()[0]
    _run("config")
    assert _files() == before
    assert _epochs() == epochs
    times = sorted(line["t"] for line in _newest(_BTC, changed))
    assert max(later - earlier for earlier, later in zip(times, times[1:])) < 2e9


@pytest.mark.long
def test_the_standby_proves_itself_in_a_drill(demo: dict) -> None:
    before = {row[0]: int(row[2]) for row in _epochs()}
    name = f"e2e-drill-{time.time_ns()}"
    said = _run("failover_drill", *_extra(drill_id=name, drill_watch_s=2, drill_max_switch_ms=5000, drill_max_gap_ms=10000,
                                          drill_record_dir=str(BUILD / "record")))
    assert f"to {_GREEN} and back to {_BLUE} within the limits" in said
    after = [(one, holder.partition("/")[0], int(epoch)) for one, holder, epoch in _epochs()]
    assert after == [(one, _BLUE, epoch + 2) for one, epoch in before.items()]
    record = json.loads((BUILD / "record" / f"{name}.json").read_text())
    assert [name, "done", str(record["gap_ms"])] in sql("SELECT id, verdict, record ->> 'gap_ms' FROM deployment_record")
    assert {phase["phase"] for phase in record["phases"]} == {"drain", "commit", "wake", "claim", "fence"}


def test_a_drill_outside_the_gates_moves_nothing(demo: dict) -> None:
    before = _epochs()
    assert "free disk: asked at least" in _run("failover_drill", *_extra(gates_min_free_mb=99999999), fails=True)
    assert _epochs() == before


@pytest.mark.long
def test_what_needs_a_restart_comes_by_one_while_the_peer_trades(demo: dict) -> None:
    before, incarnations = _files(), [api(host, "status")["holder"] for host in (_BLUE, _GREEN)]
    _run("config", *_extra(engine_lease={"suspect_ms": 1200}))
    assert all(api(host, "config")["lease"]["suspect_ms"] == 1200 for host in (_BLUE, _GREEN))
    assert not set(incarnations) & {api(host, "status")["holder"] for host in (_BLUE, _GREEN)}
    _run("config")
    assert _files() == before
    assert {row[1].partition("/")[0] for row in _epochs()} == {_BLUE}
    assert all(_status(_BLUE, name)["trading"] for name in (_BTC, _ETH))


@pytest.fixture
def new_strategy(demo: dict) -> Iterator[dict]:
    """An entry of engine_strategies, on paper; whatever the test does, no engine and no row has it afterwards."""
    size = {"size": 0.01, "spread_bps": 6.0}
    like = _strategies()[0]
    yield {**like, "id": _NEW, "paper_trading": True, "parameters": {**like["parameters"], **size}}
    if any(_NEW in _loaded(host) for host in (_BLUE, _GREEN)):
        _run("trading", *_extra(trading_action="flatten", trading_strategies=[_NEW], trading_reason="test"))
        _run("strategy", *_extra(strategy_id=_NEW, strategy_action="unload"))
    sql("DELETE FROM engine_lease WHERE strategy = 'mm-e2e'")


@pytest.mark.long
def test_a_strategy_goes_from_paper_to_live_and_out_while_the_others_trade(new_strategy: dict) -> None:
    before, epochs = _files(), _epochs()

    def verb(action: str, *, paper: bool | None, fails: bool = False, **more: object) -> str:
        entries = [] if paper is None else [{**new_strategy, "paper_trading": paper}]
        wanted = {"strategy_id": _NEW, "strategy_action": action, "engine_strategies": _strategies() + entries}
        return _run("strategy", *_extra(**wanted, **more), fails=fails)

    assert "asked on paper, found hft-prod-01: live" in verb("load", paper=False, fails=True)
    verb("load", paper=True)
    assert all(_NEW in _loaded(host) for host in (_BLUE, _GREEN))
    begin = time.time_ns()
    verb("paper", paper=True)
    assert _status(_GREEN, _NEW)["performance"]["paper_orders"] > 0
    assert not _newest(_NEW, begin)

    assert "soak: asked at least 86400 s" in verb("promote", paper=False, fails=True)
    live = [*_strategies(), {**new_strategy, "paper_trading": False}]
    assert "would leave paper" in _run("config", *_extra(engine_strategies=live), fails=True)
    assert not _newest(_NEW, begin)
    verb("promote", paper=False, strategy_soak_s=1)
    assert _newest(_NEW, begin)

    _run("trading", *_extra(trading_action="flatten", trading_strategies=[_NEW], trading_reason="test"))
    verb("unload", paper=None)
    assert not any(_NEW in _loaded(host) for host in (_BLUE, _GREEN))
    assert _files() == before
    assert [row for row in _epochs() if row[0] != _NEW] == epochs
