# SPDX-License-Identifier: GPL-3.0-or-later
"""A canary takes a growing share of the strategies. What is worse comes back by itself, and the venue's log says that no order was lost."""

from __future__ import annotations

import json
import re
import subprocess
from collections.abc import Iterator

import pytest
from conftest import api, on, sql, truth_of
from venue_truth import Truth

from lab import playbook
from lab.paths import ROOT

_BASELINE, _CANARY = "hft-prod-01", "hft-prod-02"
_FIRST, _SECOND = "mm-eth-usd", "mm-btc-usd"  # by the notional that their limits allow
_SHORT = {"canary_to": _CANARY, "canary_watch_s": 2, "canary_step_s": 12, "canary_looks": 3, "canary_error_retry_s": 1, "canary_apart_s": 0,
          "canary_latency_ratio": 5}
_REJECTED = ("orders++ % 33 == 0 ? 1 : 0", "0")  # off the price step: 3 % of them
_LATE = ("0", "quotes++ % 10 == 0 ? {late_us} : 0")


def _run(*, fails: bool = False, **variables: object) -> str:
    done = playbook.run("canary", "-e", json.dumps({**_SHORT, **variables}), record="e2e_canary", show=False)
    assert (done.rc != 0) == fails, done.output[-4000:]
    return " ".join(done.output.split())


def _holders() -> dict[str, str]:
    rows = sql("SELECT strategy, holder FROM engine_lease WHERE strategy LIKE 'mm-%'")
    return {strategy: holder.partition("/")[0] for strategy, holder in rows}


def _asked(query: str) -> float:
    """One number of the lab's Prometheus."""
    address = f"'http://127.0.0.1:9090/api/v1/query?' + parse.urlencode({{'query': {query!r}}})"
    ask = f"from urllib import parse, request; print(request.urlopen({address}).read().decode())"
    found = json.loads(on("hft-mon-01", f"python3 - <<'EOF'\n{ask}\nEOF"))
    return float(found["data"]["result"][0]["value"][1])


def _build(off: str, late_us: str, spread: int = 1) -> str:
    """The strategy of the release, spoiled: a build of its own, in a directory that the canary alone is told of."""
    source = (ROOT / "engine" / "strategies" / "market_maker.cpp").read_text()
    source = source.replace("namespace {", "#include <time.h>\nnamespace {\n[[maybe_unused]] std::uint64_t orders = 1, quotes = 1;", 1)
    source = source.replace("host_.cancel_all(host_.context);",
                            f"const long late = ({late_us}) * 1000L; const timespec pause{{late / 1000000000L, late % 1000000000L}};"
                            "\n        if (late > 0) ::nanosleep(&pause, nullptr);\n        host_.cancel_all(host_.context);", 1)
    source, spoiled = re.subn(r"HFT_(BUY|SELL), (bid|ask), size_", rf"HFT_\1, \2 + ({off}), size_", source)
    assert spoiled == 2
    source = source.replace("mid * settings_.spread_bps / 2e4", f"{spread} * mid * settings_.spread_bps / 2e4", 1)
    headers = subprocess.run(["tar", "-C", ROOT / "engine" / "strategies", "-c", "hft_strategy.h", "hft_strategy.hpp"],
                             capture_output=True, check=True).stdout
    _on("hft-build-01", "mkdir -p /opt/spoiled && tar -C /opt/spoiled -x", headers)
    _on("hft-build-01", "cat > /opt/spoiled/market_maker.cpp", source.encode())
    built = _on("hft-build-01", "cd /opt/spoiled && g++ -std=c++20 -O2 -shared -fPIC -fvisibility=hidden -fno-gnu-unique market_maker.cpp"
                                " -o market_maker.so && cat market_maker.so")
    # In place of the old one, which the engine may have mapped: never into it.
    _on(_CANARY, "mkdir -p /opt/spoiled && cat > /opt/spoiled/.new && mv /opt/spoiled/.new /opt/spoiled/market_maker.so", built)
    return "/opt/spoiled"


def _on(host: str, script: str, given: bytes = b"") -> bytes:
    return subprocess.run(["docker", "exec", "-i", host, "bash", "-c", script], input=given, capture_output=True, check=True).stdout


@pytest.fixture(scope="module", autouse=True)
def spoiled_and_mended(demo: dict) -> Iterator[None]:
    yield
    done = playbook.run("config", record="e2e_config", show=False)
    assert done.rc == 0, done.output[-4000:]


@pytest.fixture
def truth(demo: dict) -> Iterator[Truth]:
    """The venue's log from here on; at the end every order of it stands in the database once, and nobody traded twice."""
    with truth_of() as log:
        yield log


@pytest.mark.long
def test_the_plan_is_shown_and_nothing_moves(demo: dict) -> None:
    before = sql("SELECT strategy, holder, epoch FROM engine_lease ORDER BY 1")
    done = playbook.run("canary", "--check", "-e", json.dumps(_SHORT), record="e2e_canary", show=False)
    assert done.rc == 0, done.output[-4000:]
    assert re.search(rf"10 %\s+50 %\s+{_FIRST}\s+{_FIRST}\s+{_SECOND}\s", done.output)
    assert re.search(rf"75 %\s+100 %\s+{_SECOND}\s+{_FIRST} {_SECOND}\s+-", done.output)
    assert sql("SELECT strategy, holder, epoch FROM engine_lease ORDER BY 1") == before
    assert sql("SELECT * FROM deployment_lock") == []


def test_three_percent_rejects_are_taken_back(truth: Truth) -> None:
    said = _run(engine_strategies_dir=_build(*_REJECTED), canary_id="e2e-rejects", fails=True)
    assert "ROLLED BACK: rejected by the venue: failed" in said
    assert set(_holders().values()) == {_BASELINE}
    assert sql("SELECT verdict, record->'strategies' FROM deployment_record WHERE id = 'e2e-rejects'") == [["rolled_back", f'["{_FIRST}"]']]
    assert sql("SELECT * FROM deployment_lock") == []


@pytest.mark.long
def test_twice_the_p99_is_taken_back(truth: Truth) -> None:
    """Ten of a hundred quotes are late by twice the p99 that the baseline has now."""
    p99_s = _asked(f'histogram_quantile(0.99, sum by (le) (rate(tick_to_order_seconds_bucket{{instance=~"{_BASELINE}:.*"}}[60s])))')
    late = (_LATE[0], _LATE[1].format(late_us=max(2000, round(2e6 * p99_s))))
    said = _run(engine_strategies_dir=_build(*late), canary_id="e2e-late", canary_latency_ratio=1.5, canary_step_s=30, fails=True)
    assert re.search(r"ROLLED BACK: tick to order p99[^;]*: failed", said)
    assert set(_holders().values()) == {_BASELINE}


@pytest.mark.long
def test_a_shadow_that_decides_otherwise_never_holds_anything(truth: Truth) -> None:
    """Twice the spread, on the canary alone: seen on paper, before any lease moves. The same release without it takes its first step."""
    before = sql("SELECT strategy, epoch FROM engine_lease WHERE strategy LIKE 'mm-%' ORDER BY 1")
    shadow = {"canary_shadow_s": 20, "canary_shadow_min_decisions": 20, "canary_shadow_price_bps": 3}
    said = _run(engine_strategies_dir=_build("0", "0", spread=4), canary_id="e2e-shadow", fails=True, **shadow)
    assert re.search(r"ROLLED BACK: mm-[a-z-]+: \d+ of \d+ decisions agree", said)
    assert sql("SELECT strategy, epoch FROM engine_lease WHERE strategy LIKE 'mm-%' ORDER BY 1") == before
    assert {one["id"] for one in api(_CANARY, "status")["strategies"]} == {_FIRST, _SECOND}

    assert sql("SELECT strategy FROM engine_lease WHERE strategy LIKE 'shadow-%' AND holder IS NOT NULL") == []
    assert _asked('count(count_over_time(engine_lease_epoch{strategy=~"shadow-.*"}[5m])) or vector(0)') == 0

    said = _run(canary_steps=[50], **shadow)
    assert f"shadow ({_FIRST}): pass" in said  # what is to come to it in this step
    assert _holders()[_FIRST] == _CANARY
    _run(canary_back="the drill is over")


@pytest.mark.long
def test_a_good_one_waits_where_nothing_is_known_and_then_reaches_everything(truth: Truth) -> None:
    """The first look finds no data: it holds. The same command again looks at what the rows say, goes on, and is done."""
    blind = [{"name": "nothing", "query": "no_such_metric$range", "failure_condition": "result > 1", "consecutive_error_limit": 0}]
    assert "PAUSED: error: nothing: not measured" in _run(canary_metrics=blind, fails=True)
    assert _holders() == {_FIRST: _CANARY, _SECOND: _BASELINE}
    assert [row[0].startswith("canary-") for row in sql("SELECT id FROM deployment_lock")] == [True]
    said = _run()
    assert f"50 % ({_FIRST}): pass" in said
    assert f"{_CANARY} holds 100 % of the strategies" in said
    assert set(_holders().values()) == {_CANARY}
    assert "trades" in _run(canary_to="")  # nothing to do
    assert "name it: -e canary_to=ENGINE" in _run(canary_to="", canary_back="which of them?", fails=True)
    said = _run(canary_back="the drill is over")
    assert "the drill is over; everything was moved back" in said
    assert set(_holders().values()) == {_BASELINE}
    assert all(one["trading"] for one in api(_BASELINE, "status")["strategies"])
