# SPDX-License-Identifier: GPL-3.0-or-later
"""The worked example of several regions holds together: groups, cluster, venues, windows."""

from __future__ import annotations

import json
import os
import subprocess

import pytest
from ansible_collections.hft.ops.plugins.plugin_utils._market_question import ask

from repository import ROOT

_COLO = ROOT / "inventories" / "colo"
_REGIONS = ("us_east", "eu_west", "asia_east")


@pytest.fixture(scope="module")
def inventory() -> dict:
    told = subprocess.run(["ansible-inventory", "-i", str(_COLO), "--list"], capture_output=True, text=True, check=True,
                          env={**os.environ, "ANSIBLE_CONFIG": str(ROOT / "ansible.cfg")})
    return json.loads(told.stdout)


def _engines(inventory: dict, region: str) -> list[str]:
    return [host for host in inventory[f"region_{region}"]["hosts"] if host in inventory["engine"]["hosts"]]


def test_the_order_names_every_region_that_trades(inventory: dict) -> None:
    said = inventory["_meta"]["hostvars"]["hft-prod-01"]
    assert [one["name"] for one in said["regions"]] == list(_REGIONS)
    assert {market for one in said["regions"] for market in one["markets"]} == set(said["gates_market_regions"])


@pytest.mark.parametrize("region", _REGIONS)
def test_a_region_has_a_pair_and_a_cluster_of_its_own(inventory: dict, region: str) -> None:
    engines, here = _engines(inventory, region), set(inventory[f"region_{region}"]["hosts"])
    assert len(engines) >= 2
    for host in engines:
        said = inventory["_meta"]["hostvars"][host]
        assert said["timescaledb_region"] == region
        assert len(said["timescaledb_synchronous_hosts"]) == 3
        assert set(said["timescaledb_synchronous_hosts"]) <= here & set(inventory["timescaledb"]["hosts"])
        assert said["timescaledb_primary_host"] in said["timescaledb_synchronous_hosts"]


@pytest.mark.parametrize("region", _REGIONS)
def test_a_strategy_trades_what_its_region_has_and_has_one_home(inventory: dict, region: str) -> None:
    said = inventory["_meta"]["hostvars"][_engines(inventory, region)[0]]
    venues = {one["name"] for one in said["engine_venues"]}
    assert {one["venue"] for one in said["colo_strategies"][region]} == venues
    assert {name.upper() for name in venues} == set(said["gates_market_regions"][region])
    notional = [one["limits"]["max_notional"] for one in said["colo_strategies"][region]]
    assert max(notional) <= said["engine_account"]["capital_usd"] * said["engine_account"]["max_capital_pct"] / 100


@pytest.mark.parametrize("region", _REGIONS)
def test_a_change_finds_a_window_within_a_week(inventory: dict, region: str) -> None:
    """All venues of a region at once leave time for the change and its rollback; without it the region could never be changed."""
    said = inventory["_meta"]["hostvars"]["hft-prod-01"]
    asked = {"overlay": said["gates_market_overlay"], "regions": said["gates_market_regions"], "budget_s": said["gates_market_budget_s"]}
    hours = [f"2026-11-{day}T{hour:02}:15Z" for day in range(23, 30) for hour in range(24)]
    assert [at for at in hours if ask(region, at=at, **asked)["may_change"]]
