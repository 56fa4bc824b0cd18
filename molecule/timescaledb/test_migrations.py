# SPDX-License-Identifier: GPL-3.0-or-later
"""Migrations, asked of a real primary: what is recorded, what is refused, what a lock costs, and that old and new engines work on an
expanded schema. The steps of a test are the tasks of one play."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import pytest

testinfra_hosts = ["mol-01"]

_ENGINE = Path(__file__).parents[2] / "engine"
_MIGRATIONS = {str(path.relative_to(_ENGINE / "migrations")): path.read_text() for path in sorted((_ENGINE / "migrations").rglob("*.sql"))}
_LABELS = [name.removesuffix(".sql") for name in _MIGRATIONS if "/" not in name]
# Databases hold these ids: a plan that gives others would no longer fit them.
_IDS = ["a648981ff452", "131c2e3714ee", "411a59a1f23e", "20ccd722ac10", "9285a935cb97", "ca0962edf489", "45bf5e6385b4",
        "afeabd91513f", "f18b10710db9", "3e4f0570e579"]

_ONE = ("CREATE TABLE one (id int);", "DROP TABLE one;")
_TWO = ("ALTER TABLE one ADD x int;", "ALTER TABLE one DROP x;")
_DROP = ("-- hft: contract since 0.3.0\nALTER TABLE one DROP x;", "ALTER TABLE one ADD x int;")


def _sql(host, query: str, database: str = "scratch") -> str:
    return host.check_output("cd / && runuser -u postgres -- psql -XAtq -v ON_ERROR_STOP=1 -d %s -c %s", database, query)


@pytest.fixture
def scratch(host):
    """A database of its own, so that the engine's schema is not touched."""
    _sql(host, "CREATE DATABASE scratch OWNER hft_owner", "postgres")
    yield "scratch"
    _sql(host, "DROP DATABASE scratch WITH (FORCE)", "postgres")
    assert host.run("ls -d /tmp/hft-migrate-*").rc != 0, "what sqitch works on is removed"


@pytest.fixture
def steps(play):
    """Run tasks as one play that must succeed; returns what was printed, on one line."""

    def run(*tasks: dict, options: tuple[str, ...] = ()) -> str:
        done = play("mol-01", list(tasks), *options)
        assert done.returncode == 0, done.stdout
        return " ".join((done.stdout + done.stderr).split())

    return run


def _files(*statements: tuple[str, str]) -> dict[str, str]:
    """Files 001_m.sql and on, with their rollbacks."""
    files = {}
    for number, (there, back) in enumerate(statements, 1):
        files |= {f"{number:03d}_m.sql": f"{there}\n", f"rollback/{number:03d}_rollback.sql": f"{back}\n"}
    return files


def _migrated(files: dict[str, str], changed: bool = True, **options: Any) -> dict:
    """A migration that succeeds, and whether it has something to do."""
    return {"hft.ops.db_migrate": {"database": "scratch", "files": files, **options}, "register": "done",
            "failed_when": f"done.failed | default(false) or done.changed != {changed}"}


def _refused(files: dict[str, str], says: str, **options: Any) -> dict:
    return {"hft.ops.db_migrate": {"database": "scratch", "files": files, **options}, "register": "done", "vars": {"says": says},
            "failed_when": "not done.failed | default(false) or says not in done.msg or '\\n' in done.msg"}


def _asked(query: str, wanted: str = "") -> dict:
    """A query with its answer, or a statement, which has none."""
    argv = ["runuser", "-u", "postgres", "--", "psql", "-XAtq", "-v", "ON_ERROR_STOP=1", "-d", "scratch", "-c", query]
    return {"ansible.builtin.command": {"argv": argv, "chdir": "/"}, "register": "answer", "vars": {"wanted": wanted},
            "failed_when": "answer.rc != 0 or answer.stdout != wanted"}


def _session(statements: str, begun: str, name: str = "held") -> dict:
    """A session in the background, once a query says that it has begun."""
    argv = "psql -XAtq -d scratch -c"
    shell = (f"PGAPPNAME='{name}' runuser -u postgres -- {argv} \"{statements}\" >/dev/null 2>&1 &\n"
             f"until [ \"$(runuser -u postgres -- {argv} \"{begun}\")\" = t ]; do sleep 0.1; done")
    return {"ansible.builtin.shell": {"cmd": shell, "chdir": "/"}}


_COLUMNS = "SELECT string_agg(column_name, ' ' ORDER BY ordinal_position) FROM information_schema.columns WHERE table_name = 'one'"
_VERSION = "SELECT max(version) FROM schema_version"
_REGISTERED = "SELECT string_agg(change, ' ' ORDER BY committed_at) FROM sqitch.changes"
_LOCKED = "SELECT EXISTS (SELECT FROM pg_locks WHERE relation = 'one'::regclass AND granted)"
_HOLD = "BEGIN; LOCK TABLE one; SELECT pg_sleep(60)"
# Until somebody waits for the table, and one second more.
_HOLD_UNTIL_WANTED = ("DO 'BEGIN LOCK TABLE one; WHILE NOT EXISTS (SELECT FROM pg_locks WHERE NOT granted) LOOP PERFORM pg_sleep(0.1);"
                      " END LOOP; PERFORM pg_sleep(1); END'")


def test_the_ledger_and_the_registry_tell_the_same(host) -> None:
    registered = _sql(host, "SELECT change, left(change_id, 12) FROM sqitch.changes ORDER BY committed_at", "hft_db").splitlines()
    assert [line.split("|")[0] for line in registered] == _LABELS
    assert [line.split("|")[1] for line in registered][:len(_IDS)] == _IDS
    assert _sql(host, "SELECT count(*), max(version) FROM schema_version WHERE length(sha256) = 64", "hft_db") \
        == f"{len(_LABELS)}|{len(_LABELS)}"
    assert _sql(host, "SELECT pg_get_userbyid(nspowner), has_schema_privilege('hft_user', oid, 'usage') FROM pg_namespace"
                      " WHERE nspname = 'sqitch'", "hft_db") == "postgres|f"


def test_a_migration_that_fails_is_rolled_back_and_names_file_and_line(host, wrong_input, scratch: str) -> None:
    bad = ("CREATE TABLE two (id int);\n\nCREATE\n  TABEL three (id int,\n  x int);", "DROP TABLE two;")
    said = wrong_input("mol-01", [{"hft.ops.db_migrate": {"database": scratch, "files": _files(_ONE, bad)}}])
    assert '002_m.sql, line 4: syntax error at or near "TABEL"; this file was rolled back, earlier ones stay done' in said
    assert _sql(host, "SELECT max(version), to_regclass('two') IS NULL FROM schema_version") == "1|t"


@pytest.mark.long
@pytest.mark.usefixtures("scratch")
def test_files_that_cannot_be_trusted_are_refused(steps) -> None:
    no_rollback = {name: text for name, text in _files(_ONE, _TWO).items() if name != "rollback/002_rollback.sql"}
    steps(
        _migrated(_files(_ONE)),
        _refused(_files(("CREATE TABLE one (id bigint);", "DROP TABLE one;"), _TWO), "001_m.sql: was changed after it was applied"),
        _refused({**_files(_ONE, _TWO), "002_other.sql": ""}, "002_m.sql and 002_other.sql: share number 2"),
        _refused(no_rollback, "rollback/002_rollback.sql: missing"),
        _refused(_files(_ONE, ("SELECT 1;\nCOMMIT;", "")), "002_m.sql, line 2: COMMIT"),
        _asked(_COLUMNS, "id"), _asked(_VERSION, "1"), _asked(_REGISTERED, "001_m"),
    )


@pytest.mark.usefixtures("scratch")
@pytest.mark.long
def test_a_lock_that_is_not_had_is_tried_for_again_and_then_given_up(steps) -> None:
    said = steps(
        _migrated(_files(_ONE)),
        _session(_HOLD_UNTIL_WANTED, _LOCKED),
        _migrated(_files(_ONE, _TWO), lock_timeout_ms=200, lock_attempts=8),
        _asked(_COLUMNS, "id x"),
        _session(_HOLD, _LOCKED),
        _refused(_files(_ONE, _TWO, _TWO), "lock timeout; this file was rolled back, earlier ones stay done; given up after 2 attempts",
                 lock_timeout_ms=200, lock_attempts=2),
        _asked(_VERSION, "2"),
    )
    assert "002_m.sql, line 1: canceling statement due to lock timeout" in said
    assert "attempt 1 of 8, again in" in said
    assert re.search(r"attempt 1 of 2, again in (0\.[5-9]|1\.0) s", said)


@pytest.mark.long
@pytest.mark.usefixtures("scratch")
def test_an_index_is_made_and_dropped_while_others_write(steps) -> None:
    index = "CREATE UNIQUE INDEX CONCURRENTLY IF NOT EXISTS one_id ON one (id);"
    apart = _files(_ONE, (f"-- hft: no-transaction\n{index}", "-- hft: no-transaction\nDROP INDEX CONCURRENTLY IF EXISTS one_id;"))
    steps(
        _refused(_files(_ONE, (index, "DROP INDEX one_id;")), "inside a transaction block (put the line '-- hft: no-transaction'"),
        _asked("INSERT INTO one VALUES (1), (1)"),
        _refused(apart, '002_m.sql, line 2: could not create unique index "one_id"; what this file did before stays'),
        _asked("DELETE FROM one"),
        _refused(apart, "index one_id is invalid (DROP INDEX CONCURRENTLY it, then run again)"),
        _asked("DROP INDEX one_id"),
        _migrated(apart),
        _asked("SELECT indisvalid, version FROM pg_index, schema_version WHERE indexrelid = to_regclass('one_id') AND version = 2", "t|2"),
        _migrated(apart, state="rolled_back", target=1),
        _asked("SELECT to_regclass('one_id') IS NULL, max(version) FROM schema_version", "t|1"),
    )


@pytest.mark.usefixtures("scratch")
def test_a_rollback_that_would_lose_something_is_refused_and_names_it(steps) -> None:
    files = _files(_ONE, _TWO)
    steps(
        _migrated(files),
        _asked("INSERT INTO one VALUES (1, NULL), (2, 7)"),
        _refused(files, "back to version 1 would lose one.x (1 row); keep", state="rolled_back", target=1, data_loss="refuse"),
        _refused(files, "would lose one (2 rows)", state="rolled_back", target=0, data_loss="refuse"),
        _asked(_COLUMNS, "id x"),
        _asked("UPDATE one SET x = NULL"),
        _migrated(files, state="rolled_back", target=1, data_loss="refuse"),
        _asked(_COLUMNS, "id"),
        _migrated(files, state="rolled_back", target=0),
    )


@pytest.mark.long
@pytest.mark.usefixtures("scratch")
def test_contract_waits_until_the_old_engine_is_gone(steps) -> None:
    files = _files(_ONE, _TWO, _DROP)
    connected = "SELECT EXISTS (SELECT FROM pg_stat_activity WHERE application_name = 'hft_system lease' AND datname = 'scratch')"
    steps(
        _migrated(_files(_ONE, _TWO)),
        _migrated(files, changed=False),
        _refused(files, "engine_versions is empty", phase="all"),
        _refused(files, "003_m.sql: needs every engine at 0.3.0 or later, 0.2.9 runs", phase="all", engine_versions=["0.3.0", "0.2.9"]),
        _session("SELECT pg_sleep(60)", connected, name="hft_system lease"),
        _refused(files, "engine_versions names 0, connected to the database are 1", phase="all", engine_versions=["none"]),
        _asked(_COLUMNS, "id x"),
        _migrated(files, phase="all", engine_versions=["0.3.0"]),
        _asked(_COLUMNS, "id"),
        _migrated(files, state="rolled_back", target=0),
        _migrated(files),  # nobody can rely on what was not there
        _asked(_COLUMNS, "id"),
    )


@pytest.mark.long
@pytest.mark.usefixtures("scratch")
def test_a_standby_that_is_far_behind_holds_a_migration_back(steps) -> None:
    """One that is away counts by its slot."""
    steps(
        _asked("SELECT slot_name FROM pg_create_physical_replication_slot('away', true)", "away"),
        _asked("SELECT pg_switch_wal() IS NOT NULL", "t"),
        _refused(_files(_ONE), "the standby of slot away is", max_lag_bytes=1000),
        _asked("SELECT pg_drop_replication_slot('away')"),
        _migrated(_files(_ONE), max_lag_bytes=1 << 26),
    )


@pytest.mark.usefixtures("scratch")
@pytest.mark.long
def test_the_registry_follows_the_ledger(steps) -> None:
    """After an earlier driver that had none, and after a run that was cut off between the two. No file is run again."""
    cut = "DELETE FROM sqitch.dependencies; DELETE FROM sqitch.changes WHERE change = '002_m'"
    steps(
        _migrated(_files(_ONE)),
        _asked("DROP SCHEMA sqitch CASCADE"),
        _migrated(_files(_ONE)),
        _asked(_REGISTERED, "001_m"),
        _asked("DROP SCHEMA sqitch CASCADE"),
        _migrated(_files(_ONE, _TWO)),
        _asked(_REGISTERED, "001_m 002_m"),
        _asked(cut),
        _migrated(_files(_ONE, _TWO)),
        _asked("ALTER TABLE one DROP x; DELETE FROM schema_version WHERE version = 2"),
        _migrated(_files(_ONE, _TWO)),
        _asked(_REGISTERED, "001_m 002_m"), _asked(_COLUMNS, "id x"),
    )


@pytest.mark.usefixtures("scratch")
def test_nothing_to_do_starts_nothing(host, steps) -> None:
    mode = {"ansible.builtin.file": {"path": "/usr/bin/sqitch", "mode": "0644"}}
    try:
        steps(_migrated(_files(_ONE)), mode, _migrated(_files(_ONE), changed=False),
              _refused(_files(_ONE, _TWO), "install the packages sqitch and libdbd-pg-perl"))
    finally:
        host.check_output("chmod 0755 /usr/bin/sqitch")


@pytest.mark.usefixtures("scratch")
def test_check_mode_plans_a_migration_and_does_nothing(host, steps) -> None:
    assert "001_m" in steps(_migrated(_files(_ONE)), options=("--check", "--diff"))
    assert _sql(host, "SELECT to_regclass('one') IS NULL AND to_regnamespace('sqitch') IS NULL") == "t"


_SCHEMA = ("SELECT md5(string_agg(table_name || column_name || data_type, ',' ORDER BY table_name, ordinal_position))"
           " FROM information_schema.columns WHERE table_schema = 'public'")


def test_the_schema_goes_back_and_forth(host, steps) -> None:
    """On the engines' own migrations: every rollback file works, and what it took back can be applied again."""
    before = _sql(host, _SCHEMA, "hft_db")
    engine = {"files": _MIGRATIONS, "database": "hft_db"}
    steps(_migrated(**engine, state="rolled_back", target=0), _migrated(**engine, target=2), _migrated(**engine),
          _migrated(**engine, changed=False))
    assert _sql(host, _SCHEMA, "hft_db") == before


_NEXT = f"{len(_LABELS) + 1:03d}"
_EXPAND = {
    f"{_NEXT}_route.sql": "SET LOCAL ROLE hft_owner;\n\nALTER TABLE public.orders ADD COLUMN IF NOT EXISTS route text;\n",
    f"rollback/{_NEXT}_rollback.sql": "SET LOCAL ROLE hft_owner;\n\nALTER TABLE public.orders DROP COLUMN IF EXISTS route;\n",
}
_NS = 1_700_000_000_000_000_000
_ORDER = {"strategy": "trial", "epoch": 1, "engine": "blue/1", "seq": 1, "sent_ns": _NS, "venue": "paper", "symbol": "BTC-USD",
          "side": "buy", "price": 50_000_000_000, "quantity": 1_000_000, "filled": 0, "status": "sent", "reason": None, "tick": 1, "leg": 0,
          "order_id": None, "venue_ns": None}
_FILL = {"venue": "paper", "fill_id": 1, "strategy": "trial", "epoch": 1, "engine": "blue/1", "seq": 1, "order_id": 7, "symbol": "BTC-USD",
         "side": "buy", "price": 50_000_000_000, "quantity": 1_000_000, "venue_ns": _NS, "recovered": False}
_EVENT = {"ns": _NS, "engine": "blue/1", "seq": 1, "kind": "trial", "strategy": "trial", "detail": ""}


def _written(statement: str, row: dict) -> str:
    """As the engine does it: its statement, with its parameter."""
    return f"PREPARE fact (text) AS {statement}; EXECUTE fact('{json.dumps([row])}'); DEALLOCATE fact;"


def test_the_old_and_the_new_engine_work_on_the_expanded_schema(host, steps) -> None:
    """The new one writes the new column, the old one, with the statements of this engine, does not know of it."""
    old = dict(re.findall(r'k(Orders|Fills|Events) = R"\((.*?)\)"', (_ENGINE / "io/fact_writer.cpp").read_text(), re.DOTALL))
    new = (old["Orders"].replace("venue_ns)\nSELECT", "venue_ns, route)\nSELECT").replace("r.venue_ns\nFROM", "r.venue_ns, r.route\nFROM")
           .replace("venue_ns bigint)", "venue_ns bigint, route text)"))
    before = _sql(host, _SCHEMA, "hft_db")
    steps(_migrated({**_MIGRATIONS, **_EXPAND}, database="hft_db"))
    try:
        said = _sql(host, "\n".join([
            "BEGIN; SET LOCAL ROLE hft_user;",
            _written(old["Orders"], _ORDER), _written(old["Orders"], {**_ORDER, "status": "filled", "filled": 1_000_000}),
            _written(old["Fills"], _FILL), _written(old["Events"], _EVENT), _written(new, {**_ORDER, "seq": 2, "route": "direct"}),
            "SELECT seq, status, filled_quantity, route FROM orders WHERE strategy = 'trial' ORDER BY 1;",
            "SELECT fill_id FROM fills WHERE strategy = 'trial'; SELECT kind FROM events WHERE strategy = 'trial';",
            "ROLLBACK",
        ]), "hft_db")
        assert said.splitlines() == ["1|filled|1.000000|", "2|sent|0.000000|direct", "1", "trial"]
    finally:
        steps(_migrated({**_MIGRATIONS, **_EXPAND}, database="hft_db", state="rolled_back", target=len(_LABELS)))
    assert _sql(host, _SCHEMA, "hft_db") == before
