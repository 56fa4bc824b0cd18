# Copyright: (c) hft.ops contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Private to hft.ops. Which pending migrations may run while which engines run.

An expand migration only adds, so the old and the new engine work on its schema. A contract migration takes away what an old engine
still uses; its header names the first version that works without. It runs only when every engine that runs is known and none is older.
"""

from __future__ import annotations

import re

from ansible_collections.hft.ops.plugins.module_utils._host import HostError
from ansible_collections.hft.ops.plugins.module_utils._postgres_migrations import Migration

EXPAND = "expand"
ALL = "all"
NO_ENGINE = "none"

_VERSION = re.compile(r"v?(\d+)\.(\d+)\.(\d+)(-[0-9A-Za-z.-]+)?(?:\+[0-9A-Za-z.-]+)?")


def expand_only(todo: list[Migration], target: int | None, where: str) -> tuple[list[Migration], list[Migration]]:
    """What runs, and the contract migrations that wait. Numbers are applied in order, so nothing may stand behind one that waits."""
    held = [one for one in todo if one.contract_since]
    if not held:
        return todo, []
    first = held[0]
    if target is not None:
        raise HostError(f"{where}: target {target} takes in contract migration {first.name}; run with phase all, or to {first.version - 1}")
    behind = [one.name for one in todo if one.version > first.version and not one.contract_since]
    if behind:
        raise HostError(f"{where}: {', '.join(behind)}: behind contract migration {first.name}, which is not applied; "
                        f"run with phase all first, once no engine older than {first.contract_since} runs")
    return [one for one in todo if one.version < first.version], held


def refuse_contract(todo: list[Migration], engine_versions: list[str], connected: int, where: str) -> None:
    """Raise unless every engine that runs is known and new enough. connected: engines that the database sees."""
    contract = [one for one in todo if one.contract_since]
    if not contract:
        return
    if not engine_versions:
        raise HostError(f"{where}: {contract[0].name}: is a contract migration and engine_versions is empty; "
                        f"give the version of every engine that runs, or [{NO_ENGINE}]")
    versions = [version for version in engine_versions if version != NO_ENGINE]
    if connected > len(versions):
        raise HostError(f"{where}: {contract[0].name}: engine_versions names {len(versions)}, connected to the database are "
                        f"{connected}; name every engine that runs")
    problems = [f"{one.name}: needs every engine at {one.contract_since} or later, {version} runs"
                for one in contract for version in versions if _older(version, one.contract_since)]
    if problems:
        raise HostError(f"{where}: " + "; ".join(problems) + "; bring these engines to that version or stop them first")


def _older(version: str, since: str) -> bool:
    return _key(version) < _key(since)


def _key(version: str) -> tuple[int, ...]:
    found = _VERSION.fullmatch(version)
    if found is None:
        raise HostError(f"engine_versions: {version!r} cannot be compared; expected MAJOR.MINOR.PATCH, or {NO_ENGINE} when no engine runs")
    # A pre-release comes before its release.
    return (*map(int, found.group(1, 2, 3)), 0 if found.group(4) else 1)
