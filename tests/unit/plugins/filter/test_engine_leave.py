# SPDX-License-Identifier: GPL-3.0-or-later
"""Whether the engine of a host may go."""

from __future__ import annotations

from typing import Any

import pytest
from ansible_collections.hft.ops.plugins.filter.engine_leave import engine_leave


def _row(name: str, holder: str | None = "blue/1", epoch: int = 4) -> dict[str, Any]:
    return {"id": name, "holder": holder, "epoch": epoch}


def _answer(holder: str, *rows: dict[str, Any], database: bool = True) -> dict[str, Any]:
    return {"status": {"holder": holder, "version": "2.0", "database": {"connected": database}, "strategies": list(rows)}}


def test_an_engine_that_holds_nothing_may_go() -> None:
    found = engine_leave({"blue": _answer("blue/1", _row("a")), "green": _answer("green/2", _row("a"))}, "green")
    assert (found["error"], found["answers"], found["versions"]) == ("", True, ["2.0"])
    assert engine_leave({"blue": _answer("blue/1")}, "mon")["say"] == "mon has no engine"


def test_one_that_holds_goes_once_it_is_drained() -> None:
    engines = {"blue": _answer("blue/1", _row("a")), "green": _answer("green/2", _row("a"))}
    assert "blue: its engine holds a; move it away first" in engine_leave(engines, "blue")["error"]
    assert engine_leave(engines, "blue", drained=True)["say"] == "its engine holds a, which moves away first"


def test_what_the_rows_name_of_its_earlier_run_is_started_first() -> None:
    engines = {"blue": _answer("blue/7", _row("a"), _row("b", "blue/7")), "green": _answer("green/2", _row("a"), _row("b", "blue/7"))}
    for drained in (False, True):
        error = engine_leave(engines, "blue", drained=drained)["error"]
        assert "blue: its engine does not hold a, and the rows name it; start them first" in error


def test_a_silent_one_goes_on_a_persons_word_once_no_row_names_it() -> None:
    engines = {"blue": {"unreachable": True}, "green": _answer("green/2", _row("a", "green/2"), _row("b", None))}
    assert "how it is known that the host is off" in engine_leave(engines, "blue", strategies=["a", "b"])["error"]
    found = engine_leave(engines, "blue", strategies=["a", "b"], confirmed="pulled from the rack")
    assert (found["error"], found["answers"]) == ("", False)
    assert "pulled from the rack" in found["say"]


@pytest.mark.parametrize(("green", "more", "said"), [
    (_answer("green/2", _row("a")), {}, "the rows of a name it; take over first (failover.yml -e failover_from=blue)"),
    (_answer("green/2", _row("a", "engine-1/3")), {"name": "engine-1"}, "the rows of a name it"),
    (_answer("green/2", _row("a", "green/2")), {"strategies": ["a", "z"]}, "no engine that does knows the rows of z"),
    (_answer("green/2", _row("a", "green/2"), database=False), {}, "no other engine with a database tells what it holds"),
    ({}, {}, "no other engine with a database tells what it holds"),
])
def test_a_silent_one_stays_while_it_may_hold_anything(green: dict, more: dict, said: str) -> None:
    found = engine_leave({"blue": {}, "green": green}, "blue", confirmed="off", **more)
    assert said in found["error"]
