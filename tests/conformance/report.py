# SPDX-License-Identifier: GPL-3.0-or-later
"""Runs the checks and tells what became of each."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable
from dataclasses import asdict, dataclass
from typing import Any

from kit.check import CHECKS, Broken, Check
from kit.database import DatabaseFailed
from kit.site import Site

_FAULTS = (Broken, DatabaseFailed, OSError, LookupError)


@dataclass(frozen=True)
class Result:
    """verdict: passed, failed, or not run; detail: why."""

    name: str
    rule: str
    verdict: str
    seconds: float
    detail: str = ""

    def line(self) -> str:
        return f"{self.verdict:8} {self.seconds:6.1f} s  {self.name:36} {self.detail or self.rule}"


def run(site: Site, offers: set[str], wanted: Callable[[str], bool], tell: Callable[[Result], None]) -> list[Result]:
    results = []
    for check in CHECKS:
        if not wanted(check.name):
            continue
        missing = [need for need in check.needs if need not in offers]
        result = Result(check.name, check.rule, "not run", 0.0, f"needs {', '.join(missing)}") if missing else _run_one(site, check)
        results.append(result)
        tell(result)
    return results


def _run_one(site: Site, check: Check) -> Result:
    begin = time.monotonic()
    try:
        site.rest()
    except _FAULTS as wrong:
        return Result(check.name, check.rule, "failed", _since(begin), f"the engines do not come to rest: {wrong}")
    begin = time.monotonic()
    try:
        check.run(site)
    except _FAULTS as wrong:
        kind = "" if isinstance(wrong, Broken) else f"{type(wrong).__name__}: "
        return Result(check.name, check.rule, "failed", _since(begin), f"{kind}{wrong}")
    return Result(check.name, check.rule, "passed", _since(begin))


def summary(results: Iterable[Result]) -> dict[str, Any]:
    listed = list(results)
    count = {verdict: sum(r.verdict == verdict for r in listed) for verdict in ("passed", "failed", "not run")}
    return {"passed": count["passed"], "failed": count["failed"], "not_run": count["not run"], "checks": [asdict(r) for r in listed]}


def _since(begin: float) -> float:
    return round(time.monotonic() - begin, 1)
