# SPDX-License-Identifier: GPL-3.0-or-later
"""What a check is, and the list of all of them."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from kit.site import Site


class Broken(Exception):
    """The engine does not keep the contract; one line that says what was expected and what was seen."""


@dataclass(frozen=True)
class Check:
    """needs: what the environment must describe besides the engine's URL."""

    name: str
    rule: str
    needs: tuple[str, ...]
    run: Callable[[Site], None]


CHECKS: list[Check] = []


def check(name: str, rule: str, *needs: str) -> Callable[[Callable[[Site], None]], Callable[[Site], None]]:
    """Makes a function one check of the kit."""

    def register(run: Callable[[Site], None]) -> Callable[[Site], None]:
        CHECKS.append(Check(name, rule, needs, run))
        return run

    return register


def expect(true: object, otherwise: str) -> None:
    if not true:
        raise Broken(otherwise)


def polls(limit_s: float, pause_s: float = 0.05) -> Iterator[None]:
    """Turns of a loop that looks for something; at least one, the last at the limit."""
    end = time.monotonic() + limit_s
    while True:
        last = time.monotonic() >= end
        yield
        if last:
            return
        time.sleep(pause_s)


def eventually(condition: Callable[[], object], limit_s: float, otherwise: Callable[[], str] | str) -> None:
    for _ in polls(limit_s):
        if condition():
            return
    raise Broken(otherwise if isinstance(otherwise, str) else otherwise())
