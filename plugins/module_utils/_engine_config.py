# Copyright: (c) hft.ops contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Private to hft.ops. How a configuration differs from the one that an engine runs, and which of it the engine takes up while it trades."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Any

# What the reference engine takes up while it runs (apps/hft_system/config_file.cpp); strategies are named by their id here.
_RELOADABLE = re.compile(r"/strategies/[^/]+/(limits|parameters|paper_trading)(/|$)")
_PARAMETER = re.compile(r"/strategies/[^/]+/parameters/")


@dataclass(frozen=True)
class Change:
    """One key that differs.

    pointer: JSON pointer (RFC 6901), a strategy by its id and not by its place; before, after: None where there is nothing; reload: the
    engine takes it up while it runs.
    """

    pointer: str
    before: Any
    after: Any
    reload: bool


def config_changes(running: dict[str, Any], file: dict[str, Any], wanted: dict[str, Any]) -> list[Change]:
    """What would differ if the file held what is wanted.

    running: what the engine runs, defaults filled in; file: what it was given; so what only running has is a default.
    """
    runs, wants = _strategies(running), _strategies(wanted)
    # A strategy comes stopped and without a lease, and goes when nobody holds it: the others trade on.
    changes = [Change(f"/strategies/{_escaped(name)}", runs.get(name), wants.get(name), True) for name in sorted(set(runs) ^ set(wants))]
    both = set(runs) & set(wants)
    old, given, new = (_flat(_by_id(document, both)) for document in (running, file, wanted))
    # A key that is null is as one that is not there. Parameters are as they were given: there are no defaults among them.
    differs = {key for key, value in new.items() if old.get(key) != value}
    differs |= {key for key in old if key not in new and (key in given or _PARAMETER.match(key))}
    return changes + [Change(key, old.get(key), new.get(key), bool(_RELOADABLE.match(key))) for key in sorted(differs)]


def strategy_patches(changes: list[Change]) -> dict[str, dict[str, Any]]:
    """What strategies/{id}/config is to be told, by strategy: merge patches (RFC 7396)."""
    patches: dict[str, dict[str, Any]] = {}
    for one in changes:
        if not _RELOADABLE.match(one.pointer):
            continue
        name, *path = [_unescaped(part) for part in one.pointer.split("/")[2:]]
        at = patches.setdefault(name, {})
        for part in path[:-1]:
            at = at.setdefault(part, {})
        at[path[-1]] = one.after
    return patches


def _strategies(document: dict[str, Any]) -> dict[str, dict[str, Any]]:
    # The engine's own default, filled in: what another changed while it ran differs from it.
    return {one.get("id", ""): {"paper_trading": False, **one} for one in document.get("strategies", [])}


def _by_id(document: dict[str, Any], names: set[str]) -> dict[str, Any]:
    return {**document, "strategies": {name: one for name, one in _strategies(document).items() if name in names}}


def _flat(value: Any, pointer: str = "") -> dict[str, Any]:
    """The leaves of a document by their pointers; an empty list or object counts as nothing."""
    if isinstance(value, dict):
        pairs = [(_escaped(str(name)), one) for name, one in value.items()]
    elif isinstance(value, list):
        pairs = [(str(i), one) for i, one in enumerate(value)]
    else:
        return {pointer: value}
    return {key: leaf for name, one in pairs for key, leaf in _flat(one, f"{pointer}/{name}").items()}


def _escaped(name: str) -> str:
    return name.replace("~", "~0").replace("/", "~1")


def _unescaped(part: str) -> str:
    return part.replace("~1", "/").replace("~0", "~")
