# Copyright: (c) hft.ops contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

from typing import Any

import pytest
from ansible_collections.hft.ops.plugins.filter.engine_configs import config_decision


def _host(way: str = "none", holds: bool = False, keys: tuple[str, ...] = (), **live: tuple[Any, Any]) -> dict[str, Any]:
    """Variables of a host whose engine e/aa was asked; live: before and after of what would change in mm, by the end of the pointer."""
    strategy = {"id": "mm", "holder": "e/aa" if holds else "f/bb", "epoch": 4, "state": "running" if holds else "stopped"}
    differences = [{"layer": "live", "path": f"/strategies/mm{end and '/' + end}", "before": before, "after": after}
                   for end, (before, after) in live.items()]
    return {
        "config_before": {"status": {"engine": "e", "holder": "e/aa", "role": "primary" if holds else "standby",
                                     "strategies": [strategy]}},
        "engine_config_change": {"way": way, "keys": [*keys, *(one["path"] for one in differences)], "loaded_sha256": "abc" * 8,
                                 "differences": differences},
    }


@pytest.mark.parametrize(("hosts", "now", "holder"), [
    ({"e1": _host(), "e2": _host(holds=True)}, [], ""),
    ({"e1": _host("reload", True), "e2": _host("reload")}, ["e2", "e1"], ""),
    ({"e1": _host("restart"), "e2": _host("restart", True)}, ["e1"], "e2"),
])
def test_what_holds_and_must_restart_is_drained_and_all_else_comes_at_once(hosts: dict, now: list, holder: str) -> None:
    decision = config_decision(hosts)
    assert decision["error"] == ""
    assert (decision["now"], decision["holder"], decision["running"]) == (now, holder, ["mm"] if holder else [])


def test_rows_tell_the_way_and_the_keys() -> None:
    keys = tuple(f"/lease/{n}" for n in range(6))
    row = config_decision({"e1": _host("restart", True, keys)})["rows"][0]
    assert row == {"engine": "e1", "holds": "mm", "way": "restart", "keys": "/lease/0 /lease/1 /lease/2 /lease/3 and 2 more",
                   "sha256": "abcabcabcabc"}


@pytest.mark.parametrize(("host", "words"), [
    ({}, "e1: does not answer (cannot be reached)"),
    ({"config_before": {"status": {}, "reason": "Connection refused"}}, "e1: does not answer (Connection refused)"),
    ({**_host(), "engine_config_change": {"failed": True, "msg": "refused: /lease/ttl_ms: expected"}}, "/lease/ttl_ms: expected"),
])
def test_one_that_cannot_be_judged_stops_all(host: dict, words: str) -> None:
    decision = config_decision({"e1": host, "e2": _host("reload")})
    assert words in decision["error"]
    assert (decision["now"], decision["holder"]) == ([], "")


def test_what_all_refuse_is_told_once() -> None:
    refused = {**_host(), "engine_config_change": {"failed": True, "msg": "refused"}}
    assert config_decision({"e1": refused, "e2": refused})["error"] == "e1, e2: refused"


def test_two_holders_do_not_restart_in_one_run() -> None:
    decision = config_decision({"e1": _host("restart", True), "e2": _host("restart", True)})
    assert "e1 and e2 each hold strategies and must restart" in decision["error"]


@pytest.mark.parametrize(("before", "after", "refused"), [(True, False, True), (False, True, False)])
def test_a_strategy_leaves_paper_only_when_it_is_promoted(before: bool, after: bool, refused: bool) -> None:
    hosts = {"e1": _host("reload", paper_trading=(before, after))}
    assert ("mm would leave paper" in config_decision(hosts)["error"]) is refused
    assert config_decision(hosts, "mm", promote=True)["error"] == ""


@pytest.mark.parametrize("holds", [True, False])
def test_a_strategy_that_is_held_is_not_taken_out(holds: bool) -> None:
    host = _host("reload", holds, **{"": ({"id": "mm"}, None)})
    assert ("e1 holds it: strategy.yml -e strategy_action=unload -e strategy_id=mm" in config_decision({"e1": host})["error"]) is holds


@pytest.mark.parametrize(("host", "words"), [
    (_host("reload", limits=(1, 2)), ""),
    (_host("restart", symbol=("A", "B")), "/strategies/mm/symbol needs a restart"),
    (_host("restart", keys=("/lease/ttl_ms",), limits=(1, 2)), "more than mm differs (/lease/ttl_ms)"),
    (_host("reload", keys=("/strategies/mm2/limits",)), "more than mm differs (/strategies/mm2/limits)"),
])
def test_what_is_about_one_strategy_brings_nothing_else(host: dict, words: str) -> None:
    error = config_decision({"e1": host}, "mm")["error"]
    assert words in error
    assert bool(error) is bool(words)
