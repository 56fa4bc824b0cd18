# SPDX-License-Identifier: GPL-3.0-or-later
"""A release goes to NY4's canary first, which is an instance beside another engine; it takes everything there, and gives it back."""

from __future__ import annotations

from conftest import PRIMARIES, STRATEGIES, api, end_of_log, holders, log_since, run
from venue_truth import Truth

from lab import playbook

_CANARY, _AT = "hft-canary-01", ("ny4-02", 8081)
_NY4 = {"canary_to": _CANARY, "canary_hosts": "region_us_east:&engine", "canary_hosts_timescaledb": "region_us_east:&timescaledb",
        "canary_id": "ny4-canary"}


def test_a_canary_takes_what_ny4_trades_and_gives_it_back(regions: playbook.Run, next_release: str) -> None:
    others = {region: holders(region) for region in ("eu_west", "asia_east")}
    before = api("ny4-01")["version"]
    begin = end_of_log()
    said = run("canary", engine_build_source=next_release, **_NY4)
    assert f"{_CANARY} holds 100 % of the strategies" in said
    assert holders("us_east") == dict.fromkeys(STRATEGIES["us_east"], _CANARY)
    status = api(*_AT)
    assert status["version"] != before
    assert all(one["trading"] for one in status["strategies"])
    assert api("ny4-02")["version"] == before  # the engine beside it stays what it was

    asked = {"engine_build_source": next_release, "canary_back": "the trial is over", **_NY4}
    assert "name it: -e canary_back_to=ENGINE" in run("canary", fails=True, **asked)
    said = run("canary", canary_back_to=PRIMARIES["us_east"], **asked)
    assert "everything was moved back" in said
    assert holders("us_east") == dict.fromkeys(STRATEGIES["us_east"], PRIMARIES["us_east"])
    assert {region: holders(region) for region in others} == others
    log = Truth(begin)
    log.read(log_since(begin))
    assert log.faults() == {"overlap": 0, "stale_refused": 0, "duplicate": 0}
