# SPDX-License-Identifier: GPL-3.0-or-later
"""A release goes to the regions of an inventory; the lab has one. The rows tell how far it came, whatever became of the control node."""

from __future__ import annotations

import json
import threading

import pytest
from conftest import api, eventually, killed_once_armed, on, sql

from lab import playbook

_BLUE, _GREEN = "hft-prod-01", "hft-prod-02"
_REGION = {"name": "us_east"}
# Its engines again under another name: a region that comes after the first, for what happens between two.
_NEXT = {"name": "next", "engines": "region_us_east:&engine", "databases": "region_us_east:&timescaledb"}


def _extra(source: str, **variables: object) -> tuple[str, str]:
    return "-e", json.dumps({"regions": [_REGION], "regions_bake_s": 4, "cutover_bake_s": 3, "engine_build_source": source, **variables})


def _run(source: str, *, fails: bool = False, **variables: object) -> str:
    done = playbook.run("regions", *_extra(source, **variables), record="e2e_regions", show=False)
    assert (done.rc != 0) == fails, done.output[-4000:]
    return " ".join(done.output.split())


def _holders() -> set[str]:
    return {holder.partition("/")[0] for _strategy, holder in sql("SELECT strategy, holder FROM engine_lease")}


def _stop(host: str) -> None:
    ask = "u.Request('http://127.0.0.1:8080/api/v1/strategies/mm-eth-usd/stop', method='POST')"
    on(host, f'python3 -c "import urllib.request as u; u.urlopen({ask}, timeout=5)"')


def _all_run() -> None:
    """What was stopped on the giver stays so on the taker, and is not watched."""
    wanted = json.dumps({"trading_action": "start", "trading_strategies": ["mm-btc-usd", "mm-eth-usd"]})
    done = playbook.run("trading", "-e", wanted, record="e2e_trading", show=False)
    assert done.rc == 0, done.output[-4000:]


@pytest.mark.long
def test_a_region_whose_bake_fails_goes_back(demo: dict, next_release: str) -> None:
    """A strategy stops once the cutover is recorded: in the bake, after the region's own watch."""
    _all_run()

    def spoil() -> None:
        eventually("the cutover is done", lambda: sql("SELECT 1 FROM deployment_record WHERE id = 'e2e-bake-us_east'"), 900)
        _stop(_GREEN)

    spoiler = threading.Thread(target=spoil)
    spoiler.start()
    said = _run(next_release, regions_id="e2e-bake", regions_bake_s=30, fails=True)
    spoiler.join()
    assert "us_east: hold, measured 3 times in a row: mm-eth-usd is stopped" in said
    assert "went back: us_east; run it again" in said
    assert _holders() == {_BLUE}
    _all_run()


@pytest.mark.long
def test_what_is_used_up_begins_no_region_and_takes_the_others_back(demo: dict, next_release: str) -> None:
    said = _run(next_release, regions=[_REGION, _NEXT], regions_abort_budget={"max_gap_ms": 1}, fails=True)
    assert "the budget is 1 ms; went back: us_east; run it again" in said
    assert _holders() == {_BLUE}


@pytest.mark.long
def test_a_control_node_that_dies_is_followed_by_the_same_command(demo: dict, next_release: str) -> None:
    old = api(_BLUE, "status")["version"]
    killed_once_armed("e2e-dies-us_east", 900, "ansible-playbook", "-i", "inventories/lab", "playbooks/regions.yml",
                      *_extra(next_release, regions_id="e2e-dies"))
    assert "us_east on the release" in _run(next_release, regions_id="e2e-dies")
    assert _holders() == {_GREEN}
    assert "left nothing" in _run(next_release)
    # The lock of the one that died stands until its end.
    way_back = {"rollback_to": _BLUE, "gates_override": {"deployment lock": "that control node is gone"}}
    done = playbook.run("rollback", "-e", json.dumps(way_back), record="e2e_rollback", show=False)
    assert done.rc == 0, done.output[-4000:]
    assert api(_BLUE, "status")["version"] == old
