# SPDX-License-Identifier: GPL-3.0-or-later
"""Waiting for what comes within a time, once for all scenarios."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any


def until(probe: Callable[[], Any], wanted: Any = bool, within_s: float = 30) -> Any:
    """What the probe returns as soon as it is, or passes, what is wanted; a probe that fails an assertion is asked again."""
    passes = wanted if callable(wanted) else lambda found: found == wanted
    deadline = time.monotonic() + within_s
    while True:
        try:
            last = probe()
            if passes(last):
                return last
        except AssertionError as wrong:
            last = wrong
        assert time.monotonic() < deadline, f"not within {within_s:g} s{'' if callable(wanted) else f': {wanted!r}'}; last seen: {last!r}"
        time.sleep(0.3)
