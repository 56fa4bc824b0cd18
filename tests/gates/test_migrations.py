# SPDX-License-Identifier: GPL-3.0-or-later
"""New migrations neither lock a hot table for long nor take away what the old engine uses: squawk, by the rules of .squawk.toml."""

from __future__ import annotations

import re
import subprocess
from pathlib import Path

import pytest
import tomllib

from repository import ROOT

# What a contract migration is for. Renaming is for nobody: no engine works before and after it.
_CONTRACT_MAY = ["ban-drop-column", "ban-drop-table", "ban-drop-function", "ban-drop-view"]
_RULES = ROOT / ".squawk.toml"


def _squawk(file: Path) -> tuple[int, str]:
    """How squawk ended, and what it said, a line a finding."""
    headers = re.findall(r"^-- hft: (.*)$", file.read_text(), re.MULTILINE)
    options = ["--no-assume-in-transaction"] if "no-transaction" in headers else []
    if any(header.startswith("contract ") for header in headers):
        # The option takes the place of the file's list.
        options.append(f"--exclude={','.join([*tomllib.loads(_RULES.read_text())['excluded_rules'], *_CONTRACT_MAY])}")
    # No match is an excluded file.
    argv = ["squawk", f"--config={_RULES}", "--no-error-on-unmatched-pattern", "--reporter=gcc", *options, str(file)]
    done = subprocess.run(argv, cwd=ROOT, capture_output=True, text=True)
    return done.returncode, done.stdout + done.stderr


@pytest.mark.parametrize("name", sorted(file.name for file in (ROOT / "engine" / "migrations").glob("*.sql")))
def test_a_migration_is_safe_while_engines_trade(name: str) -> None:
    code, said = _squawk(Path("engine/migrations") / name)
    assert code == 0, said


@pytest.mark.parametrize(("sql", "rule"), [
    ("ALTER TABLE orders ADD COLUMN route text NOT NULL;", "adding-required-field"),
    ("CREATE INDEX IF NOT EXISTS orders_venue ON orders (venue);", "require-concurrent-index-creation"),
    ("SET LOCAL ROLE hft_owner;\nCREATE INDEX CONCURRENTLY IF NOT EXISTS orders_venue ON orders (venue);",
     "ban-concurrent-index-creation-in-transaction"),
    ("ALTER TABLE orders ALTER COLUMN venue TYPE bigint;", "changing-column-type"),
    ("ALTER TABLE orders ADD CONSTRAINT low CHECK (seq > 0);", "constraint-missing-not-valid"),
    ("ALTER TABLE orders DROP COLUMN seq;", "ban-drop-column"),
    ("ALTER TABLE orders RENAME COLUMN engine TO machine;", "renaming-column"),
    ("-- hft: contract since 0.3.0\nALTER TABLE orders RENAME COLUMN engine TO machine;", "renaming-column"),
    ("CREAT TABLE orders ();", "syntax-error"),
])
def test_a_bad_migration_fails(tmp_path: Path, sql: str, rule: str) -> None:
    file = tmp_path / "008_bad.sql"
    file.write_text(sql + "\n")
    code, said = _squawk(file)
    assert code != 0
    assert rule in said


@pytest.mark.parametrize("sql", [
    "ALTER TABLE orders ADD COLUMN IF NOT EXISTS route text;",
    "-- hft: no-transaction\nDROP INDEX CONCURRENTLY IF EXISTS low;\nCREATE INDEX CONCURRENTLY IF NOT EXISTS low ON orders (seq);",
    "-- hft: contract since 0.3.0\nALTER TABLE orders DROP COLUMN IF EXISTS route;\nDROP FUNCTION IF EXISTS f();",
])
def test_a_good_migration_passes(tmp_path: Path, sql: str) -> None:
    file = tmp_path / "008_good.sql"
    file.write_text(sql + "\n")
    code, said = _squawk(file)
    assert code == 0, said
