# SPDX-License-Identifier: GPL-3.0-or-later
"""Holds an engine against the contract: `python tests/conformance --engine-url URL`, or `--environment FILE` for all of it.

Exits 0 when no check failed, 1 when one did, 2 when the kit could not run.
"""

from __future__ import annotations

import argparse
import importlib
import json
import os
import sys
from fnmatch import fnmatchcase
from pathlib import Path

import environment
from kit.check import CHECKS, Broken
from kit.database import DatabaseFailed
from kit.site import Site

import report

# Importing a group registers its checks; this is the order in which they run.
for _group in ("status", "refusals", "openapi", "role", "start", "killswitch", "lease", "transfer", "record"):
    importlib.import_module(f"kit.{_group}")


def main(arguments: list[str]) -> int:
    options = _parser().parse_args(arguments)
    if options.list:
        for check in CHECKS:
            print(f"{check.name:36} {check.rule}{' (needs ' + ', '.join(check.needs) + ')' if check.needs else ''}")
        return 0
    try:
        around = _environment(options)
        site = Site(around)
        _refuse_what_trades(site)
    except (environment.EnvironmentFault, DatabaseFailed, Broken, OSError) as wrong:
        print(f"ERROR: {wrong}", file=sys.stderr)
        return 2
    results = report.run(site, around.offers(), lambda name: _wanted(name, options), lambda result: print(result.line(), flush=True))
    _leave_at_rest(site)
    told = {"engine": around.engines[0].url, **report.summary(results)}
    print(f"==> {told['passed']} passed, {told['failed']} failed, {told['not_run']} not run")
    if options.json:
        options.json.parent.mkdir(parents=True, exist_ok=True)
        options.json.write_text(json.dumps(told, indent=2) + "\n")
    return int(bool(told["failed"]))


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="conformance", description="Holds an engine against the contract of hft.ops.")
    parser.add_argument("--engine-url", default=os.environ.get("ENGINE_URL"), help="for example http://127.0.0.1:8080")
    parser.add_argument("--environment", type=Path, help="description of both engines and what is around them (see README.md)")
    parser.add_argument("--only", action="append", default=[], metavar="PATTERN", help="only checks of this name, for example 'lease.*'")
    parser.add_argument("--skip", action="append", default=[], metavar="PATTERN", help="not these checks")
    parser.add_argument("--json", type=Path, metavar="FILE", help="write the results there too")
    parser.add_argument("--list", action="store_true", help="show the checks and end")
    return parser


def _environment(options: argparse.Namespace) -> environment.Environment:
    if options.environment:
        return environment.read(options.environment)
    if options.engine_url:
        return environment.of_url(options.engine_url, os.environ.get("ENGINE_TOKEN"))
    raise environment.EnvironmentFault("no engine named: give --engine-url URL (make conformance ENGINE_URL=…) or --environment FILE")


def _refuse_what_trades(site: Site) -> None:
    """The kit kills, claims and restarts: not an engine that somebody relies on."""
    for engine in site.engines:
        if not engine.answers():
            continue
        url = engine.api.url
        stage = engine.api.get("/api/v1/config").must(200).json.get("engine", {}).get("environment")
        if stage == "production":
            raise Broken(f"{url}: /engine/environment is production; the kit kills, claims and restarts: take an engine of a test stage")
        if any(strategy["trading"] for strategy in engine.strategies()):
            raise Broken(f"{url}: is trading; the kit would stop it: make it standby first (PUT /api/v1/config)")


def _wanted(name: str, options: argparse.Namespace) -> bool:
    named = not options.only or any(fnmatchcase(name, pattern) for pattern in options.only)
    return named and not any(fnmatchcase(name, pattern) for pattern in options.skip)


def _leave_at_rest(site: Site) -> None:
    try:
        site.rest()
    except (Broken, DatabaseFailed, OSError, LookupError) as wrong:
        print(f"WARNING: left as it is: {wrong}", file=sys.stderr)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
