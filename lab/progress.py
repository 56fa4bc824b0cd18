# SPDX-License-Identifier: GPL-3.0-or-later
"""Shows long work while it runs and keeps how long each phase took."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager


class Progress:
    """Phases of a run, printed as they begin and end; phases_s maps a phase to its seconds."""

    def __init__(self) -> None:
        self.phases_s: dict[str, float] = {}
        self._started = time.monotonic()

    @property
    def total_s(self) -> float:
        return round(time.monotonic() - self._started, 1)

    @contextmanager
    def phase(self, name: str, what: str) -> Iterator[None]:
        print(f"==> {what}", flush=True)
        begin = time.monotonic()
        yield
        took_s = round(time.monotonic() - begin, 1)
        self.phases_s[name] = took_s
        print(f"    done in {took_s} s", flush=True)
