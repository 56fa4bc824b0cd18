# Copyright: (c) hft.ops contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The press of the action plugin, as the host's interpreter runs it, and the module after it."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable
from typing import Any

import pytest
from ansible_collections.hft.ops.plugins.action.engine_killswitch import program
from ansible_collections.hft.ops.plugins.module_utils._engine_api import EngineApi
from ansible_collections.hft.ops.plugins.module_utils._host import HostError
from ansible_collections.hft.ops.plugins.modules.engine_killswitch import main
from ansible_collections.hft.ops.tests.unit.plugins.modules.played_engine import PlayedEngine

Played = tuple[PlayedEngine, EngineApi]
Run = Callable[..., dict[str, Any]]


def _run(arguments: dict[str, Any]) -> subprocess.CompletedProcess[str]:
    """As the host does it: by standard input, with nothing but the interpreter's own library."""
    return subprocess.run([sys.executable, "-I", "-"], input=program(arguments), capture_output=True, text=True, check=False)


def _press(played: Played, **more: Any) -> subprocess.CompletedProcess[str]:
    return _run({"reason": "prices are wrong", "port": str(played[1].port), **more})


@pytest.mark.parametrize("scope", ["", "mm"])
def test_it_is_latched_once_and_the_module_counts_it_as_its_change(played: Played, run_module: Run, scope: str) -> None:
    assert _press(played, strategy=scope).stdout.strip() == "pressed"
    asked = {"reason": "prices are wrong", **({"strategy": scope} if scope else {})}
    assert played[0].asked == [("POST killswitch", asked)]
    found = run_module(main, state="latched", reason="prices are wrong", strategy=scope, pressed=True)
    assert found["changed"]
    assert [one["after"] for one in found["differences"]] == ["latched"]
    assert _press(played, strategy=scope).stdout.strip() == "stood"
    assert not run_module(main, state="latched", reason="prices are wrong", strategy=scope)["changed"]


def test_the_switch_of_another_strategy_is_no_latch_of_this_one(played: Played) -> None:
    played[0].switch(True, "before", "arb")
    assert _press(played, strategy="mm").stdout.strip() == "pressed"


def test_nobody_there_is_told_by_its_exit_code() -> None:
    done = _run({"reason": "r", "port": 1})
    assert (done.returncode, done.stdout) == (1, "")


@pytest.mark.parametrize("reason", [None, "", "x" * 201, "two\nlines"])
def test_what_the_module_will_refuse_presses_nothing(reason: str | None) -> None:
    with pytest.raises(HostError):
        program({"reason": reason})


def test_arguments_are_data_and_no_program(played: Played) -> None:
    reason = '"); import os; os._exit(7) #{} {given!r} \'\''
    assert _press(played, reason=reason).returncode == 0
    assert played[0].asked == [("POST killswitch", {"reason": reason})]
