# SPDX-License-Identifier: GPL-3.0-or-later
"""Reads what the kit is told about the surroundings of the engine: a file of JSON, or of YAML where PyYAML is there."""

from __future__ import annotations

import importlib.util
import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from kit.venue_session import VenueAddress

_KEYS = {"engines", "venue_log", "venue", "database"}
_ENGINE_KEYS = {"url", "token", "kill", "start"}


class EnvironmentFault(Exception):
    """A description that cannot be used, told in one line."""


@dataclass(frozen=True)
class EngineAccess:
    """kill ends the process without warning (SIGKILL), start starts it again; both are shell commands."""

    url: str
    token: str | None = None
    kill: str | None = None
    start: str | None = None


@dataclass(frozen=True)
class Environment:
    """dsn: of an administrator of the database, as psql takes it."""

    engines: tuple[EngineAccess, ...]
    venue_log: Path | None = None
    venue: VenueAddress | None = None
    dsn: str | None = None

    def offers(self) -> set[str]:
        """What a check may need."""
        offered = {
            "second": len(self.engines) > 1,
            "restart": all(engine.kill and engine.start for engine in self.engines),
            "token": all(engine.token for engine in self.engines),
            "venue_log": self.venue_log is not None,
            "venue": self.venue is not None,
            "database": self.dsn is not None,
            "schemathesis": importlib.util.find_spec("schemathesis") is not None,
        }
        return {name for name, there in offered.items() if there}


def of_url(url: str, token: str | None) -> Environment:
    return Environment((EngineAccess(url, token),))


def read(source: Path) -> Environment:
    tree = _parse(source)
    _refuse_unknown(source, tree, _KEYS, "")
    engines = tree.get("engines")
    if not isinstance(engines, list) or not 1 <= len(engines) <= 2:
        raise EnvironmentFault(f"{source}: /engines: expected a list of one or two engines, found {engines!r}")
    accesses = []
    for number, engine in enumerate(engines):
        _refuse_unknown(source, engine, _ENGINE_KEYS, f"/engines/{number}")
        if "url" not in engine:
            raise EnvironmentFault(f"{source}: /engines/{number}/url: missing")
        accesses.append(EngineAccess(**engine))
    venue, database, log = tree.get("venue"), tree.get("database"), tree.get("venue_log")
    try:
        address = VenueAddress(str(venue["host"]), int(venue["port"]), str(venue.get("account", "main"))) if venue else None
        dsn = str(database["dsn"]) if database else None
    except KeyError as missing:
        raise EnvironmentFault(f"{source}: {missing} is missing; /venue takes host, port, account, and /database takes dsn") from missing
    if log and not Path(log).is_file():
        raise EnvironmentFault(f"{source}: /venue_log: no file {log}; name the venue's log as this machine sees it")
    return Environment(tuple(accesses), Path(log) if log else None, address, dsn)


def _parse(source: Path) -> dict[str, Any]:
    try:
        text = source.read_text()
        if source.suffix in (".yml", ".yaml"):
            import yaml

            tree = yaml.safe_load(text)
        else:
            tree = json.loads(text)
    except ImportError as missing:
        raise EnvironmentFault(f"{source}: YAML needs PyYAML; install it, or write the file as JSON") from missing
    except (OSError, ValueError) as wrong:
        raise EnvironmentFault(f"{source}: cannot be read: {wrong}") from wrong
    if not isinstance(tree, dict):
        raise EnvironmentFault(f"{source}: expected an object, found {type(tree).__name__}")
    return tree


def _refuse_unknown(source: Path, tree: object, known: set[str], pointer: str) -> None:
    if not isinstance(tree, dict):
        raise EnvironmentFault(f"{source}: {pointer or '/'}: expected an object, found {type(tree).__name__}")
    unknown = set(tree) - known
    if unknown:
        raise EnvironmentFault(f"{source}: {pointer}/{min(unknown)}: unknown key; known: {', '.join(sorted(known))}")
