# Copyright: (c) hft.ops contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import pytest
from ansible_collections.hft.ops.plugins.module_utils._migration_sqitch import failure_of, project_files
from ansible_collections.hft.ops.plugins.module_utils._postgres_migrations import line_of, parse

_FILES = {
    "001_one.sql": "CREATE TABLE one ();\n", "rollback/001_rollback.sql": "DROP TABLE one;\n",
    "002_two.sql": "-- hft: no-transaction\nCREATE INDEX CONCURRENTLY i ON one (id);\n",
    "rollback/002_rollback.sql": "DROP INDEX i;\n",
}


def _project(files: dict | None = None, owner: str = "hft_owner") -> dict:
    return project_files(parse(files or _FILES, "/m"), owner, "/usr/bin/psql")


def test_the_plan_is_made_of_the_files_alone() -> None:
    assert _project()["sqitch.plan"] == (
        "%syntax-version=1.0.0\n%project=hft_ops\n\n"
        "001_one 2000-01-01T00:01:00Z hft.ops <hft.ops@localhost>\n"
        "002_two 2000-01-01T00:02:00Z hft.ops <hft.ops@localhost>\n")
    assert _project(dict(reversed(_FILES.items()))) == _project()


def test_a_file_and_its_record_are_one_transaction() -> None:
    lines = _project()["deploy/001_one.sql"].splitlines()
    assert lines[1:3] == ["BEGIN;", 'SET LOCAL ROLE "hft_owner";']
    assert lines[4] == r"\ir ../files/001_one.sql"
    assert lines[5] == 'SET LOCAL ROLE "hft_owner";'
    assert lines[6].startswith("INSERT INTO public.schema_version (version, description, sha256) VALUES (1, 'one', '7ce5e93a")
    assert lines[-1] == "COMMIT;"
    assert "DELETE FROM public.schema_version WHERE version = 1" in _project()["revert/001_one.sql"]


def test_a_file_that_must_not_be_in_a_transaction_is_not() -> None:
    script = _project()["deploy/002_two.sql"]
    assert "BEGIN;\n" not in script
    assert "COMMIT;" not in script
    assert 'SET ROLE "hft_owner";' in script
    assert "indisvalid" in script
    assert "COMMIT;" in _project()["revert/002_two.sql"], "each file has a header of its own"


def test_the_name_of_the_owner_is_quoted() -> None:
    assert 'SET LOCAL ROLE "o""w";' in _project(owner='o"w')["deploy/001_one.sql"]


@pytest.mark.parametrize(("sql", "ends", "within", "line"), [
    ("SELECT 1;\nSELECT 2;\nSELEC 3;\n", 3, 1, 3),
    ("-- a\n/* b\n */\nSELECT 1; SELECT 2;\n\n-- c\nCREATE\n TABEL three (id int,\n b int);\n", 9, 2, 8),
    ("SELECT 1;\n/* x\n y */ SELECT 1, -- ;\n\n   nope2\n FROM pg_class\n", 6, 3, 5),
    ("DO $$\nBEGIN;\n  x\nEND $$;\n", 4, 3, 3),
    ("CREATE TABLE a (id int); SELECT\n  nope\n ,1;", 3, 2, 2),
])
def test_the_line_of_an_error_is_that_of_the_file(sql: str, ends: int, within: int, line: int) -> None:
    assert line_of(sql, ends, within) == line


@pytest.mark.parametrize(("said", "message", "retryable"), [
    (('psql:files/001_one.sql:1: ERROR:  42601: syntax error at or near "TABEL"\nLINE 1: CREATE TABEL\n               ^\nHINT:  no\n'
      'LOCATION:  scanner_yyerror, scan.l:1244\n"/usr/bin/psql" unexpectedly returned exit value 3\n'),
     '001_one.sql, line 1: syntax error at or near "TABEL" (no); this file was rolled back, earlier ones stay done', False),
    ("psql:files/001_one.sql:1: ERROR:  55P03: canceling statement due to lock timeout\nLOCATION:  x\n",
     "001_one.sql, line 1: canceling statement due to lock timeout; this file was rolled back, earlier ones stay done", True),
    ("psql:files/001_one.sql:1: ERROR:  25001: CREATE INDEX CONCURRENTLY cannot run inside a transaction block\n",
     ("001_one.sql, line 1: CREATE INDEX CONCURRENTLY cannot run inside a transaction block"
      " (put the line '-- hft: no-transaction' at its head); this file was rolled back, earlier ones stay done"), False),
    ("psql:files/002_two.sql:2: ERROR:  23505: could not create unique index\n",
     "002_two.sql, line 2: could not create unique index; what this file did before stays, earlier ones stay done", False),
    ("psql:files/rollback/001_rollback.sql:1: ERROR:  P0001: engine_lease is held\nHINT:  make it standby\n",
     "rollback/001_rollback.sql, line 1: engine_lease is held (make it standby); this file was rolled back, earlier ones stay done", False),
    ('psql:deploy/001_one.sql:3: ERROR:  22023: role "x" does not exist\n',
     '001_one.sql: role "x" does not exist; this file was rolled back, earlier ones stay done', False),
    ("Adding registry tables to db:pg:\nFATAL:  the database system is shutting down\n",
     "sqitch: FATAL:  the database system is shutting down", False),
    ("", "sqitch: no message", False),
])
def test_an_error_names_file_line_and_what_stays(said: str, message: str, retryable: bool) -> None:
    failure = failure_of(said, parse(_FILES, "/m"))
    assert (failure.message, failure.retryable) == (message, retryable)
