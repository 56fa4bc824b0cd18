# SPDX-License-Identifier: GPL-3.0-or-later
"""The protocol holds in every state within the bounds, and the model notices each rule that is broken."""

from __future__ import annotations

from pathlib import Path

import pytest
from configurations import BROKEN, CORRECT, Configuration
from protocol.explore import explore

_README = (Path(__file__).parent / "README.md").read_text()


def _each(configurations: tuple[Configuration, ...]) -> list[object]:
    return [pytest.param(one, id=one.name, marks=[pytest.mark.long] if one.long else []) for one in configurations]


@pytest.mark.parametrize("configuration", _each(CORRECT))
def test_the_protocol_holds(configuration: Configuration) -> None:
    outcome = explore(configuration.rules, configuration.bounds, configuration.rows_too)
    print(outcome)
    assert not outcome.violation
    assert configuration.reaches <= outcome.reached
    # The README says how much that was.
    assert f"| {configuration.name} | {configuration.bounds.text()} | {outcome.states:,} |" in _README


@pytest.mark.parametrize("configuration", _each(BROKEN))
def test_a_broken_rule_is_noticed(configuration: Configuration) -> None:
    outcome = explore(configuration.rules, configuration.bounds, configuration.rows_too)
    print(outcome)
    assert outcome.violation
    assert len(outcome.trace) > 1
