# Copyright: (c) hft.ops contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import copy
from typing import Any

import pytest
from ansible_collections.hft.ops.plugins.module_utils._engine_config import Change, config_changes, strategy_patches

_FILE: dict[str, Any] = {
    "api": {"port": 8080, "tls": None},
    "lease": {"ttl_ms": 60000},
    "strategies": [{"id": "mm", "limits": {"max_position": 2.0}, "parameters": {"size": 0.05}, "symbol": "BTC-USD"},
                   {"id": "arb", "limits": {"max_position": 1.0}, "parameters": {}, "symbol": "ETH-USD"}],
}


def _running() -> dict[str, Any]:
    """What an engine makes of that file: defaults filled in, null left out."""
    running = copy.deepcopy(_FILE)
    running["api"] = {"port": 8080, "insecure": False}
    running["lease"]["failover"] = "manual"
    for one in running["strategies"]:
        one["paper_trading"] = False
        one["limits"]["cooldown_s"] = 1
    return running


def _changes(path: str, value: Any) -> dict[str, bool]:
    """Pointers that differ when the file holds that value, and whether each can be taken up."""
    wanted = copy.deepcopy(_FILE)
    *above, last = path.split("/")[1:]
    at: Any = wanted
    for part in above:
        at = at[int(part) if part.isdigit() else part]
    at[last] = value
    return {one.pointer: one.reload for one in config_changes(_running(), _FILE, wanted)}


def test_what_the_engine_was_given_is_no_change_whatever_its_defaults() -> None:
    assert config_changes(_running(), _FILE, _FILE) == []
    assert _changes("/lease/failover", "manual") == {}
    assert _changes("/strategies/0/paper_trading", False) == {}


@pytest.mark.parametrize(("path", "value", "changes"), [
    ("/strategies/0/limits/max_position", 3.0, {"/strategies/mm/limits/max_position": True}),
    ("/strategies/0/parameters", {"spread": 1}, {"/strategies/mm/parameters/size": True, "/strategies/mm/parameters/spread": True}),
    ("/strategies/1/paper_trading", True, {"/strategies/arb/paper_trading": True}),
    ("/strategies/1/symbol", "SOL-USD", {"/strategies/arb/symbol": False}),
    ("/strategies/1/id", "new", {"/strategies/arb": True, "/strategies/new": True}),
    ("/lease/failover", "automatic", {"/lease/failover": False}),
    ("/lease", {}, {"/lease/ttl_ms": False}),
    ("/api/tls", {"key": "k"}, {"/api/tls/key": False}),
])
def test_only_what_a_strategy_takes_up_while_it_runs_is_a_reload(path: str, value: Any, changes: dict[str, bool]) -> None:
    assert _changes(path, value) == changes


def test_the_order_of_strategies_is_no_change() -> None:
    assert config_changes(_running(), _FILE, {**_FILE, "strategies": list(reversed(_FILE["strategies"]))}) == []


def test_what_was_changed_by_hand_while_it_ran_is_seen() -> None:
    running = _running()
    running["strategies"][0].update(paper_trading=True, parameters={"size": 0.05, "skew": 1})
    assert config_changes(running, _FILE, _FILE) == [Change("/strategies/mm/paper_trading", True, False, True),
                                                     Change("/strategies/mm/parameters/skew", 1, None, True)]


def test_patches_are_what_the_engine_takes_up_and_null_takes_out() -> None:
    changes = [Change("/strategies/a~1b/parameters/skew", 1, None, True), Change("/strategies/a~1b/parameters/size", 1, 2, True),
               Change("/strategies/mm/paper_trading", True, False, True), Change("/strategies/new", None, {"id": "new"}, True),
               Change("/lease/ttl_ms", 1, 2, False)]
    assert strategy_patches(changes) == {"a/b": {"parameters": {"skew": None, "size": 2}}, "mm": {"paper_trading": False}}
